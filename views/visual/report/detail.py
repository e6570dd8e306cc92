"""What the page shows of one video when it is opened: contact sheet, curves and mesh. Costs a look at its frames."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import FULL_SCALE, Pcm, WavReader
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.shards import ShardReader
from portrait_prep.stages.speaker_side.lips import LIP_PAIRS
from portrait_prep.views.visual.drawing.picture import jpeg
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.sheet import SourcePicture, frames_of, middle, sheet

STRETCHES = 240
"""Most stretches of a curve: as many as the page has room for."""
LEVELS = 254
"""Steps between the least and the greatest value of a curve; a byte has one value more, for nothing."""
TENTHS = 10
"""Steps in a canonical pixel to which the mesh is given."""
LARGEST = np.iinfo(np.int16).max
QUIETEST = -70.0
"""dBFS below which the envelope of the voice is cut off."""
BLOCK = 1000
"""Frames of sound read at a time."""


def detail(location: VideoLocation, workspace: Workspace, video: Video) -> dict[str, Any]:
    """What there is of: `sheet` (a data: URI), `frames` (those on it), `source`, `text`, `curves`, `mesh`, `billboard`.

    What is damaged or away is left out.
    """
    source = SourcePicture.of(location, workspace, video.start)
    picture = sheet(location, workspace, source)
    frames = frames_of(location)
    parts = {
        "sheet": None if picture is None else data_uri(jpeg(picture)),
        "frames": frames,
        "total": location.frames,
        "source": None if source is None else source.facts,
        "text": video.text,
        "curves": _curves(location, workspace).to_json(),
        "mesh": _points(location.row(workspace, "headpose", middle(frames), ("canonical",)), "canonical"),
        "billboard": _points(location.row(workspace, "torso", middle(frames), ("billboard",)), "billboard"),
    }
    return {name: value for name, value in parts.items() if value}


def data_uri(picture: bytes) -> str:
    """A JPEG that needs no file."""
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")


def _points(row: Batch, name: str) -> str | None:
    """Canonical points in tenths of a pixel, int16, as base64; None where they are not there."""
    if name not in row or not np.isfinite(row[name]).all():
        return None
    tenths = np.clip(np.rint(row[name][0] * TENTHS), -LARGEST, LARGEST)
    return encoded(tenths.astype(np.int16))


def _curves(location: VideoLocation, workspace: Workspace) -> "Curves":
    curves = Curves(location.frames)
    for parts in (_motion(location, workspace), _voice(location, workspace)):
        first = 0
        for values in parts:
            curves.add(first, values)
            first += len(next(iter(values.values())))
    return curves


def _motion(location: VideoLocation, workspace: Workspace) -> Iterator[Mapping[str, NDArray[np.floating[Any]]]]:
    """Angles in degrees and opening of the lips in canonical px."""
    if "headpose" not in location.stages:
        return
    try:
        with ShardReader(workspace.shard("headpose", location.shard)) as reader:
            for batch in reader.batches(location.video_id, ("euler", "canonical")):
                angles = zip(("yaw", "pitch", "roll"), batch["euler"].T, strict=True)
                yield {**dict(angles), "lips": opening(batch["canonical"])}
    except (Damaged, OSError, LookupError):
        return


def opening(canonical: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Mean distance of the inner lips [n], of points [n, 478, 3]."""
    upper, lower = canonical[:, LIP_PAIRS[:, 0]], canonical[:, LIP_PAIRS[:, 1]]
    return np.asarray(np.linalg.norm(upper - lower, axis=-1).mean(axis=-1))


def _voice(location: VideoLocation, workspace: Workspace) -> Iterator[Mapping[str, NDArray[np.floating[Any]]]]:
    """Level of the sound of each frame, dBFS (0 = full-scale square wave)."""
    try:
        for block in WavReader(workspace.media(location.video_id, "wav"), location.frames).blocks(BLOCK):
            yield {"voice": level(block)}
    except (Damaged, OSError):
        return


def level(pcm: Pcm) -> NDArray[np.float64]:
    """Root mean square of each frame's samples [n, 640], dBFS, at least QUIETEST."""
    power = np.square(pcm / FULL_SCALE).mean(axis=1)
    return np.asarray(np.maximum(10 * np.log10(np.maximum(power, 1e-12)), QUIETEST))


class Curves:
    """Curves over a whole video in a few hundred numbers: the least and the greatest value of each stretch of frames.

    So a spike of one frame is seen however long the video is. Frames stream by; memory does not grow with their number.
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._extremes: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    @property
    def stretches(self) -> int:
        """How many numbers a curve has."""
        return min(self.frames, STRETCHES)

    def add(self, first: int, values: Mapping[str, NDArray[np.floating[Any]]]) -> None:
        """Take in values [n] of frames `first` to `first + n - 1`; what is NaN leaves no trace."""
        for name, column in values.items():
            number = (first + np.arange(len(column))) * self.stretches // self.frames
            low, high = self._extremes.setdefault(
                name, (np.full(self.stretches, np.inf), np.full(self.stretches, -np.inf))
            )
            there = np.isfinite(column) & (number < self.stretches)  # a damaged shard may have more rows
            np.minimum.at(low, number[there], column[there])
            np.maximum.at(high, number[there], column[there])

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Name -> `low`, `high` (the range) and `bytes`: of each stretch the least value, then of each the greatest.

        0 is nothing, 1 the bottom of the range and 255 its top; where each stretch is one frame, the second half is
        left out. Curves without a finite value are left out.
        """
        return {name: _curve(low, high) for name, (low, high) in self._extremes.items() if np.isfinite(low).any()}


def _curve(low: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    """One curve; see `Curves.to_json`."""
    there = np.isfinite(low)
    bottom, top = float(low[there].min()), float(high[there].max())
    step = max(top - bottom, 1e-9) / LEVELS
    rows = [low] if np.array_equal(low[there], high[there]) else [low, high]
    levels = np.zeros((len(rows), len(low)), np.uint8)
    for row, values in zip(levels, rows, strict=True):
        row[there] = 1 + np.rint((values[there] - bottom) / step)
    return {"low": round(bottom, 4), "high": round(top, 4), "bytes": encoded(levels)}


def encoded(values: NDArray[Any]) -> str:
    """Little-endian bytes of an array in C order, as base64."""
    return base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode("ascii")
