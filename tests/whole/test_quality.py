"""For each quality rule a video, made from a real one, that is rejected by it and by nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.manifests.record import Basis, Record
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.media.wav import SAMPLES_PER_FRAME, resize_wav, write_wav
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages import headpose, landmarks, speech, stats, torso
from portrait_prep.stages.face.geometry import flip, rotation_from_euler
from tests.clips import write_clip
from tests.memory_job import MemoryJob, collect
from tests.stages.judging import RULES, verdict_on
from tests.stages.normalized import normalize
from tests.whole.runs import CLIPS

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")

Frames = Sequence[Image]
Pcm = NDArray[np.int16]
GOOD, OTHER = "WDA_AlexandriaOcasioCortez_000", "WDA_KatieHill_000"
SHORT = 45
GREY = (96, 96, 96)


@lru_cache
def frames_of(name: str, count: int = SHORT) -> tuple[Image, ...]:
    return tuple(islice(read_frames(CLIPS / f"{name}.mp4"), count))


@lru_cache
def sound_of(name: str) -> Pcm:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    with av.open(str(CLIPS / f"{name}.mp4")) as container:
        pieces = [piece.to_ndarray()[0] for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate(pieces)


class Measured:
    """Records of the stages that were run on what was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[str, Record] = {}
        self.columns: dict[str, NDArray[Any]] = {}
        self.files: dict[str, Path] = {}

    def run(self, stage: Stage[Any], frames: int, **params: Any) -> None:
        job = MemoryJob(stage.params(**params), self.folder, frames=frames, columns=self.columns, files=self.files)
        self.columns |= {f"{stage.name}.{name}": values for name, values in collect(stage, job).items()}
        self.note(stage.name, job.metrics)

    def note(self, stage: str, metrics: Mapping[str, Any]) -> None:
        finite = [np.isfinite(np.array(value, float)) for value in metrics.values() if isinstance(value, float | list)]
        assert all(np.all(told) for told in finite), "metrics are finite or null"
        basis = Basis(version=1)
        self.records[stage] = Record(
            video_id="v", stage=stage, outcome="done", fingerprint="", basis=basis, metrics=dict(metrics)
        )

    def look(self, frames: Frames, **params: Any) -> None:
        self.files["mp4"] = self.folder / "v.mp4"
        write_video(self.files["mp4"], frames)
        self.run(landmarks.STAGE, len(frames), **params)
        self.run(headpose.STAGE, len(frames))

    def hear(self, pcm: Pcm, frames: int) -> None:
        self.files["wav"] = self.folder / "v.wav"
        write_wav(self.files["wav"], [pcm])
        resize_wav(self.files["wav"], frames * SAMPLES_PER_FRAME)
        self.run(speech.STAGE, frames)

    def reasons(self, **limits: Any) -> tuple[str, ...]:
        return verdict_on(self.records, **limits).reasons


def write_video(path: Path, frames: Frames) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "8"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))


# --- what is seen -------------------------------------------------------------------------------------------------


def warped(image: Image, matrix: Sequence[Sequence[float]], border: tuple[int, int, int] | None = None) -> Image:
    mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
    return cv2.warpAffine(
        image, np.array(matrix, float), (512, 512), flags=cv2.INTER_AREA, borderMode=mode, borderValue=border or ()
    ).astype(np.uint8)


def zoomed(image: Image, by: float, at: tuple[float, float] = (256, 230), border: Any = None) -> Image:
    """Larger about a point, by default one in the face."""
    small = cv2.resize(image, None, fx=by, fy=by, interpolation=cv2.INTER_AREA).astype(np.uint8) if by < 1 else image
    left = by if by > 1 else 1.0
    return warped(small, [[left, 0, at[0] * (1 - by)], [0, left, at[1] * (1 - by)]], border)


def moved(image: Image, by: float) -> Image:
    return warped(image, [[1, 0, by], [0, 1, 0]])


def covered(image: Image) -> Image:
    """Frosted glass before the camera."""
    blots = cv2.resize(image, (6, 6), interpolation=cv2.INTER_AREA)
    return cv2.resize(blots, (512, 512), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def levels(frames: Frames, gain: float, offset: float) -> Frames:
    return [np.clip(frame * gain + offset, 0, 255).astype(np.uint8) for frame in frames]


def there_and_back(name: str, count: int) -> list[Image]:
    frames = frames_of(name, 200)
    turn = [*frames, *frames[-2:0:-1]]
    return [turn[k % len(turn)] for k in range(count)]


def stretched(image: Image, by: float) -> Image:
    return warped(image, [[1 + by, 0, -256 * by], [0, 1 - by, 230 * by]])


def beside_itself(image: Image) -> Image:
    half = image[:, 128:384]
    return np.concatenate([half, half[:, ::-1]], axis=1)


def dissolved(frames: Frames, others: Frames, count: int) -> Frames:
    """The first become the others within `count` frames, in the middle."""
    start = (len(frames) - count) // 2
    shares = np.clip((np.arange(len(frames)) - start) / count, 0, 1)
    mixed = zip(frames, others, shares, strict=True)
    return [(one * (1 - share) + other * share).astype(np.uint8) for one, other, share in mixed]


def cut_off(image: Image, below: int) -> Image:
    """Grey from this row on."""
    cut = image.copy()
    cut[below:] = GREY
    return cut


def grainy(image: Image, seed: int) -> Image:
    grain = np.random.default_rng(seed).normal(0, 8, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def turned(image: Image, degrees: float) -> Image:
    return warped(image, cv2.getRotationMatrix2D((256, 230), degrees, 1).tolist())


@dataclass(frozen=True)
class Seen:
    """Frames made from those of a good clip; `params` are those of the stage landmarks, `limits` of the rules."""

    make: Callable[[Frames], Frames]
    words: str
    params: Mapping[str, Any] = field(default_factory=dict)
    of: str = GOOD
    limits: Mapping[str, Any] = field(default_factory=dict)


SEEN: dict[str, Seen] = {
    "face_share": Seen(
        lambda frames: [covered(frame) if k % 12 in (4, 5) else frame for k, frame in enumerate(frames)],
        "a face was seen in 82.2% of the frames, less than 90%",
    ),
    "face_confirmed_share": Seen(
        lambda frames: [np.ascontiguousarray(np.rot90(frame, 2)) for frame in frames],
        "the face detector confirms the tracked face at 0% of the looks",
        of="portrait_d18",
    ),
    "several_faces_share": Seen(
        lambda frames: [beside_itself(frame) for frame in frames],
        "more than one face is in the picture at 100% of the looks",
    ),
    "identity_jumps": Seen(
        lambda frames: [
            moved(zoomed(frame, 0.5, (256, 256), GREY), -120 if k < 20 else 120) for k, frame in enumerate(frames)
        ],
        "the tracked face jumped 1 time to another",
        params={"patience": 3},
    ),
    "landmark_jump": Seen(
        lambda frames: [
            moved(zoomed(frame, 0.5, (256, 256), GREY), -45 if k < 20 else 52) for k, frame in enumerate(frames)
        ],
        "of its size from one frame to the next, more than 0.5: it may be another, or frames are missing",
    ),
    "scale_jump": Seen(
        lambda frames: [zoomed(frame, 0.68 if k < 20 else 0.5, border=GREY) for k, frame in enumerate(frames)],
        "the face's size changes by a factor of 1.",
    ),
    "cuts": Seen(lambda frames: [*frames[:20], *frames_of(OTHER)[:25]], "it has 1 scene cut, more than 0"),
    "scale_min": Seen(
        lambda frames: [zoomed(frame, 1 + k / 28) for k, frame in enumerate(frames)],
        "the scale falls to 0.3",
        # As large as that, the face must be cut off by the frame.
        limits={"max_outside_share": 1},
    ),
    "scale_max": Seen(lambda frames: [zoomed(frame, 0.2, border=GREY) for frame in frames], "the scale rises to "),
    "roll_range": Seen(lambda frames: [turned(frame, 52) for frame in frames], "degrees (roll), beyond 45"),
    "dissolves": Seen(
        lambda frames: dissolved(frames, frames_of(OTHER), 15),
        "it has 1 dissolve from one picture to another, more than 0",
    ),
    "outside_share": Seen(
        lambda frames: [cut_off(frame, 300) for frame in frames],
        "% of the face lie outside of ",
        # The bar that cuts it off lies where the mouth was.
        limits={"max_mouth_covered_share": 1},
    ),
    "face_motion": Seen(
        lambda frames: [grainy(frames[0], k) for k in range(len(frames))], "eyes, brows and lips move by "
    ),
    "jitter": Seen(
        lambda frames: [stretched(frame, 0.06 if k % 2 else -0.06) for k, frame in enumerate(frames)],
        "points that stay still on a head tremble by",
    ),
    "blur": Seen(
        lambda frames: [cv2.GaussianBlur(frame, (0, 0), 8).astype(np.uint8) for frame in frames],
        "the face is blurred by 0.7",
    ),
    "face_luma": Seen(lambda frames: levels(frames, 0.15, 2), "the face is dark: its mean luma is 2"),
    "face_luma, bright": Seen(lambda frames: levels(frames, 0.15, 210), "the face is too bright: its mean luma is 23"),
    "crushed_share": Seen(
        lambda frames: levels(frames, 4.0, -700),
        "% of the face's pixels are black, more than 30%",
        # So are the lips, and black is no colour of lips.
        limits={"max_mouth_covered_share": 1},
    ),
    "blown_share": Seen(lambda frames: levels(frames, 1.7, 0), "% of the face's pixels are white, more than 20%"),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_picture_is_rejected_for_one_reason(tmp_path: Path, name: str) -> None:
    case, measured = SEEN[name], Measured(tmp_path)
    measured.look(case.make(frames_of(case.of)), **case.params)
    (reason,) = measured.reasons(**case.limits)
    assert case.words in reason


@pytest.mark.parametrize("name", [GOOD, OTHER])
def test_what_they_are_made_from_is_accepted(tmp_path: Path, name: str) -> None:
    measured = Measured(tmp_path)
    measured.look(frames_of(name))
    measured.hear(sound_of(name), SHORT)
    measured.run(torso.STAGE, SHORT)
    measured.run(stats.STAGE, SHORT)
    assert measured.reasons(require_sound=True) == ()


@pytest.mark.parametrize(("angle", "name"), [(0, "yaw"), (1, "pitch")])
def test_a_head_that_is_turned_away_is_rejected_for_that(tmp_path: Path, angle: int, name: str) -> None:
    measured, away = Measured(tmp_path), np.zeros(3)
    measured.look(frames_of(GOOD))
    away[angle] = 70.0
    points = flip(measured.columns["landmarks.landmarks"])
    middle = points.mean(axis=1, keepdims=True)
    seen = flip((points - middle) @ rotation_from_euler(away) + middle).astype(np.float32)
    measured.columns["landmarks.landmarks"] = seen
    measured.run(headpose.STAGE, SHORT)
    (reason,) = measured.reasons()
    assert f"degrees ({name}), beyond" in reason


@pytest.mark.slow
def test_a_long_absence_is_rejected_for_that(tmp_path: Path) -> None:
    frames = there_and_back(GOOD, 600)
    frames[300:355] = [covered(frame) for frame in frames[300:355]]
    measured = Measured(tmp_path)
    measured.look(frames)
    assert measured.reasons() == ("no face was seen for 55 frames in a row, more than 50, from 12.00 to 14.20 s",)


def test_shoulders_out_of_the_picture_reject_where_they_matter(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    measured.look(frames_of(OTHER))
    measured.run(torso.STAGE, SHORT)
    assert measured.reasons() == ()
    (reason,) = measured.reasons(min_shoulder_share=0.5)
    assert reason.startswith("the shoulders are visible in ")


# --- what is heard ------------------------------------------------------------------------------------------------

HEARD: dict[str, tuple[Callable[[Pcm], Pcm], str]] = {
    "silent_share": (np.zeros_like, "100.0% of the frames are silent, more than 80%"),
    "rms_dbfs": (lambda pcm: (pcm * 10 ** (-32.5 / 20)).astype(np.int16), "the level of its sound is -6"),
    "clipped_share": (
        lambda pcm: np.clip(pcm * 30.0, -32768, 32767).astype(np.int16),
        "% of the samples are clipped, more than 0.50%",
    ),
}


@pytest.mark.parametrize("name", HEARD)
def test_a_sound_is_rejected_for_one_reason(tmp_path: Path, name: str) -> None:
    make, words = HEARD[name]
    measured = Measured(tmp_path)
    measured.hear(make(sound_of(GOOD)), 195)
    (reason,) = measured.reasons(require_sound=True)
    assert words in reason


def test_silence_is_fine_where_no_sound_is_required(tmp_path: Path) -> None:
    measured = Measured(tmp_path)
    measured.hear(np.zeros(SHORT * SAMPLES_PER_FRAME, np.int16), SHORT)
    assert measured.reasons() == ()


@pytest.mark.slow
@pytest.mark.parametrize("by", [0, 8])
def test_a_voice_that_is_out_of_step_is_rejected_for_that(tmp_path: Path, by: int) -> None:
    measured, frames = Measured(tmp_path), frames_of(GOOD, 200)
    measured.look(frames)
    measured.hear(np.roll(sound_of(GOOD), by * SAMPLES_PER_FRAME), 200)
    measured.run(torso.STAGE, 200)
    measured.run(stats.STAGE, 200)
    told = measured.reasons()
    assert len(told) == (by > 0)
    assert not by or "the voice (limit 5)" in told[0]


# --- what the source is -------------------------------------------------------------------------------------------


def test_a_source_that_is_too_short_or_too_small_is_rejected_for_that(tmp_path: Path) -> None:
    frames = frames_of(GOOD)
    small = [cv2.resize(frame, (110, 110), interpolation=cv2.INTER_AREA).astype(np.uint8) for frame in frames]
    made = {"it lasts 0.80 s": frames[:20], "each source pixel became 4.7 in a row": small}
    for number, (words, kept) in enumerate(made.items()):
        write_video(tmp_path / f"{number}.mp4", kept)
        told = normalize(tmp_path / f"{number}.mp4", tmp_path / f"out{number}")
        measured = Measured(tmp_path)
        measured.note("normalize", told.metrics)
        measured.look(told.frames)
        (reason,) = measured.reasons()
        assert words in reason


def test_a_sound_file_that_is_out_of_step_is_rejected_for_that(tmp_path: Path) -> None:
    frames, sound = frames_of(GOOD, 100), sound_of(GOOD)[: 100 * SAMPLES_PER_FRAME]
    late = np.concatenate([np.zeros(4800, np.int16), sound])
    for name, pcm in (("own", sound), ("late", late)):
        write_clip(
            tmp_path / f"{name}.mkv",
            [k / 25 for k in range(100)],
            frames[0],
            sound=pcm[:, None],
            rate=16000,
            audio_codec="pcm_s16le",
        )
    measured = Measured(tmp_path)
    told = normalize(tmp_path / "own.mkv", tmp_path / "out", sound=str(tmp_path / "late.mkv"))
    measured.note("normalize", told.metrics)
    (reason,) = measured.reasons()
    assert "the sound file is 0.3" in reason


def test_no_rule_is_left_out() -> None:
    elsewhere = {"longest_gap", "yaw_range", "pitch_range", "visible_share", "lag", "seconds", "upscaling"}
    in_the_wild = {"repeated_share", "picture_rate", "longest_repeat", "frame_rate", "longest_hole"}
    in_the_wild |= {"mouth_motion", "mouth_covered_share"}
    tried = {name.partition(",")[0] for name in SEEN} | HEARD.keys() | elsewhere | in_the_wild | {"sound_offset"}
    assert tried == {rule.metric for rule in RULES}
