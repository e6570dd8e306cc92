import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shards import FOOTER_KEY, ShardReader
from portrait_prep.views.visual.drawing.overlay import write_overlay
from portrait_prep.views.visual.drawing.picture import annotate
from portrait_prep.views.visual.drawing.still import OVERLAYS, still
from tests.views.visual.report.crowd import FRAMES, STAGES, make


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A workspace of a few videos, of which the first has frames."""
    return make(tmp_path / "w", 4)


def first(session: Session) -> str:
    return session.videos[0].video_id


def heard(path: Path) -> NDArray[np.float64]:
    """The sound of a file as players give it, -1..1."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    assert frames[0].time == 0
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float64)


def test_it_has_the_frames_the_rate_and_the_sound_of_the_video(session: Session) -> None:
    path = write_overlay(session, first(session))
    assert path == session.workspace.root / "report" / "overlay" / f"{first(session)}.mp4"
    with av.open(str(path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        times = [frame.time for frame in container.decode(video=0)]
        assert (video.codec_context.name, video.pix_fmt, video.width, video.height) == ("h264", "yuv420p", 512, 512)
        assert (sound.codec_context.name, sound.rate) == ("aac", 16_000)
        assert sound.duration is not None
        assert sound.time_base is not None
        assert float(sound.duration * sound.time_base) == pytest.approx(FRAMES / 25)
    np.testing.assert_allclose(np.array(times, float), np.arange(FRAMES) / 25)


def test_its_sound_is_in_step(session: Session) -> None:
    found = heard(write_overlay(session, first(session)))
    with wave.open(str(session.workspace.media(first(session), "wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    size = 2 * len(samples)
    product = np.fft.rfft(found[: len(samples)], size) * np.conj(np.fft.rfft(samples, size))
    assert int(np.fft.irfft(product).argmax()) == 0
    assert np.corrcoef(found[: len(samples)], samples)[0, 1] > 0.7


def test_what_is_drawn_on_a_frame_is_of_that_frame(session: Session) -> None:
    workspace, video = session.workspace, session.videos[0]
    plain = list(read_frames(workspace.media(video.video_id, "mp4")))
    seen = list(read_frames(write_overlay(session, video.video_id)))
    columns: dict[str, Any] = {}
    for stage, names in OVERLAYS.items():
        with ShardReader(workspace.shard(stage, video.shard)) as reader:
            columns |= next(reader.batches(video.video_id, names))
    caption = np.s_[:490]
    for number in (0, 7, 24, FRAMES - 3):
        near = range(max(number - 2, 0), min(number + 3, FRAMES))
        apart = [
            np.abs(seen[number][caption].astype(int) - annotate(still(plain[number], columns, row))[caption]).mean()
            for row in near
        ]
        assert list(near)[int(np.argmin(apart))] == number


def test_a_stage_that_is_not_done_is_not_drawn(session: Session) -> None:
    whole = list(read_frames(write_overlay(session, first(session))))
    session.workspace.shard("torso", session.videos[0].shard).unlink()
    less = list(read_frames(write_overlay(Session(session.workspace, STAGES), first(session))))
    shoulders = np.s_[460:480, 35:165]
    assert np.abs(whole[5][shoulders].astype(int) - less[5][shoulders]).mean() > 20
    face = np.s_[150:300, 150:350]
    assert np.abs(whole[5][face].astype(int) - less[5][face]).mean() < 4


def test_the_same_video_gives_the_same_bytes_wherever_it_is_written(session: Session, tmp_path: Path) -> None:
    one = write_overlay(session, first(session)).read_bytes()
    assert write_overlay(session, first(session), tmp_path / "new" / "o.mp4").read_bytes() == one


def broken_video(workspace: Workspace, video_id: str) -> None:
    path = workspace.media(video_id, "mp4")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:2000] + bytes(len(content) - 2000))


def broken_sound(workspace: Workspace, video_id: str) -> None:
    path = workspace.media(video_id, "wav")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(bytes(44) + content[44:])


@pytest.mark.parametrize("harm", [broken_video, broken_sound])
def test_damage_is_told_and_leaves_nothing(session: Session, harm: Callable[[Workspace, str], None]) -> None:
    harm(session.workspace, first(session))
    with pytest.raises(Damaged, match="again"):
        write_overlay(session, first(session))
    folder = session.workspace.root / "report" / "overlay"
    assert not folder.is_dir() or not list(folder.iterdir())


@pytest.mark.parametrize(
    ("video", "out", "told"),
    [
        ("nobody", None, "There is no video 'nobody'"),
        (3, None, "has no frames to draw on: run"),
        (0, "w/report", "is a folder"),
        (0, "w/media/one.mp4", "is a file of the workspace"),
        (0, "w/catalogue.parquet", "is a file of the workspace"),
        (0, "w/report/../pipeline.toml", "is a file of the workspace"),
        (0, "w/media/not there yet.mp4", "is a file of the workspace"),
        (0, "w/new/o.mp4", "is a file of the workspace"),
        (0, "pipe", "is a pipe or device"),
        (0, "device", "is a pipe or device"),
        (0, "file/o.mp4", "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    session: Session, tmp_path: Path, video: str | int, out: str | None, told: str
) -> None:
    (tmp_path / "w" / "report").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    video_id = video if isinstance(video, str) else session.videos[video].video_id
    with pytest.raises(BadInput, match=told):
        write_overlay(session, video_id, tmp_path / out if out else None)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "device").is_symlink()


@pytest.mark.parametrize("field", ["source", "sound"])
def test_no_source_of_any_video_is_written_over(session: Session, tmp_path: Path, field: str) -> None:
    source = tmp_path / "another.mp4"
    source.write_bytes(b"footage")
    rows = [session.videos[0], session.videos[1].model_copy(update={field: str(source)})]
    write_catalogue(session.workspace.catalogue, rows)
    with pytest.raises(BadInput, match="is the source of a video"):
        write_overlay(Session(session.workspace, session.stages), first(session), source)
    assert source.read_bytes() == b"footage"


def test_a_source_that_no_file_can_be_called_is_in_nobody_s_way(session: Session, tmp_path: Path) -> None:
    rows = [session.videos[0], *(session.videos[1].model_copy(update={"source": name}) for name in ("x" * 5000, "a\0"))]
    rows[2] = rows[2].model_copy(update={"video_id": "another"})
    write_catalogue(session.workspace.catalogue, rows)
    (tmp_path / "o.mp4").write_bytes(b"an earlier one")
    path = write_overlay(Session(session.workspace, session.stages), first(session), tmp_path / "o.mp4")
    assert len(list(read_frames(path))) == FRAMES


def test_numbers_that_are_missing_are_damage(session: Session) -> None:
    path = session.workspace.shard("headpose", session.videos[0].shard)
    with pq.ParquetFile(path) as file:
        groups = [file.read_row_group(group) for group in range(file.num_row_groups)]
        footer = file.metadata.metadata[FOOTER_KEY].decode()
    place = groups[0].column_names.index("scale")
    emptied = [group.set_column(place, "scale", pa.nulls(len(group), pa.float32())) for group in groups]
    with pq.ParquetWriter(path, emptied[0].schema) as writer:
        for group in emptied:
            writer.write_table(group, row_group_size=len(group))
        writer.add_key_value_metadata({FOOTER_KEY.decode(): footer})
    with pytest.raises(Damaged, match="is damaged"):
        write_overlay(session, first(session))
