"""How many workers a run starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.pipeline import session as sessions
from portrait_prep.pipeline.declare.stage import most_at_once
from portrait_prep.pipeline.run.executor import Executor, InProcessExecutor
from portrait_prep.stages.order import STAGES
from tests.pipeline.toy import add_videos, numbers


@pytest.mark.parametrize(("asked", "expected"), [(0, [0]), (1, [1]), (2, [2]), (16, [2])])
def test_no_more_workers_are_started_than_can_have_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int, expected: list[int]
) -> None:
    started = []

    @contextmanager
    def opened(workers: int, *_: Any, **__: Any) -> Iterator[Executor]:
        started.append(workers)
        yield InProcessExecutor()

    monkeypatch.setattr(sessions, "open_executor", opened)
    session = add_videos(tmp_path / "w", {"a1": numbers(9), "a2": numbers(9), "b1": numbers(9)})
    for names in (("a1",), (), ()):  # the last one has nothing to do
        session.run(session.select((), names, retry_failed=False), asked)
    assert started == [min(asked, 1), *expected]


def test_what_is_heard_and_what_is_seen_of_one_video_can_be_computed_at_once() -> None:
    assert most_at_once(STAGES, {stage.name for stage in STAGES if stage.on is None}) == 2
    assert most_at_once(STAGES, {"download", "normalize"}) == 1
