"""The face recogniser of OpenCV's zoo: 128 numbers of a face that are alike where the person is the same.

Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE TIP 2021; file and licence
at https://github.com/opencv/opencv_zoo/tree/main/models/face_recognition_sface. Faces are aligned, and put to the
network, as `cv::FaceRecognizerSF` does (OpenCV, modules/objdetect/src/face_recognize.cpp).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.geometry import Floats
from portrait_prep.stages.face.similarity import similarity
from portrait_prep.stages.models.onnx import session
from portrait_prep.stages.models.registry import verified

NAME = "sface"
"""Its name in the registry and, in `pipeline.toml`, as a backend."""

SIZE = 112
"""Side in pixels of what the network looks at."""
NUMBERS = 128
"""Length of an embedding."""
SAME = 0.363
"""Cosine from which on OpenCV takes two faces for one person's: the best one for the pairs of LFW."""

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where the five points lie in what it looks at: float [5, 2] px, the first pixel's centre at (0, 0)."""
EYES = np.array([[33, 133], [362, 263]])
NOSE_AND_MOUTH = np.array([1, 61, 291])
"""Corners of the eye at image left and at image right of an upright face; tip of the nose, corners of the mouth."""


def five_points(landmarks: Floats) -> NDArray[np.float64]:
    """The points by which a face is aligned, [n, 5, 2] px, of landmarks [n, 478, 3].

    Eyes are the middles of their corners, which do not move with the gaze.
    """
    plane = np.asarray(landmarks[..., :2], np.float64)
    return np.concatenate([plane[:, EYES].mean(axis=2), plane[:, NOSE_AND_MOUTH]], axis=1)


def aligned(image: Image, points: Floats) -> NDArray[np.uint8]:
    """What the network looks at: uint8 [112, 112, 3], of an RGB image and the five points [5, 2] of a face in it."""
    # Landmarks have the centre of the first pixel at (0.5, 0.5), OpenCV at (0, 0).
    matrix = similarity(points - 0.5, TEMPLATE)
    return np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR), np.uint8)


class Recogniser:
    """The network in a file. Raises MissingPrerequisite where that cannot be loaded."""

    def __init__(self, path: Path) -> None:
        self._session = session(path)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Embeddings [n, 128] of length 1, of aligned faces [n, 112, 112, 3], RGB. The network takes one at a time."""
        planes = np.ascontiguousarray(faces.transpose(0, 3, 1, 2), np.float32)
        raw = [self._session.run(None, {self._input: planes[[row]]})[0][0] for row in range(len(planes))]
        return unit(np.array(raw, np.float64).reshape(-1, NUMBERS))


def unit(vectors: Floats) -> NDArray[np.float64]:
    """Vectors [..., m], each brought to length 1."""
    wide = np.asarray(vectors, np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=-1, keepdims=True))


def recogniser() -> Recogniser:
    """This process's recogniser. Raises MissingPrerequisite where its file is missing, or another."""
    found = verified(NAME)
    return _opened(found.path, found.model.sha256)


@lru_cache(maxsize=1)
def _opened(path: Path, _sha256: str) -> Recogniser:
    return Recogniser(path)
