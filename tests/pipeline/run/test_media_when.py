"""A media file that is written under some parameters only: declared, recorded, taken over, and gone when it is off."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from portrait_prep.manifests.record import AddedLater
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import Batch, Job
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.removing import Wish, remove
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import Planner
from tests.pipeline.toy import COUNT, SCALE, TOTAL, CountParams, add_videos, count, numbers

VIDEOS = {f"a{k}": numbers(30 + k) for k in range(3)}


class KeepParams(CountParams):
    """Settings of `count`, and one that came later."""

    keep: Annotated[bool, AddedLater()] = Field(False, description="also write it in capitals")


def keeping(job: Job[KeepParams]) -> Iterator[Batch]:
    """The stage `count`, which also writes a copy where it is asked to."""
    if job.params.keep:
        job.output("copy").write_text(job.source.read_text())
    yield from count(job)


KEEP = replace(
    COUNT, params=KeepParams, process=keeping, media=("txt", "copy"), media_when={"copy": lambda params: params.keep}
)


def opened(root: Path, process: Any = keeping) -> Session:
    return Session(Workspace(root), (replace(KEEP, process=process), SCALE, TOTAL))


def run(root: Path, process: Any = keeping) -> dict[str, int]:
    session = opened(root, process)
    return dict(+session.run(session.select((), (), False), workers=0)[0].computed)


def switch(root: Path, keep: bool) -> None:
    (root / "pipeline.toml").write_text(f"[count]\nkeep = {str(keep).lower()}\n")


def media(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "media").iterdir())


def findings(root: Path) -> list[str]:
    return [finding.line() for finding in Audit(opened(root), deep=True).findings()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace of the time before the parameter was there."""
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS, seconds=10.0)
    session.run(session.select((), (), False), workers=0)
    return root


TEXTS = [f"{name}.txt" for name in VIDEOS]
BOTH = sorted([*TEXTS, *(f"{name}.copy" for name in VIDEOS)])


def test_off_nothing_changes_for_a_workspace_from_before(root: Path) -> None:
    assert run(root) == {}
    assert findings(root) == []
    assert media(root) == TEXTS


def test_on_it_is_written_recorded_and_what_reads_the_rest_is_left_alone(root: Path) -> None:
    switch(root, keep=True)
    assert run(root) == {"count": 3}
    assert media(root) == BOTH
    outputs = opened(root).video_status("a1").manifest["stages"]["count"]["outputs"]
    assert [output["path"] for output in outputs[1:]] == ["media/a1.copy", "media/a1.txt"]
    assert findings(root) == []
    assert run(root) == {}
    (root / "media/a1.copy").unlink()
    assert any("media/a1.copy" in line for line in findings(root))
    assert run(root) == {"count": 1}


def test_off_again_it_goes_and_all_is_as_it_was(root: Path) -> None:
    before = opened(root).video_status("a1").manifest["stages"]["count"]["fingerprint"]
    switch(root, keep=True)
    run(root)
    switch(root, keep=False)
    assert any("setting keep changed: True -> unset" in line for line in findings(root))
    assert run(root) == {"count": 3}
    assert media(root) == TEXTS
    assert findings(root) == []
    assert opened(root).video_status("a1").manifest["stages"]["count"]["fingerprint"] == before


def test_a_file_that_nobody_recorded_is_an_orphan(root: Path) -> None:
    (root / "media/a1.copy").write_text("nobody's")
    assert [line.partition(":")[0] for line in findings(root)] == ["media/a1.copy"]


def test_what_an_interrupted_run_finished_is_taken_over_with_it(root: Path) -> None:
    seen: list[str] = []

    def interrupted(job: Job[KeepParams]) -> Iterator[Batch]:
        seen.append(job.video.video_id)
        if len(seen) == 3:
            raise KeyboardInterrupt
        yield from keeping(job)

    switch(root, keep=True)
    with pytest.raises(KeyboardInterrupt):
        run(root, interrupted)
    assert run(root) == {"count": 1}
    assert media(root) == BOTH
    assert findings(root) == []


def test_it_is_not_taken_over_where_it_is_no_longer_wanted(root: Path) -> None:
    def interrupted(job: Job[KeepParams]) -> Iterator[Batch]:
        if job.video.video_id == "a2":
            raise KeyboardInterrupt
        yield from keeping(job)

    switch(root, keep=True)
    with pytest.raises(KeyboardInterrupt):
        run(root, interrupted)
    switch(root, keep=False)
    assert run(root) == {}
    assert media(root) == TEXTS
    assert findings(root) == []


def test_a_removed_video_takes_it_along(root: Path) -> None:
    switch(root, keep=True)
    run(root)
    switch(root, keep=False)
    remove(opened(root), Wish(videos=("a1",)), "ann", "2026-01-02T03:04:05+00:00")
    assert not list((root / "media").glob("a1*"))


def test_a_stage_that_writes_what_it_does_not_declare_is_found_out(root: Path) -> None:
    def always(job: Job[KeepParams]) -> Iterator[Batch]:
        job.output("copy").write_text("?")
        yield from count(job)

    session = opened(root, always)
    (root / "count/toy-00000.parquet").unlink()
    _, status_counts = session.run(session.select((), (), False), workers=0)
    assert {row["type"] for row in status_counts.failures} == {"KeyError"}


def test_a_parameter_that_was_added_is_no_part_of_the_basis_at_its_default(root: Path) -> None:
    def params(session: Session) -> dict[str, Any]:
        planner: Planner = session.planner
        return dict(planner.constants["count"]["params"])

    assert params(opened(root)) == {"offset": 0}
    switch(root, keep=True)
    assert params(opened(root)) == {"offset": 0, "keep": True}
