"""What is joined must be what the stages claim of it: nothing is made of what cannot be."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.cli import opening
from portrait_prep.cli.segment import segment
from portrait_prep.errors import Damaged
from portrait_prep.pipeline.declare.stage import Batch, Job, Params
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.recordings import overview
from portrait_prep.stages.recordings import scan as real
from portrait_prep.stages.recordings.segments import SECTION
from tests.stages.recordings import toy
from tests.stages.recordings.toy import TOYS, write_recording

Change = Callable[[Batch, dict[str, Any]], None]


def turned(batch: Batch, _: dict[str, Any]) -> None:
    batch["time"][:] = batch["time"][::-1]


def endless(batch: Batch, _: dict[str, Any]) -> None:
    batch["time"][-1] = np.inf


def doubled(batch: Batch, _: dict[str, Any]) -> None:
    batch["track"][:, 1] = batch["track"][:, 0]
    batch["box"][:, 1] = batch["box"][:, 0]


def boundless(batch: Batch, _: dict[str, Any]) -> None:
    batch["box"][:] = np.nan


def without_size(_: Batch, metrics: dict[str, Any]) -> None:
    del metrics["display_width"]


def flat(_: Batch, metrics: dict[str, Any]) -> None:
    metrics["display_height"] = 0


@pytest.mark.parametrize("change", [turned, endless, doubled, boundless, without_size, flat])
def test_what_cannot_be_is_told_as_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    def changed(job: Job[Params]) -> Iterator[Batch]:
        for batch in toy.scan(job):
            change(batch, job.metrics)
            yield batch

    def voice(job: Job[Params]) -> Iterator[Batch]:
        whole = toy.found_in(job.source.stem)
        yield {name: whole[name] for name in ("voice", "bands")}

    scan = replace(toy.SCAN, process=changed, invariants=real.STAGE.invariants)
    toys = (TOYS[0], scan, replace(toy.VOICE, process=voice))
    sections = (*STAGES, *toys[1:], SECTION)
    monkeypatch.setattr(overview, "RECORDING_STAGES", toys)
    monkeypatch.setattr(overview, "SECTIONS", sections)
    monkeypatch.setattr(opening, "SECTIONS", sections)
    write_recording(tmp_path / "in", "short")
    with pytest.raises(Damaged, match=r"scan/recordings-00000\.parquet holds what cannot be: delete it"):
        segment(source=tmp_path / "in", workspace=tmp_path / "w", workers=0)
