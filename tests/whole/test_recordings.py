"""A long recording at the command line: from a made file to segments, and from these to videos."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from portrait_prep.media.picture import FPS
from tests.stages.recordings import composite
from tests.stages.recordings.composite import CLIPS, Scene
from tests.stages.recordings.footage import Truth
from tests.whole.runs import portrait_prep

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}"),
]

NEAR = 2.1 / FPS
"""Seconds by which a border may be off: two frames."""

CUT_APART = {"max_cuts", "max_identity_jumps", "max_several_faces_share", "max_dissolves"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def made(source: Path) -> tuple[list[Scene], Truth]:
    scenes = composite.scenes()
    return scenes, composite.write(source / "talk.mp4", scenes)


@pytest.fixture(scope="module")
def segmented(source: Path, made: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("segmented") / "w"
    done = portrait_prep("segment", "-w", root, "--source", source, "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def rows_of(root: Path) -> list[dict[str, Any]]:
    """All rows of the table."""
    return pq.read_table(root / "segments.parquet").to_pylist()  # type: ignore[no-any-return]


def test_what_is_kept_is_what_people_who_are_seen_say(made: tuple[list[Scene], Truth], segmented: Path) -> None:
    talks = [(scene, shot) for scene, shot in zip(made[0], made[1].shots, strict=True) if scene.reason is None]
    kept = [row for row in rows_of(segmented) if row["kept"]]
    assert [(row["start"], row["end"]) for row in kept] == [
        (pytest.approx(shot.start / FPS, abs=NEAR), pytest.approx(shot.stop / FPS, abs=NEAR)) for _, shot in talks
    ]
    for row, (scene, _) in zip(kept, talks, strict=True):
        left, right = row["crop_x"] / composite.SIZE[0], (row["crop_x"] + row["crop_w"]) / composite.SIZE[0]
        assert left < scene.speaker < right
        assert scene.other is None or not left < scene.other < right


def test_the_rest_has_a_reason(made: tuple[list[Scene], Truth], segmented: Path) -> None:
    rows = rows_of(segmented)
    told = []
    for shot in made[1].shots:
        middle = (shot.start + shot.stop) / 2 / FPS
        told += [row["reason"] for row in rows if row["start"] <= middle < row["end"]]
    assert told == [scene.reason for scene in made[0]]


def test_a_second_run_computes_nothing(segmented: Path) -> None:
    before = (segmented / "segments.parquet").stat()
    done = portrait_prep("segment", "-w", segmented, "--workers", "1")
    assert "download 0, scan 0, voice 0; recordings joined: 0." in done.stdout
    assert (segmented / "segments.parquet").stat() == before


def test_no_video_of_a_segment_is_rejected_for_what_segments_are_to_leave_out(segmented: Path) -> None:
    assert portrait_prep("init", "segments", "-w", segmented).returncode == 0
    done = portrait_prep("run", "-w", segmented, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(path.read_text())["quality"] for path in (segmented / "manifests").glob("*.json")]
    assert len(told) == sum(row["kept"] for row in rows_of(segmented))
    assert not [one["reasons"] for one in told if CUT_APART.intersection(one["rules"])]


@pytest.mark.usefixtures("interruptible")
def test_after_kills_the_table_is_the_same(source: Path, segmented: Path, tmp_path: Path) -> None:
    root, moments = tmp_path / "w", random.Random(1)
    command = [sys.executable, "-m", "pipeline", "segment", "-w", str(root), "--source", str(source), "--workers", "1"]
    for longest in (4.0, 12.0, 30.0):
        with subprocess.Popen(command, start_new_session=True) as process:
            time.sleep(moments.uniform(longest / 4, longest))
            process.send_signal(signal.SIGKILL)
    assert portrait_prep(*command[3:]).returncode == 0
    assert (root / "segments.parquet").read_bytes() == (segmented / "segments.parquet").read_bytes()
