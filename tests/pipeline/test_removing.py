"""Removing takes a video out of everything, computes nothing, and ends the same wherever it was broken off."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.choice import EVERYTHING
from portrait_prep.manifests.files import is_temporary
from portrait_prep.manifests.ids import part_of, with_digest
from portrait_prep.manifests.verdict import Review
from portrait_prep.manifests.video import DUPLICATE_OF, Video
from portrait_prep.pipeline.add_videos import add_videos as add_corpus
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.dry_run import DryRun
from portrait_prep.pipeline.reassigning import reassign
from portrait_prep.pipeline.removing import Wish, find, forget, remove
from portrait_prep.pipeline.reviewing import decide
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shards import ShardReader
from tests.pipeline.toy import TOYS, add_videos, numbers, toy_session

FIVE = {name: numbers(30, start) for start, name in enumerate(("a1", "a2", "b1", "b2", "c1"))}
"""In shards of two videos; c1 is alone in the last."""


def go(root: Path) -> dict[str, int]:
    session = toy_session(root)
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    return dict(run_counts.computed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("removing") / "w"
    add_videos(root, FIVE)
    go(root)
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "w"))


def take_out(root: Path, *videos: str, subjects: tuple[str, ...] = (), missing: bool = False) -> list[str]:
    found, _ = remove(toy_session(root), Wish(videos, subjects, missing), "ann", "2026-01-02T03:04:05+00:00")
    return [video.video_id for video in (*found.meant, *found.copies)]


def drop_rows(root: Path, *names: str) -> None:
    """As a person would, with any program that writes Parquet."""
    table = pq.read_table(root / "catalogue.parquet")
    pq.write_table(table.filter(pc.invert(pc.is_in(table["video_id"], pa.array(names)))), root / "catalogue.parquet")


def found(root: Path) -> list[str]:
    return [finding.line() for finding in Audit(toy_session(root), deep=True).findings()]


def named_after(root: Path, *names: str) -> list[str]:
    paths = (path for path in root.rglob("*") if path.name.split(".")[0] in names)
    return sorted(str(path.relative_to(root)) for path in paths)


def digests(root: Path) -> dict[tuple[str, str], str]:
    """(stage, video) -> digest of its rows and record as they lie there."""
    told = {}
    for stage in TOYS:
        for path in (root / stage.name).glob("toy-*.parquet"):
            with ShardReader(path) as reader:
                for name, record in reader.records.items():
                    rows = pa.concat_tables(reader.tables(name)).to_pylist()
                    told[stage.name, name] = hashlib.sha256(repr((rows, record)).encode()).hexdigest()
    return told


def everything(root: Path) -> dict[str, bytes]:
    """Path -> bytes of what a workspace tells; the time at which something was removed is the tests' own."""
    kinds = ("catalogue.parquet", "removed.jsonl", "*/*.parquet", "*/*.json", "media/*")
    return {str(path.relative_to(root)): path.read_bytes() for kind in kinds for path in root.glob(kind)}


def test_removed_videos_are_in_nothing_and_their_neighbours_are_as_before(root: Path) -> None:
    before = digests(root)
    assert take_out(root, "a1", "c1") == ["a1", "c1"]
    assert named_after(root, "a1", "c1") == []
    assert not list(root.glob("*/toy-00002.parquet"))
    assert digests(root) == {key: value for key, value in before.items() if key[1] not in ("a1", "c1")}
    assert list(pq.read_table(root / "total" / "all.parquet")["video_id"].to_pylist()) == ["a2", "b1", "b2"]
    assert set(pq.read_table(root / "manifests.parquet")["video_id"].to_pylist()) == {"a2", "b1", "b2"}
    assert found(root) == []
    assert go(root) == {}


def test_a_row_deleted_by_hand_ends_the_same(root: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "other" / "w"))
    take_out(root, "a1", "c1")
    drop_rows(other, "a1", "c1")
    session = toy_session(other)
    told = list(DryRun(session, session.select((), (), retry_failed=False)).lines())
    assert told == ["Not in the catalogue any more, and to be taken out of everything: 2 (a1, c1)."]
    assert [line.partition(":")[0] for line in found(other)] == ["manifests/a1.json [a1]", "manifests/c1.json [c1]"]
    assert go(other) == {}
    assert found(other) == []
    assert everything(other).keys() == everything(root).keys() - {"removed.jsonl"}
    assert digests(other) == digests(root)


def test_a_row_deleted_beside_work_to_do(root: Path) -> None:
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("offset = 0", "offset = 1"))
    drop_rows(root, "a1")
    assert go(root) == {"count": 4, "scale": 4, "total": 4}
    assert named_after(root, "a1") == []
    assert found(root) == []


OPERATIONS = ("unlink", "replace", "rename")


def breaking_off(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process end before the file system is changed for the (after + 1)-th time, as a kill does."""
    left = iter(range(after))

    def ends(real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(self: Path, *arguments: Any, **options: Any) -> Any:
            # After a kill nothing is swept up, and so no moment lies between.
            if not (real.__name__ == "unlink" and is_temporary(self.name)) and next(left, None) is None:
                raise KeyboardInterrupt
            return real(self, *arguments, **options)

        return operation

    for name in OPERATIONS:
        monkeypatch.setattr(Path, name, ends(getattr(Path, name)))


def broken_off(root: Path, after: int) -> bool:
    """Remove, and break that off; whether there was that much to do."""
    with pytest.MonkeyPatch.context() as patch:
        breaking_off(patch, after)
        try:
            take_out(root, "a1", "c1")
        except KeyboardInterrupt:
            return True
    return False


def test_broken_off_anywhere_and_done_again_it_ends_the_same(root: Path, tmp_path: Path) -> None:
    undisturbed = Path(shutil.copytree(root, tmp_path / "undisturbed" / "w"))
    take_out(undisturbed, "a1", "c1")
    after = 0
    while True:
        trial = Path(shutil.copytree(root, tmp_path / str(after) / "w"))
        if not broken_off(trial, after):
            break
        take_out(trial, "a1", "c1") if after % 2 or not (trial / "removed.jsonl").exists() else go(trial)
        assert found(trial) == []
        assert everything(trial) == everything(undisturbed)
        after += 1
    assert after > 12  # there are at least so many moments


def test_removing_by_subject_and_what_its_memory_keeps_out(root: Path) -> None:
    assert take_out(root, subjects=("a",)) == ["a1", "a2"]

    def corpus(_: object) -> list[Video]:
        originals = Path(toy_session(root).videos[0].source).parent
        return [
            Video(video_id=name, corpus="toy", subject=name[0], source=str(originals / f"{name}.src"), duration=50.0)
            for name in (*FIVE, "a3")
        ]

    added = add_corpus(toy_session(root), corpus)
    assert list(added.changes.kept_out) == ["a1", "a2", "a3"]
    assert "Kept out, since removed before: 3 (a1, a2, a3)" in list(added.lines({}))[1]
    assert forget(toy_session(root), Wish(subjects=("a",))) == "2 (a1, a2) and all of a"
    assert add_corpus(toy_session(root), corpus, EVERYTHING).changes.added == ("a1", "a2", "a3")


def test_a_row_that_was_put_back_is_taken_out_again(root: Path) -> None:
    before = (root / "catalogue.parquet").read_bytes()
    take_out(root, "a1")
    (root / "catalogue.parquet").write_bytes(before)
    assert any("it was removed, and has a row again" in line for line in found(root))
    assert go(root) == {}
    assert [video.video_id for video in toy_session(root).videos] == ["a2", "b1", "b2", "c1"]
    assert found(root) == []


def with_copies(root: Path) -> None:
    """b1 and c1 are copies of a1."""
    videos = [
        video.model_copy(update={"defect": f"{DUPLICATE_OF}a1"}) if video.video_id in ("b1", "c1") else video
        for video in toy_session(root).videos
    ]
    write_catalogue(root / "catalogue.parquet", videos)
    go(root)


def test_copies_go_with_what_they_are_copies_of(root: Path) -> None:
    with_copies(root)
    assert take_out(root, "a1") == ["a1", "b1", "c1"]
    assert found(root) == []


def test_copies_that_have_further_defects_go_with_their_original(root: Path) -> None:
    videos = list(toy_session(root).videos)
    videos[2] = videos[2].model_copy(update={"defect": f"{DUPLICATE_OF}a1; no crop"})
    write_catalogue(root / "catalogue.parquet", videos)
    go(root)
    assert take_out(root, "a1") == ["a1", "b1"]
    assert found(root) == []


def sources_in(root: Path, folder: Path) -> None:
    """Move all sources into a folder of the test's own."""
    videos = [
        video.model_copy(update={"source": str(folder / Path(video.source).name)}) for video in toy_session(root).videos
    ]
    shutil.copytree(Path(toy_session(root).videos[0].source).parent, folder)
    write_catalogue(root / "catalogue.parquet", videos)


def test_missing_sources_are_removed_and_a_copy_takes_their_place(root: Path, tmp_path: Path) -> None:
    sources_in(root, tmp_path / "sources")
    with_copies(root)
    (tmp_path / "sources" / "a1.src").unlink()
    assert take_out(root, missing=True) == ["a1"]
    defects = {video.video_id: video.defect for video in toy_session(root).videos}
    assert defects == {"a2": None, "b1": None, "b2": None, "c1": f"{DUPLICATE_OF}b1"}


def test_a_disk_that_is_away_is_not_taken_for_missing_sources(root: Path, tmp_path: Path) -> None:
    sources_in(root, tmp_path / "disk" / "sources")
    shutil.rmtree(tmp_path / "disk" / "sources")
    with pytest.raises(BadInput, match=r"The sources of 5 \(a1, a2, b1 …\) are not there, nor is any other"):
        take_out(root, missing=True)
    assert len(toy_session(root).videos) == len(FIVE)


def test_of_a_folder_that_was_deleted_and_a_disk_that_is_away(root: Path, tmp_path: Path) -> None:
    sources_in(root, tmp_path / "here")
    videos = list(toy_session(root).videos)
    videos[3] = videos[3].model_copy(update={"source": str(tmp_path / "here" / "b" / "b2.src")})
    (tmp_path / "mount").mkdir()
    videos[4] = videos[4].model_copy(update={"source": str(tmp_path / "mount" / "c1.src")})
    write_catalogue(root / "catalogue.parquet", videos)
    told = find(toy_session(root), Wish(missing=True))
    assert [video.video_id for video in told.meant] == ["b2"]
    assert [video.video_id for video in told.away] == ["c1"]


def test_patterns_name_videos_and_what_was_removed(root: Path) -> None:
    assert take_out(root, "a*", "[b]1") == ["a1", "a2", "b1"]
    assert forget(toy_session(root), Wish(("a?",))) == "2 (a1, a2)"
    with pytest.raises(BadInput, match=r"There is no video 'z\*' in the catalogue"):
        take_out(root, "z*")


def test_the_last_video_can_be_removed(root: Path) -> None:
    assert take_out(root, *FIVE) == list(FIVE)
    assert not list(root.glob("count/*.parquet"))
    assert found(root) == []
    assert go(root) == {}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(("b11",)), "There is no video 'b11' in the catalogue; did you mean b1"),
        (Wish(subjects=("aa",)), "No video of the catalogue is of the subject 'aa'; did you mean a"),
        (Wish(subjects=("zoe",)), "No video of the catalogue is of the subject 'zoe'; 'portrait-prep list --json'"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_noted(root: Path, wish: Wish, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        remove(toy_session(root), wish, "ann", "now")
    assert not (root / "removed.jsonl").exists()


def test_nothing_is_noted_or_changed_beside_files_that_cannot_be_read(root: Path) -> None:
    (root / "reviews.jsonl").write_text("{")
    with pytest.raises(BadInput, match="is not a review"):
        take_out(root, "a1")
    assert not (root / "removed.jsonl").exists()
    (root / "reviews.jsonl").unlink()
    (root / "removed.jsonl").write_text("{")
    before = (root / "catalogue.parquet").read_bytes()
    with pytest.raises(BadInput, match="is not a removal"):
        reassign(toy_session(root), lambda videos: [one.model_copy(update={"split": "val"}) for one in videos], "")
    with pytest.raises(BadInput, match="is not a removal"):
        decide(toy_session(root), ["a1"], Review(decision="reject", why="dark", who="ann", when="now"))
    assert (root / "catalogue.parquet").read_bytes() == before
    assert not (root / "reviews.jsonl").exists()


def test_what_was_not_removed_cannot_be_forgotten(root: Path) -> None:
    take_out(root, "a1")
    with pytest.raises(BadInput, match=r"'a2' was not removed from this workspace \(removed before: 1 \(a1\)\)"):
        forget(toy_session(root), Wish(("a2",)))


def test_a_video_that_went_with_its_subject_comes_in_with_it_alone(root: Path) -> None:
    take_out(root, subjects=("a",))
    with pytest.raises(BadInput, match="'a1' is of a, of whom nothing is taken in: forget the subject"):
        forget(toy_session(root), Wish(("a1", "a2")))
    assert forget(toy_session(root), Wish(("a1",), ("a",))) == "2 (a1, a2) and all of a"


def test_a_run_goes_by_what_lies_there_once_it_holds_the_workspace(root: Path) -> None:
    """While it was counting what is left to do, for its bar, other commands changed the catalogue."""
    session = toy_session(root)
    videos = list(session.videos)
    videos[1] = videos[1].model_copy(update={"split": "test"})
    write_catalogue(root / "catalogue.parquet", videos)
    take_out(root, "a1")
    session.run(session.select((), (), retry_failed=False), workers=0)
    assert {video.video_id: video.split for video in toy_session(root).videos}["a2"] == "test"
    assert named_after(root, "a1") == []
    assert found(root) == []


@pytest.fixture
def outside(root: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder beyond the workspace, in the place of its media, with files of all names; none may be touched."""
    folder = tmp_path / "outside"
    shutil.move(root / "media", folder)
    (root / "media").symlink_to(folder)
    before = sorted(os.listdir(folder))  # noqa: PTH208
    yield folder
    assert sorted(os.listdir(folder)) == before  # noqa: PTH208


@pytest.mark.usefixtures("outside")
def test_nothing_is_deleted_behind_a_link(root: Path) -> None:
    drop_rows(root, "a1")
    go(root)
    assert named_after(root, "a1") == []


def test_a_lone_shard_goes_after_the_media_that_only_it_tells_of(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "manifests" / "c1.json").unlink()
    drop_rows(root, "c1")
    real = Path.unlink

    def ends_at_shards(self: Path, *arguments: Any, **options: Any) -> None:
        real(self, *arguments, **options)
        if self.name == "toy-00002.parquet" and not list(root.glob("*/toy-00002.parquet")):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", ends_at_shards)
    with pytest.raises(KeyboardInterrupt):
        go(root)
    monkeypatch.undo()
    go(root)
    assert named_after(root, "c1") == []


def test_shards_behind_a_link_are_not_written(root: Path, tmp_path: Path) -> None:
    shutil.move(root / "count", tmp_path / "outside")
    (root / "count").symlink_to(tmp_path / "outside")
    before = {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()}
    drop_rows(root, "a1")
    with pytest.raises(MissingPrerequisite, match="is a link that leads out of the workspace"):
        go(root)
    assert {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()} == before


def test_a_source_that_bears_the_name_of_what_was_made_of_a_removed_video_stays(root: Path) -> None:
    """The catalogue of another video names it: it is a source, wherever it lies."""
    videos = list(toy_session(root).videos)
    videos[1] = videos[1].model_copy(update={"source": str(root / "media" / "a1.txt")})
    write_catalogue(root / "catalogue.parquet", videos[1:])
    before = (root / "media" / "a1.txt").read_bytes()
    toy_session(root).finalize()
    assert (root / "media" / "a1.txt").read_bytes() == before


def test_a_copy_of_a_shard_that_a_person_made_is_not_deleted(root: Path) -> None:
    shutil.copy(root / "count" / "toy-00000.parquet", root / "count" / "toy-backup.parquet")
    drop_rows(root, "a1")
    go(root)
    assert (root / "count" / "toy-backup.parquet").exists()


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """Twelve finished videos and a catalogue that has lost all but one of them, as one that was made anew."""
    add_videos(tmp_path / "w", {f"a{number:02d}": numbers(5) for number in range(12)})
    go(tmp_path / "w")
    drop_rows(tmp_path / "w", *(f"a{number:02d}" for number in range(1, 12)))
    return tmp_path / "w"


def test_most_videos_do_not_go_unasked(crowd: Path) -> None:
    before = named_after(crowd, "a05")
    with pytest.raises(BadInput, match=r"no longer has 11 \(a01, a02, a03 …\) of 12 videos with results here"):
        go(crowd)
    with pytest.raises(BadInput, match="put it back"):
        toy_session(crowd).finalize()
    assert named_after(crowd, "a05") == before


def test_where_most_rows_are_lost_nothing_is_noted(crowd: Path) -> None:
    with pytest.raises(BadInput, match="put it back"):
        take_out(crowd, "a00")
    assert not (crowd / "removed.jsonl").exists()


def test_most_videos_go_where_that_is_asked_for(crowd: Path) -> None:
    session = toy_session(crowd)
    _, status_counts = session.run(session.select((), (), retry_failed=False, prune=True), workers=0)
    assert len(status_counts.taken_out) == 11
    assert named_after(crowd, "a05") == []
    assert found(crowd) == []


def test_most_videos_can_be_removed_by_a_command(root: Path) -> None:
    session = add_videos(root, {f"d{number:02d}": numbers(5) for number in range(12)})
    session.run(session.select((), (), retry_failed=False), workers=0)
    assert len(take_out(root, "*")) == 17
    assert found(root) == []


def test_a_session_that_is_used_again_sees_what_is_left(root: Path) -> None:
    session: Session = toy_session(root)
    assert len(session.videos) == len(FIVE)
    take_out(root, "a1")
    assert len(toy_session(root).videos) == len(FIVE) - 1


def test_a_folder_in_the_place_of_a_file_does_not_keep_the_rest(root: Path) -> None:
    (root / "media" / "a1.txt").unlink()
    (root / "media" / "a1.txt").mkdir()
    take_out(root, "a1")
    assert named_after(root, "a1") == ["media/a1.txt"]
    assert go(root) == {}


def test_ids_that_begin_alike_do_not_keep_each_other_s_links(root: Path) -> None:
    """`a1.v2` is a video of its own, and no file of `a1`."""
    add_videos(root, {"a1.v2": numbers(30, 9)})
    links = [root / "sources" / name for name in ("a1.mp4", "a1.v2.mp4", "a1.v2.sound.wav")]
    links[0].parent.mkdir(exist_ok=True)
    for link in links:
        link.symlink_to("/there")
    take_out(root, "a1.v2")
    assert [link.name for link in links if link.is_symlink()] == ["a1.mp4"]


def test_a_file_of_another_stage_in_a_stage_s_folder_is_no_more_than_damage(root: Path) -> None:
    (first, *_, last) = [stage.name for stage in TOYS]
    shutil.copy(root / last / "toy-00000.parquet", root / first / "toy-00000.parquet")
    assert go(root)[first]
    assert found(root) == []


def test_sources_named_from_the_workspace_on_are_there_wherever_the_command_is_given(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = list(toy_session(root).videos)
    relative = (video.model_copy(update={"source": os.path.relpath(video.source, root)}) for video in videos[1:])
    write_catalogue(root / "catalogue.parquet", [videos[0], *relative])
    monkeypatch.chdir(tmp_path)
    assert find(toy_session(root), Wish(missing=True)).meant == ()


def test_a_source_in_the_place_of_what_is_made_of_it_is_not_deleted(root: Path) -> None:
    """As only a catalogue that was written by hand can name it; `run` refuses it, too."""
    videos = list(toy_session(root).videos)
    videos[0] = videos[0].model_copy(update={"source": str(root / "media" / "a1.txt")})
    write_catalogue(root / "catalogue.parquet", videos)
    with pytest.raises(BadInput, match="the source of a1, lies where what is made of a1 belongs"):
        take_out(root, "a1")
    assert (root / "media" / "a1.txt").exists()


def test_what_came_so_far_of_a_page_goes_with_the_last_video_of_it(root: Path, tmp_path: Path) -> None:
    pages = {"a1": "http://x/1", "b1": "http://x/2", "b2": "http://x/2"}
    rows = [
        video.model_copy(update={"source": pages.get(video.video_id, video.source)})
        for video in toy_session(root).videos
    ]
    write_catalogue(root / "catalogue.parquet", rows)
    parts = {page: root / "sources" / part_of(with_digest("p", page), page) for page in pages.values()}
    for part in parts.values():
        part.mkdir(parents=True)
        (part / "137.mp4.part").write_bytes(b"1")
    link = root / "sources" / part_of("link", "http://x/1")
    link.symlink_to(tmp_path)
    take_out(root, "a1", "b1")
    assert not parts["http://x/1"].exists()
    assert parts["http://x/2"].exists()
    assert link.is_symlink()
    take_out(root, "b2")
    assert not parts["http://x/2"].exists()
