"""A corpus that changes under people's hands: each task at the command line, and what it says."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from portrait_prep.demo.plan import CLIPS
from tests.hdtf_lists import lists
from tests.stages.fetch.server import Server
from tests.whole.runs import portrait_prep

GOOD = [f"{clip.video_id}{clip.form.suffix}" for clip in CLIPS if clip.expected is None][:3]
NOTHING = "Computed (videos): download 0, normalize 0, landmarks 0, headpose 0, torso 0, speech 0, stats 0."


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, demo_sources: Path) -> Path:
    """Two videos of ann, one of bob, and one of his that is a copy of hers; cat's is broken."""
    folder = tmp_path_factory.mktemp("curate")
    for place, name in (("ann_1", GOOD[0]), ("ann_2", GOOD[1]), ("bob_1", GOOD[2]), ("bob_2", GOOD[0])):
        target = folder / "clips" / f"{place}{Path(name).suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(demo_sources / name, target)
    (folder / "clips" / "cat_1.mp4").write_bytes(b"no video")
    (folder / "clips" / "notes.txt").touch()
    lines = ok("init", "folder", "--source", folder / "clips", "-w", folder / "w")
    assert lines[0].startswith("5 videos (5 new) of 3 subjects in 1 shard, ")
    assert lines[0].endswith(" s and 1 of unknown length.")
    assert "By subject (stem-prefix): ann: 2, bob: 2, cat: 1." in lines
    assert "Duplicates, byte for byte: 1 (bob_2 of ann_1): kept in the catalogue, never worked on." in lines
    both = "1 (bob_2 of bob, ann_1 of ann)"
    assert f"Warning: the same file under two subjects, one of which is wrong: {both}." in lines
    assert "Left out by ending, as no videos: .txt: 1 (notes.txt)." in lines
    assert portrait_prep("run", "-w", folder / "w", "--workers", "2").returncode == 1
    return folder


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A copy of the workspace to change."""
    return Path(shutil.copytree(finished / "w", tmp_path / "w", symlinks=True))


def ok(*arguments: str | Path, code: int = 0) -> list[str]:
    """What a command says."""
    done = portrait_prep(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.splitlines()


def refused(*arguments: str | Path) -> str:
    done = portrait_prep(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    return done.stderr.strip()


def audited(root: Path) -> list[str]:
    return ok("audit", "--deep", "-w", root)


ALL_HOLDS = ["Nothing found: every claim holds."]


def test_a_person_is_deleted_and_stays_out(root: Path, finished: Path) -> None:
    clips = finished / "clips"
    ok("report", "-w", root)
    ok("overlay", "ann_2", "-w", root)
    before = {path: path.read_bytes() for path in clips.rglob("*.*")}
    assert ok("remove", "--subject", "ann", "--dry-run", "-w", root) == [
        "To remove: 2 (ann_1, ann_2).",
        "To remove with them, as copies of the same files: 1 (bob_2).",
    ]
    assert ok("remove", "--subject", "ann", "--why", "consent withdrawn", "-w", root) == [
        "Removed: 2 (ann_1, ann_2).",
        "Removed with them, as copies of the same files: 1 (bob_2).",
        "Their sources were not touched. init leaves them out from now on; --forget undoes that.",
        "report/index.html, which showed them, was deleted: 'portrait-prep report' makes it anew.",
        "2 videos: 1 accepted, 1 not. Of these: 1 failed.",
    ]
    assert {path: path.read_bytes() for path in clips.rglob("*.*")} == before
    assert not [path for path in root.rglob("*") if path.name.split(".")[0] in ("ann_1", "ann_2", "bob_2", "ann")]
    assert audited(root) == ALL_HOLDS
    assert ok("run", "-w", root, code=1)[0] == NOTHING
    again = ok("init", "folder", "--source", clips, "-w", root)
    kept = "Kept out, since removed before (consent withdrawn): 3 (ann_1, ann_2, bob_2); to take them all the same: "
    assert f"{kept}portrait-prep remove --forget --subject ann, then init." in again
    assert ok("remove", "--forget", "--subject", "ann", "-w", root) == [
        "Forgotten: 3 (ann_1, ann_2, bob_2) and all of ann. 'portrait-prep init' with their source brings them back."
    ]
    added = ok("init", "folder", "--source", clips, "-w", root)
    assert "Added: 3 (ann_1, ann_2, bob_2)." in added


def test_a_source_that_was_moved_away(root: Path, finished: Path) -> None:
    clips = finished / "clips"
    (source,) = clips.glob("ann_2.*")
    source.rename(finished / source.name)
    try:
        told = ok("init", "folder", "--source", clips, "-w", root)
        gone = "No longer in the source: 1 (ann_2); still in the workspace; to take out: portrait-prep remove ann_2"
        assert gone in told
        assert ok("remove", "--missing", "-w", root)[0] == "Removed: 1 (ann_2)."
        assert ok("remove", "--missing", "-w", root)[0] == "Nothing to remove."
        assert audited(root) == ALL_HOLDS
    finally:
        (finished / source.name).rename(source)


def test_a_row_deleted_by_hand(root: Path) -> None:
    table = pq.read_table(root / "catalogue.parquet")
    pq.write_table(
        table.filter(pc.invert(pc.is_in(table["video_id"], pa.array(["ann_2"])))), root / "catalogue.parquet"
    )
    dry = ok("run", "--dry-run", "-w", root)
    assert dry[0] == "Not in the catalogue any more, and to be taken out of everything: 1 (ann_2)."
    told = ok("audit", "-w", root, code=1)
    assert told == [
        "manifests/ann_2.json [ann_2]: the catalogue no longer has it; run again: it is taken out of everything; "
        "or put the video's row back",
        "1 finding.",
        "Commands that mend it:",
        f"    portrait-prep run -w {root}",
    ]
    done = ok("run", "-w", root, code=1)
    assert done[:2] == [NOTHING, "Taken out, since the catalogue no longer has them: 1 (ann_2)."]
    assert audited(root) == ALL_HOLDS


def test_a_changed_limit_is_told_before_it_judges(root: Path) -> None:
    settings = root / "pipeline.toml"
    limit = "min_seconds = "
    before, quality, rules = settings.read_text().partition("[quality]")
    (line,) = (line for line in rules.splitlines() if line.startswith(limit))
    settings.write_text(before + quality + rules.replace(line, f"{limit}1000.0"))
    dry = ok("run", "--dry-run", "-w", root)
    assert any(line.startswith("The verdict would become: rejected: 3 (") for line in dry)
    assert "Everything is up to date." not in dry


def test_after_a_setting_changed_status_tells_what_was_accepted(root: Path) -> None:
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("max_gap = 5", "max_gap = 4"))
    told = ok("status", "-w", root)[0]
    assert told == ("5 videos, 0 accepted (3 were, before a change that waits for a run); videos (shards):")


def test_of_a_video_that_failed_for_good_no_command_is_offered_that_does_not_work(root: Path) -> None:
    told = refused("overlay", "cat_1", "-w", root)
    assert "run normalize" not in told
    assert told.endswith("and no retry will mend that.")
    assert (
        ok("run", "--dry-run", "-w", root)[-1]
        == "1 failed, which no retry will change: 'portrait-prep list --failed' says why."
    )


def test_a_run_ends_by_what_was_asked_for_and_rejected_videos_are_named(root: Path) -> None:
    assert (
        ok("run", "-w", root, "--only", "ann_1")[-1] == "5 videos: 3 accepted, 2 not. Of these: 1 failed, 1 left out."
    )
    ok("review", "reject", "bob_1", "--why", "a mask", "--by", "eve", "-w", root)
    assert "bob_1: rejected: eve rejected it: a mask" in ok("status", "-w", root)
    assert [line.split()[:2] for line in ok("list", "--rejected", "-w", root)] == [
        ["bob_1", "rejected"],
        ["1", "video."],
    ]
    assert "did you mean ann_2 or ann_1" in refused("manifest", "ann_12", "-w", root)


def test_a_workspace_is_moved_and_renamed(root: Path) -> None:
    moved = root.rename(root.with_name("a new name"))
    assert ok("run", "-w", moved, code=1)[0] == NOTHING
    assert audited(moved) == ALL_HOLDS


@pytest.fixture
def hdtf(tmp_path: Path, server: Server, demo_sources: Path) -> Path:
    """Ann's video lies at an address, and two intervals come from it; nobody has Bob's."""
    film = (demo_sources / GOOD[0]).read_bytes()
    rows = [("Ann", 240, "00:00-00:02 00:01-00:03", ["", ""]), ("Bob", 240, "00:00-00:02", [""])]
    lists(tmp_path / "lists", rows, addresses={"Ann": server.put("/ann.mp4", film), "Bob": f"{server.address}/bob.mp4"})
    return tmp_path


def test_downloads_are_announced_and_what_was_fetched_goes_with_the_last_video_of_it(hdtf: Path) -> None:
    root = hdtf / "w"
    told = ok("init", "hdtf", "-w", root, "--annotations", hdtf / "lists")
    assert told[-1] == "This starts 3 downloads; add --local to process only what is already here."
    assert "No video of the catalogue has its source here" in refused("run", "--local", "-w", root)
    settings = root / "pipeline.toml"
    settings.write_text(
        settings.read_text().replace("reserve = ", "reserve = 0.0 # ").replace("retries = 3", "retries = 0")
    )
    ok("run", "normalize", "-w", root, "--workers", "0", code=1)
    fetched = [path for path in (root / "sources").iterdir() if not path.is_symlink() and path.suffix != ".json"]
    assert len([path for path in fetched if not path.name.startswith(".")]) == 1
    assert ok("init", "hdtf", "-w", root, "--annotations", hdtf / "lists")[-1].startswith("This starts 1 download;")
    ok("run", "download", "--local", "-w", root, "--workers", "0")
    ok("remove", "WDA_Ann_000", "-w", root)
    assert fetched[0].exists()  # the other interval is of it, too
    ok("remove", "WDA_Ann_001", "WDA_Bob_000", "-w", root)
    assert not [path for path in (root / "sources").iterdir() if not path.name.startswith(".")]
    assert audited(root) == ALL_HOLDS


def test_without_a_way_out_a_run_says_so_once_and_nothing_has_failed(hdtf: Path) -> None:
    root = hdtf / "w"
    ok("init", "hdtf", "-w", root, "--annotations", hdtf / "lists")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = f"127.0.0.1:{nobody.getsockname()[1]}"
    settings = (root / "pipeline.toml").read_text().replace('proxy = ""', f'proxy = "http://{proxy}"')
    (root / "pipeline.toml").write_text(re.sub(r"(?m)^retries = \d+", "retries = 0", settings))
    done = portrait_prep("run", "-w", root, "--workers", "2")
    assert done.returncode == 2
    (sentence,) = (line for line in done.stderr.splitlines() if line.startswith("portrait-prep: "))
    assert sentence.startswith(f"portrait-prep: The proxy {proxy} cannot be reached, and nothing is downloaded")
    told = json.loads("\n".join(ok("status", "--json", "-w", root)))
    assert told["stages"]["download"]["videos"]["pending"] == 3
    assert told["failed"] == []


def test_status_is_whole_json_after_a_removal(root: Path) -> None:
    ok("remove", "ann_1", "-w", root)
    told = json.loads("\n".join(ok("status", "--json", "-w", root)))
    assert told["videos"] == 3
    assert all(sum(stage["videos"].values()) == 3 for stage in told["stages"].values())


def test_removing_while_a_run_holds_the_workspace_is_refused(root: Path) -> None:
    holder = subprocess.Popen(["flock", root / ".lock", "sleep", "30"])
    try:
        while subprocess.run(["flock", "-n", root / ".lock", "true"], check=False).returncode == 0:
            pass
        assert "Another run holds the workspace" in refused("remove", "ann_1", "-w", root)
    finally:
        holder.terminate()
        holder.wait()
