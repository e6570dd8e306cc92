"""`segments.parquet` says what it was made from, and is known again."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.manifests.corpora.segments import catalogue
from portrait_prep.manifests.segments import (
    MEANINGS,
    Made,
    Segment,
    Segments,
    digest_of_rows,
    read_segments,
    require_segments,
    write_segments,
)


def row(recording: str, start: float, kept: bool = True) -> Segment:
    """A segment of two seconds."""
    place = {"crop_x": 1, "crop_y": 2, "crop_w": 30, "crop_h": 40} if kept else {}
    return Segment(
        segment_id=f"{recording}-000-{start:08.0f}",
        recording=recording,
        source=f"/in/{recording}.mp4",
        start=start,
        end=start + 2,
        subject=f"{recording}-000",
        voice_share=0.5,
        kept=kept,
        reason=None if kept else "silent",
        **place,
    )


def table(*rows: Segment) -> Segments:
    """Of some recordings."""
    by_recording: dict[str, list[Segment]] = {}
    for one in rows:
        by_recording.setdefault(one.recording, []).append(one)
    made = {name: Made(basis="b", digest=digest_of_rows(own), rows=len(own)) for name, own in by_recording.items()}
    return Segments(by_recording, made)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "segments.parquet"
    written = table(row("b", 0), row("a", 0), row("a", 2, kept=False))
    write_segments(path, written)
    found = require_segments(path)
    assert list(found) == [*written.rows["a"], *written.rows["b"]]
    assert found.made == written.made
    assert all(found.intact(name) for name in "ab")
    assert pq.read_schema(path).names == list(MEANINGS)


def test_a_row_that_was_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "segments.parquet"
    write_segments(path, table(row("a", 0), row("b", 0)))
    rows = pq.read_table(path)
    changed = rows.set_column(4, rows.schema.field(4), pa.array([2.0, 2.5]))
    pq.write_table(changed, path)
    found = require_segments(path)
    assert (found.intact("a"), found.intact("b")) == (True, False)


def test_what_is_no_table_of_segments_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "segments.parquet"
    assert read_segments(path) is None
    with pytest.raises(BadInput, match="portrait-prep segment"):
        require_segments(path)
    for content in (b"", b"PAR1 and nothing more"):
        path.write_bytes(content)
        with pytest.raises(Damaged, match="portrait-prep segment"):
            read_segments(path)
    pq.write_table(pa.table({"segment_id": ["a"]}), path)
    with pytest.raises(Damaged):
        read_segments(path)


def test_kept_segments_are_videos_and_a_recording_is_on_one_side() -> None:
    names = [f"r{number}" for number in range(40)]
    videos = catalogue(table(*(row(name, start, kept=start != 4) for name in names for start in (0, 2, 4))))
    assert len(videos) == 80
    assert len({(video.subject, video.split) for video in videos}) == 40
    assert {video.split for video in videos} == {"train", "test"}
    assert {(video.crop_x, video.crop_y, video.crop_w, video.crop_h) for video in videos} == {(1, 2, 30, 40)}


def altered(path: Path, **values: object) -> pa.Table:
    """The table with other values in every row of a column."""
    found = pq.read_table(path)
    for name, value in values.items():
        column = value if isinstance(value, pa.Array) else pa.array([value] * len(found))
        found = found.set_column(found.schema.get_field_index(name), name, column)
    return found


@pytest.mark.parametrize(
    "values",
    [
        {"start": pa.array([1 << 62] * 2, pa.timestamp("ms"))},
        {"start": pa.array([(1 << 31) - 1] * 2, pa.date32())},
        {"start": float("nan")},
        {"start": 9.0, "end": 8.0},
        {"segment_id": "same"},
        {"kept": pa.nulls(2, pa.bool_())},
    ],
)
def test_rows_that_cannot_be_are_no_table_of_segments(tmp_path: Path, values: dict[str, object]) -> None:
    path = tmp_path / "segments.parquet"
    write_segments(path, table(row("a", 0), row("b", 0)))
    pq.write_table(altered(path, **values), path)
    with pytest.raises(Damaged, match="no whole table of segments"):
        read_segments(path)


def test_more_rows_than_its_bytes_can_hold_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "segments.parquet"
    write_segments(path, table(row("a", 0)))
    found = pq.read_table(path)
    pq.write_table(found.take(pa.array([0] * 300_000)), path, compression="zstd")
    with pytest.raises(Damaged, match="no whole table of segments"):
        read_segments(path)


def test_notes_that_are_nested_too_deep_are_no_notes(tmp_path: Path) -> None:
    path = tmp_path / "segments.parquet"
    write_segments(path, table(row("a", 0)))
    noted = {b"portrait_prep": b"[" * 200_000}
    pq.write_table(pq.read_table(path).replace_schema_metadata(noted), path)
    with pytest.raises(Damaged, match="no whole table of segments"):
        read_segments(path)
