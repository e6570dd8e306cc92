"""What the page tells of the time of a recording: faces and voice."""

from pathlib import Path

import numpy as np
import pytest

from portrait_prep.cli.segment import segment
from portrait_prep.manifests.segments import require_segments
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.recordings.joining import Joiner, tasks_of
from portrait_prep.stages.recordings.overview import recordings_of
from portrait_prep.stages.recordings.segments import SECTION
from portrait_prep.views.visual.report.recordings.lanes import MOST_STEPS, Voice, lanes
from tests.cli.test_segment import _toys
from tests.pipeline.damage import flip
from tests.stages.recordings.toy import TOYS, write_recording

__all__ = ["_toys"]


def test_the_voice_is_told_in_tenths_and_silence_apart_from_what_was_not_read() -> None:
    voice = Voice(1.0)
    voice.add({"time": np.array([0.0, 0.1, 0.25]), "voice": np.array([0.5, 0.7, 0.0])})
    voice.add({"time": np.array([0.85, 0.95]), "voice": np.array([1.0, 1.0])})
    assert voice.digits() == "60  9 "


@pytest.mark.parametrize("seconds", [1e6, 1e300])
def test_what_is_told_is_bounded_however_long_a_table_says_a_recording_is(seconds: float) -> None:
    voice = Voice(seconds)
    voice.add({"time": np.array([0.0, 1e9]), "voice": np.array([1.0, 1.0])})
    assert len(voice.digits()) <= MOST_STEPS + 1


def test_faces_lie_where_they_were_seen_and_are_of_the_persons_of_the_rows(tmp_path: Path) -> None:
    root = tmp_path / "w"
    write_recording(tmp_path / "interviews", "short")
    segment(source=tmp_path / "interviews", workspace=root, workers=0)
    session = recordings_of(Session(Workspace(root), STAGES, (*STAGES, *TOYS[1:], SECTION)))
    rows = require_segments(root / "segments.parquet").rows["short"]
    (task,) = tasks_of(session)
    found = lanes(Joiner.of(session), task, rows)
    # Eight seconds of one face, four of none, twelve of two side by side; boxes of 160 px in a picture of 1280.
    whose = {(row.shot, row.track): row.subject for row in rows if row.kept}
    assert found["faces"] == [
        [0, 8000, 160, 45, whose[0, 0]],
        [12000, 24000, 160, 30, whose[2, 0]],
        [12000, 24000, 160, 66, whose[2, 1]],
    ]
    assert len(found["voice"]) == round(24 / found["step"])
    assert set(found["voice"][:40]) == {"9"}
    flip(root / "recordings" / "scan" / "recordings-00000.parquet", 0.3)
    assert lanes(Joiner.of(session), task, rows) == {}
