"""What a dry run tells: what would be computed and why, what would turn out otherwise, and how long it would take."""

from pathlib import Path
from typing import Any

import pytest

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.wording import lasting
from portrait_prep.pipeline.dry_run import DryRun
from portrait_prep.pipeline.session import Session
from tests.pipeline.toy import add_videos, numbers, toy_session

UP_TO_DATE = ["Everything is up to date."]


def told(session: Session, **options: Any) -> list[str]:
    return list(DryRun(session, session.select((), (), **{"retry_failed": False, **options})).lines())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Finished: a1, a2 (short) and b1, of the same footage."""
    session = add_videos(tmp_path / "w", {"a1": numbers(30), "a2": numbers(12), "b1": numbers(20, 1)})
    session.run(session.select((), (), retry_failed=False), workers=0)
    return tmp_path / "w"


def change(root: Path, before: str, after: str) -> None:
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace(before, after))


def test_a_dry_run_says_what_why_and_how_long(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, {"a1": numbers(30), "a2": numbers(30, 2), "b1": numbers(20, 1)})
    everything = session.select((), (), retry_failed=False)
    lines = told(session)
    assert "count toy-00000: 2 videos pending: not computed yet" in lines
    assert "scale toy-00000: 2 videos pending: waits for count" in lines
    session.run(everything, workers=0)
    assert told(toy_session(root)) == ["Everything is up to date."]
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("factor = 2.0", "factor = 3.0"))
    lines = told(toy_session(root))
    assert "scale toy-00000: 2 videos stale: setting factor changed: 2.0 -> 3.0" in lines
    assert not any(line.startswith("count") for line in lines)
    assert (root / "scale" / "toy-00000.parquet").stat().st_size


def test_verdicts_that_would_turn(root: Path) -> None:
    change(root, "min_seconds = 0.0", "min_seconds = 1.0")
    assert told(toy_session(root)) == ["The verdict would become: rejected: 2 (a2, b1)."]
    toy_session(root).finalize()
    assert told(toy_session(root)) == UP_TO_DATE
    change(root, "min_seconds = 1.0", "min_seconds = 0.5")
    assert told(toy_session(root)) == ["The verdict would become: accepted: 1 (b1)."]


def test_edits_of_the_catalogue(root: Path) -> None:
    videos = list(toy_session(root).videos)
    videos[0] = videos[0].model_copy(update={"split": "test", "subject": "ann"})
    write_catalogue(root / "catalogue.parquet", videos)
    follow = "manifests and statistics would follow: 1 (a1)."
    assert told(toy_session(root)) == [
        f"The catalogue has another split; {follow}",
        f"The catalogue has another subject; {follow}",
    ]


def test_footage_of_which_nobody_knows_how_long_it_is_is_said(root: Path) -> None:
    session = toy_session(root)
    source = root.parent / "new.src"
    source.write_text(numbers(9))
    new = session.videos[0].model_copy(update={"video_id": "new", "source": str(source), "duration": None})
    write_catalogue(root / "catalogue.parquet", [*session.videos, new])
    assert told(toy_session(root))[-1] == "How long it will take is not known: 1 video of unknown length."


def test_times_are_told_in_units_that_people_read() -> None:
    assert [lasting(seconds) for seconds in (0.4, 61, 600, 5400, 76101, 400_000)] == [
        *("0 s", "61 s", "10 min", "1.5 h", "21 h", "4.6 days")
    ]


def test_a_retry_is_offered_only_where_one_may_help(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 bad", "a2": "1 flaky"})
    session.run(session.select((), (), retry_failed=False), workers=0)
    assert told(toy_session(tmp_path / "w"))[-2:] == [
        "1 failed before: --retry-failed tries again.",
        "1 failed, which no retry will change: 'portrait-prep list --failed' says why.",
    ]
