"""Videos as samples of WebDataset: tar files in which all files of a video stand together, named alike.

Format: https://github.com/webdataset/webdataset: the name of a file up to its first dot is the key of its sample, what
follows is the name of the entry. So a dot of a video's id is written `%2E`; the id itself is in the json.

    <folder>/<split>-<number>.tar       `all-<number>.tar` of videos without a split
        <key>.mp4, .wav                 as in the workspace
        <key>.json                      what the catalogue says, frames, gaps
        <key>.<column>.npy              [frames, *shape], a file a column
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.views.exporting.about import COLUMNS, about, names_of, with_visibility
from portrait_prep.views.exporting.arrays import Stream
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.shards import MEGABYTE, by_split, packed
from portrait_prep.views.exporting.tar import Member, write_tar
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

UNSPLIT = "all"
"""What files of videos without a split begin with."""
MEDIA = ("mp4", "wav")
"""The files of a video that go along."""


class WebdatasetOptions(Options):
    """What goes into the tar files."""

    columns: tuple[str, ...] = Field(COLUMNS, description="Columns that go along, as stage.column.")
    shard_size: int = Field(1000, ge=1, description="Most megabytes of a tar file; a larger video has its own.")


def plan(reader: Reader, options: WebdatasetOptions) -> Plan:
    """One part a tar file."""
    parts = list[Part]()
    for split, numbers in by_split(reader.videos, UNSPLIT).items():
        shards = packed(numbers, partial(_size, reader), options.shard_size * MEGABYTE)
        parts += [_shard(reader, f"{split}-{index:06d}.tar", shard) for index, shard in enumerate(shards)]
    frames = sum(footage.frames for footage in reader.videos)
    return Plan(parts, f"{counted(len(reader), 'sample')} in {counted(len(parts), 'tar file')}, {hours(frames / FPS)}")


def _shard(reader: Reader, name: str, numbers: Sequence[int]) -> Part:
    return Part(name, partial(_write, reader, numbers), f"{name}: {counted(len(numbers), 'video')}")


def _size(reader: Reader, number: int) -> int:
    """About as many bytes as a video will take."""
    files = sum(reader.recorded(number, suffix).bytes for suffix in MEDIA)
    return files + sum(stream.nbytes for stream in _streams(reader, number).values())


def _write(reader: Reader, numbers: Sequence[int], path: Path) -> None:
    write_tar(path, (member for number in numbers for member in members(reader, number)))


def members(reader: Reader, number: int) -> Iterator[Member]:
    """The files of a video. Raises what `Reader` raises."""
    key = reader.videos[number].video.video_id.replace(".", "%2E")
    for suffix in MEDIA:
        yield Member(f"{key}.{suffix}", reader.recorded(number, suffix).bytes, reader.content(number, suffix))
    told = json.dumps(_told(reader, number), ensure_ascii=False).encode()
    yield Member(f"{key}.json", len(told), (told,))
    for name, stream in _streams(reader, number).items():
        yield Member(f"{key}.{name}.npy", len(stream.header) + stream.nbytes, _npy(stream))


def _told(reader: Reader, number: int) -> dict[str, Any]:
    footage = reader.videos[number]
    return {**about(footage), "frames": footage.frames, "gaps": footage.gaps, "fps": FPS}


def _streams(reader: Reader, number: int) -> dict[str, Stream]:
    """Name of each column -> its values, which are read when they are asked for."""
    frames, names = reader.videos[number].frames, names_of(reader.columns)
    return {
        names[column]: Stream(frames, none.shape[1:], none.dtype.str, _rows(reader, number, column))
        for column, none in reader.read(number, 0, 0).items()
    }


def _rows(reader: Reader, number: int, column: str) -> Iterator[NDArray[Any]]:
    for part in blocks(Window(number, 0, reader.videos[number].frames)):
        yield reader.read(*part, (column,))[column]


def _npy(stream: Stream) -> Iterator[bytes | memoryview]:
    yield stream.header
    yield from stream.content()


WEBDATASET = Export(
    name="webdataset",
    help="Write accepted videos as tar files for WebDataset: picture, sound, what is known, and columns as arrays.",
    options=WebdatasetOptions,
    columns=lambda options: with_visibility(options.columns),
    plan=plan,
)
