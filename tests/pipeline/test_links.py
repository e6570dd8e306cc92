"""Whatever links a workspace holds, nothing outside of it is written, cut short, deleted, or offered for deletion."""

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.plain_files import opened_plain
from portrait_prep.manifests.verdict import Review
from portrait_prep.pipeline.auditing.audit import Audit, Sample
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.workspace import LOCK, WRITE_PERMISSION, Workspace
from portrait_prep.pipeline.reviewing import decide
from portrait_prep.pipeline.run.process import quietly
from portrait_prep.pipeline.session import Session
from portrait_prep.views.exporting.filling import Target, filling
from tests.pipeline.damage import audited, obey
from tests.pipeline.toy import add_videos, numbers, toy_session

WRITTEN = ("count", "scale", "total", "media", "manifests", "logs")
"""Folders that a run of the toy stages writes into."""


def run(session: Session) -> None:
    session.run(session.select((), (), retry_failed=False), workers=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with work to do."""
    return add_videos(tmp_path / "w", {"a1": numbers(40), "a2": numbers(30), "bad": "1 bad"}).workspace.root


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of somebody's, with files of the names that a workspace gives."""
    folder = tmp_path / "victim"
    for name in ("notes.txt", "a1.json", "a1.txt", "bad.txt", "toy-00000.parquet", "index.html", "workers.log"):
        (folder / "deeper").mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("dear to somebody")
        (folder / "deeper" / f".tmp-{name}").write_text("dear to somebody")
    return folder


def content(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_folder_that_is_a_link_elsewhere_is_not_written_into(root: Path, victim: Path, name: str) -> None:
    (root / name).symlink_to(victim)
    before = content(victim)
    with pytest.raises(MissingPrerequisite, match=rf"w/{name} is a link that leads out of the workspace") as refused:
        run(toy_session(root))
    assert content(victim) == before
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", WRITTEN)
def test_nor_once_all_is_done_by_what_is_left_to_do(root: Path, victim: Path, name: str) -> None:
    run(toy_session(root))
    add_videos(root, {"a1": numbers(50), "a2": "1 bad"})
    shutil.rmtree(root / name)
    (root / name).symlink_to(victim)
    before = content(victim)
    with pytest.raises(MissingPrerequisite, match=rf"w/{name} is a link"):
        run(toy_session(root))
    assert content(victim) == before


@pytest.mark.parametrize("name", [*WRITTEN, "report", "sources", "cache"])
def test_an_audit_offers_nothing_for_deletion_that_lies_behind_a_link(root: Path, victim: Path, name: str) -> None:
    run(toy_session(root))
    shutil.rmtree(root / name, ignore_errors=True)
    (root / name).symlink_to(victim)
    session = toy_session(root)
    for finding in Audit(session, deep=True).findings():
        for command in finding.to_json(root)["commands"]:
            words = shlex.split(command)
            assert words[0] == "portrait-prep" or Path(words[1]).parent.resolve().is_relative_to(root), command
        assert finding.kind not in ("orphan", "unused source"), finding


def test_a_remedy_never_leads_out(root: Path, victim: Path) -> None:
    (root / "report").symlink_to(victim)
    for name in ("report/index.html", "../victim/notes.txt", "sources/../../victim/notes.txt", "report/deeper/x"):
        assert Remedy("", (name,)).commands(root) == []
    (root / "link").symlink_to(victim)
    assert Remedy("", ("link", "catalogue.parquet")).commands(root) == [
        f"rm {root}/link",
        f"rm {root}/catalogue.parquet",
    ]


@pytest.mark.parametrize("name", ["report", "sources", "media", "x"])
def test_a_sweep_stays_inside(root: Path, victim: Path, name: str) -> None:
    (root / name).symlink_to(victim)
    (root / ".tmp-1-scratch").symlink_to(victim)
    before = content(victim)
    with toy_session(root).held():
        pass
    assert content(victim) == before
    assert not os.path.lexists(root / ".tmp-1-scratch")


def test_who_owns_the_place_a_link_leads_to_can_allow_it(root: Path, tmp_path: Path) -> None:
    disk = tmp_path / "big disk"
    disk.mkdir()
    (root / "media").symlink_to(disk)
    with pytest.raises(MissingPrerequisite, match="allow it by") as refused:
        run(toy_session(root))
    os.system(str(refused.value).partition("allow it by: ")[2])
    run(toy_session(root))
    assert {path.name for path in disk.iterdir()} == {WRITE_PERMISSION, "a1.txt", "a2.txt"}
    assert audited(toy_session(root)) == []
    other = add_videos(tmp_path / "other", {"a1": numbers(40)}).workspace.root
    (other / "media").symlink_to(disk)
    with pytest.raises(MissingPrerequisite):
        run(toy_session(other))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["pipe", "device", "endless"])
def test_a_consent_that_is_no_short_file_is_none(root: Path, tmp_path: Path, kind: str) -> None:
    """Whoever owns the place may have put anything there: nothing waits on it or reads without end."""
    consent = tmp_path / "disk" / WRITE_PERMISSION
    consent.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(consent)
    elif kind == "device":
        consent.symlink_to("/dev/zero")
    else:
        with consent.open("wb") as file:
            file.truncate(1 << 40)
    (root / "media").symlink_to(consent.parent)
    with pytest.raises(MissingPrerequisite, match="allow it by"):
        run(toy_session(root))


def test_what_is_finished_and_lies_on_another_disk_is_read(root: Path, tmp_path: Path) -> None:
    """Whoever moved folders away and left links in their place has a workspace that is done, and can be judged."""
    run(toy_session(root))
    for name in ("media", "count", "scale"):
        shutil.move(root / name, tmp_path / name)
        (root / name).symlink_to(tmp_path / name)
    session = toy_session(root)
    run(session)
    assert audited(toy_session(root), deep=True) == []
    decide(toy_session(root), ["a1"], Review(decision="reject", why="seen", who="me", when=""))
    assert list(Audit(toy_session(root), sample=Sample(1, workers=0)).findings()) == []


def test_a_decision_that_cannot_be_followed_is_not_noted(root: Path, victim: Path) -> None:
    (root / "manifests").symlink_to(victim)
    before = content(victim)
    with pytest.raises(MissingPrerequisite, match="manifests is a link"):
        decide(toy_session(root), ["a1"], Review(decision="reject", why="seen", who="me", when=""))
    assert content(victim) == before
    assert not (root / "reviews.jsonl").exists()


def test_links_within_and_to_a_workspace_are_its_own(root: Path, tmp_path: Path) -> None:
    (root / "bulk").mkdir()
    (root / "media").symlink_to("bulk")
    (tmp_path / "way").symlink_to(root)
    run(toy_session(tmp_path / "way"))
    assert audited(toy_session(tmp_path / "way")) == audited(toy_session(root)) == []


def test_a_link_to_nowhere_or_to_itself_is_told(root: Path, tmp_path: Path) -> None:
    (root / "media").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MissingPrerequisite, match="leads out"):
        Workspace(root).folder("media")
    assert not (tmp_path / "nowhere").exists()
    (root / "count").symlink_to("count")
    with pytest.raises((MissingPrerequisite, OSError)):
        Workspace(root).folder("count")


Place = Callable[[Path, Path], object]
"""Puts something under the second name that leads to the first."""


@pytest.mark.parametrize("place", [lambda victim, path: path.symlink_to(victim), lambda _, path: os.mkfifo(path)])
def test_a_lock_that_is_no_plain_file_is_refused(root: Path, victim: Path, place: Place) -> None:
    place(victim / "notes.txt", root / LOCK)
    with pytest.raises(BadInput, match=r"w/\.lock is "):
        run(toy_session(root))
    with pytest.raises(BadInput, match=r"w/\.lock is "):
        Workspace(root).require_idle()
    assert (victim / "notes.txt").read_text() == "dear to somebody"


def test_a_lock_under_two_names_is_not_cut_short(root: Path, victim: Path) -> None:
    (root / LOCK).hardlink_to(victim / "notes.txt")
    run(toy_session(root))
    assert (victim / "notes.txt").read_text() == "dear to somebody"


@pytest.mark.parametrize(
    "place",
    [
        lambda victim, path: path.symlink_to(victim),
        lambda victim, path: path.hardlink_to(victim),
        lambda _, path: os.mkfifo(path),
        lambda victim, path: path.symlink_to(victim.parent / "nowhere"),
    ],
)
def test_a_log_that_is_no_plain_file_gives_way(root: Path, victim: Path, place: Place) -> None:
    (root / "logs").mkdir()
    place(victim / "notes.txt", root / "logs/workers.log")
    before = content(victim)
    with quietly(Workspace(root).log("workers.log")):
        os.write(2, b"a complaint\n")
    assert content(victim) == before
    assert (root / "logs/workers.log").read_text() == "a complaint\n"
    with pytest.raises(BadInput), opened_plain(root / "logs", os.O_RDONLY):
        pass


def test_a_log_is_added_to(root: Path) -> None:
    for _ in range(2):
        with quietly(Workspace(root).log("workers.log")):
            os.write(2, b"a complaint\n")
    assert (root / "logs/workers.log").read_text() == "a complaint\n" * 2


def test_files_that_are_links_are_replaced_and_not_written_through(root: Path, victim: Path) -> None:
    run(toy_session(root))
    for name in (
        "manifests.parquet",
        "manifests/a1.json",
        "media/a1.txt",
        "count/toy-00000.parquet",
        "total/reduction.json",
    ):
        (root / name).unlink()
        (root / name).symlink_to(victim / "notes.txt")
    before = content(victim)
    run(toy_session(root))
    obey(toy_session(root), audited(toy_session(root)))
    assert content(victim) == before
    assert audited(toy_session(root)) == []


def test_a_folder_to_fill_is_not_filled_through_a_link(tmp_path: Path, victim: Path) -> None:
    (victim / "whole").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.unfinished").symlink_to(victim)
    before = content(victim)
    with (
        pytest.raises(BadInput, match="is no folder, and is not written through"),
        filling(Target(tmp_path / "out"), "a plan"),
    ):
        pass
    assert content(victim) == before
