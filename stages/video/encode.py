"""Encoding a video with its sound: ffmpeg decodes both, writes the mp4, and what it could not decode is looked into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ffmpeg

from portrait_prep.media.ffmpeg import DecodeReport, FfmpegFailed, run, video_input
from portrait_prep.media.frames import count_frames
from portrait_prep.media.picture import FPS
from portrait_prep.media.probe import Probe
from portrait_prep.media.source_frames import first_damage
from portrait_prep.media.wav import SAMPLES_PER_FRAME, resize_wav, write_wav
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.sound.audio_source import AudioSource
from portrait_prep.stages.sound.mixdown import Mixdown
from portrait_prep.stages.sources import SourceFile

CHUNK = 1 << 18

FEWEST_FRAMES = 2

EMPTY = "received no packets"
"""What ffmpeg says where nothing came through that could be encoded."""

LOST_SOUND = 0.01
"""Share of sound packets that may be damaged: each costs some 20 ms, where a video frame spoils all that follow it."""

MISCOUNT = 0.01
"""Share by which the number of frames may differ from what the timestamps promise; two frames are always allowed."""

MISSED = 0.1
"""Share of packets that may hold no frame to be shown: some codecs (VP8) have such in between."""

H264: Mapping[str, Any] = {
    "format": "mp4",
    "vcodec": "libx264",
    "x264-params": "open-gop=0",
    "threads": 1,
    "map_metadata": -1,
    "map_chapters": -1,
    "flags:v": "+bitexact",
    "fflags": "+bitexact",
    "movflags": "+faststart",
}
"""Options of every mp4: the same frames give the same bytes."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "portrait": {"preset": "superfast", "b_strategy": 0, "aq-mode": 0, "qcomp": 1.0}
}
"""Presets beside x264's own, in its terms.

`portrait` gives all parts of a picture, and all pictures, the same quality, and does not weigh where B-frames would be
best. On 12 clips at crf 17, beside veryfast: 58 % of the time, 34 % more bytes, decoded as fast; SSIM 0.9921 and 0.9917
(of the worst clip 0.9903 and 0.9868, of faces 0.9890 and 0.9880). Without B-frames it would take 52 %, but would go on
refining a picture that stands still, so that it were no longer seen to stand.
"""


def h264(preset: str, crf: int, gop: int, *, fast_decode: bool) -> Mapping[str, Any]:
    """Options of ffmpeg for an mp4 with a keyframe every `gop` frames or sooner.

    `fast_decode`: without arithmetic coding and deblocking.
    """
    tuned = {"tune": "fastdecode"} if fast_decode else {}
    return {**H264, **PRESETS.get(preset, {"preset": preset}), "crf": crf, "g": gop, **tuned}


@dataclass(frozen=True)
class Encoded:
    """What was written: `frames` of the mp4; whether the sound is `silent`, None where there is no track.

    `downmix`: how two channels became one, by their `mean` or, where that cancels them out, the `left` one; or `none`.
    `sound_changed`: what the format of the sound changes to on the way, where it does.
    """

    frames: int
    silent: bool | None
    downmix: str
    sound_changed: str = ""


class FormatChanged(Exception):
    """The format of the video or the audio (`changed`: to what) changes on the way; what was written is void."""

    def __init__(self, changed: Mapping[str, str]) -> None:
        super().__init__(f"the format of the {' and the '.join(changed)} changes on the way")
        self.changed = changed


@dataclass(frozen=True)
class Encoder:
    """A probed picture and its sound, to be decoded together. Raises BadVideo where either turns out to be damaged."""

    picture: SourceFile
    facts: Probe
    audio: AudioSource

    def encode(self, frames: Any, options: Mapping[str, Any], mp4: Path, wav: Path) -> Encoded:
        """Write the filtered `frames`, with the `options` of `h264`, and as much sound.

        Raises BadVideo also where too few frames come, FormatChanged where the filters had to begin anew.
        """
        video = frames.output(str(mp4), **{"frames:v": self._expected}, **options)
        channels = self.audio.channels
        (mixdown, decoded), downmix = self._written(video, wav, channels), "none" if channels == 1 else "mean"
        if mixdown.cancelled:
            (mixdown, decoded), downmix = self._written(video, wav, 1, only=0), "left"
        count = count_frames(mp4)
        self._check_count(count, decoded)
        resize_wav(wav, count * SAMPLES_PER_FRAME)
        return Encoded(count, mixdown.silent if self.audio.tracks else None, downmix)

    def check_decodes(self) -> None:
        """Decode only."""
        picture = video_input(self.picture.path, self.facts)[str(self.facts.index)]
        nothing = picture.output("-", format="null", t=self.facts.duration)
        with suppress(FormatChanged):
            self._run(nothing, 1, None, _passed_over)

    def _written(self, video: Any, wav: Path, channels: int, only: int | None = None) -> tuple[Mixdown, int]:
        """Run ffmpeg for the mp4, and mix its sound down into the wav. How many source frames were decoded is told."""
        mixdown = Mixdown(channels)
        report = self._run(video, channels, only, lambda pipe: write_wav(wav, mixdown.blocks(pipe)))
        return mixdown, max((one.frames for one in report.decoded.values() if one.kind == "video"), default=0)

    def _run(self, video: Any, channels: int, only: int | None, consume: Callable[[IO[bytes]], object]) -> DecodeReport:
        sound = self.audio.samples(self.facts.duration + 1, channels, only)
        try:
            report = run(ffmpeg.merge_outputs(video, sound).global_args("-filter_complex_threads", "1"), consume)
        except FfmpegFailed as error:
            self._check_decoded(error.report)
            if EMPTY in str(error):
                raise BadVideo(f"{self.picture.name} gives no picture to write: ffmpeg says '{error}'") from error
            raise
        self._check_decoded(report)
        if report.changed:
            raise FormatChanged(report.changed)
        return report

    def _check_decoded(self, report: DecodeReport) -> None:
        """A single damaged frame spoils those after it up to the next keyframe, so none is allowed."""
        frames = len(self.facts.times)
        for stream in report.decoded.values():
            if stream.kind == "video" and stream.damaged > self.facts.unkeyed:
                second = first_damage(self.picture.path, self.facts)
                place = "" if second is None else f", the first at {second:.2f} s"
                raise BadVideo(
                    f"{self.picture.name} is damaged: {stream.damaged} of {frames} frames do not decode{place}"
                )
            if stream.kind == "audio" and stream.damaged > max(min(stream.frames, 1), LOST_SOUND * stream.frames):
                raise BadVideo(f"{self.audio.name} is damaged: {stream.damaged} pieces of its sound do not decode")

    @property
    def _expected(self) -> int:
        """Frames that the timestamps promise."""
        return max(round(self.facts.duration * FPS), 1)

    def _check_count(self, frames: int, decoded: int) -> None:
        """Two counts that come from elsewhere: the times promise frames, and each packet is one that was decoded.

        ffmpeg stops once it has all that it needs, up to 1/25 s before the end.
        """
        name, facts = self.picture.name, self.facts
        packets = len(facts.times)
        if packets - decoded > FEWEST_FRAMES + MISSED * packets + facts.unkeyed + facts.fps / FPS:
            raise BadVideo(f"{name} is damaged: of {packets} frames {decoded} were decoded")
        if frames < FEWEST_FRAMES:
            raise BadVideo(f"{name} is too short: {len(facts.times)} of {FEWEST_FRAMES} frames, {facts.duration:.2f} s")
        if abs(frames - self._expected) > max(FEWEST_FRAMES, MISCOUNT * self._expected):
            raise BadVideo(f"{name} is damaged: {frames} frames came out where {self._expected} were promised")


def _passed_over(pipe: IO[bytes]) -> None:
    while pipe.read(CHUNK):
        pass
