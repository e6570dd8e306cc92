"""Crops as files: the pictures with the sound, and where each was in its frame."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from portrait_prep.media.mp4 import Mp4Writer
from portrait_prep.views.crops.stream import CUTTERS, Kind, stream
from portrait_prep.views.exporting.arrays import Stream, write_npy
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks


def write_crops(reader: Reader, window: Window, kinds: Sequence[Kind], folder: Path) -> list[Path]:
    """Write `<kind>.mp4`, H.264 of 25 fps and AAC, and `<kind>.npy`, the places [frames, …], over what is there.

    Returns the paths. Raises what `Reader` raises.
    """
    places = {kind: np.empty((window.frames, *CUTTERS[kind].none.shape), CUTTERS[kind].none.dtype) for kind in kinds}
    with ExitStack() as open_files:
        writers = {
            kind: open_files.enter_context(Mp4Writer(folder / f"{kind}.mp4", CUTTERS[kind].side)) for kind in kinds
        }
        samples = (row for block in blocks(window) for row in reader.sound(*block))
        for number, (crops, sound) in enumerate(zip(stream(reader, window, kinds), samples, strict=True)):
            for kind, crop in crops.items():
                writers[kind].add(crop.image, sound[np.newaxis])
                places[kind][number] = crop.place
    for kind in kinds:
        write_npy(folder / f"{kind}.npy", Stream.of(places[kind]))
    return [folder / f"{kind}.{ending}" for kind in kinds for ending in ("mp4", "npy")]
