"""A source that lies within the workspace is neither written over nor said to be nobody's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_catalogue, write_catalogue
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.add_videos import add_videos as take
from portrait_prep.pipeline.declare.inner_sources import require_sources_kept
from portrait_prep.pipeline.declare.workspace import WRITE_PERMISSION
from tests.pipeline.damage import audited
from tests.pipeline.toy import TOYS, add_videos, toy_session

Place = Callable[[Path, Path], Path]
"""Puts a source so that it lies at the second path, the workspace's root given first; returns what it is called."""


def plain(_: Path, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1 2 3")
    return path


def linked(root: Path, path: Path) -> Path:
    link = root.parent / "a link.src"
    link.symlink_to(plain(root, path))
    return link


def linked_folder(root: Path, path: Path) -> Path:
    (root.parent / "folder").symlink_to(plain(root, path).parent)
    return root.parent / "folder" / path.name


def on_another_disk(root: Path, path: Path) -> Path:
    disk = root.parent / "disk"
    plain(root, disk / path.name)
    (disk / WRITE_PERMISSION).write_text(str(root))
    path.parent.parent.mkdir(exist_ok=True, parents=True)
    path.parent.symlink_to(disk)
    return disk / path.name


def relative(root: Path, path: Path) -> Path:
    return Path("x", "..", plain(root, path).relative_to(root))


def video(video_id: str, source: Path) -> Video:
    return Video(video_id=video_id, corpus="toy", subject="s", shard="toy-0", source=str(source), duration=1.0)


@pytest.mark.parametrize("place", [plain, linked, linked_folder, on_another_disk, relative])
@pytest.mark.parametrize("video_id", ["own", "another"])
def test_what_is_made_never_takes_the_place_of_a_source(tmp_path: Path, place: Place, video_id: str) -> None:
    root = tmp_path / "w"
    workspace = add_videos(root, {"b1": "4 5"}).workspace
    source = root / f"media/{'own' if video_id == 'own' else 'b1'}.txt"
    rows = [video(video_id, place(root, source)), *read_catalogue(workspace.catalogue)]
    with pytest.raises(BadInput, match=f"the source of {video_id}, lies where what is made of"):
        take(toy_session(root), lambda _: rows)
    write_catalogue(workspace.catalogue, rows)
    with pytest.raises(BadInput, match=f"the source of {video_id}, lies where what is made of"):
        toy_session(root).run(toy_session(root).select((), (), False), workers=0)
    assert source.read_text() == "1 2 3"


def test_a_corpus_that_cannot_be_taken_leaves_nothing(tmp_path: Path) -> None:
    source = plain(tmp_path, tmp_path / "w/media/a.txt")
    with pytest.raises(BadInput, match="lies where what is made of a belongs"):
        take(toy_session(tmp_path / "w"), lambda _: [video("a", source)])
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["media"]


def test_sound_and_overlays_count_and_addresses_and_odd_names_do_not(tmp_path: Path) -> None:
    workspace = toy_session(tmp_path).workspace
    over, voice = plain(tmp_path, tmp_path / "report/overlay/a.mp4"), plain(tmp_path, tmp_path / "media/a.txt")
    for row in (video("a", over), video("a", Path("/gone")).model_copy(update={"sound": str(voice)})):
        with pytest.raises(BadInput, match="lies where what is made of a belongs"):
            require_sources_kept(workspace, TOYS, [row])
    named = ("https://example.org/media/a.txt", "file://%00", "no\0name", "", "media/A.txt", "../media/a.txt")
    require_sources_kept(
        workspace, TOYS, [video("a", Path("/gone")).model_copy(update={"source": name}) for name in named]
    )


def test_a_source_that_is_in_nobody_s_way_may_stay_and_is_no_orphan(tmp_path: Path) -> None:
    root = tmp_path / "w"
    rows = [video(f"v{n}", plain(root, root / name / "b1.src")) for n, name in enumerate(("media", "count", "report"))]
    take(toy_session(root), lambda _: rows)
    toy_session(root).run(toy_session(root).select((), (), False), workers=0)
    assert audited(toy_session(root)) == []
    (root / "media/c.src").touch()
    assert [finding.path for finding in audited(toy_session(root))] == ["media/c.src"]


def test_the_source_of_a_recording_counts_as_one_of_a_video(tmp_path: Path) -> None:
    """It is not written over, not deleted with a video of its name, and no orphan; nor is that of a video there."""
    root = tmp_path / "w"
    session = add_videos(root, {"a1": "1 2", "b1": "3 4"})
    session.run(session.select((), (), False), workers=0)
    inner = session.workspace.recordings
    sources = [plain(root, root / name) for name in ("media/talk.src", "media/c1.txt", "report/overlay/b1.mp4")]
    inner.root.mkdir()
    write_catalogue(inner.catalogue, [video(f"talk-p{n:04d}", path) for n, path in enumerate(sources)])
    assert audited(toy_session(root)) == []
    with pytest.raises(BadInput, match="the source of talk-p0001, lies where what is made of c1 belongs"):
        take(toy_session(root), lambda _: [*read_catalogue(session.workspace.catalogue), video("c1", tmp_path / "c1")])
    write_catalogue(session.workspace.catalogue, [row for row in session.videos if row.video_id == "a1"])
    with pytest.raises(BadInput, match="the source of b1, lies where what is made of b1 belongs"):
        require_sources_kept(inner, TOYS, [video("b1", plain(root, inner.root / "media/b1.txt"))])
    toy_session(root).run(toy_session(root).select((), (), False), workers=0)
    assert not (root / "media/b1.txt").exists()
    assert all(source.read_text() == "1 2 3" for source in sources)
