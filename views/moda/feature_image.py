"""A face and shoulders as lines on black: what MODA's renderer makes a picture of.

Source: https://github.com/taichuai/MODA, data_prepare/steps/step7-gen_pix2pix.py (`get_feature_image`), in the colours
of MediaPipe's default drawing styles. Its pictures are written by OpenCV and read by PIL: they are red, green, blue.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.video.frames import SIZE, Image
from views.drawing.face_mesh import EDGES, MOUTH

Floats = NDArray[np.floating[Any]]
Colour = tuple[int, int, int]

GREY: Colour = (128, 128, 128)
WHITE: Colour = (224, 224, 224)
GREEN: Colour = (48, 255, 48)
RED: Colour = (255, 48, 48)
LINES: Mapping[str, tuple[Colour, int]] = {
    "tesselation": (GREY, 1),
    "face_oval": (WHITE, 2),
    "lips": (WHITE, 2),
    "left_eye": (GREEN, 2),
    "left_eyebrow": (GREEN, 2),
    "right_eye": (RED, 2),
    "right_eyebrow": (RED, 2),
    "left_iris": (GREEN, 2),
    "right_iris": (RED, 2),
}
"""Part -> colour and width in px, in the order in which they are drawn."""
SHOULDERS: tuple[Colour, int] = ((225, 225, 225), 2)
AROUND_MOUTH = 45
"""Side in px of the square by which the mouth is widened."""
FAR = 1 << 14
"""Px beyond which nothing is drawn: OpenCV's coordinates overflow."""


def feature_image(face: Floats, shoulders: Floats) -> Image:
    """RGB uint8 [512, 512, 3] of a face [478, 2 or 3] and shoulders [2, 9, 2], in image px."""
    canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels = _pixels(face)
    for part, (colour, width) in LINES.items():
        cv2.polylines(canvas, list(pixels[EDGES[part]]), False, colour, width)
    cv2.polylines(canvas, list(_pixels(shoulders)), False, *SHOULDERS)
    return canvas


def mouth_mask(face: Floats) -> NDArray[np.uint8]:
    """255 around the mouth of a face [478, 2 or 3] in image px, 0 elsewhere; uint8 [512, 512]."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [_pixels(face)[list(MOUTH)]], 255)
    return np.asarray(cv2.dilate(mask, np.ones((AROUND_MOUTH, AROUND_MOUTH), np.uint8)), np.uint8)


def _pixels(points: Floats) -> NDArray[np.int32]:
    """x and y cut to whole pixels, as the original cuts them."""
    return np.clip(points[..., :2], -FAR, FAR).astype(np.int32)
