"""Which of the 478 points are joined by lines: MediaPipe's connections, and the index sets that MODA makes of them.

Source: https://github.com/google-ai-edge/mediapipe, mediapipe/python/solutions/face_mesh_connections.py (Apache-2.0);
each line is kept once, its lesser point first. Left and right are the subject's own.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.intp]

EDGES: Mapping[str, Edges] = {
    name: np.array(lines, np.intp)
    for name, lines in json.loads(Path(__file__).with_suffix(".json").read_text()).items()
}
"""intp [n, 2] of `tesselation`, `face_oval`, `lips`, and `left_` and `right_eye`, `_eyebrow` and `_iris`."""

CONTOURS = ("face_oval", "lips", "left_eye", "left_eyebrow", "right_eye", "right_eyebrow")
"""The parts that make up MediaPipe's contours."""

MOUTH = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
"""The outer line of the lips, all round, from the right corner along the lower lip: `mouth_outer` of MODA."""

SEMANTIC: Mapping[str, tuple[str, ...]] = {
    "Contours": CONTOURS,
    "FaceOval": ("face_oval",),
    "LeftIris": ("left_iris",),
    "LeftEye": ("left_eye",),
    "LeftEyebrow": ("left_eyebrow",),
    "RightIris": ("right_iris",),
    "RightEye": ("right_eye",),
    "RightEyebrow": ("right_eyebrow",),
    "Lips": ("lips",),
    "Tesselation": ("tesselation",),
}
"""The names of MODA's `get_semantic_indices` -> the parts whose points they hold."""


def indices(parts: Iterable[str]) -> NDArray[np.int64]:
    """The points of these parts, ascending."""
    return np.unique(np.concatenate([EDGES[part] for part in parts])).astype(np.int64)
