"""What a head does in a clip: smooth turns, nods and tilts, blinks, and a mouth that follows the voice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.voice import Voice

Array = NDArray[np.float64]

SWING = {
    "yaw": (15.0, 0.35),
    "pitch": (10.0, 0.75),
    "roll": (8.0, 0.54),
    "scale": (0.03, 0.19),
    "shift_x": (0.08, 0.23),
    "shift_y": (0.05, 0.37),
}
"""Amplitude (degrees, part, face widths) and frequency in Hz; all differ, so that no two run together."""

BLINK = 0.3
"""Seconds that a blink lasts."""


@dataclass(frozen=True)
class Pose:
    """One moment. Angles in degrees with the signs of the `headpose` stage, relative to the portrait.

    yaw > 0: nose to image left; pitch > 0: nose down; roll > 0: top of the head to image left. `shift_x` and `shift_y`
    in face widths (distance of points 234 and 454 at rest); `mouth` and `blink` from 0 (shut mouth, open eyes) to 1.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    mouth: float = 0.0
    blink: float = 0.0


def perform(times: Array, voice: Voice, seed: int) -> list[Pose]:
    """The poses at `times` (seconds); the same seed moves the same."""
    random = np.random.default_rng(seed)
    curves = {name: size * _swing(times, rate, random) for name, (size, rate) in SWING.items()}
    curves["scale"] += 1.0
    curves["mouth"] = voice.opening(times)
    curves["blink"] = _blinks(times, random)
    return [Pose(*(float(curves[name][k]) for name in Pose.__dataclass_fields__)) for k in range(len(times))]


def _swing(times: Array, rate: float, random: np.random.Generator) -> Array:
    """A slow wave with a little of a faster one on it; within -1..1."""
    slow, fast = random.uniform(0, 2 * np.pi, 2)
    rate *= random.uniform(0.9, 1.1)
    phase = 2 * np.pi * rate * times
    return np.asarray(0.85 * np.sin(phase + slow) + 0.15 * np.sin(2.3 * phase + fast))


def _blinks(times: Array, random: np.random.Generator) -> Array:
    """Quick, and not quite to the end: wholly shut eyes look to the face mesh like a lowered head."""
    starts = np.cumsum(random.uniform(1.4, 2.6, 8))
    phases = np.clip((times[:, None] - starts) / BLINK, 0, 1)
    return np.asarray(0.85 * np.max(np.sin(np.pi * phases) ** 2, axis=1))


def smoothstep(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """From 0 at 0 to 1 at 1, level at both ends and beyond: the curve by which everything that moves fades out."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))
