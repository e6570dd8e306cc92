"""Where the sound of a video comes from: a track of the picture's own file, or a file of its own."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import ffmpeg
import numpy as np

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.ffmpeg import FfmpegFailed, run, sound_input
from portrait_prep.media.probe_sound import AudioTrack, default_track, probe_sound
from portrait_prep.media.wav import RATE, Pcm
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.sources import SourceFile


@dataclass(frozen=True)
class PcmFormat:
    """Samples a second, and what FFmpeg calls the format of one: s16, or s32 for those of more bits."""

    rate: int
    samples: Literal["s16", "s32"]


WORKSPACE = PcmFormat(RATE, "s16")
"""That of the workspace's wav."""

IN_STEP = f"PTS+max(-STARTPTS,0)-round((trunc(max(-STARTPTS,0)*TB*{RATE}+1e-7)+{{skipped}})/{RATE}/TB)"
"""PTS for another rate than the wav's, so that both begin with the same moment, to the nearest sample.

Of what comes before the first frame FFmpeg cuts whole samples: the wav begins up to one of its samples early. It cuts
packet by packet, so that in one of fifty intervals it is a sample farther off.
"""

CLOSE = 0.02
"""Slack of such a copy."""

AHEAD = 10.0
"""Seconds by which a copy of a track is late on its clock, so that what comes before the first frame has a time."""


@dataclass(frozen=True)
class AudioSource:
    """Where sound comes from: the `chosen` or else the default one of a file's `tracks`, of which there may be none.

    `name` is that of the file as the user knows it; `source` is it as ffmpeg's input, on its own clock; `zero` is the
    time on that clock, in seconds, at which the first frame is shown; `separate`: the file is not the picture's.
    `shift` is by how many seconds it is to be heard later. `slack` is by how many it may be off before it is cut or
    filled.
    """

    name: str
    source: Any
    tracks: tuple[AudioTrack, ...]
    zero: float
    separate: bool
    chosen: AudioTrack | None = None
    shift: float = 0.0
    slack: float = 0.1

    @property
    def track(self) -> AudioTrack | None:
        """The one that is read."""
        return self.chosen or (default_track(self.tracks) if self.tracks else None)

    @property
    def channels(self) -> int:
        """How many it is read as: 1, or 2 for their mean to be taken."""
        return 1 if self.track is None or self.track.channels == 1 else 2

    @property
    def start(self) -> float | None:
        """Seconds from the first frame to the first sample; None where the track does not say, or there is none."""
        return None if self.track is None or self.track.start is None else self.track.start - self.zero + self.shift

    def samples(self, seconds: float, channels: int, only: int | None = None) -> Any:
        """So many seconds as PCM16 of 16 kHz from the first frame on, to ffmpeg's pipe; silence without a track.

        Sound before the first frame is cut, a late start and gaps are filled with silence. Two or more channels come
        as two, for their mean to be taken; `only` picks one channel by its number instead.
        """
        stream = self.stream(WORKSPACE, channels, only)
        return stream.output("pipe:1", format="s16le", acodec="pcm_s16le", t=seconds)

    def stream(self, pcm: PcmFormat, channels: int, only: int | None = None) -> Any:
        """The same, without an end, as a stream of ffmpeg-python with samples of that format."""
        if self.track is None:
            return ffmpeg.input(f"anullsrc=r={pcm.rate}:cl=mono", format="lavfi")
        stream = self.source[str(self.track.index)].filter("asetpts", f"PTS-{self.zero:.9f}/TB")
        # To move it by exactly so many samples: by whole seconds, which are whole samples of any rate, and cut.
        if early := max(math.ceil(self.shift), 0):
            stream = stream.filter("asetpts", f"PTS+round({early}/TB)")
        skipped = round((early - self.shift) * RATE)
        if pcm.rate != RATE:
            stream = stream.filter("asetpts", IN_STEP.format(skipped=skipped))
        if only is not None:
            stream = stream.filter("channelmap", map=only, channel_layout="mono")
        layout = "mono" if channels == 1 else "stereo"
        shape = {"out_sample_fmt": pcm.samples, "out_chlayout": layout, "async": 1, "first_pts": 0, "min_comp": 1e-5}
        if self.slack != AudioSource.slack:
            shape["min_hard_comp"] = self.slack
        stream = stream.filter("aresample", pcm.rate, **shape)
        if skipped and pcm.rate == RATE:
            stream = stream.filter("atrim", start_sample=skipped).filter("asetpts", "PTS-STARTPTS")
        return stream

    def read(self, seconds: float, channels: int = 1) -> Pcm | None:
        """So many seconds, int16 [n * channels] of 16 kHz, from the first frame on; None where they do not decode."""
        pieces: list[bytes] = []
        try:
            run(self.samples(seconds, channels), lambda pipe: pieces.append(pipe.read()))
        except FfmpegFailed:
            return None
        return np.frombuffer(pieces[0], "<i2")


def audio_of_file(file: SourceFile, late: float) -> AudioSource:
    """A file for the sound alone; the first frame is shown `late` seconds after what players call its zero.

    Raises BadVideo where it is cut short or holds no sound.
    """
    try:
        sound = probe_sound(file.path)
    except NotAVideo as error:
        raise BadVideo(f"{file.name} {error}") from error
    return AudioSource(file.name, sound_input(file.path), sound.tracks, sound.origin + late, separate=True)


def of_one_format(
    audio: AudioSource, seconds: float, path: Path, changed_to: str, pcm: PcmFormat = WORKSPACE
) -> AudioSource:
    """The same track copied to a file as stereo of one format, where its own changes on the way, at last to that.

    Filters that keep step with time begin anew at a change; here none is needed, since times are written down. They can
    be kept to closely, but for a change of the rate: then demuxers reckon with the old one. Raises FfmpegFailed.
    """
    if audio.track is None:
        return audio
    stream = audio.source[str(audio.track.index)].filter("asetpts", f"PTS-{audio.zero - AHEAD:.9f}/TB")
    stream = stream.filter("aresample", pcm.rate, out_chlayout="stereo", out_sample_fmt=pcm.samples)
    codec = f"pcm_{pcm.samples}le"
    copied = stream.output(str(path), format="nut", acodec=codec, t=seconds + 2 * AHEAD)
    run(copied, lambda pipe: pipe.read())
    slack = CLOSE if f"{audio.track.rate} Hz" in changed_to else audio.slack
    track = replace(audio.track, index=0, codec=codec, rate=pcm.rate, channels=2)
    return replace(audio, source=sound_input(path), tracks=(track,), zero=AHEAD, chosen=None, slack=slack)
