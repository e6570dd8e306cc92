"""Stage `speech`: the sound of each frame, as it is and as the log filter-bank energies that trainers read."""

import math
from collections.abc import Iterator
from typing import Any

import kaldi_native_fbank as knf
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.media.wav import FULL_SCALE, RATE, SAMPLES_PER_FRAME, Pcm, WavReader
from portrait_prep.pipeline.declare.metric import Metric, Switch, at_least, at_most
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Params, Stage

SHIFTS = 2
"""Filter-bank frames of one video frame: 640 samples over a shift of 320."""
BINS = 80
FLOOR = math.log(float(np.finfo(np.float32).eps))
"""The least log energy that Kaldi gives, -15.942: digital silence has it in every bin."""

Energies = NDArray[np.float32]


class SpeechParams(Params):
    """Settings of the speech stage."""

    silence_dbfs: float = Field(
        default=-60.0,
        ge=-90.0,
        le=0.0,
        description="A frame whose rms level lies below this counts as silent (dB, 0 = full-scale square wave).",
    )


class FilterBank:
    """Kaldi's log filter-bank energies of 16 kHz sound, given piece by piece; the pieces' borders leave no trace.

    80 mel bins from 20 Hz to 8 kHz, Povey window of 50 ms (FFT of 1024), shift of 20 ms, pre-emphasis 0.97, mean
    removed, natural log of power floored at float32 epsilon, no dither, `snip_edges` false: frame i is centred on
    sample 320 i + 160, the signal is mirrored at both ends, and n samples make (n + 160) // 320 frames.
    See https://kaldi-asr.org/doc/feat.html.
    """

    def __init__(self) -> None:
        options = knf.FbankOptions()
        options.frame_opts.samp_freq = RATE
        options.frame_opts.frame_length_ms = 50
        options.frame_opts.frame_shift_ms = 20
        options.frame_opts.dither = 0
        options.frame_opts.snip_edges = False
        options.mel_opts.num_bins = BINS
        self._bank = knf.OnlineFbank(options)
        self._taken = 0

    def accept(self, pcm: Pcm, last: bool = False) -> Energies:
        """Take in samples [n]; return the frames that are complete now, float32 [m, 80].

        A frame whose window reaches beyond the samples so far is held back until they come; `last` ends the sound.
        """
        self._bank.accept_waveform(RATE, pcm.astype(np.float32) / np.float32(FULL_SCALE))
        if last:
            self._bank.input_finished()
        frames = range(self._taken, self._bank.num_frames_ready)
        energies = np.array([self._bank.get_frame(frame) for frame in frames], np.float32).reshape(-1, BINS)
        self._bank.pop(len(frames))
        self._taken = frames.stop
        return energies


class Loudness:
    """Running levels of a sound; sums are whole numbers, so their order does not matter."""

    def __init__(self, silence_dbfs: float) -> None:
        self._threshold = SAMPLES_PER_FRAME * (FULL_SCALE * 10 ** (silence_dbfs / 20)) ** 2
        self._frames = self._silent = self._power = self._peak = self._clipped = 0

    def add(self, pcm: Pcm) -> None:
        """Take in frames [n, 640]."""
        wide = pcm.astype(np.int64)
        power = (wide**2).sum(axis=1)
        self._frames += len(pcm)
        self._power += int(power.sum())
        self._silent += int((power < self._threshold).sum())
        self._peak = max(self._peak, int(np.abs(wide).max(initial=0)))
        self._clipped += int(((pcm == FULL_SCALE - 1) | (pcm == -FULL_SCALE)).sum())

    def metrics(self) -> dict[str, Any]:
        """Levels in dBFS (0 = full-scale square wave; null for digital silence) and shares in 0..1.

        `has_sound`: at least one frame is not silent.
        """
        return {
            "rms_dbfs": _decibel(math.sqrt(self._power / (self._frames * SAMPLES_PER_FRAME)) if self._frames else 0.0),
            "peak_dbfs": _decibel(self._peak),
            "clipped_share": round(self._clipped / max(self._frames * SAMPLES_PER_FRAME, 1), 6),
            "silent_share": round(self._silent / max(self._frames, 1), 6),
            "has_sound": self._silent < self._frames,
        }


def process(job: Job[SpeechParams]) -> Iterator[Batch]:
    """Yield pcm int16 [n, 640] and fbank float32 [n, 2, 80], frame by frame.

    Raises BadVideo when there is no frame, Damaged when the wav is not 640 samples a frame of 16 kHz mono PCM16.
    """
    if not job.frames:
        raise BadVideo("the video has no frames")
    bank, loudness = FilterBank(), Loudness(job.params.silence_dbfs)
    pcm, fbank = np.empty((0, SAMPLES_PER_FRAME), np.int16), np.empty((0, BINS), np.float32)
    taken = 0
    for block in WavReader(job.media("wav"), job.frames).blocks(ROWS_PER_GROUP):
        taken += len(block)
        loudness.add(block)
        # The energies of a block's last frame need the start of the next one, so its sound waits for them.
        pcm = np.concatenate((pcm, block))
        fbank = np.concatenate((fbank, bank.accept(block.reshape(-1), last=taken == job.frames)))
        whole = len(fbank) // SHIFTS
        yield {"pcm": pcm[:whole], "fbank": fbank[: whole * SHIFTS].reshape(-1, SHIFTS, BINS)}
        pcm, fbank = pcm[whole:], fbank[whole * SHIFTS :]
    job.metrics.update(loudness.metrics())


def _decibel(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude / FULL_SCALE), 2) if amplitude else None


def _in_range(batch: Batch) -> NDArray[np.bool_]:
    # A hair below the floor: the logarithm's last bit differs between mathematics libraries.
    least = np.asarray(batch["fbank"].min(axis=(1, 2)))
    return np.isfinite(batch["fbank"]).all(axis=(1, 2)) & (least >= FLOOR - 1e-3)


SOUND_REQUIRED = Switch(
    "require_sound",
    False,
    "whether a video needs sound; if so, the next two limits count, otherwise silence is fine",
)
METRICS = (
    Metric(
        "silent_share",
        "share",
        "share of frames below `silence_dbfs`",
        title="Silence",
        decimals=0,
        bounds=(
            at_most(
                "max_silent_share",
                0.8,
                "greatest share of frames that are silent",
                "{value:.1%} of the frames are silent, more than {limit:.0%}",
                SOUND_REQUIRED,
                ge=0,
                le=1,
            ),
        ),
    ),
    Metric(
        "rms_dbfs",
        "dBFS",
        "rms level of the sound (0: a square wave of full scale)",
        title="Sound level",
        decimals=1,
        bounds=(
            at_least(
                "min_rms_dbfs",
                -60.0,
                "least level of the sound, dBFS",
                "the level of its sound is {value:.1f} dBFS, below {limit:g}",
                SOUND_REQUIRED,
                le=0,
            ),
        ),
        blind="voice from noise",
    ),
    Metric("peak_dbfs", "dBFS", "greatest magnitude of the sound", title="Sound peak", decimals=1),
    Metric(
        "clipped_share",
        "share",
        "share of samples at full scale",
        title="Clipping",
        bounds=(
            at_most(
                "max_clipped_share",
                0.005,
                "greatest share of samples at full scale",
                "{value:.2%} of the samples are clipped, more than {limit:.2%}",
                ge=0,
                le=1,
            ),
        ),
        blind="what was clipped and then turned down",
    ),
    Metric("has_sound", "", "at least one frame is not silent", kind="flag"),
)

STAGE = Stage(
    name="speech",
    version=1,
    params=SpeechParams,
    columns=(
        Column(
            "pcm",
            "int16",
            (SAMPLES_PER_FRAME,),
            "1/32768 of full scale",
            "16 kHz mono; samples 640k to 640k+639 of the wav",
        ),
        Column(
            "fbank",
            "float32",
            (SHIFTS, BINS),
            "ln(power)",
            "Kaldi log filter-bank energies of pcm/32768: 50 ms window, 20 ms shift, dither 0, snip_edges false",
        ),
    ),
    metrics=METRICS,
    process=process,
    reads=("normalize.wav",),
    invariants=(Invariant("fbank is finite and not below Kaldi's floor", ("speech.fbank",), _in_range),),
    distributions=("kaldi-native-fbank",),
)
