"""What covers the mouth, as far as its colour tells."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.stages.face.points import LIPS
from portrait_prep.stages.headpose import mean_face
from portrait_prep.stages.video.mouth_cover import EVERY, MouthCover

FACE = mean_face().astype(np.float32)
SKINS = {
    "light": ((225, 185, 165), (190, 110, 105)),
    "dark": ((95, 62, 48), (85, 50, 48)),
    "little light": ((60, 44, 36), (40, 24, 22)),
}
COVERS = {
    "a black bar": (0, 0, 0),
    "letters": (255, 255, 255),
    "a mask": (150, 185, 205),
    "a white mask": (225, 220, 212),
    "a microphone": (34, 32, 31),
}


def picture(skin: tuple[int, ...], lips: tuple[int, ...], spread: int = 14) -> NDArray[np.uint8]:
    """A face of one colour, with another around its lips."""
    image = np.full((512, 512, 3), skin, np.uint8)
    (left, top), (right, bottom) = FACE[LIPS, :2].min(axis=0), FACE[LIPS, :2].max(axis=0)
    image[int(top) - spread : int(bottom) + spread, int(left) - spread : int(right) + spread] = lips
    return image


def told(*images: NDArray[np.uint8], face: NDArray[np.float32] = FACE) -> dict[str, Any]:
    """Of a video that shows each of them for as long as one look takes, from 7 s of the source on."""
    cover = MouthCover()
    for number in range(len(images) * EVERY):
        cover.add(number, images[number // EVERY], face)
    return cover.metrics(7.0)


@pytest.mark.parametrize("skin", SKINS)
def test_lips_of_any_skin_are_lips(skin: str) -> None:
    assert told(picture(*SKINS[skin])) == {"mouth_covered_share": 0, "mouth_covered_times": []}


@pytest.mark.parametrize("cover", COVERS)
@pytest.mark.parametrize("skin", SKINS)
def test_what_is_not_of_the_colour_of_skin_covers_them(skin: str, cover: str) -> None:
    assert told(picture(SKINS[skin][0], COVERS[cover]))["mouth_covered_share"] == 1


def test_lips_in_a_beard_are_not_covered() -> None:
    skin, lips = SKINS["light"]
    image = picture(skin, (120, 118, 116))
    middle = FACE[[61, 291, 0, 17], :2].mean(axis=0)
    image[int(middle[1]) :, :] = np.where(image[int(middle[1]) :] == (120, 118, 116), lips, image[int(middle[1]) :])
    assert told(image)["mouth_covered_share"] == 0


def test_the_share_and_the_longest_time_are_told() -> None:
    skin, lips = SKINS["light"]
    free, covered = picture(skin, lips), picture(skin, COVERS["a mask"])
    got = told(covered, free, covered, covered, covered, free, free, free)
    assert got == {"mouth_covered_share": 0.5, "mouth_covered_times": [[7 + 10 / 25, 7 + 20 / 25]]}


def test_without_colour_nothing_is_told() -> None:
    grey, blue = picture((150,) * 3, (90,) * 3), picture((120, 140, 190), (90, 80, 150))
    skin, lips = SKINS["light"]
    for image in (grey, blue):
        assert told(image, image, picture(skin, lips))["mouth_covered_share"] is None
    assert MouthCover().metrics(0.0) == {"mouth_covered_share": None, "mouth_covered_times": []}


def test_a_face_that_leaves_the_picture_is_looked_at_where_it_is() -> None:
    assert told(picture(*SKINS["light"]), face=FACE + np.array([400, 0, 0], np.float32))["mouth_covered_share"] == 0
