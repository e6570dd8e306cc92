"""The lips of two people who sit side by side in one picture, each in a half of it, moment by moment."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.box import Box
from portrait_prep.media.picture import Image
from portrait_prep.media.probe import Probe
from portrait_prep.media.source_frames import frames_between
from portrait_prep.stages.models.mediapipe import FaceMesh, face_detector
from portrait_prep.stages.video.window import cut, window_around

Floats = NDArray[np.float64]

LIP_PAIRS = np.array([(81, 178), (82, 87), (13, 14), (312, 317), (311, 402)])
"""Points of the inner lips, upper and lower, that face each other."""

FOREHEAD, UNDER_NOSE = 10, 2
"""Ends of the face height that lips are measured by: the jaw, which opens with them, has no part in it."""

ENOUGH = 14.0
"""Frames a second looked at, at least: lips that speak move at 2 to 7 Hz (Chandrasekaran et al. 2009, see `sides`)."""


@dataclass(frozen=True)
class Lips:
    """Lips of the left and the right half at n moments.

    `times` float64 [n] in seconds from what players call zero; `opening` float64 [2, n], the distance between the inner
    lips, and `size` float64 [2, n], that between forehead and nose, in px: NaN where a half shows no face.
    """

    times: Floats
    opening: Floats
    size: Floats


def read_lips(path: Path, facts: Probe, rows: tuple[int, int], start: float, end: float) -> Lips:
    """Follow the largest face of each half from `start` to `end` (seconds), in rows `top` to `bottom` (display px).

    Streams, and decodes from the nearest keyframe on. What does not decode is passed over.
    """
    middle, (top, bottom) = facts.display[0] // 2, rows
    halves = [Box(x, top, middle, bottom - top) for x in (0, middle)]
    followers = [_Follower(box, mesh) for box, mesh in zip(halves, _meshes(), strict=True)]
    times: list[float] = []
    found: list[list[tuple[float, float]]] = []
    for time, image in frames_between(path, facts, start, end, ENOUGH):
        times.append(time)
        found.append([follower(image) for follower in followers])
    opening, size = np.array(found, np.float64).reshape(-1, 2, 2).transpose(2, 1, 0)
    return Lips(np.array(times), opening, size)


def measure(landmarks: NDArray[np.float32]) -> tuple[float, float]:
    """Opening of the lips and size of the face (px) from its mesh [478, 3]; across a turned head both keep."""
    upward = landmarks[FOREHEAD, :2] - landmarks[UNDER_NOSE, :2]
    size = float(np.linalg.norm(upward))
    upper, lower = landmarks[LIP_PAIRS[:, 0], :2], landmarks[LIP_PAIRS[:, 1], :2]
    return float(((upper - lower) @ upward).mean()) / size, size


class _Follower:
    """Finds one half's face in each frame, in order. Loses it where it is gone, and then takes the largest there is."""

    def __init__(self, half: Box, mesh: FaceMesh) -> None:
        self._half, self._mesh = half, mesh
        self._window: Box | None = None
        mesh.reset()

    def __call__(self, image: Image) -> tuple[float, float]:
        """Its `measure` in an RGB picture; NaN without a face."""
        self._window = self._window or self._sought(cut(image, self._half))
        if self._window is not None:
            found = self._mesh(cut(image, self._window))
            if len(found):
                return measure(found[0])
            self._window = None
        return np.nan, np.nan

    def _sought(self, half: Image) -> Box | None:
        faces = face_detector()(half)
        if not len(faces):
            return None
        window = window_around(faces[faces[:, 2].argmax()], half)
        return replace(window, x=self._half.x + window.x, y=self._half.y + window.y)


@lru_cache(maxsize=1)
def _meshes() -> tuple[FaceMesh, FaceMesh]:
    """This process's, one a half: each follows a face of its own."""
    return FaceMesh(), FaceMesh()
