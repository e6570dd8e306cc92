"""Where the sound of a video comes from: a track of the picture's own file, or a file of its own."""

from dataclasses import dataclass
from typing import Any

import ffmpeg
import numpy as np

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.ffmpeg import FfmpegFailed, run, sound_input
from portrait_prep.media.probe_sound import AudioTrack, default_track, probe_sound
from portrait_prep.media.wav import RATE, Pcm
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.sources import SourceFile


@dataclass(frozen=True)
class AudioSource:
    """Where sound comes from: the `chosen` or else the default one of a file's `tracks`, of which there may be none.

    `name` is that of the file as the user knows it; `source` is it as ffmpeg's input, on its own clock; `zero` is the
    time on that clock, in seconds, at which the first frame is shown; `separate`: the file is not the picture's.
    """

    name: str
    source: Any
    tracks: tuple[AudioTrack, ...]
    zero: float
    separate: bool
    chosen: AudioTrack | None = None

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
        return None if self.track is None or self.track.start is None else self.track.start - self.zero

    def samples(self, seconds: float, channels: int, only: int | None = None) -> Any:
        """So many seconds as PCM16 of 16 kHz from the first frame on, to ffmpeg's pipe; silence without a track.

        Sound before the first frame is cut, a late start and gaps are filled with silence. Two or more channels come
        as two, for their mean to be taken; `only` picks one channel by its number instead.
        """
        if self.track is None:
            stream = ffmpeg.input(f"anullsrc=r={RATE}:cl=mono", format="lavfi")
        else:
            stream = self.source[str(self.track.index)].filter("asetpts", f"PTS-{self.zero:.9f}/TB")
            if only is not None:
                stream = stream.filter("channelmap", map=only, channel_layout="mono")
            layout = "mono" if channels == 1 else "stereo"
            shape = {"out_sample_fmt": "s16", "out_chlayout": layout, "async": 1, "first_pts": 0, "min_comp": 1e-5}
            stream = stream.filter("aresample", RATE, **shape)
        return stream.output("pipe:1", format="s16le", acodec="pcm_s16le", t=seconds)

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
