"""Turn, scale and shift that carry points of the plane onto a template, without a reflection.

Points are complex numbers here: a turn with a scale is a factor. It is the best one in the sense of Umeyama (IEEE PAMI
13, 1991, 376) among those without a reflection.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.face.geometry import Floats

Scale = Literal["least squares", "spread"]
"""The scale that leaves the least squares over; or the one that makes the points spread as far as the template's."""


def similarity(points: Floats, template: Floats, scale: Scale = "least squares") -> NDArray[np.float64]:
    """Affine matrices [n, 2, 3] that carry `points` [n, k, 2] onto `template` [k, 2], as OpenCV takes them.

    NaN where a point is not finite, or where all points are in one place.
    """
    source, target = _complex(points), _complex(template)
    centre, goal = source.mean(axis=-1), target.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        source, target = source - centre[..., None], target - goal
        turn = (source.conj() * target).sum(axis=-1)
        size = (np.abs(source) ** 2).sum(axis=-1)
        if scale == "least squares":
            factor = turn / size
        else:
            factor = turn / np.abs(turn) * np.sqrt((np.abs(target) ** 2).sum() / size)
        shift = goal - factor * centre
    rows = [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _complex(points: Floats) -> NDArray[np.complex128]:
    plane = np.asarray(points, np.float64)
    return np.asarray(plane[..., 0] + 1j * plane[..., 1])
