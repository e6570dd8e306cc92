"""What `run` says at its end, and its exit code: by what was asked for."""

from pathlib import Path

import pytest

from portrait_prep.cli.run import carry_out
from tests.pipeline.toy import add_videos, numbers, toy_session

FOUR = {"a1": numbers(30), "a2": numbers(12), "b1": "1 2 bad", "c1": numbers(40)}


@pytest.mark.parametrize(
    ("stages", "only", "code", "told"),
    [
        ((), (), 1, "b1: count failed: it says bad"),
        ((), ("b1",), 1, "b1: count failed: it says bad"),
        ((), ("a1", "c1"), 0, "Failed, but not asked for now: 1 ('portrait-prep list --failed' names all)."),
        (("total",), ("a2",), 0, "Failed, but not asked for now: 1 ('portrait-prep list --failed' names all)."),
    ],
)
def test_a_run_ends_by_what_was_asked_for(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    stages: tuple[str, ...],
    only: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    root = tmp_path / "w"
    session = add_videos(root, FOUR)
    carry_out(session, session.select((), (), retry_failed=False), workers=0)
    capsys.readouterr()
    session = toy_session(root)
    assert carry_out(session, session.select(stages, only, retry_failed=False), workers=0) == code
    assert told in capsys.readouterr().out.splitlines()
