"""The parts of a face by MODA's names, and the points that they hold."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.face.mesh import EDGES

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
