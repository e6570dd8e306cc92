import cv2
import numpy as np
import pytest
import skimage.data
from skimage.measure import blur_effect

from portrait_prep.stages.video.picture_quality import LENGTH, blur

FACE = cv2.cvtColor(skimage.data.astronaut()[50:200, 145:295], cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("sigma", [2.0, 3.0, 5.0])
def test_it_is_the_blur_effect_of_scikit_image(sigma: float) -> None:
    """Which leaves out a rim and takes Sobel's differences, with less noise: the same where there is some blur."""
    picture = cv2.GaussianBlur(FACE, (0, 0), sigma)
    assert blur(picture) == pytest.approx(blur_effect(picture, h_size=LENGTH), abs=0.06)


def test_it_grows_with_the_blur_and_with_motion_either_way() -> None:
    values = [blur(cv2.GaussianBlur(FACE, (0, 0), sigma)) or 0.0 for sigma in (0.5, 1, 2, 4)]
    assert values == sorted(values)
    for kernel in (np.full((1, 15), 1 / 15), np.full((15, 1), 1 / 15)):
        assert (blur(cv2.filter2D(FACE, -1, kernel)) or 0) > values[1]


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0), (0.5, 100), (0.25, 20)])
def test_neither_contrast_nor_brightness_matter(gain: float, offset: float) -> None:
    assert blur(FACE * gain + offset) == pytest.approx(blur(FACE), abs=1e-3)


def test_an_even_picture_has_none() -> None:
    assert blur(np.full((20, 20), 7, np.uint8)) is None
