from collections.abc import Iterator
from itertools import islice, repeat

import numpy as np

from portrait_prep.media.picture import Image
from tests.stages.recordings.footage import CUT, Join, Shot, disturbed, flash, frames_of, truth_of


def plain(level: int) -> Iterator[Image]:
    return repeat(np.full((4, 4, 3), level, np.uint8))


def test_the_truth_says_what_the_frames_show() -> None:
    joins = (CUT, CUT, Join(3), Join(4, through_black=True))
    shots = [Shot(plain(level), 5, join) for level, join in zip((40, 80, 120, 240), joins, strict=True)]
    levels = [int(frame.mean()) for frame in frames_of(shots)]
    truth = truth_of(shots)
    assert [set(levels[shot.start : shot.stop]) for shot in truth.shots] == [{40}, {80}, {120}, {240}]
    assert truth.cuts == [5]
    assert [levels[join.start : join.stop] for join in truth.gradual] == [[90, 100, 110], [72, 24, 48, 144]]
    assert len(levels) == truth.shots[-1].stop


def test_a_disturbance_lasts_as_long_as_it_says() -> None:
    levels = [int(frame.mean()) for frame in islice(disturbed(plain(100), flash(), 3, 2), 7)]
    assert [level > 100 for level in levels] == [False, False, False, True, True, False, False]
