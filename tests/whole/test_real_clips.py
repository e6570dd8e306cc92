"""Real talking-face videos through the whole pipeline."""

import json
from pathlib import Path

import pytest

from tests.whole.contract import check_columns, check_media
from tests.whole.runs import CLIPS, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")

NAMES = sorted(path.stem for path in CLIPS.glob("*.mp4"))
SILENT = {"portrait_d18", "portrait_d19"}
WITHOUT_TRACK = {"portrait_d0", "portrait_d13"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real") / "w"
    enrolled = portrait_prep("init", "folder", "-w", root, "--source", CLIPS)
    assert enrolled.returncode == 0, enrolled.stderr
    done = portrait_prep("run", "-w", root, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.mark.parametrize("video_id", NAMES)
def test_a_clip_keeps_the_contract(finished: Path, video_id: str) -> None:
    check_columns(finished, video_id, check_media(finished, video_id))


@pytest.mark.parametrize("video_id", NAMES)
def test_a_clip_is_judged_and_its_sound_is_told(finished: Path, video_id: str) -> None:
    told = json.loads((finished / "manifests" / f"{video_id}.json").read_text())
    # Looked at, one by one: each shows one person, well lit, from the first frame to the last.
    assert told["quality"] == {"accepted": True, "reasons": []}
    sound = told["stages"]["normalize"]["metrics"]
    assert sound["has_audio"] is (video_id not in WITHOUT_TRACK)
    assert sound["silent"] is (video_id in SILENT)


def test_the_audit_finds_nothing(finished: Path) -> None:
    audit = portrait_prep("audit", "-w", finished, "--deep")
    assert audit.returncode == 0, audit.stdout
