"""The contact sheet of a video: its source with the square that was cut, then frames with all that was found."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.workspace import Workspace
from views.drawing.picture import annotate, resized
from views.drawing.still import Place
from views.report.source import Source

Image = NDArray[np.uint8]

TILES = 4
"""Frames on a sheet, evenly spread over the video."""
SIDE = 168
"""Pixels of a tile: a sheet is some 25 kB."""
EMPTY: tuple[int, int, int] = (58, 63, 73)


def frames_of(place: Place) -> list[int]:
    """The frames that are shown."""
    return [(2 * number + 1) * place.frames // (2 * TILES) for number in range(TILES)]


def sheet(place: Place, workspace: Workspace, source: Source | None) -> Image | None:
    """RGB uint8 [SIDE, SIDE * tiles, 3]; None where no frame can be read. Without a source its tile is left out."""
    tiles = list(_frames(place, workspace))
    if not any(tile is not None for tile in tiles):
        return None
    if source is not None:
        tiles.insert(0, _letterboxed(source.picture(SIDE)))
    return np.hstack([np.full((SIDE, SIDE, 3), EMPTY, np.uint8) if tile is None else tile for tile in tiles])


def _frames(place: Place, workspace: Workspace) -> Iterator[Image | None]:
    for frame in frames_of(place):
        still = place.load(workspace, frame)
        yield None if still is None else resized(annotate(still), SIDE)


def _letterboxed(image: Image) -> Image:
    """In the middle of a tile."""
    tile = np.full((SIDE, SIDE, 3), EMPTY, np.uint8)
    top, left = ((SIDE - length) // 2 for length in image.shape[:2])
    tile[top : top + image.shape[0], left : left + image.shape[1]] = image
    return tile


def middle(frames: Sequence[int]) -> int:
    """The frame that stands for the video."""
    return frames[len(frames) // 2]
