"""The contact sheet of a video: its source with the square that was cut, then frames with all that was found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from portrait_prep.media.formats import MOST_PIXELS
from portrait_prep.media.picture import Image
from portrait_prep.media.source_frames import picture_at
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.views.visual.drawing.picture import annotate, resized
from portrait_prep.views.visual.drawing.still import VideoLocation

TILES = 4
"""Frames on a sheet, evenly spread over the video."""
SIDE = 168
"""Pixels of a tile: a sheet is some 25 kB."""
EMPTY: tuple[int, int, int] = (58, 63, 73)
SQUARE: tuple[int, int, int] = (255, 214, 10)
PADDING: tuple[int, int, int] = (58, 63, 73)
AWAY: tuple[int, int, int] = (96, 103, 116)
FACTS = (
    *("source", "display_width", "display_height", "rotation", "mirrored"),
    *("crop_x", "crop_y", "crop_w", "crop_h", "width", "height", "fps", "codec", "framing"),
)
"""What normalize noted of the source, and the page tells."""


def sheet(location: VideoLocation, workspace: Workspace, source: "SourcePicture | None") -> Image | None:
    """RGB uint8 [SIDE, SIDE * tiles, 3]; None where no frame can be read. Without a source its tile is left out."""
    tiles = list(_frames(location, workspace))
    if not any(tile is not None for tile in tiles):
        return None
    if source is not None:
        tiles.insert(0, _letterboxed(source.picture(SIDE)))
    return np.hstack([np.full((SIDE, SIDE, 3), EMPTY, np.uint8) if tile is None else tile for tile in tiles])


def frames_of(location: VideoLocation) -> list[int]:
    """The frames that are shown."""
    return [(2 * number + 1) * location.frames // (2 * TILES) for number in range(TILES)]


def middle(frames: Sequence[int]) -> int:
    """The frame that stands for the video."""
    return frames[len(frames) // 2]


def _frames(location: VideoLocation, workspace: Workspace) -> Iterator[Image | None]:
    for frame in frames_of(location):
        still = location.load(workspace, frame)
        yield None if still is None else resized(annotate(still), SIDE)


def _letterboxed(image: Image) -> Image:
    """In the middle of a tile."""
    tile = np.full((SIDE, SIDE, 3), EMPTY, np.uint8)
    top, left = ((SIDE - length) // 2 for length in image.shape[:2])
    tile[top : top + image.shape[0], left : left + image.shape[1]] = image
    return tile


@dataclass(frozen=True)
class SourcePicture:
    """The picture of a source with the square that normalize cut. `facts`: what it noted, FACTS -> value. `path` is
    where the source can be read, `start` the second from which on the video was taken."""

    facts: dict[str, Any]
    path: Path
    start: float

    @classmethod
    def of(cls, location: VideoLocation, workspace: Workspace, start: float | None) -> "SourcePicture | None":
        """None where normalize is not current, did not note it all, or its shard is damaged."""
        noted = location.row(workspace, "normalize", 0, FACTS)
        file = location.row(workspace, "download", 0, ("file",))
        if not noted or not file:
            return None
        facts = {name: _plain(values[0]) for name, values in noted.items()}
        if not _can_be(facts):
            return None
        return cls(facts, workspace.sources / str(file["file"][0]), start or 0.0)

    def picture(self, side: int) -> Image:
        """All that normalize saw or padded, RGB uint8 [height, width, 3] with `side` px on the longer side, the square
        drawn into it."""
        width, height = int(self.facts["display_width"]), int(self.facts["display_height"])
        x, y, w, h = (int(self.facts[f"crop_{name}"]) for name in "xywh")
        left, top = min(x, 0), min(y, 0)
        right, bottom = max(x + w, width), max(y + h, height)
        scale = side / max(right - left, bottom - top)
        size = (max(round((right - left) * scale), 1), max(round((bottom - top) * scale), 1))
        canvas = np.full((size[1], size[0], 3), PADDING, np.uint8)
        begin = (round(-left * scale), round(-top * scale))
        shown = (max(round(width * scale), 1), max(round(height * scale), 1))
        _paste(canvas, begin, self._frame(shown))
        corner = (round((x - left) * scale), round((y - top) * scale))
        opposite = (round((x + w - left) * scale) - 1, round((y + h - top) * scale) - 1)
        cv2.rectangle(canvas, corner, opposite, SQUARE, 2)
        return canvas

    def _frame(self, size: tuple[int, int]) -> Image:
        """A frame of the source as displayed, `size` = (width, height); plain grey where it cannot be read."""
        stored = size[::-1] if self.facts["rotation"] in (90, 270) else size
        image = picture_at(self.path, self.start, stored)
        return np.full((size[1], size[0], 3), AWAY, np.uint8) if image is None else self._upright(image)

    def _upright(self, image: Image) -> Image:
        """Stored to displayed: turned clockwise, then mirrored."""
        upright = np.rot90(image, -int(self.facts["rotation"]) // 90)
        return np.ascontiguousarray(upright[:, ::-1] if self.facts["mirrored"] else upright)


def _can_be(facts: Mapping[str, Any]) -> bool:
    """Whether the numbers that the picture is laid out by are such as a picture has."""
    sides = [facts[name] for name in ("display_width", "display_height", "crop_w", "crop_h")]
    places = [*sides, *(facts[name] for name in ("crop_x", "crop_y", "rotation"))]
    return all(isinstance(value, int) and abs(value) <= MOST_PIXELS for value in places) and min(sides) > 0


def _paste(canvas: Image, begin: tuple[int, int], image: Image) -> None:
    part = canvas[begin[1] : begin[1] + image.shape[0], begin[0] : begin[0] + image.shape[1]]
    part[:] = image[: part.shape[0], : part.shape[1]]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
