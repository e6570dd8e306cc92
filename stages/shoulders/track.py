"""Shoulder lines over time: what single frames show, made into one steady motion for each side.

Every function takes and gives a stream of batches of one unbroken run of frames and holds back a bounded number of
them, whatever the length of the run. The result does not depend on how the run was cut into batches. The keys used:
`lines` float64 [n, 2, k, 2] image px, NaN where a side was not found; `anchor` float64 [n, 3], the x that parts left
from right, the height of the face's centre and the length that distances are measured in. Everything is linear in the
points of a frame, so lines stay ascending and evenly spaced in x, and side 0 stays left of side 1.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.shoulders.line import mirror, resample
from portrait_prep.stages.streaming.smoothing import convolve, gaussian_kernel, with_halo

Array = NDArray[np.float64]

TEMPLATE = ((0.75, 0.9), (1.75, 1.3))
"""Ends of an image-right shoulder line, in anchor lengths from the anchor: about where people who face the camera have
it. It stands in where a shoulder was never seen; in a close-up it lies outside the frame."""
INERTIA = 12.0
"""Gaussian sigma, in frames, of the head's motion that a shoulder out of sight follows: the person's sway, no nods."""
OUTLIER = 3.0
"""Distances from the median, in their own median, beyond which a line is an outlier among restless ones (Hampel)."""
NEVER = 1 << 30
"""Frames to what does not come."""


def seen(lines: Array) -> NDArray[np.bool_]:
    """Which sides have a line: bool [..., 2] of [..., 2, k, 2]."""
    return np.isfinite(lines[..., 0, 0])


def sample(find: Callable[[NDArray[np.intp]], Array], frames: int, still: float) -> tuple[Array, NDArray[np.bool_]]:
    """The lines of some frames in a row, [frames, 2, k, 2], and which frames were looked at for them, bool [frames].

    `find` returns the lines of the frames of given numbers. It is asked for every second frame first. Where the lines
    of two of them are all there and nowhere as far as `still` px apart, the frame between takes their mean; else it is
    looked at, too. With `still` 0 every frame is, at once.
    """
    looked = np.zeros(frames, np.bool_)
    looked[:: 2 if still else 1] = True
    first = find(np.flatnonzero(looked))
    lines = np.full((frames, *first.shape[1:]), np.nan)
    lines[looked] = first
    if still:
        before, after = lines[:-2:2], lines[2::2]
        near = np.linalg.norm(after - before, axis=-1).max(axis=(1, 2)) < still
        lines[1:-1:2][near] = ((before + after) / 2)[near]
        rest = ~looked
        rest[1:-1:2] &= ~near
        if rest.any():
            lines[rest] = find(np.flatnonzero(rest))
        looked |= rest
    return lines, looked


def gate(batches: Iterable[Batch], radius: int, max_jump: float) -> Iterator[Batch]:
    """Set aside lines that jump, and lines that hardly any frame around confirms; NaN afterwards.

    Compares each line with the median over the frames up to `radius` away, point by point: a Hampel filter. A line
    jumps when its mean distance from the median exceeds both `max_jump` anchor lengths and three times the median of
    that distance, so that real, fast motion passes. A line stays only if more than a quarter of those frames have one.
    """
    for batch, context in with_halo(batches, "lines", radius):
        windows = np.lib.stride_tricks.sliding_window_view(context, 2 * radius + 1, axis=0)[..., ::1]
        middle = _median(windows)
        distance = np.sqrt(((windows - middle[..., None]) ** 2).sum(axis=3)).mean(axis=2)
        own = distance[..., radius]
        limit = np.maximum(max_jump * batch["anchor"][:, 2:], OUTLIER * _median(distance))
        confirmed = np.isfinite(distance).sum(axis=-1) > (2 * radius + 1) / 4
        kept = confirmed & (own <= limit)
        yield batch | {"lines": np.where(kept[..., None, None], batch["lines"], np.nan)}


def _median(values: Array) -> Array:
    """Median over the last axis of the values that are not NaN; NaN where there is none."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, np.maximum(count - 1, 0))
    pair = np.take_along_axis(ordered, low, -1) + np.take_along_axis(ordered, high, -1)
    return np.asarray(pair[..., 0] / 2)


def steady_anchor(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Smooth `anchor` to the sway of the person."""
    yield from _smoothed(batches, "anchor", INERTIA)


def _smoothed(batches: Iterable[Batch], column: str, sigma: float) -> Iterator[Batch]:
    kernel = gaussian_kernel(sigma)
    for batch, context in with_halo(batches, column, len(kernel) - 1):
        yield batch | {column: convolve(context, kernel)}


def fill(batches: Iterable[Batch], max_gap: int) -> Iterator[Batch]:
    """Give every frame a line on both sides, and add `visible` bool [n, 2]: which of them were seen.

    Out of sight for up to `max_gap` frames, a line is interpolated. For longer, the last one known stays where it was
    relative to the anchor, and goes over into the next one within `max_gap` frames before that is seen. Where none was
    seen yet, the other side's mirror image about the anchor stands in; where there is none either, the template.
    """
    history = _History()
    for batch, context in with_halo(_relative(batches), "relative", max_gap):
        visible = seen(batch["relative"])
        relative = history.complete(context[max_gap:], len(visible), max_gap)
        lines = relative * batch["anchor"][:, 2, None, None, None] + batch["anchor"][:, None, None, :2]
        yield batch | {"lines": _apart(lines, visible), "visible": visible}


def _relative(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Add `relative`: the lines in anchor lengths from the anchor."""
    for batch in batches:
        anchor = batch["anchor"]
        relative = (batch["lines"] - anchor[:, None, None, :2]) / anchor[:, 2, None, None, None]
        yield batch | {"relative": relative}


class _History:
    """The last line known of each side, and how long ago it was."""

    def __init__(self) -> None:
        self.last: Array | None = None
        self.age = np.full(2, NEVER)

    def complete(self, lines: Array, rows: int, max_gap: int) -> Array:
        """Complete the first `rows` of `lines` [rows + max_gap, 2, k, 2], the rest being what comes next."""
        template = _template(lines.shape[2])
        last = np.full(lines.shape[1:], np.nan) if self.last is None else self.last
        index, there = np.arange(len(lines))[:, None], seen(lines)
        before = np.maximum.accumulate(np.where(there, index, -1))[:rows]
        after = np.minimum.accumulate(np.where(there, index, NEVER)[::-1])[::-1][:rows]
        age = np.where(before >= 0, index[:rows] - before, np.minimum(self.age + 1 + index[:rows], NEVER))
        held = np.where((before >= 0)[..., None, None], _rows(lines, before), last)
        share = _share_of_next(age, after - index[:rows], max_gap)[..., None, None]
        coming = np.where(share > 0, _rows(lines, after), 0.0)
        known = seen(held)[..., None, None]

        def blend(base: Array) -> Array:
            return np.asarray((1 - share) * np.where(known, held, base) + share * coming)

        complete = blend(mirror(blend(template)[:, ::-1]))
        if rows:
            self.last, self.age = held[-1], age[-1]
        return complete


def _rows(lines: Array, index: NDArray[np.intp]) -> Array:
    """Of each side the rows that `index` [n, 2] names, clipped to those there are."""
    return lines[np.clip(index, 0, len(lines) - 1), np.arange(2)]


def _share_of_next(age: NDArray[np.intp], ahead: NDArray[np.intp], max_gap: int) -> Array:
    """The weight of the next line known, given the frames since the last one and those until the next."""
    short = age + ahead - 1 <= max_gap
    return np.where(short, age / np.maximum(age + ahead, 1), np.maximum(0.0, 1.0 - ahead / (max_gap + 1)))


def _template(points: int) -> Array:
    (x0, y0), (x1, y1) = TEMPLATE
    right = np.stack([np.linspace(x0, x1, points), np.linspace(y0, y1, points)], axis=-1)
    return np.stack([mirror(right), right])


def _apart(lines: Array, visible: NDArray[np.bool_]) -> Array:
    """Move filled lines outward where they would cross the other side."""
    overlap = np.maximum(lines[:, 0, -1, 0] - lines[:, 1, 0, 0] + 1.0, 0.0)
    filled = ~visible
    share = overlap[:, None] * filled / np.maximum(filled.sum(axis=1, keepdims=True), 1)
    shifted = lines.copy()
    shifted[..., 0] += (share * (-1.0, 1.0))[..., None]
    return shifted


def steady_ends(batches: Iterable[Batch], sigma: float) -> Iterator[Batch]:
    """Smooth where lines begin and end, and read each frame's line between the smooth ends.

    The end of a line wanders along the outline far more than the outline itself moves.
    """
    with_ends = (batch | {"ends": batch["lines"][:, :, [0, -1], 0]} for batch in batches)
    for batch in _smoothed(with_ends, "ends", sigma):
        yield batch | {"lines": resample(batch["lines"], batch["ends"])}


def smooth(batches: Iterable[Batch], sigma: float) -> Iterator[Batch]:
    """Smooth the points over time without lag; `sigma` 0 leaves them."""
    yield from _smoothed(batches, "lines", sigma)
