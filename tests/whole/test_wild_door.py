"""Files of the wild through the front door: one costs nobody else, in any locale, from `init` to the report."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.clips import make
from tests.media.mutants import TITLE, mutants
from tests.whole.runs import CLIPS

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")

KATIE = CLIPS / "WDA_KatieHill_000.mp4"
ENCODED = ("-t", "1.2", "-i", KATIE, "-c:v", "libx264", "-preset", "ultrafast")
GOOD = ("Zoë_1", "Zoë_2", "Zoë_3", "Zoë_4")
BAD = ("html", "cut", "picture", "sound", "empty")


def written(folder: Path) -> None:
    """Four good videos with something odd, one twice; five bad ones; a notes file; and one whose bytes are spoilt."""
    make(*ENCODED, "-c:a", "aac", "-metadata", f"title={TITLE}", folder / "tag.mp4")
    tagged = (folder / "tag.mp4").read_bytes().replace(TITLE.encode(), "新闻".encode("gbk") * 3 + b"\xff\xfe\xfd")
    (folder / "tag.mp4").unlink()
    (folder / "Zoë_1.mp4").write_bytes(tagged)
    shutil.copy(folder / "Zoë_1.mp4", folder / "Zoë_9.mp4")
    both = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:a:0", "aac", "-c:a:1", "libvorbis")
    make(*ENCODED, *both, folder / "Zoë_2.mkv")
    make(*ENCODED, "-c:a", "libvorbis", folder / "Zoë_3.mkv")
    for name in ("Zoë_2.mkv", "Zoë_3.mkv"):
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"A_VORBIS", b"A_XORBIS"))
    make(*ENCODED, "-an", folder / "Zoë_4.f137.mp4")
    make("-t", "1.2", "-i", KATIE, "-vn", "-c:a", "aac", folder / "Zoë_4.f140.m4a")
    (folder / "html.mp4").write_text("<html>not found</html>")
    (folder / "cut.mp4").write_bytes(tagged[:20_000])
    (folder / "picture.mkv").write_bytes(
        (folder / "Zoë_2.mkv").read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XXX")
    )
    make("-t", "1", "-i", KATIE, "-vn", folder / "sound.mp4")
    (folder / "empty.webm").touch()
    for number, data in zip(range(4), mutants(folder / "Zoë_1.mp4", 4), strict=True):
        (folder / f"spoilt-{number}.mp4").write_bytes(data)
    (folder / "notes.txt").touch()


def typed(*arguments: str | Path, plain: bool = True) -> subprocess.CompletedProcess[str]:
    """The command, in a locale that knows ASCII only where it is `plain`."""
    other = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if plain else {}
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=280, env=os.environ | other, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose files are named beyond ASCII, made and run where only ASCII is known."""
    folder = tmp_path_factory.mktemp("wild") / "vidéos"
    folder.mkdir()
    written(folder)
    root = folder.parent / "w"
    added = typed("init", "folder", "-w", root, "--source", folder)
    assert (added.returncode, added.stderr) == (0, "")
    (folder.parent / "init.txt").write_text(added.stdout, "utf-8")
    done = typed("run", "-w", root, "--workers", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return root


def manifests(root: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    rows = pq.read_table(root / "catalogue.parquet", columns=["video_id", "source"]).to_pylist()
    paths = {Path(row["source"]).name.partition(".")[0]: root / "manifests" / f"{row['video_id']}.json" for row in rows}
    return {name: json.loads(path.read_text("utf-8")) for name, path in paths.items() if path.exists()}


def test_init_says_what_it_did(finished: Path) -> None:
    told = (finished.parent / "init.txt").read_text("utf-8").splitlines()
    assert told[0].startswith("14 videos (14 new)")
    assert "Picture and sound in two files, joined: 1 (Zoë_4.f137.mp4 with Zoë_4.f140.m4a)." in told
    assert "Left out by ending, as no videos: .txt: 1 (notes.txt)." in told
    assert [line for line in told if line.startswith("Duplicates, byte for byte: 1 (")]


@pytest.mark.parametrize("name", GOOD)
def test_what_is_odd_and_good_is_prepared(finished: Path, name: str) -> None:
    stages = manifests(finished)[name]["stages"]
    assert {stage: record["outcome"] for stage, record in stages.items()} == dict.fromkeys(stages, "done")
    facts = stages["normalize"]["metrics"]
    assert facts["has_audio"] is (name != "Zoë_3")
    assert facts["undecodable_tracks"] == (1 if name in ("Zoë_2", "Zoë_3") else 0)
    assert not facts["silent"]
    assert facts["n_frames"] in (29, 30, 31)


@pytest.mark.parametrize("name", BAD)
def test_what_is_bad_fails_by_name_in_one_sentence(finished: Path, name: str) -> None:
    error = manifests(finished)[name]["stages"]["normalize"]["error"]
    assert error["type"] == "BadVideo"
    assert error["message"].startswith(f"{name}.")
    assert len(error["message"].splitlines()) == 1


def test_a_second_copy_is_not_worked_on(finished: Path) -> None:
    rows = pq.read_table(finished / "catalogue.parquet", columns=["source", "defect"]).to_pylist()
    defects = {Path(row["source"]).stem: row["defect"] for row in rows}
    assert {name for name, defect in defects.items() if defect} == {"Zoë_9"}
    assert not [path for path in (finished / "media").iterdir() if "9" in path.stem.partition("-")[0]]


def test_the_workspace_can_be_looked_at_in_any_locale(finished: Path) -> None:
    for arguments, plain in ((("status",), True), (("report",), True), (("status", "--json"), False)):
        done = typed(*arguments, "-w", finished, plain=plain)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    again = typed("init", "folder", "-w", finished, "--source", finished.parent / "vidéos", plain=False)
    assert again.returncode == 0
    assert again.stdout.startswith("14 videos (0 new)")
    assert not [
        line for line in again.stdout.splitlines() if line.startswith(("Added", "No longer", "Changed", "Kept"))
    ]
