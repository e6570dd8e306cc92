"""One video in a worker: what a stage must keep to, how often it is tried, and what an interrupted commit leaves."""

import errno
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Job
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run import commit
from portrait_prep.pipeline.session import Session
from tests.pipeline.toy import (
    COUNT,
    SCALE,
    TOTAL,
    CountParams,
    add_videos,
    count,
    numbers,
    outside,
    tables,
    toy_session,
)


def failures(session: Session) -> list[dict[str, Any]]:
    """What failed, after a run."""
    return session.run(session.select((), (), False), workers=0)[1].failures


def one_row_fewer(job: Job[CountParams]) -> Iterator[Batch]:
    yield from count(job)
    job.frames += 1


def no_media(job: Job[CountParams]) -> Iterator[Batch]:
    yield from count(job)
    job.outputs.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("process", "message"),
    [(one_row_fewer, "count gave 30 rows for 31 frames"), (no_media, r"count declares media ('txt',) but wrote ()")],
)
def test_a_stage_that_does_not_give_what_it_declares_is_at_fault(
    tmp_path: Path, process: Callable[[Job[CountParams]], Iterator[Batch]], message: str
) -> None:
    add_videos(tmp_path / "w", {"a1": numbers(30)})
    session = Session(Workspace(tmp_path / "w"), (replace(COUNT, process=process), SCALE, TOTAL))
    (failure,) = failures(session)
    assert (failure["type"], failure["message"], failure["permanent"]) == ("ValueError", message, False)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file", "w/media/a1.txt"),
        PermissionError(errno.EACCES, "Permission denied", "w/count"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.EROFS, "Read-only file system"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        ChildProcessError("ffmpeg was ended from outside"),
        MemoryError(),
        ModuleNotFoundError("No module named 'scipy'"),
        NameError("name 'framework' is not defined"),
        AttributeError("partially initialized module 'cv2' has no attribute 'resize'"),
        RuntimeError("can't start new thread"),
        RuntimeError("CUDA error: out of memory"),
    ],
    ids=repr,
)
def test_what_the_machine_does_wrong_is_no_fault_of_the_video(tmp_path: Path, error: Exception) -> None:
    ill = [True]

    def on_an_ill_machine(job: Job[CountParams]) -> Iterator[Batch]:
        if ill and job.video.video_id == "a1":
            raise error
        yield from count(job)

    add_videos(tmp_path / "w", {"a1": numbers(30), "a2": numbers(20)})
    session = Session(Workspace(tmp_path / "w"), (replace(COUNT, process=on_an_ill_machine), SCALE, TOTAL))
    (failure,) = failures(session)
    assert (failure["video_id"], failure["type"], failure["permanent"]) == ("a1", "MachineFault", False)
    assert type(error).__name__ in failure["message"]
    ill.clear()
    assert failures(session) == [], "the next run tries it again, unasked"


def test_a_source_that_only_the_process_at_work_does_not_see_is_away(tmp_path: Path) -> None:
    """On a node of a cluster where a disk is not mounted, what is missing says nothing of the video."""
    mounted, away = [False], list[str]()

    def at_the_node(job: Job[CountParams]) -> Iterator[Batch]:
        if not mounted[0]:
            away.append(job.video.video_id)
            raise BadVideo("it does not exist")
        yield from count(job)

    def seen(video: Video) -> Mapping[str, Any] | None:
        return None if away and away.pop() else outside(video)

    add_videos(tmp_path / "w", {"a1": numbers(30)})
    session = Session(Workspace(tmp_path / "w"), (replace(COUNT, process=at_the_node, outside=seen), SCALE, TOTAL))
    (failure,) = failures(session)
    assert (failure["type"], failure["permanent"]) == ("SourceAway", False)
    assert "does not see its source: mount it there" in failure["message"]
    mounted[0] = True
    assert failures(session) == [], "the next run tries it again, unasked"


def test_a_shard_that_the_machine_cannot_write_ends_the_run_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = add_videos(tmp_path / "w", {"a1": numbers(30)})

    def stale(made: Path, final: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(commit, "flush_and_rename", stale)
        with pytest.raises(MissingPrerequisite, match=r"count/toy-00000.parquet cannot be written .*Stale file handle"):
            failures(session)
    assert failures(toy_session(tmp_path / "w")) == []


def test_attempts_are_counted_anew_for_another_source(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, {"a1": "1 flaky"})
    assert [failure["attempts"] for failure in failures(session)] == [2]
    session.run(session.select((), (), retry_failed=True), workers=0)
    assert [failure["attempts"] for failure in toy_session(root).status_counts().failures] == [4]
    Path(session.videos[0].source).write_text("1 2 flaky")
    assert [failure["attempts"] for failure in failures(toy_session(root))] == [2]


def test_a_commit_that_is_broken_off_among_the_media_leaves_no_shard_that_tells_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "w"
    session = add_videos(root, {"a1": numbers(30), "a2": numbers(20)})
    assert not failures(session)

    def break_off(made: Path, final: Path) -> None:
        made.replace(final)
        raise MissingPrerequisite("on purpose")

    Path(session.videos[0].source).write_text("1 2 3")
    with monkeypatch.context() as patched:
        patched.setattr(commit, "flush_and_rename", break_off)
        with pytest.raises(MissingPrerequisite, match="on purpose"):
            failures(toy_session(root))
    assert (root / "media" / "a1.txt").read_text() == "1 2 3"
    assert not (root / "count" / "toy-00000.parquet").exists()
    assert not failures(toy_session(root))
    add_videos(tmp_path / "quiet", {"a1": "1 2 3", "a2": numbers(20)})
    assert not failures(toy_session(tmp_path / "quiet"))
    assert tables(root) == tables(tmp_path / "quiet")


def test_of_a_video_that_will_not_come_out_of_its_source_again_no_media_stay(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, {"a1": numbers(30), "a2": numbers(20)})
    assert not failures(session)
    Path(session.videos[0].source).write_text("1 2 bad")
    assert [failure["message"] for failure in failures(toy_session(root))] == ["it says bad"]
    assert [path.name for path in (root / "media").iterdir()] == ["a2.txt"]
    assert list(Audit(toy_session(root), deep=True).findings()) == []
