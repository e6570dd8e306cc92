"""MuseTalk's box, beside its rule written out plainly for one face."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.headpose import mean_face
from portrait_prep.views.crops.musetalk import MuseTalk

SIXTY_EIGHT = np.array(
    [
        *(127, 234, 93, 132, 58, 172, 136, 150, 152, 379, 365, 397, 288, 361, 323, 454, 356),
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
    ]
)
"""Where iBUG's 68 points lie on the mesh."""


def placed(scale: float, x: float, y: float) -> NDArray[np.float32]:
    """Landmarks [1, 478, 3] of the mean face."""
    return ((mean_face() - 256) * scale + [256 + x, 256 + y, 0])[np.newaxis].astype(np.float32)


@given(st.floats(0.2, 1.2), st.floats(-60, 60), st.floats(-60, 60))
def test_the_box_is_that_of_its_rule(scale: float, x: float, y: float) -> None:
    landmarks = placed(scale, x, y)
    points = landmarks[0, SIXTY_EIGHT, :2].astype(np.int32)
    middle, chin = points[29, 1], points[:, 1].max()
    box = [points[:, 0].min(), max(0, middle - (chin - middle)), points[:, 0].max(), chin]
    assert MuseTalk().places(landmarks)[0].tolist() == np.clip(box, 0, 512).tolist()


def test_where_no_face_is_or_none_in_the_frame_it_is_zeros() -> None:
    landmarks = np.concatenate([placed(1, 0, 0), placed(1, 900, 0), placed(1, 0, 0), placed(1, 0, -2000)])
    landmarks[2] = np.nan
    assert MuseTalk().places(landmarks).any(axis=1).tolist() == [True, False, False, False]


@pytest.mark.parametrize("size", [0.3, 1.0])
def test_what_is_in_the_box_fills_the_picture(size: float) -> None:
    cutter, image = MuseTalk(), np.zeros((512, 512, 3), np.uint8)
    (box,) = cutter.places(placed(size, 10, 20))
    left, top, right, bottom = box.tolist()
    image[top:bottom, left:right] = (255, 100, 0)
    crop = cutter.cut(image, box)
    assert crop.shape == (256, 256, 3)
    assert (crop == (255, 100, 0)).all()
