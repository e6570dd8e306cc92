"""The catalogue file: what is written is read back, and what is no catalogue is said in one sentence."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_catalogue, read_rows, write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import LABELS, Video, source_of


def video(video_id: str, seconds: float | None = 10.0, corpus: str = "folder", source: str = "/v") -> Video:
    return Video(video_id=video_id, corpus=corpus, subject="s", source=source, duration=seconds)


@pytest.mark.parametrize("name", [b"plain.mp4", b"with space \xc3\xa9.mp4", b"\xff\xfe%41.mp4", b"line\nbreak.mp4"])
def test_a_source_is_found_again_after_a_round_trip_through_the_file(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"x")
    write_catalogue(tmp_path / "catalogue.parquet", merge([], [video("a", source=source_of(path))], 120))
    (row,) = read_catalogue(tmp_path / "catalogue.parquet")
    assert row.path.read_bytes() == b"x"
    assert row.source == str(path) or not os.fsencode(path).isascii()


def test_a_catalogue_from_before_a_column_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    rows = merge([], [video("a")], 120)
    write_catalogue(path, rows)
    pq.write_table(pq.read_table(path).drop_columns(["sound_shift"]), path)
    assert list(read_catalogue(path)) == rows


@pytest.mark.parametrize("content", [None, b"", b"no parquet"])
def test_what_is_no_catalogue_is_said_in_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "catalogue.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"catalogue.*portrait-prep init"):
        read_catalogue(path)


@pytest.mark.parametrize("field", ["video_id", "subject", "shard"])
def test_a_row_without_what_every_video_has_is_said_in_one_sentence(tmp_path: Path, field: str) -> None:
    path = tmp_path / "catalogue.parquet"
    write_catalogue(path, [video("a"), video("b").model_copy(update={field: None})])
    with pytest.raises(BadInput, match=f"row 2 has no valid {field}"):
        read_catalogue(path)


def test_another_table_is_no_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(BadInput, match="no catalogue"):
        read_catalogue(path)


def test_a_catalogue_made_before_there_was_a_text_has_none(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    rows = merge([], [video("a").model_copy(update={"text": "Hello", "emotion": "happy"})], 120)
    write_catalogue(path, rows)
    assert list(read_catalogue(path)) == rows
    pq.write_table(pq.read_table(path).drop_columns("text"), path)
    assert list(read_catalogue(path)) == [rows[0].model_copy(update={"text": None})]


def test_labels_are_the_marked_fields_in_the_order_of_the_columns() -> None:
    assert list(LABELS) == [
        *(
            "text",
            "emotion",
            "four_class",
            "four_class_merged",
            "intensity",
            "statement",
            "repetition",
            "channel",
            "session",
        ),
        *("valence", "activation", "dominance", "votes"),
    ]
    assert [name for name, label in LABELS.items() if label.counted] == [
        *("emotion", "four_class", "intensity", "channel", "session")
    ]


BAD_ROWS: dict[str, dict[str, object]] = {
    "leads up": {"video_id": "../../victim/evil"},
    "is absolute": {"video_id": "/etc/passwd"},
    "is empty": {"video_id": ""},
    "is hidden": {"video_id": ".lock"},
    "is too long": {"video_id": "x" * 300},
    "forges a line": {"video_id": "b\nall is well"},
    "ends in a line": {"video_id": "b\n"},
    "turns text around": {"video_id": "b\u202egpj"},
    "has other digits": {"video_id": "b\u0661"},
    "shard leads up": {"shard": "../../x"},
    "shard is nothing": {"shard": ""},
    "shard is a folder": {"shard": "."},
    "shard is too long": {"shard": "s" * 250},
    "ends before it starts": {"start": 2.0, "end": 1.0},
    "has no length": {"start": 1.0, "end": 1.0},
    "ends at its beginning": {"end": 0.0},
    "starts at no time": {"start": float("nan")},
    "starts before the recording": {"start": -1.0},
    "never ends": {"end": float("inf")},
    "lasts for no time": {"duration": float("nan")},
    "lasts less than nothing": {"duration": -1.0},
    "has a crop of nothing": {"crop_x": 0, "crop_y": 0, "crop_w": 0, "crop_h": 10},
    "has a crop of less than nothing": {"crop_w": 10, "crop_h": -10},
    "is of no height": {"source_height": -1},
    "is shifted by no time": {"sound_shift": float("nan")},
    "is shifted by far": {"sound_shift": -10.5},
    "repeats an id": {"video_id": "a"},
    "is in a shard that is a table": {"shard": "subjects"},
    "is of all subjects": {"subject": "*"},
}


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_row_that_cannot_be_is_named_in_one_sentence(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "catalogue.parquet"
    good, other = merge([], [video("a"), video("b")], 120)
    write_catalogue(path, [good, other.model_copy(update=BAD_ROWS[bad])])
    with pytest.raises(BadInput, match=r"catalogue\.parquet, row 2 \('.*'\): .*\. Mend the row") as error:
        read_catalogue(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < len(str(path)) + 250
    assert read_rows(path)[0] == good


def test_rows_that_are_odd_and_can_be_are_read(tmp_path: Path) -> None:
    """Ids as they were first made, or a person made them; what is unknown; crops that are judged with the picture."""
    odd: list[dict[str, object]] = [
        {"video_id": "-dash"},
        {"video_id": "--help"},
        {"video_id": "x" * 150},
        {"video_id": "a.b.c"},
        {"video_id": "A"},
        {"video_id": "a"},
        {"shard": "mine"},
        {"start": None, "end": 3.0},
        {"start": 3.0, "end": None},
        {"duration": None},
        {"duration": 0.0},
        {"sound_shift": -10.0},
        {"crop_x": -5, "crop_y": 10**6, "crop_w": 10, "crop_h": 10, "source_height": 0},
        {"crop_w": 400},
        {"source": "no\0file"},
        {"source": "relative/../file\n.mp4", "subject": "\x1b[31m"},
    ]
    (row,) = merge([], [video("v")], 120)
    rows = [row.model_copy(update={"video_id": f"v{number}"} | fields) for number, fields in enumerate(odd)]
    write_catalogue(tmp_path / "catalogue.parquet", rows)
    assert list(read_catalogue(tmp_path / "catalogue.parquet")) == rows
