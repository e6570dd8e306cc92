"""Videos as samples of WebDataset: tar files in which all files of a video stand together, named alike.

Format: https://github.com/webdataset/webdataset: the name of a file up to its first dot is the key of its sample, what
follows is the name of the entry. So a dot of a video's id is written `%2E`; the id itself is in the json.

    <folder>/<split>-<number>.tar       `all-<number>.tar` of videos without a split
        <key>.mp4, .wav                 as in the workspace
        <key>.json                      what the catalogue says, frames, gaps
        <key>.<column>.npy              [frames, *shape], a file a column
        <key>.<crop>.mp4, .npy          with --crops: the face cut out of each frame, with the sound; and where it was
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.views.crops.files import write_crops
from portrait_prep.views.crops.stream import LANDMARKS, Kind
from portrait_prep.views.exporting.about import COLUMNS, about, names_of, with_visibility
from portrait_prep.views.exporting.arrays import Stream
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.shards import MEGABYTE, by_split, packed
from portrait_prep.views.exporting.tar import Member, write_tar
from portrait_prep.views.reading.reader import PIECE, Reader
from portrait_prep.views.reading.windows import Window, blocks

UNSPLIT = "all"
"""What files of videos without a split begin with."""
MEDIA = ("mp4", "wav")
"""The files of a video that go along."""


class WebdatasetOptions(Options):
    """What goes into the tar files."""

    columns: tuple[str, ...] = Field(COLUMNS, description="Columns that go along, as stage.column.")
    crops: tuple[Kind, ...] = Field(
        (), description="Faces of 256 px, cut out as these systems do: an mp4 with the sound, and where each was."
    )
    shard_size: int = Field(1000, ge=1, description="Most megabytes of a tar file; a larger video has its own.")


def plan(reader: Reader, options: WebdatasetOptions) -> Plan:
    """One part a tar file."""
    parts = list[Part]()
    for split, numbers in by_split(reader.videos, UNSPLIT).items():
        shards = packed(numbers, partial(_size, reader, options), options.shard_size * MEGABYTE)
        parts += [_shard(reader, options, f"{split}-{index:06d}.tar", shard) for index, shard in enumerate(shards)]
    frames = sum(footage.frames for footage in reader.videos)
    return Plan(parts, f"{counted(len(reader), 'sample')} in {counted(len(parts), 'tar file')}, {hours(frames / FPS)}")


def _shard(reader: Reader, options: WebdatasetOptions, name: str, numbers: Sequence[int]) -> Part:
    return Part(name, partial(_write, reader, options, numbers), f"{name}: {counted(len(numbers), 'video')}")


def _size(reader: Reader, options: WebdatasetOptions, number: int) -> int:
    """About as many bytes as a video will take; crops are taken to be as large as the mp4, which they hardly are."""
    files = {suffix: reader.recorded(number, suffix).bytes for suffix in MEDIA}
    crops = len(options.crops) * files["mp4"]
    return sum(files.values()) + crops + sum(stream.nbytes for stream in _streams(reader, options, number).values())


def _write(reader: Reader, options: WebdatasetOptions, numbers: Sequence[int], path: Path) -> None:
    with TemporaryDirectory(dir=path.parent) as folder:
        write_tar(path, (member for number in numbers for member in members(reader, options, number, Path(folder))))


def members(reader: Reader, options: WebdatasetOptions, number: int, folder: Path) -> Iterator[Member]:
    """The files of a video; `folder` is for those that are made on the way. Raises what `Reader` raises."""
    key = reader.videos[number].video.video_id.replace(".", "%2E")
    for suffix in MEDIA:
        yield Member(f"{key}.{suffix}", reader.recorded(number, suffix).bytes, reader.content(number, suffix))
    told = json.dumps(_told(reader, number), ensure_ascii=False).encode()
    yield Member(f"{key}.json", len(told), (told,))
    for name, stream in _streams(reader, options, number).items():
        yield Member(f"{key}.{name}.npy", len(stream.header) + stream.nbytes, _npy(stream))
    whole, kinds = Window(number, 0, reader.videos[number].frames), tuple(dict.fromkeys(options.crops))
    for path in write_crops(reader, whole, kinds, folder) if kinds else ():
        yield Member(f"{key}.{path.name}", path.stat().st_size, _pieces(path))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _told(reader: Reader, number: int) -> dict[str, Any]:
    footage = reader.videos[number]
    return {**about(footage), "frames": footage.frames, "gaps": footage.gaps, "fps": FPS}


def _streams(reader: Reader, options: WebdatasetOptions, number: int) -> dict[str, Stream]:
    """Name of each column that goes along -> its values, which are read when they are asked for."""
    columns = with_visibility(options.columns)
    frames, names = reader.videos[number].frames, names_of(columns, options.crops)
    return {
        names[column]: Stream(frames, none.shape[1:], none.dtype.str, _rows(reader, number, column))
        for column, none in reader.read(number, 0, 0, columns).items()
    }


def _rows(reader: Reader, number: int, column: str) -> Iterator[NDArray[Any]]:
    for part in blocks(Window(number, 0, reader.videos[number].frames)):
        yield reader.read(*part, (column,))[column]


def _npy(stream: Stream) -> Iterator[bytes | memoryview]:
    yield stream.header
    yield from stream.content()


def _read(options: WebdatasetOptions) -> tuple[str, ...]:
    return (*with_visibility(options.columns), *((LANDMARKS,) if options.crops else ()))


WEBDATASET = Export(
    name="webdataset",
    help="Write accepted videos as tar files for WebDataset: picture, sound, what is known, and columns as arrays.",
    options=WebdatasetOptions,
    columns=_read,
    plan=plan,
)
