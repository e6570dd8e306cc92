"""The files of a clip that MODA's motion network learns from: face, head, shoulders and sound.

Source: https://github.com/taichuai/MODA, datasets/audio2repr_dataset.py (`prepare_subject_dataset`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.wav import write_wav
from portrait_prep.views.exporting.about import VISIBLE
from portrait_prep.views.exporting.arrays import Stream, write_npy, write_npz
from portrait_prep.views.moda.parts import SEMANTIC, indices
from portrait_prep.views.moda.targets import Targets
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

SHOULDERS, BILLBOARD = "torso.shoulders", "torso.billboard"
FEATURES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "Vertices": ("headpose.canonical", (478, 3)),
    "Headposes": ("headpose.euler", (3,)),
    "Transposes": ("headpose.translation", (3,)),
    "Scales": ("headpose.scale", ()),
}
"""Array of feature.npz -> column, and the shape of one row."""


def write_motion(reader: Reader, window: Window, folder: Path, targets: Targets, still: bool) -> None:
    """The three files of one clip; `still`: with shoulders that do not move, which the loader masks.

    Raises what `Reader` raises.
    """
    write_npz(folder / "feature.npz", _features(reader, window, targets))
    billboard = _stream(reader, window, targets, BILLBOARD, (18, 3))
    write_npy(folder / "shoulder-billboard.npy", _held(billboard) if still else billboard)
    write_wav(folder / "audio.wav", (reader.sound(*part) for part in blocks(window)))


def _features(reader: Reader, window: Window, targets: Targets) -> Iterator[tuple[str, Stream]]:
    for name, (column, shape) in FEATURES.items():
        yield name, _stream(reader, window, targets, column, shape)
    for name, column, shape, dtype in (("Shoulders", SHOULDERS, (2, 9, 2), "<f4"), ("Visible", VISIBLE, (2,), "|b1")):
        rows = (reader.read(*part, (column,))[column] for part in blocks(window))
        yield name, Stream(window.frames, shape, dtype, rows)
    for name, parts in SEMANTIC.items():
        yield name, Stream.of(indices(parts))


def _stream(reader: Reader, window: Window, targets: Targets, column: str, shape: tuple[int, ...]) -> Stream:
    """float64, as the original's files are: its means are taken in it."""
    return Stream(window.frames, shape, "<f8", (batch[column] for batch in targets.blocks(reader, window)))


def _held(stream: Stream) -> Stream:
    """Every row as the first."""

    def rows() -> Iterator[NDArray[Any]]:
        first = None
        for block in stream.blocks:
            first = block[:1] if first is None else first
            yield np.broadcast_to(first, block.shape)

    return Stream(stream.rows, stream.shape, stream.dtype, rows())
