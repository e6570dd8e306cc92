"""What has not changed is not read again, and whatever has changed is noticed."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.verdict import Review, write_reviews
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.scheduler import RunCounts
from portrait_prep.pipeline.status.counts import StatusCounts
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.pipeline.status.table import KEY, TABLE, CacheEntry, digest_of_noted, writing_table
from tests.pipeline.toy import add_videos, numbers, toy_session

FIVE = {"a1": numbers(600), "a2": numbers(30), "b1": "1 2 bad", "b2": numbers(12), "c1": numbers(40)}
"""Shards of two; b1 fails, b2 is short."""


def go(root: Path) -> tuple[RunCounts, StatusCounts]:
    session = toy_session(root)
    return session.run(session.select((), (), retry_failed=False), workers=0)


def judge_by(root: Path, seconds: float) -> None:
    (root / "pipeline.toml").write_text(f"[quality]\nmin_seconds = {seconds}\n")


def told(root: Path) -> tuple[dict[str, bytes], list[dict[str, Any]], list[str]]:
    """All manifests, the table, and what joins the accepted videos."""
    manifests = {path.name: path.read_bytes() for path in (root / "manifests").iterdir()}
    joined = pq.read_table(root / "total" / "all.parquet")["video_id"].to_pylist()
    return manifests, pq.read_table(root / "manifests.parquet").to_pylist(), joined


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("memory") / "w"
    add_videos(root, FIVE)
    judge_by(root, 1.0)
    go(root)
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A copy, which is not known again until a run has seen it."""
    root = Path(shutil.copytree(finished, tmp_path / "w"))
    originals = shutil.copytree(f"{finished}-originals", tmp_path / "w-originals")
    add_videos(root, {path.stem: path.read_text() for path in originals.iterdir()})
    go(root)
    return root


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a shard was read again")


@pytest.mark.parametrize(("seconds", "accepted"), [(0.1, 4), (1.0, 3), (1.3, 2), (100.0, 0)])
def test_judging_anew_reads_no_shard_and_tells_what_reading_all_would(
    root: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, accepted: int
) -> None:
    judge_by(root, seconds)
    with monkeypatch.context() as patch:
        patch.setattr("portrait_prep.pipeline.store.shard_state.ShardState.load", refuse)
        run_counts, status_counts = go(root)
    assert not run_counts.computed
    assert status_counts.accepted == accepted
    assert [row["video_id"] for row in status_counts.failures] == ["b1"]
    quick = told(root)
    (root / "manifests.parquet").unlink()
    _, thorough = go(root)
    assert told(root) == quick
    assert thorough.to_json() == status_counts.to_json()
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_manifests_whose_verdict_stays_are_not_touched(root: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (root / "manifests").iterdir()}
    judge_by(root, 0.1)
    go(root)
    after = {path.name: path.stat().st_mtime_ns for path in (root / "manifests").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"b2.json"}


def test_a_run_with_nothing_to_do_reads_no_row_and_writes_no_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file() and path.name != ".lock"}

    before, (_, expected) = files(), go(root)
    monkeypatch.setattr("portrait_prep.pipeline.status.cache.from_rows", refuse)
    monkeypatch.setattr("portrait_prep.pipeline.store.shard_state.ShardState.load", refuse)
    run_counts, status_counts = go(root)
    assert not run_counts.computed
    assert status_counts.to_json() == expected.to_json()
    assert files() == before


@pytest.mark.parametrize("name", ["all.parquet", "reduction.json"])
def test_what_joins_videos_is_made_anew_where_it_is_not_as_noted(root: Path, name: str) -> None:
    expected = told(root)
    (root / "total" / name).unlink()
    go(root)
    assert told(root) == expected
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def flip(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0xFF
    path.write_bytes(bytes(data))


def flip_table(share: float, root: Path) -> None:
    flip(root / "manifests.parquet", share)


def swap(root: Path) -> None:
    """Two manifests exchange their names, as whole as before."""
    one, two = root / "manifests/a1.json", root / "manifests/a2.json"
    one.rename(root / "aside")
    two.rename(one)
    (root / "aside").rename(two)


def same_size_same_time(path: Path) -> None:
    """Other bytes behind the back of size and time of change."""
    stat = path.stat()
    flip(path, 0.3)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def correct_catalogue(root: Path) -> None:
    videos = [video.model_copy(update={"emotion": "happy"}) for video in toy_session(root).videos]
    write_catalogue(root / "catalogue.parquet", videos)


REJECTED = Review(decision="reject", why="a mask", who="ann", when="2026-01-01T00:00:00+00:00")
CHANGES: dict[str, Callable[[Path], object]] = {
    "a manifest edited": lambda root: flip(root / "manifests/a1.json", 0.5),
    "a manifest edited unseen": lambda root: same_size_same_time(root / "manifests/a1.json"),
    "a manifest deleted": lambda root: (root / "manifests/c1.json").unlink(),
    "manifests swapped": swap,
    "a shard deleted": lambda root: (root / "scale/toy-00000.parquet").unlink(),
    "a shard cut short": lambda root: os.truncate(root / "count/toy-00000.parquet", 900),
    "shards swapped": lambda root: shutil.copy2(root / "scale/toy-00001.parquet", root / "scale/toy-00000.parquet"),
    "media deleted": lambda root: (root / "media/a2.txt").unlink(),
    "a source replaced": lambda root: Path(toy_session(root).video_status("a2").video.source).write_text(numbers(31)),
    "a failed source replaced": lambda root: Path(toy_session(root).video_status("b1").video.source).write_text("1 2"),
    "a rule": lambda root: judge_by(root, 1.3),
    "a review written by hand": lambda root: write_reviews(root / "reviews.jsonl", {"a2": REJECTED}),
    "a setting of a stage": lambda root: (root / "pipeline.toml").write_text("[scale]\nfactor = 5\n"),
    "the catalogue corrected": correct_catalogue,
    "videos added": lambda root: add_videos(root, {"c2": numbers(50), "d1": numbers(3)}),
    "the table deleted": lambda root: (root / "manifests.parquet").unlink(),
    "the table written by another tool": lambda root: pq.write_table(
        pq.read_table(root / "manifests.parquet").slice(3), root / "manifests.parquet"
    ),
    **{
        f"the table damaged at {share:.0%}": partial(flip_table, share)
        for share in (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 0.999)
    },
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seconds", [1.0, 0.1])
def test_what_changed_is_noticed(root: Path, change: str, seconds: float) -> None:
    judge_by(root, seconds)
    CHANGES[change](root)
    go(root)
    assert list(Audit(toy_session(root)).findings()) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("digest", "no digest"),
        ("digest", None),
        ("outcome", "odd"),
        ("metrics", "[1"),
        ("metrics", "7"),
        ("stage", "x"),
    ],
)
def test_rows_that_a_stranger_wrote_are_not_believed(root: Path, column: str, value: str | None) -> None:
    expected, path = told(root), root / "manifests.parquet"
    with pq.ParquetFile(path) as file:
        groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    with pq.ParquetWriter(path, groups[0].schema, write_page_checksum=True) as writer:
        for group in groups:
            number = group.column_names.index(column)
            strange = pa.array([value] * len(group), pa.string())
            writer.write_table(group.set_column(number, group.schema.field(number), strange))
        writer.add_key_value_metadata(groups[0].schema.metadata or {})
    go(root)
    assert told(root) == expected


@pytest.mark.parametrize("change", [float, lambda count: -count, str])
def test_entries_that_a_stranger_wrote_are_not_believed(root: Path, change: Callable[[int], Any]) -> None:
    expected, path = told(root), root / "manifests.parquet"
    with pq.ParquetFile(path) as file:
        rows, noted = file.read(), json.loads(file.metadata.metadata[KEY].partition(b" ")[2])
    entries = noted["shards"]
    counts = [change(count) for _, count, _ in entries]
    if not isinstance(counts[0], str):
        counts[-1] = len(rows) - sum(counts[:-1])
    strange = [(shard, count, entry) for (shard, _, entry), count in zip(entries, counts, strict=True)]
    told_anew = json.dumps(noted | {"shards": strange})
    with pq.ParquetWriter(path, TABLE, write_page_checksum=True) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({KEY: f"{digest_of_noted(told_anew)} {told_anew}"})
    go(root)
    assert told(root) == expected


def test_rows_of_one_video_are_not_taken_for_those_of_another(root: Path) -> None:
    """The digest is of the rows as they lie, and the footer, which it does not cover, says where each lies."""
    expected, path = summed_up(toy_session(root).summaries()), root / "manifests.parquet"
    with pq.ParquetFile(path) as file:
        rows, noted = file.read(), json.loads(file.metadata.metadata[KEY].partition(b" ")[2])
    with writing_table(Workspace(root)) as table:
        for shard, count, entry in noted["shards"]:
            swapped = [rows.slice(count // 2, count - count // 2), rows.slice(0, count // 2)]
            table.add(shard, pa.concat_tables(swapped), CacheEntry(**entry))
            rows = rows.slice(count)
    assert summed_up(toy_session(root).summaries()) == expected


@pytest.mark.parametrize("counts", [{}, {"videos": "many"}, {"states": {}}, {"videos": 7}, {"states": {"count": 1}}])
def test_counts_that_a_stranger_wrote_are_not_told(root: Path, counts: dict[str, Any]) -> None:
    expected, path = toy_session(root).status_counts().to_json(), root / "manifests.parquet"
    with pq.ParquetFile(path) as file:
        rows, noted = file.read(), json.loads(file.metadata.metadata[KEY].partition(b" ")[2])
    for _, _, entry in noted["shards"]:
        entry["counts"] = counts and entry["counts"] | counts
    with pq.ParquetWriter(path, TABLE, write_page_checksum=True) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({KEY: f"{digest_of_noted(json.dumps(noted))} {json.dumps(noted)}"})
    assert toy_session(root).status_counts().to_json() == expected


@pytest.mark.parametrize("change", CHANGES)
def test_status_tells_what_reading_all_would(root: Path, change: str) -> None:
    CHANGES[change](root)
    quick = toy_session(root).status_counts()
    (root / "manifests.parquet").unlink(missing_ok=True)
    thorough = toy_session(root).status_counts()
    assert (quick.to_json(), quick.lines()) == (thorough.to_json(), thorough.lines())


TOLD = ("video", "verdict", "states", "digests", "failures", "earlier", "reasons", "retried", "started")


def summed_up(shards: Iterable[Sequence[VideoSummary]]) -> list[list[Any]]:
    """All that there is to tell of each video."""
    return [
        [*(getattr(one, name) for name in TOLD), {stage: (m.metrics, m.frames) for stage, m in one.done.items()}]
        for shard in shards
        for one in shard
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_recalled_of_a_video_is_what_reading_all_would_tell(root: Path, change: str) -> None:
    CHANGES[change](root)
    session = toy_session(root)
    assert summed_up(session.summaries()) == summed_up(session.video_statuses())


def test_listing_what_has_not_changed_reads_no_shard(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = summed_up(toy_session(root).video_statuses())
    monkeypatch.setattr("portrait_prep.pipeline.store.shard_state.ShardState.load", refuse)
    assert summed_up(toy_session(root).summaries()) == expected


def test_status_of_what_has_not_changed_reads_no_shard(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "manifests.parquet").rename(root / "aside")
    expected = toy_session(root).status_counts().to_json()
    (root / "aside").rename(root / "manifests.parquet")
    monkeypatch.setattr("portrait_prep.pipeline.store.shard_state.ShardState.load", refuse)
    monkeypatch.setattr("portrait_prep.pipeline.status.cache.from_rows", refuse)
    assert toy_session(root).status_counts().to_json() == expected


def test_unfinished_work_is_not_kept_in_mind(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, FIVE)
    session.run(session.select(("count",), (), retry_failed=False), workers=0)
    assert go(root)[0].computed == {"scale": 4, "total": 4}


def test_failures_are_tried_again_where_asked(root: Path) -> None:
    session = toy_session(root)
    run_counts, _ = session.run(session.select((), (), retry_failed=True), workers=0)
    assert run_counts.computed == {"count": 1}
