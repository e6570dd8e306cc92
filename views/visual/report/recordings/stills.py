"""Pictures of stretches of a recording: of a segment its region, of what is not kept all that is seen."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from portrait_prep.manifests.segments import Segment
from portrait_prep.media.container import NotAVideo
from portrait_prep.media.picture import Image
from portrait_prep.media.probe import probe
from portrait_prep.media.source_frames import SourceFrame, frames_at
from portrait_prep.stages.recordings.scan import HEAD
from portrait_prep.views.visual.drawing.picture import jpeg, resized
from portrait_prep.views.visual.report.detail import data_uri

SIDE = 192
"""Pixels of the longer side: some 5 kB."""


def stills(path: Path, rows: Sequence[tuple[int, Segment]]) -> Iterator[tuple[int, str]]:
    """Number and picture (a data: URI) of each row that one can be had of: its middle, which is sought in the file.

    Nothing where the file cannot be read.
    """
    try:
        facts = probe(path, end=HEAD)
    except (NotAVideo, OSError):
        return
    frames = frames_at(path, facts, ((row.start + row.end) / 2 for _, row in rows))
    for (number, row), frame in zip(rows, frames, strict=True):
        image = None if frame is None else _picture(frame, row)
        if image is not None:
            yield number, data_uri(jpeg(resized(image, SIDE)))


def _picture(frame: SourceFrame, row: Segment) -> Image | None:
    try:
        image = frame.image()
    except NotAVideo:
        return None
    return _cut(image, row) if row.kept else image


def _cut(image: Image, row: Segment) -> Image | None:
    """The region of a row, as far as it is in the picture; all of it where the row has none."""
    x, y, w, h = (row.crop_x, row.crop_y, row.crop_w, row.crop_h)
    if x is None or y is None or w is None or h is None:
        return image
    part = image[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)]
    return part if part.size else None
