from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from portrait_prep.errors import SourceAway
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.models.mediapipe import face_detector
from portrait_prep.stages.normalize import NormalizeParams
from tests.clips import SHARED, Image, clicks, make, portrait, steady, write_clip
from tests.stages.normalized import (
    FACE,
    SECOND,
    make_still,
    normalize,
    overwritten,
    peak_near,
    reference_cut,
    tone,
)


def uneven(seed: int, seconds: float) -> list[float]:
    """Times of a rate that varies from 60 to 3 frames a second."""
    steps = np.random.default_rng(seed).choice([1 / 60, 1 / 30, 1 / 24, 0.1, 0.3], 400)
    return [0.0, *(time for time in accumulate(steps) if time < seconds)]


MATROSKA = Fraction(1, 1000)
CASES: dict[str, tuple[str, list[float], float, dict[str, Any]]] = {
    "25": ("mp4", steady(25, 2), 0.0, {}),
    "60": ("mp4", steady(60, 2), 0.0, {}),
    "24": ("mov", steady(24, 2), 0.0, {"audio_codec": "pcm_s16le"}),
    "29.97": ("mp4", steady(30000 / 1001, 2), 0.0, {}),
    "variable": ("mp4", uneven(1, 2), 0.0, {}),
    "variable, milliseconds": ("mkv", uneven(2, 2), 0.0, {"clock": MATROSKA}),
    "sound later": ("mp4", steady(30, 2), 0.3, {}),
    "picture later": ("mp4", [0.25 + time for time in steady(30, 2)], 0.0, {}),
    "both later": ("mkv", [0.5 + time for time in steady(30, 2)], 0.1, {"clock": MATROSKA}),
    "transport stream": ("ts", steady(50, 2), 0.1, {}),
    "webm": ("webm", steady(30, 2), 0.0, {"codec": "libvpx", "audio_codec": "libopus", "clock": MATROSKA}),
    "avi": ("avi", steady(30, 2), 0.0, {"codec": "mpeg4", "audio_codec": "pcm_s16le", "clock": Fraction(1, 30)}),
}


@pytest.mark.parametrize("case", CASES)
def test_picture_and_sound_are_in_step(tmp_path: Path, case: str) -> None:
    suffix, times, sound_start, options = CASES[case]
    heard = [0.5, 1.0, 1.4]
    path = write_clip(
        tmp_path / f"a.{suffix}", times, FACE, sound=clicks(2.2, 48000, heard), sound_start=sound_start, **options
    )
    got = normalize(path, tmp_path / "out")
    shown = np.array(times) - times[0]
    away = np.abs(shown - np.arange(len(got.frames))[:, None] / 25)
    mine = away[np.arange(len(got.frames)), got.numbers]
    assert (mine - away.min(axis=1)).max() < 2e-3, "not the nearest frame in time"
    assert abs(len(got.frames) / 25 - shown[-1]) < 0.06
    for time in heard:
        expected = (time + sound_start - times[0]) * SECOND
        assert abs(peak_near(got.sound, expected) - expected) <= 16, "sound is off by more than 1 ms"
    assert got.row["variable_rate"] == case.startswith("variable")
    assert got.row["has_audio"]
    assert not got.row["silent"]


def test_shifted_by_itsoffset(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(25, 2), FACE, sound=clicks(2, 48000, [1.0]))
    a = tmp_path / "a.mp4"
    make("-i", a, "-itsoffset", "0.2", "-i", a, "-map", "0:v", "-map", "1:a", "-c", "copy", tmp_path / "b.mp4")
    got = normalize(tmp_path / "b.mp4", tmp_path / "out")
    assert abs(peak_near(got.sound, 1.2 * SECOND) - 1.2 * SECOND) <= 16
    assert got.row["audio_start"] == pytest.approx(0.2, abs=0.025)


def test_an_interval_is_cut_at_the_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(30, 6), FACE, sound=clicks(6, 48000, [4.0]))
    got = normalize(tmp_path / "a.mp4", tmp_path / "out", start=3.1, end=4.5)
    assert len(got.frames) == 35
    assert all(abs((3.1 + k / 25) * 30 - number) <= 0.5001 for k, number in enumerate(got.numbers))
    assert abs(peak_near(got.sound, 0.9 * SECOND) - 0.9 * SECOND) <= 16


def test_a_slow_last_frame_is_shown_to_its_end(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(2, 4), FACE)
    make("-r", "2", "-i", tmp_path / "a.mp4", "-r", "2", tmp_path / "b.mp4")
    got = normalize(tmp_path / "b.mp4", tmp_path / "out")
    assert len(got.frames) == 100
    assert got.numbers[-1] == 7


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", uneven(3, 2), FACE, sound=clicks(2, 44100, [1.0]), rate=44100)
    one, two = normalize(path, tmp_path / "1"), normalize(path, tmp_path / "2")
    assert (one.mp4.read_bytes(), one.wav) == (two.mp4.read_bytes(), two.wav)


def test_keyframes_come_often_and_groups_are_closed(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(25, 2), FACE)
    normalize(tmp_path / "a.mp4", tmp_path / "out", NormalizeParams(gop=10, preset="veryfast"))
    with av.open(str(tmp_path / "out/v.mp4")) as container:
        keys = [number for number, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    assert max(np.diff(keys)) <= 10
    with av.open(str(tmp_path / "out/v.mp4")) as container:
        container.seek(int(1.0 * av.time_base))
        assert next(container.decode(video=0)).key_frame


def middle_of_face(image: Image) -> tuple[float, float, float]:
    x, y, w, h, _ = face_detector()(image)[0]
    return float(x + w / 2), float(y + h / 2), float(w / h)


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (321, 243)])
@pytest.mark.parametrize("at", [(0.3, 0.45), (0.62, 0.5)])
def test_the_square_is_around_the_face(tmp_path: Path, width: int, height: int, at: tuple[float, float]) -> None:
    image = portrait(width, height, 0.3, at)
    make_still(tmp_path / "a.mp4", image)
    got = normalize(tmp_path / "a.mp4", tmp_path / "out")
    x, y, aspect = middle_of_face(got.frames[5])
    assert abs(x - 256) < 70
    assert abs(y - 235) < 70
    assert aspect == pytest.approx(1, abs=0.02)
    box = got.box
    assert box[2] == box[3]
    expected = reference_cut(image, *box)
    assert np.abs(got.frames[5].astype(int) - expected).mean() < 6


def test_beyond_the_picture_it_is_black(tmp_path: Path) -> None:
    make_still(tmp_path / "a.mp4", portrait(640, 360, 0.4, (0.1, 0.5)))
    got = normalize(tmp_path / "a.mp4", tmp_path / "out")
    assert got.row["crop_x"] < 0
    edge = -got.row["crop_x"] * 512 // got.row["crop_w"]
    assert got.frames[3][:, : edge - 4].max() < 12
    assert got.frames[3][200:300, edge + 4 : edge + 40].mean() > 20


TURNS: dict[str, tuple[list[str], Callable[[Image], Image]]] = {
    "90": (["-display_rotation", "90"], lambda image: np.rot90(image, 1)),
    "180": (["-display_rotation", "180"], lambda image: np.rot90(image, 2)),
    "270": (["-display_rotation", "270"], lambda image: np.rot90(image, 3)),
    "mirrored": (["-display_rotation", "0", "-display_hflip"], lambda image: image[:, ::-1]),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_video_comes_out_upright(tmp_path: Path, turn: str) -> None:
    upright = portrait(320, 240, 0.4, (0.4, 0.5))
    options, shown = TURNS[turn]
    for undone in (np.rot90(upright, n)[:, ::step] for n in range(4) for step in (1, -1)):
        if np.array_equal(shown(undone), upright):
            break
    make_still(tmp_path / "a.mp4", np.ascontiguousarray(undone))
    make(*options, "-i", tmp_path / "a.mp4", "-c", "copy", tmp_path / "b.mp4")
    got = normalize(tmp_path / "b.mp4", tmp_path / "out")
    box = got.box
    assert np.abs(got.frames[3].astype(int) - reference_cut(upright, *box)).mean() < 6
    assert (got.row["display_width"], got.row["display_height"]) == (320, 240)


def test_pixels_that_are_not_square_are_not_squashed(tmp_path: Path) -> None:
    upright = portrait(480, 480)
    make_still(tmp_path / "a.mp4", cv2.resize(upright, (512, 480)).astype(np.uint8))
    make(
        "-i", tmp_path / "a.mp4", "-c", "copy", "-bsf:v", "h264_metadata=sample_aspect_ratio=15/16", tmp_path / "b.mp4"
    )
    got = normalize(tmp_path / "b.mp4", tmp_path / "out")
    assert got.box == [0, 0, 480, 480]
    assert np.abs(got.frames[3].astype(int) - reference_cut(upright, 0, 0, 480, 480)).mean() < 6


@pytest.mark.parametrize("box", [(101, 31, 251, 251), (60, 20, 300, 400)])
def test_the_catalogue_s_crop_is_honoured(tmp_path: Path, box: tuple[int, int, int, int]) -> None:
    image = portrait(640, 360, 0.4, (0.35, 0.45))
    make_still(tmp_path / "a.mp4", image)
    x, y, w, h = box
    got = normalize(tmp_path / "a.mp4", tmp_path / "out", crop_x=x, crop_y=y, crop_w=w, crop_h=h)
    cut = got.box
    assert cut[2] == cut[3]
    if w == h:
        assert cut == list(box)
    assert np.abs(got.frames[3].astype(int) - reference_cut(image, *cut)).mean() < 6


@pytest.mark.parametrize(
    ("channels", "level", "mixed"),
    [
        ((1.0,), 20000, "none"),
        ((1.0, 1.0), 20000, "mean"),
        ((1.0, 0.0), 10000, "mean"),
        ((1.0, -1.0), 20000, "left"),
        ((1.6, 1.6), 32000, "mean"),
    ],
)
def test_channels_are_mixed_without_clipping_or_vanishing(
    tmp_path: Path, channels: tuple[float, ...], level: int, mixed: str
) -> None:
    path = write_clip(
        tmp_path / "a.mkv", steady(25, 1.2), FACE, sound=tone(channels), rate=16000, audio_codec="pcm_s16le"
    )
    got = normalize(path, tmp_path / "out")
    assert np.abs(got.sound[2000:-2000].astype(int)).max() == pytest.approx(level, rel=0.02)
    assert got.metrics["downmix"] == mixed
    assert got.row["audio_channels"] == len(channels)


def test_no_track_and_a_silent_track_are_told_apart(tmp_path: Path) -> None:
    none = normalize(write_clip(tmp_path / "a.mp4", steady(25, 1), FACE), tmp_path / "1")
    zeros = np.zeros((48000, 2), np.int16)
    mute = normalize(write_clip(tmp_path / "b.mp4", steady(25, 1), FACE, sound=zeros), tmp_path / "2")
    assert (none.row["has_audio"], none.row["silent"], none.metrics["has_audio"]) == (False, None, False)
    assert (mute.row["has_audio"], mute.row["silent"], mute.metrics["silent"]) == (True, True, True)
    assert not none.sound.any()
    assert not mute.sound.any()


def test_the_default_track_is_taken(tmp_path: Path) -> None:
    quiet = write_clip(tmp_path / "a.mkv", steady(25, 1), FACE, sound=np.zeros((48000, 1), np.int16))
    add = ["-f", "lavfi", "-i", "sine=duration=1", "-map", "0", "-map", "1", "-c:v", "copy"]
    make("-i", quiet, *add, "-disposition:a:0", "0", "-disposition:a:1", "default", tmp_path / "b.mkv")
    got = normalize(tmp_path / "b.mkv", tmp_path / "out")
    assert got.row["audio_tracks"] == 2
    assert got.sound.any()


def test_sound_that_ends_early_is_filled_and_sound_that_goes_on_is_cut(tmp_path: Path) -> None:
    short = write_clip(tmp_path / "a.mp4", steady(25, 2), FACE, sound=clicks(0.5, 48000, [0.2]))
    long = write_clip(tmp_path / "b.mp4", steady(25, 1), FACE, sound=clicks(3, 48000, [0.2]))
    assert len(normalize(short, tmp_path / "1").frames) == 50
    assert len(normalize(long, tmp_path / "2").frames) == 25


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A moving clip, index first, sound and picture interleaved."""
    folder = tmp_path_factory.mktemp("whole")
    write_clip(folder / "a.mp4", steady(25, 3), FACE, sound=tone((1.0,), seconds=3), rate=16000)
    make("-i", folder / "a.mp4", "-c:a", "copy", "-g", "30", "-movflags", "+faststart", folder / "b.mp4")
    return (folder / "b.mp4").read_bytes()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", r"a\.mp4 is empty"),
        (lambda data: b"words " * 1000, r"a\.mp4 is not a readable video"),
        (lambda data: data[: len(data) * 3 // 4], r"a\.mp4 is cut short"),
        (lambda data: data[:-10], r"a\.mp4 is cut short"),
        (
            lambda data: overwritten(data, 0.5, 400),
            r"a\.mp4 is damaged: \d+ of 75 frames do not decode, the first at 1\.\d\d s",
        ),
        (lambda data: overwritten(data, 0.3, 4000), r"a\.mp4 is damaged"),
    ],
)
def test_a_damaged_source_is_refused_with_the_reason(
    tmp_path: Path, whole: bytes, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    (tmp_path / "a.mp4").write_bytes(whole)
    normalize(tmp_path / "a.mp4", tmp_path / "good")
    (tmp_path / "a.mp4").write_bytes(spoil(whole))
    with pytest.raises(BadVideo, match=reason):
        normalize(tmp_path / "a.mp4", tmp_path / "bad")


def test_damage_is_named_before_a_missing_face(tmp_path: Path) -> None:
    make("-f", "lavfi", "-i", "testsrc2=s=320x240:d=3:r=25", "-g", "75", tmp_path / "a.mp4")
    with pytest.raises(BadVideo, match="shows no face on any of 6 frames"):
        normalize(tmp_path / "a.mp4", tmp_path / "1")
    (tmp_path / "b.mp4").write_bytes(overwritten((tmp_path / "a.mp4").read_bytes(), 0.5, 3000))
    with pytest.raises(BadVideo, match="is damaged"):
        normalize(tmp_path / "b.mp4", tmp_path / "2")


def test_damaged_hevc(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(25, 2), FACE, codec="libx265")
    normalize(tmp_path / "a.mp4", tmp_path / "good")
    (tmp_path / "b.mp4").write_bytes(overwritten((tmp_path / "a.mp4").read_bytes(), 0.4, 2000))
    with pytest.raises(BadVideo, match="is damaged"):
        normalize(tmp_path / "b.mp4", tmp_path / "bad")


def test_a_picture_that_changes_its_size_is_scaled_and_one_that_changes_its_shape_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "1.ts", steady(25, 1), FACE)
    for name, later in (("size", portrait(256, 256)), ("shape", portrait(256, 128))):
        write_clip(tmp_path / "2.ts", [1 + time for time in steady(25, 1)], later)
        (tmp_path / f"{name}.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    got = normalize(tmp_path / "size.ts", tmp_path / "out", crop_x=0, crop_y=0, crop_w=192, crop_h=192)
    assert got.numbers == [*range(25), *range(25)]
    assert got.metrics["change_times"] == [pytest.approx(1, abs=0.02)]
    with pytest.raises(BadVideo, match=r"changes its shape from 192x192 to 256x128 at 1\.00 s: cut it there"):
        normalize(tmp_path / "shape.ts", tmp_path / "out")


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_source_that_is_away_is_no_bad_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    path = tmp_path / "a.mp4"
    if when == "meanwhile":
        write_clip(path, steady(25, 1), FACE)

        def unmounted(*_: Any) -> list[Any]:
            path.unlink()
            raise BadVideo("shows no face")

        monkeypatch.setattr("portrait_prep.stages.normalize.sample_faces", unmounted)
    with pytest.raises(SourceAway, match="is not there: bring it back"):
        normalize(path, tmp_path / "out")


BROADCAST = {
    "one group.ts": ("libx264", "copy", "999"),
    "groups.ts": ("libx264", "copy", "25"),
    "one group.m2ts": ("libx265", "copy", "999"),
    "one group.mpg": ("mpeg2video", "mp2", "999"),
    "groups.vob": ("mpeg2video", "mp2", "18"),
}


@pytest.mark.parametrize("name", BROADCAST)
def test_broadcast_streams_with_frames_out_of_order_are_read_from_their_keyframes(tmp_path: Path, name: str) -> None:
    """They are sought by decoding time, which lies before that of display where frames refer to later ones."""
    video, audio, group = BROADCAST[name]
    write_clip(tmp_path / "a.mp4", steady(25, 4), FACE, sound=clicks(4, 48000, [1.0, 3.0]))
    options = ["-c:v", video, "-bf", "3", "-g", group, "-sc_threshold", "1000000000", "-b:v", "2M", "-c:a", audio]
    make(
        "-i",
        tmp_path / "a.mp4",
        *options,
        *(["-x265-params", "log-level=none"] * (video == "libx265")),
        tmp_path / name,
    )
    got = normalize(tmp_path / name, tmp_path / "out", NormalizeParams(preset="ultrafast"))
    assert got.metrics["samples"] == 16
    assert got.numbers == list(range(100))
    for time in (1.0, 3.0):
        assert abs(peak_near(got.sound, time * SECOND) - time * SECOND) <= 16
    zero = got.row["audio_start"] if (got.row["audio_start"] or 0) < 0 else 0  # what players call zero
    part = normalize(tmp_path / name, tmp_path / "out", start=2.4 - zero, end=3.4 - zero)
    assert part.numbers == list(range(60, 85))
    assert abs(peak_near(part.sound, 0.6 * SECOND) - 0.6 * SECOND) <= 16


def test_too_short(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="too short"):
        normalize(write_clip(tmp_path / "a.mp4", [0.0], FACE), tmp_path / "out")


def test_benign_oddities_pass(tmp_path: Path) -> None:
    """A copy that starts between keyframes, one cut by a transport stream, one with open groups of pictures."""
    write_clip(tmp_path / "a.mp4", steady(25, 4), FACE, sound=clicks(4, 48000, [1.0]))
    make(
        "-i", tmp_path / "a.mp4", "-c:a", "copy", "-g", "20", "-x264-params", "open-gop=1:bframes=3", tmp_path / "o.ts"
    )
    make("-ss", "1.1", "-i", tmp_path / "o.ts", "-c", "copy", tmp_path / "later.mp4")
    stream = (tmp_path / "o.ts").read_bytes()
    (tmp_path / "middle.ts").write_bytes(stream[len(stream) // 188 // 3 * 188 :])
    for name in ("o.ts", "later.mp4", "middle.ts"):
        got = normalize(tmp_path / name, tmp_path / "out")
        assert got.metrics["seconds"] > 1.5


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real clips of ../shared")
@pytest.mark.parametrize(
    ("name", "frames", "box", "silent"),
    [
        ("WDA_AlexandriaOcasioCortez_000", 200, (0, 0, 512, 512), False),
        ("WDA_KatieHill_000", 200, (0, 0, 512, 512), False),
        ("fullhd_demo1", 250, None, False),
        ("portrait_d0", 78, (0, 0, 512, 512), None),
        ("portrait_d11", 225, (0, 0, 512, 512), False),
        ("portrait_d12", 183, (0, 0, 512, 512), False),
        ("portrait_d13", 293, None, None),
        ("portrait_d14", 447, (0, 0, 512, 512), False),
        ("portrait_d18", 180, (0, 0, 480, 480), True),
        ("portrait_d19", 208, (0, 0, 480, 480), True),
        ("portrait_d20", 175, (0, 0, 480, 480), False),
        ("portrait_d9", 489, (0, 0, 480, 480), False),
    ],
)
def test_real_clips(
    tmp_path: Path, name: str, frames: int, box: tuple[int, int, int, int] | None, silent: bool | None
) -> None:
    got = normalize(SHARED / f"data/clips/{name}.mp4", tmp_path)
    assert abs(len(got.frames) - frames) <= 1
    assert box is None or got.box == list(box)
    assert got.row["silent"] == silent
    assert got.metrics["face_share"] >= 0.9
