"""What interface and trainers rely on, recomputed from the columns of one video without the project's own geometry."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tests.whole.runs import columns, mp4_facts, wav_facts

Array = NDArray[Any]

CENTRE = (256.0, 232.0, 128.0)
IMAGE_RIGHT_EYE = (249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466)
IMAGE_LEFT_EYE = (7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246)
STEADY = (50, 280, 168)


def check_media(root: Path, video_id: str) -> int:
    """The mp4 and wav; returns the number of frames."""
    picture, sound = mp4_facts(root / "media" / f"{video_id}.mp4"), wav_facts(root / "media" / f"{video_id}.wav")
    frames = int(picture.pop("frames"))
    assert picture == {"size": (512, 512), "rate": 25, "codec": "h264", "pixels": "yuv420p", "steady": True}
    assert sound == {"samples": 640 * frames, "rate": 16000, "channels": 1, "bytes": 2}
    return frames


def check_columns(root: Path, video_id: str, frames: int) -> None:
    """Frame counts, gaps, and the identities of the canonical transform."""
    landmarks, _ = columns(root, "landmarks", video_id, "landmarks", "detected")
    euler, translation, scale = columns(root, "headpose", video_id, "euler", "translation", "scale")
    canonical, residual = columns(root, "headpose", video_id, "canonical", "residual")
    shoulders, billboard = columns(root, "torso", video_id, "shoulders", "billboard")
    pcm, fbank = columns(root, "speech", video_id, "pcm", "fbank")
    every = (landmarks, euler, translation, scale, canonical, residual, shoulders, billboard, pcm, fbank)
    assert [len(values) for values in every] == [frames] * len(every)
    seen = np.isfinite(landmarks).all(axis=(1, 2))
    for values in every[1:8]:
        finite = np.isfinite(values.reshape(frames, -1))
        assert finite[seen].all()
        assert not finite[~seen].any()
    check_geometry(landmarks[seen], euler[seen], translation[seen], scale[seen])
    assert np.abs(canonical[seen][:, STEADY].mean(axis=1) - CENTRE).max() < 1e-3
    steps = np.diff(shoulders[seen][..., 0], axis=-1)
    assert (steps > 0).all()
    assert np.ptp(steps, axis=-1).max() < 0.05


def check_geometry(landmarks: Array, euler: Array, translation: Array, scale: Array) -> None:
    """R = Rx(pitch) Ry(yaw) Rz(roll) takes flipped image to canonical; and back."""
    flipped = landmarks * (1, 1, -1)
    assert np.abs(flipped[:, STEADY].mean(axis=1) - translation).max() < 1e-3
    rotation = Rotation.from_euler("XYZ", euler[:, [1, 0, 2]], degrees=True).as_matrix()
    turned = np.einsum("fij,fpj->fpi", rotation, flipped - translation[:, None])
    upright = scale[:, None, None] * turned + CENTRE
    assert np.abs(upright[:, STEADY].mean(axis=1) - CENTRE).max() < 1e-3
    eyes = np.abs(upright[:, IMAGE_LEFT_EYE, 0] - upright[:, IMAGE_RIGHT_EYE, 0]).mean(axis=1)
    assert np.abs(eyes - 120).max() < 1e-3
    back = np.einsum("fji,fpj->fpi", rotation, (upright - CENTRE) / scale[:, None, None]) + translation[:, None]
    assert np.abs(back - flipped).max() < 1e-2
