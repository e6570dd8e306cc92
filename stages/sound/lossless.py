"""The sound of a video at the rate of its source, without loss: in step with the wav to the sample, and as long.

How many samples it takes is known once the pictures are counted, so ffmpeg decodes the sound another time: that is a
hundredth of what the picture costs.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from portrait_prep.media.ffmpeg import run
from portrait_prep.media.flac import FLAC, HIGHEST_RATE, samples_of
from portrait_prep.media.picture import FPS
from portrait_prep.stages.sound.audio_source import WORKSPACE, AudioSource, PcmFormat, of_one_format

MEAN = "mono|c0=0.5*c0+0.5*c1"


BLOCK = 4096
"""Samples of a FLAC frame."""


def own_format(audio: AudioSource) -> PcmFormat:
    """That of its track, as far as FLAC has it; the wav's where there is none."""
    if audio.track is None:
        return WORKSPACE
    return PcmFormat(min(audio.track.rate, HIGHEST_RATE), "s16" if audio.track.bits == 16 else "s32")


def write_lossless(audio: AudioSource, frames: int, downmix: str, changed_to: str, path: Path) -> None:
    """Write the sound of so many video frames, its channels mixed as those of the wav; see `Encoded` for the rest."""
    pcm = own_format(audio)
    if not changed_to:
        _write(audio, pcm, samples_of(frames, pcm.rate), downmix, path)
        return
    with TemporaryDirectory(dir=path.parent) as folder:
        steady = of_one_format(audio, frames / FPS + 1, Path(folder) / "sound", changed_to, pcm)
        _write(steady, pcm, samples_of(frames, pcm.rate), downmix, path)


def _write(audio: AudioSource, pcm: PcmFormat, count: int, downmix: str, path: Path) -> None:
    if downmix == "mean":
        stream = audio.stream(pcm, 2).filter("pan", args=MEAN)
    else:
        stream = audio.stream(pcm, 1, only=0 if downmix == "left" else None)
    whole = stream.filter("apad", whole_len=count).filter("atrim", end_sample=count)
    whole = whole.filter("asetnsamples", BLOCK, pad=0)  # else the encoder takes that of the source, however long it is
    run(whole.output(str(path), **FLAC), lambda pipe: pipe.read())
