"""The aligned faces of 256 px that LatentSync is trained on.

Source: https://github.com/bytedance/LatentSync, latentsync/utils/image_processor.py (`affine_transform`) and
affine_transform.py (`AlignRestore`), whose names are in brackets. Its landmarks are rounded to whole px, which makes a
still head tremble; ours are not.
"""

from itertools import accumulate

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.geometry import Floats
from portrait_prep.stages.face.similarity import similarity

SIDE = 256
STRETCH = 2.8
"""[ratio] Px of the aligned face to one of the template."""
FACE = 210, 280
"""[face_size] Width and height of the aligned face, which is then brought to a square of 256 px, stretched."""
TEMPLATE = STRETCH * np.array([[17.0, 20.0], [58.0, 20.0], [37.5, 40.0]])
"""[face_template] Where the three points lie in the aligned face: float [3, 2] px."""
GREY = (127.0, 127.0, 127.0)
"""What is beyond the frame."""
KEPT = 0.2
"""Of the frame before, in the shift that is smoothed over time."""

RIGHT_BROW, LEFT_BROW = np.array([70, 63, 105, 66, 107]), np.array([336, 296, 334, 293, 300])
"""The upper edges of the brows, iBUG's points 18 to 27; InsightFace's 43, 48, 49, 51, 50 and 101 to 105."""
NOSE = np.array([5, 129, 4, 358])
"""Lower bridge, a wing, tip, the other wing; InsightFace's 74, 77, 86 and 83."""


class LatentSync:
    """Cuts the frames of one video, in order."""

    side = SIDE
    none = np.full((2, 3), np.nan, np.float32)
    """The place of a face that is not there."""

    def __init__(self) -> None:
        self._bias = np.full(2, np.nan)

    def places(self, landmarks: Floats) -> NDArray[np.float32]:
        """Affine matrices float32 [n, 2, 3] from px of the frame to px of the aligned face [210 wide, 280 high].

        Of the next n frames' landmarks [n, 478, 3]; NaN where these are. Px have their centres at whole numbers.
        """
        points = three_points(landmarks)
        matrices = similarity(points, TEMPLATE, "spread")
        biases = accumulate(_normalised(TEMPLATE)[2] - _normalised(points)[:, 2], _smoothed, initial=self._bias)
        shifts = np.array(list(biases))
        self._bias = shifts[-1]
        matrices[:, :, 2] += shifts[1:]
        return matrices.astype(np.float32)

    def cut(self, image: Image, place: NDArray[np.float32]) -> Image:
        """What is at a place of an RGB frame: uint8 [256, 256, 3]."""
        face = cv2.warpAffine(image, place, FACE, flags=cv2.INTER_LINEAR, borderValue=GREY)
        return np.asarray(cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4), np.uint8)


def three_points(landmarks: Floats) -> NDArray[np.float64]:
    """[landmarks3] Middles of the brows, at image left and right of an upright face, and of the nose: [n, 3, 2] px."""
    # Landmarks have the centre of the first pixel at (0.5, 0.5).
    plane = np.asarray(landmarks[..., :2], np.float64) - 0.5
    return np.stack([plane[:, part].mean(axis=1) for part in (RIGHT_BROW, LEFT_BROW, NOSE)], axis=1)


def _normalised(points: Floats) -> NDArray[np.float64]:
    """[points1_normalized] About their mean [..., 3, 2], in units of the deviation of all their coordinates."""
    centred = points - points.mean(axis=-2, keepdims=True)
    with np.errstate(invalid="ignore"):  # all in one place they are NaN, as the matrix is
        return np.asarray(centred / centred.std(axis=(-2, -1), keepdims=True, ddof=1))


def _smoothed(before: NDArray[np.float64], now: NDArray[np.float64]) -> NDArray[np.float64]:
    """[p_bias] Begins anew with the first face after none."""
    return now if np.isnan(before).any() else KEPT * before + (1 - KEPT) * now
