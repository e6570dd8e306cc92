"""Whether lips and voice are in step: by how many frames the mouth leads or lags what is heard.

Loudness alone does not tell: lips spread for one vowel and round for another of the same level, and close for a hum. So
several measures of the mouth are compared with several bands of the sound, along directions in which speech moves both
together: the canonical pairs (Hotelling, Biometrika 28, 1936, 321) of people who talk. What a mouth has to do to make a
sound is much the same for everybody, so these are measured once and not sought in each clip: in a few seconds there is
a pair for any sound. The measure is the peak of their correlation, in units of what it comes to by chance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.metric import Metric, at_least, within
from portrait_prep.stages.face.geometry import canonical_distances

Floats = NDArray[np.float64]

FARTHEST = 20
"""Frames by which mouth and sound are sought apart, either way."""

LEAST = 3 * FPS
"""Frames with a face and sound that it takes: a dozen syllables."""

DETERMINED = 3.5
"""Strength from which on a lag is given: 99 of 100 pairs of a mouth and the sound of another clip stay below it.

Measured by `benchmarks.measure_lip_sync`, with directions to which neither of the two has contributed.
"""

ERROR = 1
"""Frames by which a lag may be off: the pieces of 3 to 6 s of a clip agree with the whole of it to that."""

DISTANCES = np.array([(0, 17), (61, 291), (2, 152)])
"""Points whose distance is measured: opening of the lips' outer rim, width of the mouth, and from nose to chin."""

BANDS = 8
"""Bands of sound, equally wide on the mel scale: ten bins of the filter bank each."""

FAINT = 10**-1.5
"""Share of a band's mean power below which there is no speech: it keeps within 15 dB either way (ANSI S3.5-1997)."""

SILENCE = 2 * float(np.finfo(np.float32).eps)
"""Power up to which a band is digital silence: twice the filter bank's floor."""

RHYTHM = (1.5, 8.0)
"""Hz between which mouths and levels move with the syllables; below are phrases and expressions, above is noise."""

MEMORY = FPS
"""Frames (1 s) after which, as far as syllables go, neither mouths nor sounds resemble themselves any more."""

VOICE_BANDS = slice(1, 6)
"""Bands from 200 Hz to 3 kHz, where voices are strong."""

FAINTEST = 10**-3.1
"""Power of these bands, that of a sound at -50 dBFS or so, below which nothing counts as a voice."""

SYLLABLES = 4.0
"""Decibels by which, root mean square over a second, the level of a voice rises and falls at the rhythm of syllables.

Recorded speech comes to 5 to 9 in most seconds, pop music to 4 at most, noise, hum and held chords to 1.
"""

TELLING = 3 * FPS
"""Frames with a voice in which lips have moved as far as they will: of fewer, the motion is scaled up to them."""

STILL = 5
"""Frames over which the opening of the lips is averaged: noise of landmarks goes, speech stays."""

METRICS = (
    Metric(
        "lag",
        "frames",
        "frames by which the mouth comes after the voice, below 0 before it; null where that is undetermined",
        title="Lip-sync lag",
        decimals=0,
        bounds=(
            within(
                "max_lag",
                5,
                "most frames that lips and voice may be apart, where that is determined",
                "the mouth is {size:d} frame{s} {side} the voice (limit {limit})",
                sides=("ahead of", "behind"),
                ge=0,
            ),
        ),
        blind="a drift or a slip half-way; beyond 20 frames either way it is undetermined",
    ),
    Metric(
        "lag_strength",
        "",
        "peak of the correlation of lips and voice, in units of what it comes to by chance",
        title="Lag strength",
    ),
    Metric(
        "voice_seconds",
        "s",
        "how long a voice is heard: above -50 dBFS, with the rhythm of syllables",
        blind="a voice from rhythmic music or knocking; one under loud music",
    ),
    Metric(
        "mouth_motion",
        "canonical px",
        "how far the lips open and close while a voice is heard: standard deviation of the distance of their outer "
        "rims, as means of 5 frames, for less than 3 s of voice scaled up to them; the eyes are 120 apart. People who "
        "talk: 6 to 11, 2.5 in their quietest pieces of 1 to 4 s; null without a second of voice",
        title="Motion of the mouth",
        bounds=(
            at_least(
                "min_mouth_motion",
                1.5,
                "least motion of the lips while a voice is heard, in canonical px: the eyes are 120 px apart",
                "a voice is heard and the lips move by {value:.1f} canonical px, less than {limit:g}: somebody else "
                "may be speaking",
                ge=0,
            ),
        ),
        blind="a listener who smiles, chews or nods while another speaks",
    ),
)


@dataclass(frozen=True)
class Directions:
    """Canonical pairs: of distances, `mouth` float64 [3, pairs]; of levels, `sound` [8, pairs]; both in deviations.

    `weights` [pairs], which add up to 1, are what each pair's correlation counts.
    """

    mouth: Floats
    sound: Floats
    weights: Floats


SPEECH = Directions(
    mouth=np.array([[0.674, 1.136], [-0.270, 0.503], [0.345, -1.137]]),
    sound=np.array(
        [
            *([-0.249, -0.220], [-0.020, 0.450], [0.659, -0.851], [0.194, 0.284]),
            *([0.154, 0.049], [0.173, -0.045], [0.066, 0.242], [-0.101, 0.655]),
        ]
    ),
    weights=np.array([0.697, 0.303]),
)
"""Of people who talk, measured by `benchmarks.measure_lip_sync`. The first pair are open vowels: lips and jaw open, and
what lies around the first formant (500 to 900 Hz) is loud. The second are hissing sounds: lips apart and spread, the
jaw up, and the highest band (5 to 8 kHz) is loud, the first formant not.
"""


@dataclass(frozen=True)
class LipLag:
    """`frames` by which the mouth lags the sound (negative: it leads), None where that is undetermined.

    `strength`: the peak of the correlation in standard deviations of what it is between a mouth and a sound that have
    nothing to do with each other; None where there is too little of a face or of sound.
    """

    frames: int | None
    strength: float | None


@dataclass(frozen=True)
class Motion:
    """What moves with the syllables in n frames: `mouth` float64 [n, 3] and `sound` [n, 8], in their deviations.

    Where there is no face (`seen` bool [n] is false), `mouth` is 0.
    """

    mouth: Floats
    sound: Floats
    seen: NDArray[np.bool_]


class LipSync:
    """Mouth and sound of one video, taken in batch by batch; 44 bytes a frame are kept."""

    def __init__(self) -> None:
        self._distances = [np.empty((0, len(DISTANCES)), np.float32)]
        self._powers = [np.empty((0, BANDS), np.float32)]

    def add(self, landmarks: NDArray[Any], scale: NDArray[Any], fbank: NDArray[Any]) -> None:
        """Take in n frames: landmarks [n, 478, 3] and canonical px per px [n], NaN without a face; fbank [n, 2, 80]."""
        bins = np.exp(fbank.astype(np.float64)).mean(axis=1)
        self._distances.append(canonical_distances(landmarks, DISTANCES, scale).astype(np.float32))
        self._powers.append(bins.reshape(len(bins), BANDS, -1).mean(axis=2).astype(np.float32))

    def taken(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distances [n, 3] (NaN without a face) and powers of bands [n, 8] of all frames."""
        return np.concatenate(self._distances), np.concatenate(self._powers)

    def metrics(self) -> dict[str, Any]:
        """`lag` and `lag_strength`; `voice_seconds`, and the `mouth_motion` while there is one."""
        distances, powers = self.taken()
        voiced, lag = voice(powers), self.lag()
        return {
            "lag": lag.frames,
            "lag_strength": lag.strength,
            "voice_seconds": float(voiced.sum()) / FPS,
            "mouth_motion": opening(distances[:, 0].astype(np.float64), voiced),
        }

    def lag(self) -> LipLag:
        """What all of it tells."""
        moved = motion(*self.taken())
        return lag_within(moved) if moved else LipLag(None, None)


def voice(powers: NDArray[Any]) -> NDArray[np.bool_]:
    """In which of n frames a voice is heard, by the powers of bands [n, 8]: within a second its level rises and falls
    with the syllables, which neither noise nor hum nor slow music does.
    """
    if len(powers) < FPS:
        return np.zeros(len(powers), np.bool_)
    power = powers[:, VOICE_BANDS].astype(np.float64).mean(axis=1)
    level = 10 * np.log10(power + FAINTEST)
    squares = _filtered(level[:, np.newaxis])[:, 0] ** 2
    return np.asarray(_mean_of(FPS, squares) >= SYLLABLES**2) & (_mean_of(FPS, power) >= 2 * FAINTEST)


def opening(distances: Floats, voiced: NDArray[np.bool_]) -> float | None:
    """Standard deviation of the lips' opening [n], NaN without a face, over voiced frames, as it were of `TELLING`.

    None without a second of them.
    """
    if np.count_nonzero(voiced) < FPS:
        return None
    averages = _mean_of(STILL, distances)
    used = averages[voiced & np.isfinite(averages)]
    return float(used.std() * max(TELLING / len(used), 1.0)) if len(used) >= FPS else None


def _mean_of(frames: int, values: Floats) -> Floats:
    """The centred mean over so many frames, an odd number, of values [n]; at the ends of those that are there."""
    ones = np.ones(frames)
    return np.asarray(np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same"))


def motion(distances: NDArray[Any], powers: NDArray[Any]) -> Motion | None:
    """How distances [n, 3] (NaN without a face) and the powers of bands [n, 8] move; None where there is too little."""
    heard = np.flatnonzero((powers > SILENCE).any(axis=1))
    # A sound that has not begun or is over says nothing of the mouth; pauses in it do.
    span = slice(heard[0], heard[-1] + 1) if len(heard) else slice(0)
    seen = np.isfinite(distances[span]).all(axis=1)
    if seen.sum() < LEAST:
        return None
    times = np.arange(len(seen))
    unbroken = [np.interp(times, times[seen], values[seen]) for values in distances[span].T.astype(np.float64)]
    loud = powers[span].astype(np.float64)
    levels = np.log(loud + FAINT * loud.mean(axis=0) + SILENCE)
    return Motion(_standard(_filtered(np.stack(unbroken, axis=1)), seen), _standard(_filtered(levels)), seen)


def lag_within(moved: Motion, directions: Directions = SPEECH) -> LipLag:
    """The lag at which mouth and sound move together most along these directions."""
    mouth = _standard(moved.mouth @ directions.mouth, moved.seen) * np.sqrt(directions.weights)
    sound = _standard(moved.sound @ directions.sound) * np.sqrt(directions.weights)
    strengths = _strengths(mouth, sound, moved.seen)
    peak = int(strengths.argmax())
    later = peak - FARTHEST - 1
    # At the rim it is the slope of something farther off.
    determined = strengths[peak] >= DETERMINED and abs(later) <= FARTHEST
    return LipLag(-later if determined else None, round(float(strengths[peak]), 3))


def _filtered(values: Floats) -> Floats:
    from scipy.signal import butter, sosfiltfilt  # noqa: PLC0415 (slow to load, and not needed to look)

    return np.asarray(sosfiltfilt(butter(2, RHYTHM, "bandpass", fs=FPS, output="sos"), values, axis=0))


def _standard(values: Floats, seen: NDArray[np.bool_] | None = None) -> Floats:
    """Columns [n, k] over their root mean square, 0 where not `seen`; one that does not move stays 0."""
    kept = values if seen is None else values * seen[:, np.newaxis]
    frames = len(kept) if seen is None else int(seen.sum())
    return np.asarray(kept / np.maximum(np.sqrt((kept**2).sum(axis=0) / frames), 1e-9))


def _strengths(mouth: Floats, sound: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Sum of products of the columns [n, k] over its deviation by chance; the sound taken -21 to 21 frames later."""
    variance = max(_variance_by_chance(mouth, int(seen.sum()), sound), 1e-9)
    strengths = []
    for later in range(-FARTHEST - 1, FARTHEST + 2):
        early, late = slice(max(-later, 0), len(seen) - max(later, 0)), slice(max(later, 0), len(seen) - max(-later, 0))
        common = max(int(seen[early].sum()), 1)
        strengths.append(float((mouth[early] * sound[late]).sum()) / np.sqrt(common * variance))
    return np.array(strengths)


def _variance_by_chance(mouth: Floats, frames: int, sound: Floats) -> float:
    """Variance a frame of that sum, were the two independent: over all shifts, the product of their autocovariances.

    Bartlett, J. R. Stat. Soc. B 8, 1946, 27; tapered, so that it cannot be negative however short the clip is.
    """
    total = 0.0
    for shift in range(MEMORY):
        own = mouth[: len(mouth) - shift].T @ mouth[shift:] / frames
        other = sound[: len(sound) - shift].T @ sound[shift:] / len(sound)
        # Each shift but 0 stands for its opposite, too.
        total += (1 - shift / MEMORY) * (2 if shift else 1) * float((own * other).sum())
    return total
