"""The pose network of 3DDFA_V2: the rotation of a head from one picture of it.

Guo et al., "Towards Fast, Accurate and Stable 3D Dense Face Alignment", ECCV 2020; code and weights at
https://github.com/cleardusk/3DDFA_V2. A MobileNet-V1 (Howard et al., https://arxiv.org/abs/1704.04861) looks at
120 x 120 pixels around a face and gives the 62 parameters of a face model; the first 12 are a camera matrix [3, 4].
Each frame is looked at by itself: nothing is tracked, and nothing lags.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face import geometry
from portrait_prep.stages.face.geometry import Floats
from portrait_prep.stages.face.points import BROWS, JAW
from portrait_prep.stages.models.engines import Network, NetworkSource
from portrait_prep.stages.models.registry import verified
from portrait_prep.stages.models.weights import load_weights

if TYPE_CHECKING:
    import torch

SIZE = 120
"""Side in pixels of what the network looks at."""
BATCH = 32
"""Faces that go through the network at once. Their number can show in the last bits: it is no setting."""
PARAMETERS = 62
"""12 of the camera, 40 of the shape, 10 of the expression."""
LANDMARK_HEAD = 136
"""Outputs of a second head, of use in training only, which the published files hold."""

WIDTHS: Mapping[str, float] = {"tddfa_mb05": 0.5, "tddfa_mb1": 1.0}
"""Model file -> share of MobileNet's channels that its network has."""
CAMERA = 12
"""How many parameters, from the first on, are the camera's."""
MEAN = np.array(
    [
        *(3.4926363e-04, 2.5279013e-07, -6.8751980e-07, 60.167957),
        *(-6.2955130e-07, 5.7572004e-04, -5.0853912e-05, 74.278200),
        *(5.4009170e-07, 6.5741384e-05, 3.4420125e-04, -66.671580),
    ],
    np.float32,
)
STD = np.array(
    [
        *(1.7632153e-04, 6.7379435e-05, 4.4708490e-04, 26.550232),
        *(1.2313770e-04, 4.4930217e-05, 7.9236710e-05, 6.9825630),
        *(4.3504440e-04, 1.2314890e-04, 1.7400002e-04, 20.803040),
    ],
    np.float32,
)
"""Mean and standard deviation of the camera's parameters, by which the network's are normalized: float32 [12], as in
3DDFA_V2's configs/param_mean_std_62d_120x120.pkl."""

STEM = 32
BLOCKS: Sequence[tuple[str, int, int]] = (
    ("dw2_1", 64, 1),
    ("dw2_2", 128, 2),
    ("dw3_1", 128, 1),
    ("dw3_2", 256, 2),
    ("dw4_1", 256, 1),
    ("dw4_2", 512, 2),
    ("dw5_1", 512, 1),
    ("dw5_2", 512, 1),
    ("dw5_3", 512, 1),
    ("dw5_4", 512, 1),
    ("dw5_5", 512, 1),
    ("dw5_6", 1024, 2),
    ("dw6", 1024, 1),
)
"""MobileNet's table 1: name in the published files, channels at full width, stride."""

OUTLINE = np.union1d(JAW, BROWS)
"""Points that reach as far as the 68 landmarks (iBUG 300-W) by which 3DDFA_V2 crops: from ear to ear along the jaw, and
the brows. The forehead, which the mesh has and those have not, would move the crop up by a quarter of the face."""


def layers(width: float) -> torch.nn.Sequential:
    """The network with its two heads one behind the other: named and shaped as in the published files, not to be run.

    `width` is the share of MobileNet's channels; see `network` for what runs.
    """
    from torch import nn  # noqa: PLC0415  takes seconds, and is needed once

    channels = int(STEM * width)
    parts: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False)),
        ("bn1", nn.BatchNorm2d(channels)),
        ("relu", nn.ReLU()),
    ]
    for name, full, stride in BLOCKS:
        parts.append((name, _separable(channels, int(full * width), stride)))
        channels = int(full * width)
    heads = [("fc_param", nn.Linear(channels, PARAMETERS)), ("fc_lm", nn.Linear(channels, LANDMARK_HEAD))]
    return nn.Sequential(OrderedDict([*parts, ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), *heads]))


def _separable(channels: int, out: int, stride: int) -> torch.nn.Sequential:
    """A depthwise 3 x 3 convolution and a pointwise one, each with batch normalization and ReLU."""
    from torch import nn  # noqa: PLC0415

    return nn.Sequential(
        OrderedDict(
            conv_dw=nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False),
            bn_dw=nn.BatchNorm2d(channels),
            relu_dw=nn.ReLU(),
            conv_sep=nn.Conv2d(channels, out, 1, bias=False),
            bn_sep=nn.BatchNorm2d(out),
            relu_sep=nn.ReLU(),
        )
    )


def network(width: float, weights: Path) -> torch.nn.Sequential:
    """The network with these weights: float32 [n, 3, 120, 120] to normalized parameters [n, 62].

    Raises MissingPrerequisite when `weights` is not a file for this width (see `stages.models.weights`).
    """
    whole = layers(width)
    load_weights(whole, weights)
    del whole[-1]
    return whole.eval()


def source(name: str) -> NetworkSource:
    """What the network of a model file is made from. Raises MissingPrerequisite where that is missing or another."""
    found = verified(name)
    return NetworkSource(name, found.model.sha256, lambda: network(WIDTHS[name], found.path), (3, SIZE, SIZE))


class PoseNetwork:
    """The network of one model file."""

    def __init__(self, name: str, gpu: bool = False) -> None:
        self._network = Network(source(name), gpu)

    @property
    def provider(self) -> str:
        """What it runs on."""
        return self._network.provider

    def __call__(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The camera's parameters [n, 12] of faces [n, 120, 120, 3], BGR."""
        parts = [self._look(faces[start : start + BATCH]) for start in range(0, len(faces), BATCH)]
        raw = np.concatenate([np.empty((0, PARAMETERS), np.float32), *parts])
        return np.asarray(raw[:, :CAMERA] * STD + MEAN, np.float32)

    def _look(self, faces: NDArray[np.uint8]) -> NDArray[Any]:
        planes = np.ascontiguousarray((faces.astype(np.float32) - 127.5).transpose(0, 3, 1, 2) / 128)
        return self._network(planes)


@lru_cache(maxsize=2)
def pose_network(name: str, gpu: bool = False) -> PoseNetwork:
    """This process's network of a model file, `tddfa_mb05` or `tddfa_mb1`; on a GPU where wanted and possible."""
    return PoseNetwork(name, gpu)


def crop(image: Image, landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What the network looks at: uint8 [120, 120, 3] BGR, of an RGB image and the landmarks [478, 3] of a face in it.

    3DDFA_V2's rule for landmarks: a square around the middle of their bounding box, as wide as the diagonal of a square
    on its longer side; black beyond the image. It is cut without rounding to whole pixels, which would make a still
    head tremble.
    """
    outline = landmarks[OUTLINE, :2].astype(np.float64)
    low, high = outline.min(axis=0), outline.max(axis=0)
    step = np.sqrt(2) * (high - low).max() / SIZE
    # Landmarks have the centre of the first pixel at (0.5, 0.5), OpenCV at (0, 0).
    corner = (low + high) / 2 - step * (SIZE - 1) / 2 - 0.5
    matrix = np.column_stack([np.eye(2) * step, corner])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=flags)[..., ::-1], np.uint8)


def euler(parameters: Floats) -> NDArray[np.float64]:
    """Yaw, pitch, roll [n, 3] in degrees, of the camera's parameters [n, 12].

    The rows of the camera matrix, scaled to length 1, are the first two rows of the rotation. It takes the face to the
    picture with y up and z toward the camera; turned about to flipped image -> canonical, its angles are those of
    3DDFA_V2: yaw = asin(R20), pitch = atan2(R21, R22), roll = atan2(R10, R00).
    """
    rows = np.asarray(parameters, np.float64).reshape(-1, 3, 4)[:, :2, :3]
    across, up = np.moveaxis(rows / np.linalg.norm(rows, axis=2, keepdims=True), 1, 0)
    to_camera = np.stack([across, up, np.cross(across, up)], axis=1)
    upside_down = np.array([1.0, -1.0, 1.0])
    return geometry.euler_from_rotation(np.swapaxes(to_camera, 1, 2) * upside_down * upside_down[:, None])
