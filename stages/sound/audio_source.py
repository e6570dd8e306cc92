"""Where the sound of a video comes from: a track of the picture's own file, or a file of its own."""

from dataclasses import dataclass
from typing import Any

import ffmpeg

from portrait_prep.manifests.catalogue import path_of
from portrait_prep.media.container import ONLY_LOCAL, NotAVideo
from portrait_prep.media.probe import Probe
from portrait_prep.media.probe_sound import AudioTrack, default_track, probe_sound
from portrait_prep.media.wav import RATE
from portrait_prep.pipeline.declare.stage import BadVideo, Job
from portrait_prep.stages.sources import readable_sound


@dataclass(frozen=True)
class AudioSource:
    """What is heard: the default one of a file's `tracks`, of which there may be none.

    `name` is that of the file as the user knows it; `source` is it as ffmpeg's input, on its own clock; `zero` is the
    time on that clock, in seconds, at which the first frame is shown; `own` tells whether it is a file for the sound.
    """

    name: str
    source: Any
    tracks: tuple[AudioTrack, ...]
    zero: float
    own: bool

    @property
    def track(self) -> AudioTrack | None:
        """The one that is heard."""
        return default_track(self.tracks) if self.tracks else None

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


def own_audio_source(job: Job[Any], facts: Probe) -> AudioSource | None:
    """The sound file that the catalogue names for the video; None where it names none.

    It begins at the video's start: with the first frame, unless the picture begins later than it was asked to. Raises
    BadVideo where it is cut short or holds no sound.
    """
    path = readable_sound(job)
    if path is None or job.video.sound is None:
        return None
    name = path_of(job.video.sound).name
    try:
        sound = probe_sound(path)
    except NotAVideo as error:
        raise BadVideo(f"{name} {error}") from error
    late = 0.0 if job.video.start is None else facts.start - facts.origin - job.video.start
    source = ffmpeg.input(str(path), copyts=None, threads=1, **ONLY_LOCAL)
    return AudioSource(name, source, sound.tracks, sound.origin + late, own=True)
