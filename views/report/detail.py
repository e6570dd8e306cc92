"""What the page shows of one video when it is opened: contact sheet, curves and mesh. Costs a look at its frames."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.errors import Damaged
from pipeline.shards import ShardReader
from pipeline.stage import Batch
from pipeline.workspace import Workspace
from stages.seats.lips import LIP_PAIRS
from views.drawing.picture import jpeg
from views.drawing.still import Place
from views.reading.media import open_sound, read_sound
from views.report.curves import Curves, encoded
from views.report.sheet import frames_of, middle, sheet
from views.report.source import Source

TENTHS = 10
"""Steps in a canonical pixel to which the mesh is told."""
LARGEST = np.iinfo(np.int16).max
QUIETEST = -70.0
"""dBFS below which the envelope of the voice is cut off."""
BLOCK = 1000
"""Frames of sound read at a time."""


def detail(place: Place, workspace: Workspace, start: float | None) -> dict[str, Any]:
    """What there is of: `sheet` (a data: URI), `frames` (those on it), `source`, `curves`, `mesh`, `billboard`.

    What is damaged or away is left out.
    """
    source = Source.of(place, workspace, start)
    picture = sheet(place, workspace, source)
    frames = frames_of(place)
    found = {
        "sheet": None if picture is None else data_uri(jpeg(picture)),
        "frames": frames,
        "total": place.frames,
        "source": None if source is None else source.facts,
        "curves": _curves(place, workspace).told(),
        "mesh": _points(place.row(workspace, "headpose", middle(frames), ("canonical",)), "canonical"),
        "billboard": _points(place.row(workspace, "torso", middle(frames), ("billboard",)), "billboard"),
    }
    return {name: value for name, value in found.items() if value}


def data_uri(picture: bytes) -> str:
    """A JPEG that needs no file."""
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode("ascii")


def _points(row: Batch, name: str) -> str | None:
    """Canonical points in tenths of a pixel, int16, as base64; None where they are not there."""
    if name not in row or not np.isfinite(row[name]).all():
        return None
    tenths = np.clip(np.rint(row[name][0] * TENTHS), -LARGEST, LARGEST)
    return encoded(tenths.astype(np.int16))


def _curves(place: Place, workspace: Workspace) -> Curves:
    curves = Curves(place.frames)
    for parts in (_motion(place, workspace), _voice(place, workspace)):
        first = 0
        for values in parts:
            curves.add(first, values)
            first += len(next(iter(values.values())))
    return curves


def _motion(place: Place, workspace: Workspace) -> Iterator[Mapping[str, NDArray[np.floating[Any]]]]:
    """Angles in degrees and opening of the lips in canonical px."""
    if "headpose" not in place.stages:
        return
    try:
        with ShardReader(workspace.shard("headpose", place.shard)) as reader:
            for batch in reader.batches(place.video_id, ("euler", "canonical")):
                angles = zip(("yaw", "pitch", "roll"), batch["euler"].T, strict=True)
                yield {**dict(angles), "lips": opening(batch["canonical"])}
    except (Damaged, OSError, LookupError):
        return


def opening(canonical: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Mean distance of the inner lips [n], of points [n, 478, 3]."""
    upper, lower = canonical[:, LIP_PAIRS[:, 0]], canonical[:, LIP_PAIRS[:, 1]]
    return np.asarray(np.linalg.norm(upper - lower, axis=-1).mean(axis=-1))


def _voice(place: Place, workspace: Workspace) -> Iterator[Mapping[str, NDArray[np.floating[Any]]]]:
    """Level of the sound of each frame, dBFS (0 = full-scale square wave)."""
    try:
        file = open_sound(workspace.media(place.video_id, "wav"), place.frames)
        for first in range(0, place.frames, BLOCK):
            yield {"voice": level(read_sound(file, first, min(BLOCK, place.frames - first)))}
    except (Damaged, OSError):
        return


def level(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """Root mean square of each frame's samples [n, 640], dBFS, at least QUIETEST."""
    power = np.square(pcm / 32768).mean(axis=1)
    return np.asarray(np.maximum(10 * np.log10(np.maximum(power, 1e-12)), QUIETEST))
