"""Lips and voices that move together as the directions of `stages.sound.lip_sync` say: no picture, no sound."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from portrait_prep.stages.sound.lip_sync import BANDS, DISTANCES, SPEECH

Array = NDArray[np.float64]
FRAMES = 300


def speech(seed: int, frames: int = FRAMES) -> Array:
    """What a mouth and a sound have in common in each pair of directions: [frames, 2], about 3 Hz."""
    noise = np.random.default_rng(seed).standard_normal((frames + 200, 2))
    return np.asarray(10 * gaussian_filter1d(noise, 1.5, axis=0)[100:-100])


def distances_of(said: Array, seed: int = 0, noise: float = 1.0) -> Array:
    """Distances [n, 3] around 60 px that say it, and something of their own."""
    own = noise * np.random.default_rng(seed).standard_normal((len(said), 3))
    return 60 + said @ np.linalg.pinv(SPEECH.mouth) + own


def powers_of(said: Array, seed: int = 1, noise: float = 1.0) -> Array:
    """Powers of bands [n, 8] that say it, and something of their own."""
    own = noise * np.random.default_rng(seed).standard_normal((len(said), BANDS))
    return np.asarray(np.exp(0.3 * (said @ np.linalg.pinv(SPEECH.sound) + own) - 3))


def landmarks_of(distances: Array, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Landmarks [n, 478, 3] of heads that turn and come nearer, with these distances upright; and their scale [n]."""
    random = np.random.default_rng(seed)
    points = np.zeros((len(distances), 478, 3))
    points[:, DISTANCES[:, 1]] = distances[:, :, None] * [[0, 1, 0], [1, 0, 0], [0, 0.8, 0.6]]
    turned = np.einsum("nij,nkj->nki", Rotation.random(len(points), rng=random).as_matrix(), points)
    scale = random.uniform(0.5, 2, len(points))
    return (turned / scale[:, None, None] + 256).astype(np.float32), scale.astype(np.float32)


def fbank_of(powers: Array) -> NDArray[np.float32]:
    """Log energies [n, 2, 80] with these mean powers."""
    halves = np.stack([powers * 0.5, powers * 1.5], axis=1)
    return np.log(np.repeat(halves, 10, axis=2)).astype(np.float32)
