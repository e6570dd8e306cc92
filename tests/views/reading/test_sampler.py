"""Windows cover what they should; the sampler gives every item once an epoch and continues exactly."""

import json
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.video import Video
from portrait_prep.views.reading.sampler import Sampler
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.windows import Window, mask, padded, whole, windows


@st.composite
def footage(draw: st.DrawFn) -> Footage:
    """A video of up to 60 frames with gaps."""
    frames = draw(st.integers(1, 60))
    edges = sorted(draw(st.sets(st.integers(0, frames), max_size=6)))
    pairs = tuple(zip(edges[::2], edges[1::2], strict=False))
    return Footage(Video(video_id="v", corpus="c", subject="s", source="x"), frames, accepted=True, gaps=pairs)


videos = st.lists(footage(), max_size=5)


@given(videos, st.integers(1, 20), st.integers(1, 20), st.booleans(), st.booleans())
def test_windows_are_all_that_fit(
    found: list[Footage], length: int, stride: int, short: bool, across_gaps: bool
) -> None:
    expected = []
    for number, each in enumerate(found):
        for first, stop in [(0, each.frames)] if across_gaps else each.runs:
            starts = range(first, stop - length + 1, stride)
            expected += [Window(number, start, length) for start in starts]
            if short and not starts:
                expected.append(Window(number, first, stop - first))
    cut = windows(found, length, stride, short=short, across_gaps=across_gaps)
    assert len(cut) == len(expected)
    assert list(cut) == expected
    assert cut[:] == expected
    assert [cut[-1 - number] for number in range(len(cut))] == expected[::-1]
    with pytest.raises(IndexError):
        cut[len(cut)]


@given(videos)
def test_runs_and_gaps_make_up_a_video(found: list[Footage]) -> None:
    for each in found:
        parts = sorted([*each.runs, *(gap for gap in each.gaps if gap[0] < gap[1])])
        assert [frame for first, stop in parts for frame in range(first, stop)] == list(range(each.frames))


@given(videos)
def test_whole_videos_are_one_window_each(found: list[Footage]) -> None:
    assert list(whole(found)) == [Window(number, 0, each.frames) for number, each in enumerate(found)]


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (1, 0)])
def test_windows_have_a_length_and_a_stride(length: int, stride: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        windows([], length, stride)


def test_padding_adds_zeros_and_a_mask_tells_them_apart() -> None:
    values = np.ones((3, 2), np.float32)
    longer = padded(values, 5)
    assert longer.dtype == np.float32
    np.testing.assert_array_equal(longer[:, 0], [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(mask(3, 5), [True, True, True, False, False])
    assert padded(values, 3) is values


counts = st.integers(0, 40)
teams = st.integers(1, 5)


@given(counts, teams, st.integers(0, 3), st.booleans())
def test_ranks_share_an_epoch_without_overlap_and_without_loss(
    items: int, ranks: int, epoch: int, shuffle: bool
) -> None:
    seen = []
    for rank in range(ranks):
        sampler = Sampler(items, shuffle=shuffle, rank=rank, ranks=ranks)
        sampler.set_epoch(epoch)
        length = len(sampler)
        share = list(sampler)
        assert length == len(share)
        seen += share
    assert sorted(seen) == list(range(items))


@given(counts, teams)
def test_equal_ranks_go_in_step_and_leave_out_the_fewest(items: int, ranks: int) -> None:
    shares = [list(Sampler(items, rank=rank, ranks=ranks, equal=True)) for rank in range(ranks)]
    assert {len(share) for share in shares} == {items // ranks}
    assert len({number for share in shares for number in share}) == items - items % ranks


@given(counts, st.integers(0, 60), st.integers(0, 2**40), teams, teams)
def test_a_broken_off_epoch_goes_on_with_any_number_of_ranks(
    items: int, steps: int, seed: int, ranks: int, later: int
) -> None:
    steps = min(steps, items // ranks)
    seen, states = [], []
    for rank in range(ranks):
        sampler = Sampler(items, seed=seed, rank=rank, ranks=ranks)
        seen += list(islice(sampler, steps))
        states.append(json.dumps(sampler.state_dict()))
    assert len(set(states)) == 1
    rest = []
    for rank in range(later):
        sampler = Sampler(items, rank=rank, ranks=later)
        sampler.load_state_dict(json.loads(states[0]))
        assert len(sampler) == len(sampler.rest())
        rest += list(sampler)
    assert sorted(seen + rest) == list(range(items))


@given(counts, st.integers(0, 60), teams, teams)
def test_equal_ranks_of_another_number_go_on_in_step_and_leave_out_the_fewest(
    items: int, steps: int, ranks: int, later: int
) -> None:
    steps = min(steps, items // ranks)
    first = [Sampler(items, rank=rank, ranks=ranks, equal=True) for rank in range(ranks)]
    seen = [number for sampler in first for number in islice(sampler, steps)]
    left, rest = items - steps * ranks, []
    for rank in range(later):
        sampler = Sampler(items, rank=rank, ranks=later, equal=True)
        sampler.load_state_dict(first[0].state_dict())
        assert len(sampler) == left // later
        rest += list(islice(sampler, left // later))
        assert len(sampler) == 0
    assert len({*seen, *rest}) == len(seen) + len(rest) == items - left % later


@given(st.integers(1, 40), st.integers(0, 39), teams, st.integers(0, 3))
def test_the_continuation_is_the_one_that_would_have_been(items: int, steps: int, ranks: int, epoch: int) -> None:
    def fresh() -> Sampler:
        sampler = Sampler(items, seed=3, rank=ranks - 1, ranks=ranks)
        sampler.set_epoch(epoch)
        return sampler

    through = fresh()
    two_epochs = [*through, *through]
    broken, resumed = fresh(), Sampler(items, rank=ranks - 1, ranks=ranks)
    steps = min(steps, len(broken))
    start = list(islice(broken, steps))
    resumed.load_state_dict(broken.state_dict())
    resumed.set_epoch(epoch)  # as a training loop does at the top of each epoch: this one is under way
    assert [*start, *resumed, *resumed] == two_epochs


def test_the_order_is_a_new_one_each_epoch_and_for_each_seed_but_always_the_same() -> None:
    sampler = Sampler(200, seed=1)
    first, second = list(sampler), list(sampler)
    assert first != second
    assert list(Sampler(200, seed=1)) == first
    assert list(Sampler(200, seed=2)) != first
    assert list(Sampler(8, seed=1)) == [2, 4, 7, 5, 0, 6, 3, 1]  # as ever: saved states stay good


def test_every_place_is_as_likely() -> None:
    places = np.array([list(Sampler(5, seed=seed)) for seed in range(4000)])
    for item in range(5):
        np.testing.assert_allclose((places == item).mean(axis=0), 0.2, atol=0.03)


def test_a_state_of_other_items_is_refused() -> None:
    with pytest.raises(ValueError, match="of 4 items, and here are 5"):
        Sampler(5).load_state_dict(Sampler(4).state_dict())
    with pytest.raises(ValueError, match="rank must lie"):
        Sampler(5, rank=2, ranks=2)
