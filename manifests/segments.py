"""Segments of recordings: `segments.parquet`, one row a stretch of a recording, kept or not, and what it was made from.

Every moment of a recording that could be read lies in exactly one row. Of each recording the table's metadata notes a
digest of all that its rows were made from (`basis`) and one of the rows themselves.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, TypeAdapter

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.record import Model
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table

FOOTER_KEY = b"portrait_prep"
MOST_ROWS_PER_BYTE = 0.25
"""Rows for each byte of the file at most: names and times are written whole, and take tens of bytes."""
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]

MEANINGS: Mapping[str, tuple[pa.DataType, str, str]] = {
    "segment_id": (pa.string(), "", "the person (or the recording), and when it begins, in thousandths of a second"),
    "recording": (pa.string(), "", "the recording that it is of"),
    "source": (pa.string(), "", "its file, as the catalogue names it"),
    "start": (pa.float64(), "s", "when it begins, as players count; just before its first frame"),
    "end": (pa.float64(), "s", "when it ends; just before the first frame that it no longer has"),
    "crop_x": (
        pa.int64(),
        "px",
        "region of the displayed picture in which nobody but the speaking person is: left edge",
    ),
    "crop_y": (pa.int64(), "px", "upper edge"),
    "crop_w": (pa.int64(), "px", "width"),
    "crop_h": (pa.int64(), "px", "height"),
    "subject": (pa.string(), "", "the person who speaks: the recording, and a number"),
    "voice_share": (pa.float64(), "share", "share of its frames during which a voice is heard"),
    "kept": (pa.bool_(), "", "whether it may become a video"),
    "reason": (pa.string(), "", "why it is not kept"),
    "shot": (pa.int64(), "", "number of the shot; null where it is in none"),
    "track": (pa.int64(), "", "number of the face within the shot; null where it is of nobody's"),
}
"""Column -> its type, unit, and meaning."""

SCHEMA = pa.schema(
    [
        pa.field(name, kind, metadata={"unit": unit, "meaning": meaning})
        for name, (kind, unit, meaning) in MEANINGS.items()
    ]
)


class Segment(Model):
    """One row; see MEANINGS. Times in seconds, crop in pixels of the displayed picture."""

    segment_id: str
    recording: str
    source: str
    start: Seconds
    end: Seconds
    crop_x: int | None = None
    crop_y: int | None = None
    crop_w: int | None = None
    crop_h: int | None = None
    subject: str | None = None
    voice_share: float
    kept: bool
    reason: str | None = None
    shot: int | None = None
    track: int | None = None


Rows = TypeAdapter(list[Segment])


class Made(Model):
    """Of one recording: a digest of what its rows were made from, one of the rows, and how many these are."""

    basis: str
    digest: str
    rows: int


class Noted(Model):
    """What the table's metadata tell: recording -> what is noted of its rows."""

    recordings: dict[str, Made]


@dataclass(frozen=True)
class Segments:
    """The rows of each recording, and what is noted of them."""

    rows: Mapping[str, Sequence[Segment]] = field(default_factory=dict)
    made: Mapping[str, Made] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Segment]:
        for segments in self.rows.values():
            yield from segments

    def of(self, recordings: Collection[str]) -> "Segments":
        """Those of some recordings."""
        made = {name: noted for name, noted in self.made.items() if name in recordings}
        return Segments({name: self.rows.get(name, ()) for name in made}, made)

    def rest_on(self, recording: str, basis: str) -> bool:
        """Whether the rows of a recording were made from what has this digest."""
        return recording in self.made and self.made[recording].basis == basis

    def intact(self, recording: str) -> bool:
        """Whether the rows of a recording are those that were written."""
        noted, own = self.made.get(recording), self.rows.get(recording, ())
        return noted is not None and (noted.rows, noted.digest) == (len(own), digest_of_rows(own))


NONE = Segments(MappingProxyType({}), MappingProxyType({}))


def digest_of_rows(segments: Iterable[Segment]) -> str:
    """sha256 of the rows as lines of JSON, hexadecimal."""
    digest = hashlib.sha256()
    for segment in segments:
        digest.update(segment.model_dump_json().encode() + b"\n")
    return digest.hexdigest()


def read_segments(path: Path) -> Segments | None:
    """The table; None where there is none. Raises Damaged where it is no table of segments."""
    try:
        size = regular(path).stat().st_size
        footer = pq.read_metadata(path)
        if footer.num_rows > MOST_ROWS_PER_BYTE * size:
            raise pa.ArrowInvalid("it claims more rows than its bytes can hold")
        noted = Noted.model_validate_json((footer.metadata or {}).get(FOOTER_KEY, b""))
        with bounded_table(size):
            table = pq.read_table(path, schema=SCHEMA)
        rows: dict[str, list[Segment]] = {}
        for segment in Rows.validate_python(table.to_pylist()):
            rows.setdefault(segment.recording, []).append(segment)
        return _valid(Segments(rows, noted.recordings))
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, ValueError) as error:  # pydantic's are the last
        raise Damaged(f"{path} is no whole table of segments: run 'portrait-prep segment' again.") from error


def _valid(segments: Segments) -> Segments:
    """The same. Raises ValueError where a row ends before it begins, or would become the same video as another."""
    kept = [segment.segment_id for segment in segments if segment.kept]
    if len(set(kept)) < len(kept) or any(segment.end < segment.start for segment in segments):
        raise ValueError("rows contradict themselves or each other")
    return segments


def readable_segments(path: Path) -> Segments:
    """The table as far as it tells anything: without rows where it is missing or damaged."""
    try:
        return read_segments(path) or NONE
    except Damaged:
        return NONE


def require_segments(path: Path) -> Segments:
    """The table. Raises BadInput where there is none, Damaged where it is no table of segments."""
    found = read_segments(path)
    if found is None:
        raise BadInput(f"There is no {path.name} in {path.parent}: run 'portrait-prep segment --source DIR' first.")
    return found


def write_segments(path: Path, segments: Segments) -> None:
    """Write the table whole or not at all, in the order of the recordings' names."""
    names = sorted(segments.made)
    noted = Noted(recordings={name: segments.made[name] for name in names}).model_dump_json()
    values: list[Mapping[str, Any]] = [row.model_dump() for name in names for row in segments.rows.get(name, ())]
    table = pa.Table.from_pylist(values, schema=SCHEMA).replace_schema_metadata({FOOTER_KEY: noted})
    with replacing(path) as temporary:
        pq.write_table(table, temporary)
