"""Shoulder lines over time: gate, filling and smoothing, and that none of it depends on how a video is cut."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.shoulders.track import INERTIA, fill, gate, sample, seen, smooth, steady_anchor, steady_ends

K = 9
UNIT = 100.0
Array = NDArray[np.float64]


def lines(frames: int, shift: float = 0.0) -> Array:
    """Shoulders of someone at (256, 200) who stands still, [frames, 2, 9, 2]."""
    right = np.stack([np.linspace(320, 440, K), np.linspace(300, 350, K)], axis=-1)
    left = np.stack([np.linspace(72, 192, K), np.linspace(350, 300, K)], axis=-1)
    return np.repeat(np.stack([left, right])[None] + (0.0, shift), frames, axis=0)


def track(values: Array) -> Batch:
    return {"lines": values, "anchor": np.tile((256.0, 200.0, UNIT), (len(values), 1))}


def joined(batches: Iterator[Batch]) -> Batch:
    parts = list(batches)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def cut(batch: Batch, sizes: list[int]) -> Iterator[Batch]:
    start, rows = 0, len(batch["lines"])
    while start < rows:
        stop = start + (sizes.pop() if sizes else 250)
        yield {name: values[start:stop] for name, values in batch.items()}
        start = stop


def whole(batches: Iterator[Batch]) -> Iterator[Batch]:
    gated = gate(batches, 5, 0.25)
    return smooth(steady_ends(fill(steady_anchor(gated), 25), 4.0), 2.0)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), frames=st.integers(1, 40), still=st.sampled_from([0.0, 3.0, 50.0]))
def test_a_line_is_that_of_its_frame_or_the_mean_of_two_that_are_near(
    data: st.DataObject, frames: int, still: float
) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    there = lines(frames) + generator.normal(0, 2, (frames, 2, 1, 1))
    there[generator.random((frames, 2)) < data.draw(st.sampled_from([0.0, 0.2, 1.0]))] = np.nan
    asked: list[int] = []

    def find(numbers: NDArray[np.intp]) -> Array:
        asked.extend(numbers.tolist())
        return there[numbers]

    found, looked = sample(find, frames, still)
    assert sorted(asked) == np.flatnonzero(looked).tolist()
    np.testing.assert_array_equal(found[looked], there[looked])
    assert looked[::2].all()
    assert looked[-1]
    for frame in np.flatnonzero(~looked):
        before, after = there[frame - 1], there[frame + 1]
        assert np.linalg.norm(after - before, axis=-1).max() < still
        np.testing.assert_allclose(found[frame], (before + after) / 2)
    if still == 0:
        assert looked.all()
    elif still == 50 and np.isfinite(there).all():
        assert not looked[1:-1:2].any()


def test_a_steady_line_passes_the_gate() -> None:
    values = lines(30)
    np.testing.assert_array_equal(joined(gate(iter([track(values)]), 5, 0.25))["lines"], values)


def test_a_line_that_jumps_is_set_aside_and_the_other_side_stays() -> None:
    values = lines(30)
    values[12, 0, :, 1] += 40
    kept = seen(joined(gate(iter([track(values)]), 5, 0.25))["lines"])
    assert np.flatnonzero(~kept[:, 0]).tolist() == [12]
    assert kept[:, 1].all()


def test_fast_motion_is_no_jump() -> None:
    values = lines(60)
    values[..., 1] += 60 * np.sin(np.arange(60) * 2 * np.pi / 20)[:, None, None]
    assert seen(joined(gate(iter([track(values)]), 5, 0.25))["lines"])[5:-5].all()


@pytest.mark.parametrize(("times", "kept"), [(2, False), (3, True)])
def test_a_find_that_at_most_a_quarter_of_the_frames_around_confirm_is_set_aside(times: int, kept: bool) -> None:
    """Of eleven frames."""
    values = lines(40)
    values[:, 0] = np.nan
    values[10 : 10 + times, 0] = lines(1)[0, 0]
    confirmed = seen(joined(gate(iter([track(values)]), 5, 0.25))["lines"])
    assert np.flatnonzero(confirmed[:, 0]).tolist() == (list(range(10, 10 + times)) if kept else [])
    assert confirmed[:, 1].all()


@pytest.mark.parametrize(("height", "kept"), [(25, True), (40, False)])
def test_a_line_among_restless_ones_jumps_beyond_three_times_their_own_distance(height: int, kept: bool) -> None:
    values = lines(45)
    values[..., 1] += np.tile((-10, 0, 10), 15)[:, None, None]
    values[22, 0, :, 1] = lines(1)[0, 0, :, 1] + height
    passed = seen(joined(gate(iter([track(values)]), 5, 0.1))["lines"])
    assert passed[22, 0] == kept
    assert passed.sum() == passed.size - (not kept)


def test_a_radius_of_zero_lets_every_line_pass() -> None:
    values = lines(10)
    values[4] += 100
    values[6, 0] = np.nan
    np.testing.assert_array_equal(joined(gate(iter([track(values)]), 0, 0.25))["lines"], values)


def test_a_short_absence_is_interpolated() -> None:
    values = np.concatenate([lines(10), lines(5), lines(10, shift=60)])
    values[10:15, 0] = np.nan
    filled = joined(fill(iter([track(values)]), 5))
    between = filled["lines"][9:16, 0, 0, 1]
    np.testing.assert_allclose(between, np.linspace(between[0], between[-1], 7))
    assert filled["visible"][:, 0].tolist() == [True] * 10 + [False] * 5 + [True] * 10
    assert filled["visible"][:, 1].all()


def test_a_long_absence_holds_the_line_until_the_next_comes_near() -> None:
    values = np.concatenate([lines(10), lines(40), lines(10, shift=60)])
    values[10:50, 0] = np.nan
    heights = joined(fill(iter([track(values)]), 10))["lines"][:, 0, 0, 1]
    np.testing.assert_allclose(heights[10:40], heights[0])
    assert (np.diff(heights[39:51]) > 0).all()
    assert np.abs(np.diff(heights)).max() < 60 / 10


def test_what_is_out_of_sight_moves_and_grows_with_the_person() -> None:
    batch = track(lines(40))
    batch["lines"][10:, 0] = np.nan
    batch["anchor"][20:] += (30.0, -20.0, UNIT)
    line = joined(fill(iter([batch]), 5))["lines"][:, 0]
    np.testing.assert_allclose(line[30], (lines(1)[0, 0] - (256, 200)) * 2 + (286, 180))


def test_a_side_never_seen_mirrors_the_other() -> None:
    values = lines(20)
    values[..., 1] += np.arange(20)[:, None, None]
    values[:, 0] = np.nan
    filled = joined(fill(iter([track(values)]), 5))["lines"]
    np.testing.assert_allclose(filled[:, 0, ::-1, 0] - 256, 256 - filled[:, 1, :, 0])
    np.testing.assert_allclose(filled[:, 0, ::-1, 1], filled[:, 1, :, 1])


def test_where_nothing_was_ever_seen_a_symmetric_template_stands_in() -> None:
    values = np.full((20, 2, K, 2), np.nan)
    filled = joined(fill(iter([track(values)]), 5))
    assert np.isfinite(filled["lines"]).all()
    assert not filled["visible"].any()
    np.testing.assert_allclose(filled["lines"][:, 0, ::-1, 0] - 256, 256 - filled["lines"][:, 1, :, 0])
    assert (filled["lines"][..., 1] > 200 + 0.5 * UNIT).all()


def test_a_first_sight_is_no_jump() -> None:
    values = lines(60)
    values[:40] = np.nan
    filled = joined(fill(iter([track(values)]), 20))["lines"]
    step = np.abs(np.diff(filled, axis=0)).max(axis=(1, 2, 3))
    assert 0 < step.max() < 2 * np.abs(filled[-1] - filled[0]).max() / 20


def test_a_filled_line_keeps_clear_of_a_seen_one() -> None:
    batch = track(lines(40))
    batch["lines"][10:, 1] = np.nan
    batch["lines"][20:, 0, :, 0] += 170
    filled = joined(fill(iter([batch]), 5))["lines"]
    assert (filled[:, 0, -1, 0] < filled[:, 1, 0, 0]).all()
    np.testing.assert_allclose(filled[:, 0], batch["lines"][:, 0])


def test_smooth_ends_leave_the_outline_where_it_is() -> None:
    values = lines(60)
    generator = np.random.default_rng(1)
    outer = values[:, 1, -1, 0] + generator.uniform(-20, 20, 60)
    slope = (350 - 300) / (440 - 320)
    values[:, 1, :, 0] = 320 + (outer - 320)[:, None] * np.linspace(0, 1, K)
    values[:, 1, :, 1] = 300 + slope * (values[:, 1, :, 0] - 320)
    steady = joined(steady_ends(fill(iter([track(values)]), 5), 4.0))["lines"][:, 1]
    np.testing.assert_allclose(steady[..., 1], 300 + slope * (steady[..., 0] - 320))
    assert np.diff(steady[:, -1, 0]).std() < np.diff(outer).std() / 10


def test_smoothing_has_no_lag() -> None:
    values = lines(81)
    values[..., 1] += 50.0 * (np.arange(81) >= 41)[:, None, None] + 25.0 * (np.arange(81) == 40)[:, None, None]
    height = joined(whole(iter([track(values)])))["lines"][:, 0, 4, 1]
    np.testing.assert_allclose(height + height[::-1], 2 * height[40])


def test_zero_sigmas_leave_the_points() -> None:
    values = lines(20) + np.random.default_rng(2).normal(0, 1, (20, 1, 1, 1))
    batches = smooth(steady_ends(fill(iter([track(values)]), 5), 0.0), 0.0)
    np.testing.assert_allclose(joined(batches)["lines"], values)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), frames=st.integers(1, 140))
def test_the_result_is_complete_ordered_and_the_same_however_the_video_is_cut(data: st.DataObject, frames: int) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    batch = track(lines(frames) + generator.normal(0, 10, (frames, 2, 1, 1)))
    batch["anchor"] += generator.normal(0, 3, (frames, 3))
    for _ in range(data.draw(st.integers(0, 5))):
        start, side = data.draw(st.integers(0, frames - 1)), data.draw(st.integers(0, 1))
        batch["lines"][start : start + data.draw(st.integers(1, 60)), side] = np.nan
    once = joined(whole(iter([batch])))
    again = joined(whole(cut(batch, data.draw(st.lists(st.integers(1, 40), max_size=30)))))
    for name in once:
        np.testing.assert_array_equal(once[name], again[name], err_msg=name)
    x = once["lines"][..., 0]
    assert len(x) == frames
    assert np.isfinite(once["lines"]).all()
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(np.diff(x, n=2), 0, atol=1e-9)
    assert (x[:, 0, -1] < x[:, 1, 0]).all()


@pytest.mark.parametrize("step", [lambda b: gate(b, 5, 0.25), steady_anchor, lambda b: fill(b, 25), whole])
def test_a_bounded_number_of_frames_is_held_back(step: Callable[[Iterator[Batch]], Iterator[Batch]]) -> None:
    taken = given_out = 0

    def source() -> Iterator[Batch]:
        nonlocal taken
        for _ in range(60):
            taken += 10
            yield track(lines(10))

    held = []
    for batch in step(source()):
        given_out += len(batch["lines"])
        held.append(taken - given_out)
    assert given_out == 600
    assert max(held) <= 2 * (5 + 4 * INERTIA + 25 + 4 * 4 + 4 * 2) + 10
