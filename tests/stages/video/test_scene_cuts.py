from collections.abc import Sequence
from itertools import islice, permutations

import cv2
import numpy as np
import pytest

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.stages.video.sampled import sampled
from portrait_prep.stages.video.scene_cuts import Cuts
from tests.whole.runs import CLIPS

RANDOM = np.random.default_rng(0)
WARM, COLD = (
    cv2.resize(RANDOM.integers(low, high, (8, 8, 3)).astype(np.uint8), (512, 512)).astype(np.uint8)
    for low, high in ((60, 255), (0, 150))
)
WHITE, BLACK = np.full_like(WARM, 255), np.zeros_like(WARM)


def cuts(frames: Sequence[Image]) -> int:
    counter = Cuts()
    for frame in frames:
        counter.add(sampled(frame))
    return counter.count


def mixed(one: Image, other: Image, frames: int) -> list[Image]:
    shares = [(k + 1) / (frames + 1) for k in range(frames)]
    return [(one * (1 - share) + other * share).astype(np.uint8) for share in shares]


@pytest.mark.parametrize("blended", [0, 1, 2])
def test_a_cut_counts_once(blended: int) -> None:
    assert cuts([WARM] * 10 + mixed(WARM, COLD, blended) + [COLD] * 10) == 1


def test_each_of_several_cuts_counts() -> None:
    assert cuts(([WARM] * 6 + [COLD] * 6) * 3) == 5
    assert cuts([WARM] * 2 + [COLD] * 20) == 1


@pytest.mark.parametrize("frames", [8, 12, 25])
def test_a_fade_is_no_cut(frames: int) -> None:
    fades = [mixed(WARM, other, frames) + [other] * 10 + mixed(other, COLD, frames) for other in (BLACK, WHITE, COLD)]
    assert [cuts([WARM] * 10 + fade + [COLD] * 10) for fade in fades] == [0, 0, 0]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_flash_is_no_cut(frames: int) -> None:
    assert cuts([WARM] * 10 + [WHITE] * frames + [WARM] * 10) == 0


@pytest.mark.parametrize(("jump", "found"), [(24, 0), (60, 1)])
def test_a_jump_is_a_cut_where_it_stands_out_of_the_change_around_it(jump: int, found: int) -> None:
    """Brightness grows by 12 a frame: by 24 over the two frames before, which is half of 48, and less than 0.4 of 84.

    A jump of 24 makes 48 over the three frames around it, one of 60 makes 84.
    """
    levels = np.arange(10) * 12
    frames = [np.full_like(WARM, level) for level in (*levels, *(levels[1:9] + levels[-1] + jump - 12))]
    assert cuts(frames) == found


def test_what_moves_within_the_picture_is_no_cut() -> None:
    assert cuts([np.roll(WARM, 200 * k, axis=1) for k in range(20)]) == 0


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips of ../shared")
def test_people_who_talk_at_twice_the_speed_are_no_cut_and_another_one_is() -> None:
    names = ("WDA_AlexandriaOcasioCortez_000", "WDA_KatieHill_000", "portrait_d12", "portrait_d14")
    clips = {name: list(islice(read_frames(CLIPS / f"{name}.mp4"), 0, 90, 2)) for name in names}
    assert [cuts(frames) for frames in clips.values()] == [0] * len(names)
    assert {cuts([*clips[one][:12], *clips[other][:12]]) for one, other in permutations(names, 2)} == {1}
