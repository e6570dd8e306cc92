"""Whether a person who is seen is the one who is heard: by the lips, moment by moment, over all of a shot.

Three things may be true of a person while a voice is heard: the lips are those of a listener; they move, but say
something else; or they say what is heard. How much lips move tells the first from the others (what moves at the rhythm
of syllables, as in `speaker_side.sides`), and their agreement with the bands of sound the last from the rest (along the
canonical pairs of `sound.lip_sync`). Neither tells much within a second, and people take turns that last for some. So
it is a hidden Markov model (Rabiner, Proc. IEEE 77, 1989, 257): what is not clear at one moment is decided by those
around it, up to the whole shot, and what stays unclear is told to be. By how many frames lips and sound are apart is
one of several lags, the same for all of a shot, each of which counts as it explains what is seen.

The numbers were measured on 15 clips of people who talk to a camera and 11 of people who do not or are not heard. What
it cannot tell: a voice from elsewhere while somebody is seen to talk, in one shot of some seconds; who of two speaks
that do so at once; a mouth that is hidden. Faces that are 40 px high from chin to forehead do as well as large ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.stages.recordings.shot_frames import ends_of
from portrait_prep.stages.sound.lip_sync import FAINT, RHYTHM, SILENCE, SPEECH

Floats = NDArray[np.float64]

LEAST = FPS
"""Frames that a track must last: of fewer, nothing is told."""

FARTHEST = 0.25
"""Seconds between two looks at a mouth beyond which what lies between is unknown."""

STEP = 5
"""Frames (0.2 s) that are judged as one."""

MOUTH = np.array([5.5, 3.7, 3.3])
"""How far the distances of `lip_sync.DISTANCES` go at the rhythm of syllables while people talk, rms: canonical px."""

LEVEL = 1.15
"""How far the logarithm of the power of a band of speech does."""

FEEBLE = 0.4
"""Share of these below which a motion is not scaled up to them."""

AROUND = 37
"""Frames (1.5 s) over which motions are scaled: people are louder or livelier now and then."""

AGREEMENT = 0.37
"""Mean product of what a mouth and its own sound do, per frame, once so scaled; of strangers it is 0."""

CERTAINTY = 0.3
"""Nats for each unit of that product: over 3 s, sums of 75 frames have a mean of 27.8 and a deviation of 11.3 at the
true lag, those of strangers of 0 and 9.3."""

LAGS = np.arange(-8, 9)
"""Frames by which a mouth may come after its sound. Own lips are from 3 ahead to 2 behind, some recordings are off."""

USUAL_LAG, SPREAD_OF_LAGS = -1.0, 3.0
"""The likeliest one, and the frames over which others become unlikely, e times."""

USUAL = -np.abs(LAGS - USUAL_LAG) / SPREAD_OF_LAGS
USUAL = USUAL - np.log(np.exp(USUAL).sum())
"""Logarithm of how likely each lag is before anything is seen."""

JOINED = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
"""Shares of its shots that may have another lag than the rest of a recording: footage from elsewhere was cut in. Each
counts as it explains what is seen: of one camera's talk few have, of a film that is put together most."""

LIVELY = 21
"""Frames over which liveliness is taken: the rms of the lips' opening at the rhythm of syllables, canonical px."""

FAINTEST_MOTION = 0.15
"""Canonical px: what noise there is in landmarks of a face that does not move."""

STATES = ("listens", "moves", "speaks")
LIVELINESS = np.log([0.6, 4.0, 4.8])
"""Medians in these states. People who talk: 2.3 to 9.5 canonical px in nine of ten moments. Faces that are silent: 0.2
(at rest), 0.7 to 1 (with small smiles), 3 and more (laughing, singing, talking unheard)."""

LIVELINESS_SPREAD = np.array([0.8, 0.9, 0.5])
"""Deviations of its logarithm."""

INDEPENDENT = STEP / LIVELY
"""Share of a step in what liveliness tells, since neighbouring steps look at the same frames."""

SHARES = np.array([0.3, 0.3, 0.4])
"""How likely the states are before anything is seen."""

LASTING = 10.0
"""Seconds after which a state has been forgotten, e times."""

CLEAR = 0.6
"""Probability from which on somebody is said to speak; and not to, below 1 less that.

So 14 of 15 people who talk are found over clips of 5 to 20 s, the other is unclear, and none is denied. Of 75 listeners
none is taken, of lively lips without a sound of their own 3 %, and 18 % of people who talk and are given somebody
else's voice; with 0.8, 8 % of these, and 13 of the 15. Of two who are seen at once, both of whom talk, 192 times of 210
the right one is told, 5 times the other. By `benchmarks.measure_speaking`.
"""

VOICED = 0.6
"""Seconds of voice that it takes to say so of a window: a few syllables."""


@dataclass(frozen=True)
class Sound:
    """What is heard during n frames that begin at `times` [n] (s): the columns `voice` [n] and `bands` [n, 8]."""

    times: Floats
    voice: Floats
    bands: Floats


@dataclass(frozen=True)
class Speaking:
    """Whether a person speaks, in n steps of 0.2 s from `start` on (s).

    `odds` [n]: the natural logarithm of how much likelier it is than not that the voice, where one is heard, is this
    person's. `voice` [n]: the probability that one is heard. `lags` [17]: how well each of `LAGS` explains all that is
    seen and heard, as the logarithm of a likelihood. `agreement` [17, n]: what that of lips and voice tells of
    each step by itself, for each lag: the logarithm of how much likelier it is than not that they are of one person.
    `seen` [n]: share of the step during which the mouth is.
    """

    start: float
    odds: Floats
    voice: Floats
    lags: Floats
    agreement: Floats
    seen: Floats

    @property
    def times(self) -> Floats:
        """The middles of the steps."""
        return self.start + (np.arange(len(self.odds)) + 0.5) * STEP / FPS

    def during(self, begin: float, end: float, lags: Floats) -> tuple[float, float]:
        """Of a stretch from `begin` to `end` (s): the share of it during which the mouth is seen; and the logarithm of
        how much likelier it is that lips say all that is heard than that they say none of it.

        `lags` [17] as in `speaking`.
        """
        steps = (self.times >= begin) & (self.times < end)
        seen = self.seen[steps].sum() * STEP / FPS / max(end - begin, STEP / FPS)
        return float(seen), float(_log_sum(lags + self.agreement[:, steps].sum(axis=1), 0))


def speaking(looks: Floats, mouth: Floats, sound: Sound, lags: Floats = USUAL) -> Speaking:
    """Judge a track of one shot.

    `looks` [n] are the times at which its mouth was looked at, some 12 to 25 a second, ascending; `mouth` [n, 3] the
    distances of `lip_sync.DISTANCES` in canonical px, NaN where they were not seen. `lags` [17] says how likely each
    lag is, as a logarithm: `lags_of_others` tells better than nothing does.
    """
    steps = int((looks[-1] - looks[0]) * FPS // STEP) if len(looks) else 0
    frames, start = steps * STEP, float(looks[0]) if len(looks) else 0.0
    edges = start + np.arange(frames + 1) / FPS
    voice = _during(edges, sound.times, sound.voice[:, np.newaxis])[:, 0]
    told, explained, agreement = np.zeros(steps), np.zeros(len(LAGS)), np.zeros((len(LAGS), steps))
    there, seen = np.isfinite(mouth).all(axis=1), np.zeros(steps)
    if frames >= LEAST and there.sum() > 1:
        known = _known(edges[:-1], looks[there])
        seen = known.reshape(steps, STEP).mean(axis=1)
        weight = known * _around(voice, LIVELY)
        lips = _moving(_between(edges[:-1], looks[there], mouth[there]))
        levels = _moving(_levels(_during(edges, sound.times, sound.bands)))
        agreement = _agreement(lips, levels, weight)
        told, explained = _smoothed(agreement, _liveliness(lips[:, 0], weight), lags)
    return Speaking(start, told, voice.reshape(steps, STEP).mean(axis=1), explained, agreement, seen)


def lags_of_others(explained: Sequence[Floats]) -> Floats:
    """How likely each lag is for each track of a recording, [tracks, 17], by what the `lags` of the others explain.

    A recording has one lag, but for shots from elsewhere, and once it is known, strangers agree less often by chance:
    judge all its tracks, and with this once more. Of tracks of 4 s with lively lips and another's voice 55 to 58 % are
    taken, and 41 to 44 % where ten other tracks of that camera have told. Where all others are from elsewhere, 97 %
    of those who talk are found as before; if one lag was held to be that of nine shots in ten, 82 to 92 % would be.
    """
    told = np.stack(explained)
    elsewhere = _log_sum(told + USUAL, 1)[:, np.newaxis, np.newaxis] + np.log(JOINED)[:, np.newaxis]
    fits = np.logaddexp(told[:, np.newaxis] + np.log(1 - JOINED)[:, np.newaxis], elsewhere)
    known = USUAL + fits.sum(axis=0) - fits
    known = np.exp(known - _log_sum(known.reshape(len(told), -1), 1)[:, np.newaxis, np.newaxis])
    joined = np.einsum("tjl,j->t", known, JOINED)[:, np.newaxis]
    return np.asarray(np.log(np.einsum("tjl,j->tl", known, 1 - JOINED) + joined * np.exp(USUAL)))


def one_of(odds: Sequence[Floats]) -> Floats:
    """The probability [k, n] that each of k people who are seen at once is the one who speaks, of their odds [n]."""
    ratios = np.exp(np.clip(np.stack(odds), -30, 30))
    return np.asarray(ratios / (1 + ratios.sum(axis=0)))


def verdict(probability: Floats, voice: Floats) -> bool | None:
    """Whether somebody speaks in a window of n steps; None where that cannot be told, or too little voice is heard.

    `probability` [n] that the voice is this person's, `voice` [n] that there is one.
    """
    if voice.sum() * STEP / FPS < VOICED:
        return None
    share = float((probability * voice).sum() / voice.sum())
    return True if share >= CLEAR else False if share <= 1 - CLEAR else None


def _during(edges: Floats, times: Floats, values: Floats) -> Floats:
    """Means between n + 1 edges [n, k] of values [m, k] that hold from their times [m] to the next one."""
    if len(edges) < 2 or len(times) == 0:
        return np.zeros((len(edges) - 1, values.shape[1]))
    borders = np.append(times, ends_of(times)[-1])
    sums = np.cumsum(np.diff(borders)[:, np.newaxis] * values, axis=0)
    whole = np.stack([np.interp(edges, borders, np.append(0.0, one)) for one in sums.T], axis=1)
    return np.asarray(np.diff(whole, axis=0) * FPS)


def _between(times: Floats, looks: Floats, values: Floats) -> Floats:
    """Values [m, k] of looks [m] at other times [n]: a curve, since a straight line levels off what 12 looks a second
    show of syllables (of 15 people who talk, 14 are found with 15 looks a second, and 13 by straight lines).
    """
    from scipy.interpolate import Akima1DInterpolator  # noqa: PLC0415 (slow to load, and not needed to look)

    return np.asarray(Akima1DInterpolator(looks, values, method="makima")(np.clip(times, looks[0], looks[-1])))


def _known(times: Floats, looks: Floats) -> NDArray[np.bool_]:
    """Which moments lie between two looks that are not far apart, or at one."""
    after = np.clip(np.searchsorted(looks, times), 1, len(looks) - 1)
    close = looks[after] - looks[after - 1] <= FARTHEST
    return np.asarray(close & (times >= looks[0] - 1e-6) & (times <= looks[-1] + 1e-6))


def _levels(powers: Floats) -> Floats:
    return np.asarray(np.log(powers + FAINT * powers.mean(axis=0) + SILENCE))


def _moving(values: Floats) -> Floats:
    """What moves at the rhythm of syllables, [n, k]."""
    from scipy.signal import butter, sosfiltfilt  # noqa: PLC0415 (slow to load, and not needed to look)

    return np.asarray(sosfiltfilt(butter(2, RHYTHM, "bandpass", fs=FPS, output="sos"), values, axis=0))


def _around(values: Floats, frames: int) -> Floats:
    """The greatest value within so many frames, centred."""
    from scipy.ndimage import maximum_filter1d  # noqa: PLC0415

    return np.asarray(maximum_filter1d(values, frames, mode="nearest"))


def _rms(values: Floats, frames: int) -> Floats:
    """Root mean square over so many frames, centred, of columns [n, k]."""
    from scipy.ndimage import uniform_filter1d  # noqa: PLC0415

    squares = uniform_filter1d(values**2, frames, axis=0, mode="nearest")
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _scaled(values: Floats, usual: Floats | float) -> Floats:
    usually = values / usual
    return np.asarray(usually / np.maximum(_rms(usually, AROUND), FEEBLE))


def _agreement(lips: Floats, levels: Floats, weight: Floats) -> Floats:
    """What the agreement of lips and sound says for speaking, in nats, [lags, steps], of motions [n, 3] and [n, 8]."""
    parts = np.sqrt(SPEECH.weights)
    mouth, voice = _scaled(lips, MOUTH) @ SPEECH.mouth * parts, _scaled(levels, LEVEL) @ SPEECH.sound * parts
    told = np.zeros((len(LAGS), len(mouth)))
    for row, lag in zip(told, map(int, LAGS), strict=True):
        seen = slice(max(lag, 0), len(mouth) + min(lag, 0))
        said = slice(max(-lag, 0), len(mouth) - max(lag, 0))
        row[seen] = CERTAINTY * ((mouth[seen] * voice[said]).sum(axis=1) - AGREEMENT / 2)
    return np.asarray((told * weight).reshape(len(LAGS), -1, STEP).sum(axis=2))


def _liveliness(opening: Floats, weight: Floats) -> Floats:
    """What the liveliness of the lips says for each state, in nats, [steps, 3], of their opening's motion [n]."""
    lively = np.log(np.maximum(_rms(opening[:, np.newaxis], LIVELY), FAINTEST_MOTION))
    told = -0.5 * ((lively - LIVELINESS) / LIVELINESS_SPREAD) ** 2 - np.log(LIVELINESS_SPREAD)
    told *= INDEPENDENT * weight[:, np.newaxis]
    return np.asarray(told.reshape(-1, STEP, len(STATES)).mean(axis=1))


def _smoothed(agreement: Floats, liveliness: Floats, lags: Floats) -> tuple[Floats, Floats]:
    """Log odds of speaking [steps], of all that is told: forward and backward through the states, for each lag.

    What is told of each step, `agreement` [lags, steps] and `liveliness` [steps, 3], is in nats. Also told is how well
    each lag explains it.
    """
    told = np.repeat(liveliness[np.newaxis], len(LAGS), axis=0)
    told[:, :, STATES.index("speaks")] += agreement
    forth, explained = _passed(told)
    back = _passed(told[:, ::-1])[0][:, ::-1]
    # Both passes hold what the step itself tells and the shares; each is to count once.
    states = forth + back - told - np.log(SHARES)
    states -= _log_sum(states, 2)[:, :, np.newaxis]
    likely = explained + lags
    states += (likely - _log_sum(likely, 0))[:, np.newaxis, np.newaxis]
    by_state = _log_sum(states, 0)
    return np.asarray(by_state[:, 2] - _log_sum(by_state[:, :2], 1)), explained


def _passed(told: Floats) -> tuple[Floats, Floats]:
    """Log probabilities of the states after each step [lags, steps, 3], and those of all that is told [lags].

    The chain is its own in reverse: with the rate at which states are forgotten, each becomes one by its share.
    """
    kept = np.exp(-STEP / FPS / LASTING)
    states = np.empty_like(told)
    now = np.tile(SHARES, (len(told), 1))
    explained = np.zeros(len(told))
    for step in range(told.shape[1]):
        now = np.log(kept * now + (1 - kept) * SHARES) + told[:, step]
        total = _log_sum(now, 1)
        explained += total
        states[:, step] = now - total[:, np.newaxis]
        now = np.exp(states[:, step])
    return states, explained


def _log_sum(values: Floats, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    return np.asarray((np.log(np.exp(values - most).sum(axis=axis, keepdims=True)) + most).squeeze(axis))
