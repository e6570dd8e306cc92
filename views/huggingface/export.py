"""Frames of videos as a folder that `datasets.load_dataset` reads, split by split, without more words.

Format: https://huggingface.co/docs/datasets/repository_structure and, of the card,
https://huggingface.co/docs/datasets/dataset_card. Nothing here needs `datasets`.

    <folder>/data/<split>-<number>-of-<count>.parquet       one row a frame; `train` where videos have no split
    <folder>/README.md                                      the card
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from portrait_prep.manifests.catalogue import SCHEMA
from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.stage import Column
from portrait_prep.pipeline.store.arrow import PAGE_BYTES, leaf, to_arrow
from portrait_prep.views.exporting.about import COLUMNS, about, names_of, with_visibility
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.shards import MEGABYTE, by_split, packed
from portrait_prep.views.huggingface.card import card
from portrait_prep.views.huggingface.features import Feature, schema
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

UNSPLIT = "train"
"""Where videos without a split are: what `datasets` calls all that it finds in no split."""
SOUND = "speech.pcm"
ROWS_PER_GROUP = 1000
"""Rows of a row group, whatever the lengths of videos: `datasets` reads as many at a time as are in the first one."""
FRAME = "frame"
TYPES = {pa.string(): "str", pa.int64(): "int64", pa.float64(): "float64"}
"""Type in the catalogue -> as a column is declared."""


class DatasetsOptions(Options):
    """What goes into the Parquet files."""

    columns: tuple[str, ...] = Field((*COLUMNS, SOUND), description="Columns that go along, as stage.column.")
    shard_size: int = Field(
        500, ge=1, description="Most megabytes of values of a file, not compressed; a larger video has its own."
    )


@dataclass(frozen=True)
class Table:
    """The frames of the chosen videos as one table: what is known of each video, then the columns."""

    reader: Reader

    @cached_property
    def known(self) -> Mapping[str, Column]:
        """What is told of each video, whether it applies to these or not: all exports can be joined."""
        kinds = {name: TYPES[SCHEMA.field(name).type] for name in SCHEMA.names}
        return {name: Column(name, kinds.get(name, "bool"), nullable=True) for name in about(self.reader.videos[0])}

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """`stage.column` -> how it is called and declared here."""
        names, empty = names_of(self.reader.columns, {*self.known, FRAME}), self.reader.read(0, 0, 0)
        return {column: Column(names[column], none.dtype.name, none.shape[1:]) for column, none in empty.items()}

    @cached_property
    def features(self) -> Sequence[Feature]:
        """All of them, in order."""
        return [Feature(each) for each in (*self.known.values(), Column(FRAME, "int32"), *self.columns.values())]

    @cached_property
    def row_bytes(self) -> int:
        """Bytes of the columns of a frame."""
        return sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in self.columns.values())

    def rows(self, number: int) -> Iterator[pa.Table]:
        """The frames of a video, some at a time. Raises what `Reader.read` raises."""
        told, whole = about(self.reader.videos[number]), schema(self.features)
        for part in blocks(Window(number, 0, self.reader.videos[number].frames)):
            values = self.reader.read(*part)
            known = [pa.repeat(pa.scalar(told[name], whole.field(name).type), part.frames) for name in self.known]
            frames = pa.array(np.arange(part.first, part.first + part.frames, dtype=np.int32))
            arrays = [to_arrow(column, values[name]) for name, column in self.columns.items()]
            yield pa.Table.from_arrays([*known, frames, *arrays], schema=whole)

    def write(self, numbers: Sequence[int], path: Path) -> None:
        """Write videos into one Parquet file, as shards are: packed by zstd, the bytes of floats split."""
        floats = [leaf(column) for column in self.columns.values() if column.dtype.startswith("float")]
        encoding = {"compression": "zstd", "use_byte_stream_split": floats, "use_dictionary": list(self.known)}
        tables = (rows for number in numbers for rows in self.rows(number))
        with pq.ParquetWriter(path, schema(self.features), data_page_size=PAGE_BYTES, **encoding) as writer:
            for group in grouped(tables):
                writer.write_table(group, ROWS_PER_GROUP)


def grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of as many as a row group has; the last one has what is left over."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        while sum(map(len, pending)) >= ROWS_PER_GROUP:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, ROWS_PER_GROUP)
            pending = [joined.slice(ROWS_PER_GROUP)]
    if any(map(len, pending)):
        yield pa.concat_tables(pending)


def plan(reader: Reader, options: DatasetsOptions) -> Plan:
    """One part a Parquet file."""
    table, parts = Table(reader), list[Part]()
    sides = by_split(reader.videos, UNSPLIT)
    for split, numbers in sides.items():
        files = packed(numbers, partial(_size, table), options.shard_size * MEGABYTE)
        for index, videos in enumerate(files):
            name = f"data/{split}-{index:05d}-of-{len(files):05d}.parquet"
            parts.append(Part(name, partial(table.write, videos), f"{name}: {counted(len(videos), 'video')}"))
    frames = sum(footage.frames for footage in reader.videos)
    summary = f"{counted(frames, 'row')} of {counted(len(reader), 'video')}, {hours(frames / FPS)}"
    return Plan(parts, summary, close=partial(_close, table, sides))


def _size(table: Table, number: int) -> int:
    return table.reader.videos[number].frames * table.row_bytes


def _close(table: Table, sides: Mapping[str, Sequence[int]], folder: Path, _: Path) -> None:
    (folder / "README.md").write_text(card(table.reader, table.features, table.columns, sides), "utf-8")


DATASETS = Export(
    name="datasets",
    help="Write the frames of accepted videos as Parquet files that Hugging Face datasets reads, with a card.",
    options=DatasetsOptions,
    columns=lambda options: with_visibility(options.columns),
    plan=plan,
)
