from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.headpose import mean_face
from portrait_prep.stages.video.picture_quality import EVERY, PictureQuality
from tests.clips import portrait

FACE = portrait(512, 512, 0.5)


def landmarks_at(x: float, y: float, width: float) -> NDArray[np.float32]:
    face = mean_face() - mean_face().mean(axis=0)
    return np.asarray(face * width / np.ptp(face[:, 0]) + [x, y, 0], np.float32)


HERE = landmarks_at(256, 256, 220)


def measured(*frames: tuple[Image, NDArray[np.float32] | None]) -> dict[str, Any]:
    quality = PictureQuality()
    for image, face in frames:
        quality.add(image, face)
    return quality.metrics()


def test_exposure_is_that_of_the_face_alone() -> None:
    image = np.zeros((512, 512, 3), np.uint8)
    image[130:390, 130:390] = 200
    image[230:256, 200:300] = 2
    image[300:310, 200:300] = 255
    metrics = measured((image, HERE))
    assert metrics["face_luma"] == pytest.approx(200, abs=30)
    assert 0.05 < metrics["crushed_share"] < 0.2
    assert 0.02 < metrics["blown_share"] < metrics["crushed_share"]


def test_blur_is_that_of_the_face_alone_and_hardly_depends_on_its_size() -> None:
    y, x = np.mgrid[:512, :512]
    near = ((np.hypot(x - 256, y - 256) < 130)[..., None]).astype(np.float32)
    soft = cv2.GaussianBlur(FACE, (0, 0), 7)
    around = (FACE * near + soft * (1 - near)).astype(np.uint8)
    sharp = measured((FACE, HERE))["blur"]
    assert measured((around, HERE))["blur"] == pytest.approx(sharp, abs=0.03)
    assert measured((soft.astype(np.uint8), HERE))["blur"] > sharp + 0.15
    smaller = np.zeros_like(FACE)
    smaller[64:448, 64:448] = cv2.resize(FACE, (384, 384), interpolation=cv2.INTER_AREA)
    assert measured((smaller, landmarks_at(256, 256, 165)))["blur"] == pytest.approx(sharp, abs=0.03)


def test_some_frames_stand_for_all() -> None:
    dark = (FACE // 4, HERE)
    assert measured((FACE, HERE), *[dark] * (EVERY - 1))["face_luma"] == measured((FACE, HERE))["face_luma"]
    assert measured(*[(FACE, HERE)] * EVERY, *[dark] * EVERY)["face_luma"] < 0.7 * measured((FACE, HERE))["face_luma"]


@pytest.mark.parametrize("face", [None, landmarks_at(-300, 256, 200), landmarks_at(256, 900, 200)])
def test_without_a_face_in_the_picture_there_is_nothing_to_tell_of_it(face: NDArray[np.float32] | None) -> None:
    told = measured((FACE, face))
    of_the_face = ("blur", "face_luma", "crushed_share", "blown_share")
    assert [told[name] for name in ("cuts", "cut_times", "dissolves", "dissolve_times")] == [0, [], 0, []]
    assert [told[name] for name in of_the_face] == [None] * 4
    assert (told["repeated_share"] is None) == (face is None)


def test_an_even_face_has_no_blur() -> None:
    assert measured((np.full_like(FACE, 90), HERE))["blur"] is None


@pytest.mark.parametrize(
    ("luma", "crushed", "blown"), [(4, 1, 0), (5, 0, 0), (128, 0, 0), (250, 0, 0), (251, 0, 1), (255, 0, 1)]
)
def test_crushed_is_up_to_4_and_blown_from_251(luma: int, crushed: int, blown: int) -> None:
    metrics = measured((np.full_like(FACE, luma), HERE))
    assert (metrics["crushed_share"], metrics["blown_share"]) == (crushed, blown)
