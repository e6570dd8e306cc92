"""An audit by several processes finds what one process finds, in the same order and words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_prep.pipeline.auditing import audit
from portrait_prep.pipeline.auditing.audit import Audit, Finding
from portrait_prep.pipeline.auditing.shard import Outcome, Shard, ShardAudit
from tests.pipeline.damage import drop_row, edit_json, exchange, flip, forge
from tests.pipeline.toy import add_videos, numbers, toy_session


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of eight shards: some exchanged or changed, one with a video without a row, some intact."""
    root = tmp_path_factory.mktemp("damaged") / "w"
    texts = {f"{letter}{k}": numbers(20 + k) for letter in "abcdefgh" for k in range(2)}
    session = add_videos(root, texts | {"a1": "bad"})
    session.run(session.select((), (), retry_failed=False), workers=0)
    flip(root / "scale/toy-00001.parquet")
    exchange(root / "count/toy-00002.parquet", root / "count/toy-00003.parquet")
    forge(toy_session(root), "count", "e0", lambda batch: {"number": -batch["number"]})
    edit_json(root / "manifests/f1.json", lambda manifest: manifest["stages"]["scale"].update(rows=3))
    (root / "manifests/f0.json").unlink()
    (root / "media/g0.txt").write_text("other")
    drop_row(root, "h1")
    (root / "manifests/nobody.json").touch()
    return root


def found(root: Path, deep: bool, workers: int) -> list[Finding]:
    return list(Audit(toy_session(root), deep, workers=workers).findings())


@pytest.mark.parametrize("deep", [False, True])
def test_the_findings_are_those_of_one_process(damaged: Path, deep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SHARDS_A_WORKER", 2)
    alone = found(damaged, deep, workers=0)
    assert len(alone) > 8
    assert len({finding.kind for finding in alone}) > 5
    monkeypatch.delattr(ShardAudit, "__call__")  # here; workers have their own
    assert found(damaged, deep, workers=2) == alone


def test_no_worker_is_started_for_a_few_shards(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SHARDS_A_WORKER", 5)
    asked = []

    def in_order(_: object, items: Iterator[Shard], workers: int) -> Iterator[Outcome]:
        asked.append(workers)
        return map(ShardAudit(toy_session(damaged)), items)

    monkeypatch.setattr(audit, "in_order", in_order)
    found(damaged, deep=False, workers=2)
    found(damaged, deep=True, workers=2)
    assert asked == [1, 2]
