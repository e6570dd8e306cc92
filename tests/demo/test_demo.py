"""The demo corpus as it lies on disk: formats, truth, the two bad files."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from portrait_prep.demo.animator import portrait
from portrait_prep.demo.corpus import make, make_clip
from portrait_prep.demo.plan import CLIPS
from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.demo import find, read_truth, truth_path
from portrait_prep.stages.face.geometry import euler_from_rotation, fit_similarity
from portrait_prep.stages.models.mediapipe import FaceDetector, FaceMesh
from tests.demo.watch import heard, shown

GOOD = [clip.video_id for clip in CLIPS if clip.expected is None]
SOUNDING = [clip.video_id for clip in CLIPS if clip.expected is None and clip.form.audio]

# file, codec, rate, stored size, sample aspect ratio, size on display, sound codec
FORMATS = [
    ("astronaut-24fps.avi", "mpeg4", Fraction(24), (640, 480), 1, (640, 480), None),
    ("astronaut-25fps-rotated.mp4", "h264", Fraction(25), (640, 360), 1, (360, 640), "aac"),
    ("astronaut-29.97fps.mov", "hevc", Fraction(30000, 1001), (640, 360), 1, (640, 360), "aac"),
    ("double-30fps-square.webm", "vp9", Fraction(30), (480, 480), 1, (480, 480), "opus"),
    ("double-60fps-anamorphic.mkv", "h264", Fraction(60), (432, 432), Fraction(4, 3), (576, 432), "flac"),
    ("double-variable.mp4", "h264", None, (400, 500), 1, (400, 500), "aac"),
]


def video(folder: Path, video_id: str) -> Path:
    return folder / read_truth(truth_path(folder, video_id)).file


@pytest.mark.parametrize(("file", "codec", "rate", "stored", "aspect", "display", "sound"), FORMATS)
def test_formats(
    demo_sources: Path,
    file: str,
    codec: str,
    rate: Fraction | None,
    stored: tuple[int, int],
    aspect: Fraction,
    display: tuple[int, int],
    sound: str | None,
) -> None:
    with av.open(str(demo_sources / file)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == codec
        assert (stream.width, stream.height) == stored
        assert (stream.sample_aspect_ratio or 1) == aspect
        assert [track.codec_context.name for track in container.streams.audio] == ([sound] if sound else [])
        if rate:
            assert stream.average_rate == rate
    _, picture = next(shown(demo_sources / file))
    assert picture.shape[1::-1] == display


def test_six_good_clips_of_two_subjects_last_four_to_six_seconds(demo_sources: Path) -> None:
    truths = [read_truth(truth_path(demo_sources, video_id)) for video_id in GOOD]
    assert len(truths) == 6
    assert {truth.subject for truth in truths} == {"astronaut", "double"}
    assert all(4 <= truth.duration <= 6 for truth in truths)


@pytest.mark.parametrize("video_id", GOOD)
def test_the_truth_has_the_time_of_every_frame(demo_sources: Path, video_id: str) -> None:
    truth = read_truth(truth_path(demo_sources, video_id))
    times = [time for time, _ in shown(demo_sources / truth.file)]
    assert len(times) == len(truth.poses["times"])
    assert np.allclose(times, truth.poses["times"], atol=1e-3)
    assert {len(values) for values in truth.poses.values()} == {len(times)}


def test_the_variable_clip_varies(demo_sources: Path) -> None:
    steps = np.diff([time for time, _ in shown(demo_sources / "double-variable.mp4")])
    assert steps.max() > 1.7 * steps.min() > 0


@pytest.mark.parametrize("video_id", GOOD)
def test_angles_swing_widely_and_not_together(demo_sources: Path, video_id: str) -> None:
    poses = read_truth(truth_path(demo_sources, video_id)).poses
    angles = np.array([poses["yaw"], poses["pitch"], poses["roll"]])
    assert np.all(np.ptp(angles, axis=1) > (24, 15, 12))
    together = np.corrcoef(angles)
    assert np.all(np.abs(together[np.triu_indices(3, 1)]) < 0.6)


# brow, temples, eye corners, bridge of the nose, cheekbones: speech moves none of these
STILL_POINTS = [10, 151, 9, 8, 168, 6, 197, 195, 33, 133, 362, 263, 67, 297, 109, 338, 127, 356, 234, 454, 50, 280]


@pytest.mark.parametrize("video_id", GOOD)
def test_angles_and_lips_seen_follow_the_truth(demo_sources: Path, video_id: str) -> None:
    truth = read_truth(truth_path(demo_sources, video_id))
    frames = list(shown(demo_sources / truth.file))
    step = len(frames) // 40
    mesh = FaceMesh()
    points = np.stack([mesh(picture)[0] for _, picture in frames[::step]]).astype(np.float64)
    model = FaceMesh(tracking=False)(portrait(truth.subject))[0].astype(np.float64)
    flip = np.array([1.0, 1.0, -1.0])
    rotations, _ = fit_similarity(
        points[:, STILL_POINTS] * flip, model[STILL_POINTS] * flip, np.ones(len(STILL_POINTS))
    )
    lips = np.linalg.norm(points[:, 13] - points[:, 14], axis=1) / np.linalg.norm(
        points[:, 33] - points[:, 263], axis=1
    )
    seen = dict(zip(("yaw", "pitch", "roll"), euler_from_rotation(rotations).T, strict=True)) | {"mouth": lips}
    for name, values in seen.items():
        assert np.corrcoef(values, truth.poses[name][::step])[0, 1] > 0.97, name


@pytest.mark.parametrize("video_id", SOUNDING)
def test_the_voice_is_loud_when_the_mouth_is_open(demo_sources: Path, video_id: str) -> None:
    truth = read_truth(truth_path(demo_sources, video_id))
    times, samples = heard(demo_sources / truth.file)
    bins = np.arange(times[0], truth.duration, 0.04)
    loudness = np.array([np.sqrt(np.mean(part**2)) for part in np.split(samples, np.searchsorted(times, bins[1:]))])
    mouth = np.interp(bins + 0.02, truth.poses["times"], truth.poses["mouth"])
    assert np.corrcoef(loudness, mouth)[0, 1] > 0.95


def test_one_sound_track_starts_late(demo_sources: Path) -> None:
    times, _ = heard(demo_sources / "double-60fps-anamorphic.mkv")
    assert times[0] == pytest.approx(0.2, abs=1e-3)


def test_the_truncated_file_opens_and_breaks_off_in_the_middle(demo_sources: Path) -> None:
    with av.open(str(demo_sources / "truncated.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.frames == 100
        whole = [packet for packet in container.demux(stream) if packet.size and not packet.is_corrupt]
        assert 25 <= len(whole) <= 75
    with pytest.raises(av.InvalidDataError):
        list(shown(demo_sources / "truncated.mp4"))


def test_nobody_is_seen_in_noface_and_it_sounds(demo_sources: Path) -> None:
    pictures = [picture for _, picture in shown(demo_sources / "noface.mp4")]
    assert len(pictures) == 100
    detector, mesh = FaceDetector(), FaceMesh(tracking=False)
    assert all(len(detector(picture)) == 0 for picture in pictures)
    assert all(len(mesh(picture)) == 0 for picture in pictures[::10])
    assert np.abs(heard(demo_sources / "noface.mp4")[1]).max() > 0.1


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    for clip in CLIPS:
        short = replace(clip, seconds=0.9)
        made = []
        for folder in (tmp_path / "first", tmp_path / "second"):
            make_clip(folder, short)
            made.append([path.read_bytes() for path in sorted(folder.glob(f"{clip.video_id}*"))])
        assert made[0] == made[1]
        assert len(made[0]) == 2


def test_make_mends_what_is_damaged_or_missing_and_leaves_the_rest(demo_sources: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    shutil.copytree(demo_sources, folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "noface.mp4").write_bytes(b"damaged")
    truth_path(folder, "truncated").unlink()
    make(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in demo_sources.iterdir()
    }
    changed = {path.name for path in folder.iterdir() if path.stat().st_mtime_ns != before[path.name]}
    assert changed == {"noface.mp4", "noface.truth.json", "truncated.mp4", "truncated.truth.json"}


def test_catalogue_rows(demo_sources: Path) -> None:
    videos = find(demo_sources)
    assert [row.video_id for row in videos] == sorted(clip.video_id for clip in CLIPS)
    for row in videos:
        assert row.corpus == "demo"
        assert Path(row.source).is_absolute()
        assert Path(row.source).stem == row.video_id
        assert Path(row.source).is_file()
        assert row.duration
        assert "public domain" in (row.licence or "")
        assert row.emotion is None
    assert {(row.subject, row.split) for row in videos} >= {("astronaut", "train"), ("double", "test")}


def test_no_catalogue_without_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no demo corpus"):
        find(tmp_path)
    truth_path(tmp_path, "x").write_text("{}")
    with pytest.raises(BadInput, match="not a truth file"):
        find(tmp_path)
