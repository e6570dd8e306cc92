"""Stage `voice`: how probably somebody speaks during each frame of a recording, and what its sound is like.

Frames are those of the source, as `scan` found them; the sound is placed as `normalize` places it, whatever offsets,
edit lists and encoder delays the source has, and where there is none, there is silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.ffmpeg import RUN_UP, FfmpegFailed, run, sound_input
from portrait_prep.media.probe_sound import read_tracks
from portrait_prep.media.wav import Pcm
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.models import silero
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.recordings.hearing import hear
from portrait_prep.stages.recordings.shot_frames import ends_of
from portrait_prep.stages.sound import track_choice
from portrait_prep.stages.sound.audio_source import AudioSource, of_one_format
from portrait_prep.stages.sound.lip_sync import BANDS
from portrait_prep.stages.sound.mixdown import Mixdown
from portrait_prep.stages.sound.track_choice import LISTENED, SOUND_TRACK, Choice, chosen_track
from portrait_prep.stages.sources import picture_file, require


class VoiceParams(Params):
    """Which sound is listened to."""

    sound_track: Choice = SOUND_TRACK


def process(job: Job[VoiceParams]) -> Iterator[Batch]:
    """Yield voice float32 [n] and bands float32 [n, 8], frame by frame.

    Raises BadVideo when there is no frame or the sound does not decode, SourceAway while the source is not there.
    """
    require(job)
    if not job.frames:
        raise BadVideo("the video has no frames")
    times = np.concatenate([batch["time"] for batch in job.read("scan.time")])
    ends = ends_of(times)
    try:
        heard = hear(_recording(job).listen, float(times[0]), float(ends[-1]))
    except (NotAVideo, FfmpegFailed) as error:
        require(job)  # what looked damaged may have gone on the way
        words = error if isinstance(error, NotAVideo) else f"has sound that does not decode: ffmpeg says '{error}'"
        raise BadVideo(f"{job.source.name} {words}") from error
    speaks = heard.speaks.mean(times, ends).clip(0, 1).astype(np.float32)
    job.metrics["voice_share"] = float((speaks >= silero.SPEAKS).mean())
    powers = heard.bands.mean(times, ends).astype(np.float32)
    for first in range(0, len(times), ROWS_PER_GROUP):
        rows = slice(first, first + ROWS_PER_GROUP)
        yield {"voice": speaks[rows], "bands": powers[rows]}


@dataclass(frozen=True)
class Recording:
    """The sound of a recording: `audio` is its chosen track, `origin` what players call zero on its clock."""

    path: Path
    origin: float
    audio: AudioSource

    def listen(self, start: float, seconds: float) -> Pcm:
        """So many seconds from a moment on, int16 [n] of 16 kHz; silence where it has no track.

        Raises FfmpegFailed where it does not decode.
        """
        if self.audio.track is None:
            return np.empty(0, np.int16)
        audio = replace(self.audio, source=sound_input(self.path, start - RUN_UP), zero=self.origin + start)
        pcm, changed = _mixed_down(audio, seconds)
        if not changed:
            return pcm
        with TemporaryDirectory() as folder:
            return _mixed_down(of_one_format(audio, seconds + 1, Path(folder) / "sound", changed), seconds)[0]


def _mixed_down(audio: AudioSource, seconds: float) -> tuple[Pcm, str]:
    """The mean of the channels, or the left one where that cancels them out; and what the format changes to."""
    for channels, only in ((audio.channels, None), (1, 0)):
        mixdown, pieces = Mixdown(channels), list[Pcm]()
        take = partial(_take, mixdown, pieces)
        report = run(audio.samples(seconds, channels, only), take)
        if not mixdown.cancelled:
            break
    return np.concatenate([np.empty(0, np.int16), *pieces]), report.changed.get("audio", "")


def _take(mixdown: Mixdown, pieces: list[Pcm], pipe: IO[bytes]) -> None:
    pieces.extend(mixdown.blocks(pipe))


def _recording(job: Job[VoiceParams]) -> Recording:
    """Choose the track by what is heard at the beginning, so that it is the same in all parts. Raises NotAVideo."""
    path = picture_file(job).path
    found = read_tracks(path)
    audio = AudioSource(job.source.name, sound_input(path), found.tracks, found.origin, separate=False)
    chosen = chosen_track(audio, job.params.sound_track, LISTENED)
    job.metrics.update(chosen.metrics())
    return Recording(path, found.origin, chosen.audio)


def _probable(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray((batch["voice"] >= 0) & (batch["voice"] <= 1))


def _are_powers(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray((np.isfinite(batch["bands"]) & (batch["bands"] >= 0)).all(axis=1))


METRICS = (
    Metric(
        "voice_share",
        "share",
        "share of the frames in which somebody speaks, at a probability of 0.5 or more",
        title="Voice",
        decimals=0,
        blind="who speaks; a voice under music of its level; a voice far from the microphone; some singing",
    ),
    *track_choice.METRICS,
)


def _models(_: VoiceParams) -> dict[str, str]:
    return digests(silero.MODEL)


STAGE: Stage[Any] = Stage(
    name="voice",
    version=1,
    params=VoiceParams,
    columns=(
        Column("voice", "float32", (), "", "probability that somebody speaks during the frame, 0 to 1"),
        Column(
            "bands",
            "float32",
            (BANDS,),
            "power",
            "mean power of eight bands of the sound during the frame, equally wide on the mel scale up to 8 kHz",
        ),
    ),
    metrics=METRICS,
    process=process,
    reads=("download.file", "download.sha256", "scan.time"),
    invariants=(
        Invariant("voice is a probability", ("voice.voice",), _probable),
        Invariant("bands are powers", ("voice.bands",), _are_powers),
    ),
    models=_models,
    distributions=("onnxruntime", "kaldi-native-fbank"),
)
