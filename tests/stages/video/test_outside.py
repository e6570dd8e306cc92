"""How much of a face lies outside of the source picture."""

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.stages.video.outside import FaceOutside, without_bars

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.integers(40, 220, (512, 512, 3)).astype(np.uint8)
WHOLE = np.array([0, 0, 512, 512])
X, Y = (axis.ravel() for axis in np.meshgrid(np.linspace(150, 350, 20), np.linspace(150, 350, 20)))
FACE = np.stack([X, Y, 0 * X], axis=1).astype(np.float32)


def share(image: NDArray[np.uint8], shown: NDArray[np.int64] = WHOLE, face: NDArray[np.float32] = FACE) -> float:
    measure = FaceOutside(shown)
    measure.add(image, face)
    value = measure.metrics()["outside_share"]
    assert value is not None
    return value


def barred(top: int = 0, bottom: int = 0, left: int = 0, right: int = 0, grey: int = 0) -> NDArray[np.uint8]:
    image = np.full_like(PICTURE, grey)
    image[top : 512 - bottom, left : 512 - right] = PICTURE[top : 512 - bottom, left : 512 - right]
    return image


def test_a_face_within_the_picture_is_all_there() -> None:
    assert share(PICTURE) == pytest.approx(0, abs=0.001)


def test_what_lies_on_padding_is_outside_however_dark_the_picture() -> None:
    black = np.zeros_like(PICTURE)
    assert share(black, np.array([0, 0, 512, 250])) == pytest.approx(0.5, abs=0.01)
    assert share(black, np.array([300, 0, 512, 512])) == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("grey", [0, 16, 255])
@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_what_lies_on_bars_of_one_colour_is_outside(side: str, grey: int) -> None:
    assert share(barred(**{side: 250}, grey=grey)) == pytest.approx(0.5, abs=0.05)


def test_what_lies_beyond_the_frame_is_outside() -> None:
    assert share(PICTURE, face=FACE + np.float32(262)) == pytest.approx(0.75, abs=0.01)


def test_bars_are_told_from_plain_backgrounds() -> None:
    assert without_bars(barred(top=60, bottom=40)).tolist() == [0, 60, 512, 472]
    backdrop = np.full_like(PICTURE, 230)
    rows, columns = np.mgrid[:512, :512]
    head = (rows - 280) ** 2 + (columns - 256) ** 2 < 130**2
    backdrop[head] = PICTURE[head]
    assert without_bars(backdrop).tolist() == [0, 0, 512, 512]
    assert without_bars(np.zeros_like(PICTURE)).tolist() == [0, 0, 512, 512]


def test_a_moment_outside_does_not_count_and_a_tenth_of_the_time_does() -> None:
    for away, expected in ((9, 0.0), (12, 1.0)):
        measure = FaceOutside(WHOLE)
        for number in range(100):
            for _ in range(5):
                measure.add(PICTURE, FACE + np.float32(600 if number < away else 0))
        assert measure.metrics()["outside_share"] == pytest.approx(expected, abs=0.002)


def test_without_a_face_there_is_nothing_to_tell() -> None:
    assert FaceOutside(WHOLE).metrics() == {"outside_share": None}
