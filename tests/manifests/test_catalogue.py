import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import LABELS, Video, read_catalogue, read_rows, source_of, write_catalogue
from portrait_prep.manifests.ids import MAX_ID, safe_id, with_digest
from portrait_prep.manifests.merging import merge

names = st.text(max_size=200) | st.binary(max_size=120).map(os.fsdecode)


def video(video_id: str, seconds: float | None = 10.0, corpus: str = "folder", source: str = "/v") -> Video:
    return Video(video_id=video_id, corpus=corpus, subject="s", source=source, duration=seconds)


@given(names, names)
def test_ids_are_safe_whatever_the_name(text: str, salt: str) -> None:
    for made in (safe_id(text, salt), with_digest(text, salt)):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", made)
        assert not made.startswith((".", "-"))
        assert len(made) <= MAX_ID
        assert made not in ("", ".", "..")


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}", fullmatch=True))
def test_a_safe_name_stays_as_it_is(text: str) -> None:
    assert safe_id(text, "any") == text


@pytest.mark.parametrize("name", ["-rf", "--help", "-_-x", "-", "--"])
def test_no_id_looks_like_an_option(name: str) -> None:
    assert not safe_id(name, name).startswith("-")
    assert safe_id(name, name) == with_digest(name, name)


@given(names)
def test_the_same_name_always_gets_the_same_id_and_other_salts_another(text: str) -> None:
    assert with_digest(text, "a") == with_digest(text, "a")
    assert with_digest(text, "a") != with_digest(text, "b")


durations = st.lists(st.none() | st.floats(0, 300, allow_nan=False), max_size=30)


@given(durations, st.integers(0, 30))
def test_adding_videos_later_never_moves_the_earlier_ones(seconds: list[float | None], cut: int) -> None:
    videos = [video(f"v{number}", length) for number, length in enumerate(seconds)]
    before = merge([], videos[:cut], 120)
    after = merge(before, videos, 120)
    assert after[: len(before)] == before
    assert [row.video_id for row in after] == [row.video_id for row in videos]


@given(durations)
def test_a_shard_holds_what_fits_and_only_a_longer_video_exceeds_it(seconds: list[float | None]) -> None:
    shards: dict[str, list[float]] = {}
    for row in merge([], [video(f"v{number}", length) for number, length in enumerate(seconds)], 120):
        shards.setdefault(row.shard, []).append(row.duration or 0.0)
    assert all(sum(held) <= 120 + 1e-6 or len([length for length in held if length]) == 1 for held in shards.values())
    assert list(shards) == [f"folder-{number:05d}" for number in range(len(shards))]


def test_a_shard_is_filled_to_its_very_end() -> None:
    rows = merge([], [video("a", 60.0), video("b", 60.0), video("c", 0.5)], 120)
    assert [row.shard for row in rows] == ["folder-00000", "folder-00000", "folder-00001"]


def test_the_last_shard_is_filled_up_though_an_earlier_one_is_fuller() -> None:
    before = merge([], [video("a", 100.0), video("b", 30.0)], 120)
    assert [row.shard for row in before] == ["folder-00000", "folder-00001"]
    assert merge(before, [video("c", 10.0)], 120)[-1].shard == "folder-00001"


def test_each_corpus_counts_its_own_shards() -> None:
    rows = merge([], [video("a"), video("b", corpus="hdtf"), video("c")], 120)
    assert [row.shard for row in rows] == ["folder-00000", "hdtf-00000", "folder-00000"]


def test_of_equal_ids_the_first_counts() -> None:
    (row,) = merge([], [video("a", source="/1"), video("a", source="/2")], 120)
    assert row.source == "/1"


def test_a_known_video_keeps_its_side_and_takes_over_what_the_corpus_corrects() -> None:
    before = video("a", 10.0, source="/old/a.mp4").model_copy(
        update={"shard": "folder-00003", "split": "train", "fold": 1, "emotion": "neu", "defect": "no crop"}
    )
    now = video("a", 99.0, source="/new/a.mp4").model_copy(
        update={"subject": "t", "split": "test", "fold": 2, "emotion": "ang", "votes": "{}", "licence": "CC BY 4.0"}
    )
    fixed = {"shard": "folder-00003", "subject": "s", "split": "train", "fold": 1}
    assert merge([before], [now], 120) == [now.model_copy(update=fixed)]


def test_what_is_no_longer_listed_is_kept() -> None:
    before = merge([], [video("a"), video("b")], 120)
    assert merge(before, [video("b"), video("c")], 120)[:2] == before


def test_of_equal_ids_the_first_counts_for_a_known_video_too() -> None:
    before = merge([], [video("a", source="/0")], 120)
    (row,) = merge(before, [video("a", source="/1"), video("a", source="/2")], 120)
    assert row.source == "/1"


def test_a_file_comes_in_place_of_an_address_with_what_is_taken_of_it_and_is_not_given_up_again() -> None:
    there = video("a", 30.0, source="https://www.youtube.com/watch?v=x").model_copy(
        update={"start": 10.0, "end": 40.0, "crop_w": 400, "source_height": 720}
    )
    here = video("a", 8.0, source="/a.mp4").model_copy(update={"split": "test"})
    (before,) = merge([], [there], 120)
    (after,) = merge([before], [here], 120)
    assert after == here.model_copy(update={"split": None, "shard": before.shard})
    assert merge([after], [there], 120) == [after]
    assert (before.remote, after.remote) == (True, False)


def test_labels_come_to_a_file_that_is_kept() -> None:
    here = video("a", 8.0, source="/a.mp4").model_copy(update={"shard": "folder-00000", "defect": "no crop"})
    there = video("a", 30.0, source="https://x.org/a").model_copy(update={"start": 1.0, "defect": "odd height"})
    assert merge([here], [there], 120) == [here.model_copy(update={"defect": "odd height"})]


@pytest.mark.parametrize("name", [b"plain.mp4", b"with space \xc3\xa9.mp4", b"\xff\xfe%41.mp4", b"line\nbreak.mp4"])
def test_a_source_is_found_again_after_a_round_trip_through_the_file(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"x")
    write_catalogue(tmp_path / "catalogue.parquet", merge([], [video("a", source=source_of(path))], 120))
    (row,) = read_catalogue(tmp_path / "catalogue.parquet")
    assert row.path.read_bytes() == b"x"
    assert row.source == str(path) or not os.fsencode(path).isascii()


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


def test_a_shard_that_a_person_named_is_left_as_it_is() -> None:
    known = [video("a").model_copy(update={"shard": "mine"}), video("b").model_copy(update={"shard": "folder-x"})]
    assert [row.shard for row in merge(known, [video("c")], 120)] == ["mine", "folder-x", "folder-00000"]


def test_labels_are_the_marked_fields_in_the_order_of_the_columns() -> None:
    assert list(LABELS) == [
        *("emotion", "four_class", "four_class_merged", "intensity", "statement", "repetition", "channel", "session"),
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
    "repeats an id": {"video_id": "a"},
    "is in a shard that is a table": {"shard": "subjects"},
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
        {"crop_x": -5, "crop_y": 10**6, "crop_w": 10, "crop_h": 10, "source_height": 0},
        {"crop_w": 400},
        {"source": "no\0file"},
        {"source": "relative/../file\n.mp4", "subject": "\x1b[31m"},
    ]
    (row,) = merge([], [video("v")], 120)
    rows = [row.model_copy(update={"video_id": f"v{number}"} | fields) for number, fields in enumerate(odd)]
    write_catalogue(tmp_path / "catalogue.parquet", rows)
    assert list(read_catalogue(tmp_path / "catalogue.parquet")) == rows
