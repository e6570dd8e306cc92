"""Index sets of the 478-point face mesh, in MediaPipe's numbering. Left and right are the subject's own."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

COUNT = 478
"""Points of the refined mesh: 468 of the face, 5 of each iris."""


def _indices(*numbers: int) -> Indices:
    array = np.array(numbers, np.intp)
    array.flags.writeable = False
    return array


def _union(*parts: Indices) -> Indices:
    return _indices(*np.concatenate(parts))


LEFT_IRIS = _indices(474, 475, 476, 477)
RIGHT_IRIS = _indices(469, 470, 471, 472)
IRIS_CENTRES = _indices(468, 473)
LEFT_EYE = _indices(249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466)
RIGHT_EYE = _indices(7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246)
LEFT_BROW = _indices(276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
RIGHT_BROW = _indices(46, 52, 53, 55, 63, 65, 66, 70, 105, 107)

EYES = _union(LEFT_IRIS, LEFT_EYE, LEFT_BROW, RIGHT_IRIS, RIGHT_EYE, RIGHT_BROW)
"""Irises, eyes and brows: the 60 points, in the order, that MODA reads as `Eye`."""

LIPS = _indices(
    *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181),
    *(185, 191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
)
"""The 40 points of the lips, ascending, that MODA reads as `Lip`."""

CENTRE = _indices(50, 280, 168)
"""Both cheekbones and the bridge of the nose: their mean is the origin of the head."""

EYE_PAIRS = np.stack([LEFT_EYE, RIGHT_EYE], axis=1)
"""int [16, 2]: each point of the left eye with its mirror image in the right one."""

EXPRESSIVE = _union(EYES, IRIS_CENTRES, LIPS)
"""Points that carry fast expression: smoothing over time would blur blinks, gaze and speech."""

BROWS = _union(LEFT_BROW, RIGHT_BROW)
JAW = _indices(
    *(127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
    *(377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356),
)
"""The outline of the face below the eyes, from the right ear over the chin to the left one."""
FOREHEAD = _indices(8, 9, 10, 67, 69, 108, 109, 151, 297, 299, 337, 338)
NOSE_RIDGE = _indices(1, 4, 5, 6, 168, 195, 197)
EYE_CORNERS = _indices(33, 133, 263, 362)
CHEEKBONES = _indices(
    *(34, 35, 50, 101, 111, 116, 117, 118, 123, 143),
    *(264, 265, 280, 330, 340, 345, 346, 347, 352, 372),
)
UPPER_FACE = _indices(6, 8, 9, 50, 69, 101, 108, 118, 119, 151, 197, 280, 299, 330, 337, 347, 348)
"""Forehead, bridge of the nose and below the eyes: what a mask leaves free."""

_OVER_BONE = (FOREHEAD, NOSE_RIDGE, EYE_CORNERS, CHEEKBONES)

RIGID = _union(*_OVER_BONE)
"""43 points over bone that neither speech nor blinks move: the pose of the head is fitted on them."""

RIGID_WEIGHTS = np.concatenate([np.full(len(region), 1 / len(region)) for region in _OVER_BONE])
"""float [43]: each of the four regions counts the same, however densely the mesh covers it."""
