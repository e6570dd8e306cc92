"""Crops of several kinds from one pass over the frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.geometry import Floats
from portrait_prep.views.crops.latentsync import LatentSync
from portrait_prep.views.crops.musetalk import MuseTalk
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

LANDMARKS = "landmarks.landmarks"
"""The column that crops are made by: a reader of theirs reads it."""

Kind = Literal["latentsync", "musetalk"]


class Cutter(Protocol):
    """Cuts the frames of one video, in order. `side` of a crop in px; `none`: the place of a face that is not there."""

    side: int
    none: NDArray[Any]

    def places(self, landmarks: Floats) -> NDArray[Any]:
        """Where the landmarks [n, 478, 3] of the next n frames put the face: [n, …]."""

    def cut(self, image: Image, place: NDArray[Any]) -> Image:
        """What is there in an RGB frame: uint8 [side, side, 3]."""


CUTTERS: Mapping[Kind, type[Cutter]] = {"latentsync": LatentSync, "musetalk": MuseTalk}
"""One is made for each video."""


class Crop(NamedTuple):
    """A face cut out, RGB uint8 [side, side, 3], and where it was: as the cutter of its kind tells it."""

    image: Image
    place: NDArray[Any]


def stream(reader: Reader, window: Window, kinds: Sequence[Kind]) -> Iterator[Mapping[Kind, Crop]]:
    """The crops of a stretch of frames, frame by frame: each is decoded once. Raises what `Reader` raises.

    A frame without a face gives a black one, so that crops stay in step with the sound.
    """
    cutters = {kind: CUTTERS[kind]() for kind in kinds}
    images = reader.stream(*window)
    for block in blocks(window):
        landmarks = reader.read(*block, [LANDMARKS])[LANDMARKS]
        places = {kind: cutter.places(landmarks) for kind, cutter in cutters.items()}
        for row, image in zip(range(block.frames), images, strict=False):
            yield {kind: _crop(cutter, image, places[kind][row]) for kind, cutter in cutters.items()}


def _crop(cutter: Cutter, image: Image, place: NDArray[Any]) -> Crop:
    if np.array_equal(place, cutter.none, equal_nan=True):
        return Crop(np.zeros((cutter.side, cutter.side, 3), np.uint8), place)
    return Crop(cutter.cut(image, place), place)
