"""Clips as files in the layout that MODA's own loader reads, in the units of its released weights.

Source: https://github.com/taichuai/MODA, datasets/audio2repr_dataset.py (`parse_subject_names`,
`prepare_subject_dataset`, `__getitem__`) and configs/train/moda.yaml. To be loaded with `--dataroot` on the folder and
`--FPS 25`: at its default of 30 the loader takes 533 samples for a frame where 533 1/3 are due, and sound drifts.

    <folder>/train.txt, test.txt        one clip a line; clips without a split, and those of `train`, in the first
    <folder>/<clip>/feature.npz         Vertices, Headposes, Transposes, Scales (float64), Shoulders, index lists
    <folder>/<clip>/shoulder-billboard.npy
    <folder>/<clip>/audio.wav           16 kHz mono PCM16, 640 samples a frame
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.media.frames import FPS
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME, write_wav
from portrait_prep.views.moda.filling import filling
from portrait_prep.views.moda.parts import SEMANTIC, indices
from portrait_prep.views.moda.targets import BLOCK, Targets
from portrait_prep.views.moda.windows import LENGTH, STRIDE
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.windows import Window

LEAST = LENGTH + STRIDE + 1
"""Frames of the shortest clip that the loader takes a sample from, and that leaves its index of the others whole."""
SHOULDERS = "torso.shoulders"
BILLBOARD = "torso.billboard"
FEATURES: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "Vertices": ("headpose.canonical", (478, 3)),
    "Headposes": ("headpose.euler", (3,)),
    "Transposes": ("headpose.translation", (3,)),
    "Scales": ("headpose.scale", ()),
}
"""Array of feature.npz -> column, and the shape of one row."""
TRAIN, TEST = "train.txt", "test.txt"
LISTS: Mapping[str | None, str] = {"val": TEST, "test": TEST}
"""Split -> the list that its clips are in; all others are in train.txt."""
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every member of a zip: none."""


@dataclass(frozen=True)
class Clip:
    """Frames that become one folder. `list_file` names it."""

    name: str
    window: Window
    list_file: str


@dataclass(frozen=True)
class Exported:
    """What was written, and by name the stretches that were left out, with how many frames they have."""

    clips: Sequence[Clip]
    left_out: Mapping[str, int]

    @property
    def frames(self) -> int:
        """Of all clips."""
        return sum(clip.window.frames for clip in self.clips)


def export_moda(
    workspace: Path | str,
    folder: Path,
    targets: Targets,
    *,
    trim: bool = False,
    told: Callable[[Clip], None] = lambda _: None,
    **wishes: Any,
) -> Exported:
    """Write every chosen video that is long enough, whole or not at all, and nothing outside `folder`.

    A video with long gaps becomes one clip for each stretch between them, `<video_id>@<first frame>`; so is one called
    that is named like a list. Up to two frames are cut off the end where the loader would miscount them. `trim`: up to
    199 are, so that a clip's length is 601 + 200 k: then the loader's index, which else points past the ends of clips
    and into wrong ones, is right. `told` is called with each clip as it is done.

    Raises BadInput when `folder` holds something, or no video is chosen or long enough.
    """
    reader = Reader(workspace, (*targets.columns, SHOULDERS), **wishes)
    clips, left_out = plan(reader.videos, trim)
    if not clips:
        longest = max(left_out.values(), default=0)
        raise BadInput(
            f"MODA's loader takes nothing from clips of less than {LEAST} frames; the longest has {longest}."
        )
    with filling(folder) as stage:
        for clip in clips:
            write_clip(reader, clip.window, stage / clip.name, targets)
            told(clip)
        for name in (TRAIN, TEST):
            with replacing(stage / name) as temporary:
                temporary.write_text("".join(f"{clip.name}\n" for clip in clips if clip.list_file == name), "utf-8")
    return Exported(clips, left_out)


def plan(videos: Sequence[Footage], trim: bool) -> tuple[list[Clip], dict[str, int]]:
    """The clips, and the stretches that are too short, with their frames."""
    clips, left_out = list[Clip](), dict[str, int]()
    for number, footage in enumerate(videos):
        video = footage.video
        for first, stop in footage.runs:
            frames = stop - first
            plain = frames == footage.frames and video.video_id not in (TRAIN, TEST)
            name = video.video_id if plain else f"{video.video_id}@{first}"
            if frames < LEAST:
                left_out[name] = frames
                continue
            kept = _counted_rightly(frames - (frames - LEAST) % STRIDE if trim else frames)
            clips.append(Clip(name, Window(number, first, kept), LISTS.get(video.split, TRAIN)))
    return clips, left_out


def _counted_rightly(frames: int) -> int:
    """The most frames up to so many that the loader counts as such; it stretches others to what it counts.

    It rounds seconds times frames a second down, in floating point: of 803 frames it makes 802.
    """
    return next(count for count in range(frames, 0, -1) if int(count * SAMPLES_PER_FRAME / RATE * FPS) == count)


def write_clip(reader: Reader, window: Window, folder: Path, targets: Targets) -> None:
    """The three files of one clip. Raises what `Reader` raises."""
    with replacing(folder / "feature.npz") as temporary:
        write_npz(temporary, _features(reader, window, targets))
    with replacing(folder / "shoulder-billboard.npy") as temporary:
        write_npy(temporary, _stream(reader, window, targets, BILLBOARD, (18, 3)))
    with replacing(folder / "audio.wav") as temporary:
        write_wav(temporary, (reader.sound(*part) for part in _parts(window)))


def _features(reader: Reader, window: Window, targets: Targets) -> Iterator[tuple[str, "Stream"]]:
    for name, (column, shape) in FEATURES.items():
        yield name, _stream(reader, window, targets, column, shape)
    rows = (reader.read(*part, (SHOULDERS,))[SHOULDERS] for part in _parts(window))
    yield "Shoulders", Stream(window.frames, (2, 9, 2), "<f4", rows)
    for name, parts in SEMANTIC.items():
        yield name, Stream.of(indices(parts))


def _stream(reader: Reader, window: Window, targets: Targets, column: str, shape: tuple[int, ...]) -> "Stream":
    """float64, as the original's files are: its means are taken in it."""
    return Stream(window.frames, shape, "<f8", (batch[column] for batch in targets.blocks(reader, window)))


def _parts(window: Window) -> Iterator[Window]:
    for first in range(window.first, window.first + window.frames, BLOCK):
        yield Window(window.video, first, min(BLOCK, window.first + window.frames - first))


@dataclass(frozen=True)
class Stream:
    """An array [rows, *shape] to be written, whose rows come in blocks of any type that casts to `dtype`.

    Memory does not grow with the array, and the same values give the same bytes. Format:
    https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0; an npz is a zip of npy.
    """

    rows: int
    shape: tuple[int, ...]
    dtype: str
    blocks: Iterable[NDArray[Any]]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Stream":
        """One that is there as a whole."""
        return cls(len(values), values.shape[1:], values.dtype.str, (values,))


def write_npy(path: Path, stream: Stream) -> None:
    """Write one array. Raises ValueError unless the blocks have just the rows that were announced."""
    with path.open("wb") as file:
        _write(file, stream)


def write_npz(path: Path, streams: Iterable[tuple[str, Stream]]) -> None:
    """Write named arrays, uncompressed as `numpy.savez` does. Raises ValueError as `write_npy` does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, stream in streams:
            with archive.open(zipfile.ZipInfo(f"{name}.npy", LONG_AGO), "w", force_zip64=True) as member:
                _write(member, stream)


def _write(file: IO[bytes], stream: Stream) -> None:
    shape = (stream.rows, *stream.shape)
    np.lib.format.write_array_header_1_0(file, {"descr": stream.dtype, "fortran_order": False, "shape": shape})
    rows = 0
    for block in stream.blocks:
        if block.shape[1:] != stream.shape:
            raise ValueError(f"a block has rows of {block.shape[1:]}, not of {stream.shape}")
        rows += len(block)
        file.write(np.ascontiguousarray(block, stream.dtype).data)
    if rows != stream.rows:
        raise ValueError(f"{rows} rows came, not {stream.rows}")
