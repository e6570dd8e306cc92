"""Whose talk each frame of a shot is; where it is nobody's, why."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.models.silero import SPEAKS
from portrait_prep.stages.recordings.speaking import CLEAR, LAGS, USUAL, Sound, Speaking, speaking
from portrait_prep.stages.recordings.tracks import Track
from portrait_prep.stages.video.alive import ALIKE

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]

UNSEEN = 0.25
"""Seconds for which a face that talks may be out of sight: as long as `landmarks` bridges at 25 frames a second, and a
little more."""

OFF = 0.25
"""How often a voice is of nobody who is seen, for each time that it is of a certain one, before lips are looked at.

Who listens is told from who speaks by far more than that (e^10 times), so it matters for lips that move and do not
agree clearly: those of people who talk, much more often than of people who are seen to talk under another's voice.
"""

DUBBED = -3.5
"""Nats below which lips do not say what is heard during a stretch: see `Speaking.during`. It is 30 times likelier then
that they say none of it than all.

Moments let lips go for those of the voice that agree by chance now and then; a stretch of some seconds tells more.
"""

LEAST_SEEN = 0.5
"""Share of a stretch during which the mouth must be seen: how often whoever is seen speaks is no sign of itself."""

MOVED, SHUT = 0.991, 1.0
"""Of a photograph that a camera pans over or draws near to, the least median likeness; and how far its mouth seems to
open and shut at most, rms in canonical px: 0.2 to 1. People who look as alike and speak come to 3 and more."""

LEAST_LIKENESS = 3
"""Times a face is compared with itself, at least, before it is called a still."""


class Reason(StrEnum):
    """Why a stretch of a recording is not kept."""

    NO_FACE = "no face"
    SMALL = "face too small"
    STILL = "not alive"
    SILENT = "silent"
    OFF = "off screen"
    TWO = "two speak"
    UNCLEAR = "unclear who speaks"
    SHORT = "too short"
    BORDER = "next to a cut"
    CROWDED = "another face in the way"
    BLEND = "dissolve"
    STANDING = "no new picture"
    UNREADABLE = "unreadable"


LABEL = {reason: -1 - number for number, reason in enumerate(Reason)}
"""Reason -> how frames are labelled; from 0 on are the numbers of tracks."""
REASONS = {label: reason for reason, label in LABEL.items()}


def lags_in(shot: Batch, tracks: Sequence[Track], min_face: float) -> Floats:
    """How well each lag between lips and sound explains each track of a shot: [tracks, 17], see `speaking.Speaking`."""
    sound = _sound(shot)
    explained = np.zeros((len(tracks), len(LAGS)))
    for number, track in enumerate(tracks):
        if _unfit(track, min_face) is None:
            explained[number] = _judged(track, sound, USUAL).lags
    return explained


def labels(shot: Batch, tracks: Sequence[Track], lags: Floats, min_face: float, max_pause: float) -> Labels:
    """Label [n] of each frame of a shot: the number of the track that talks, or a reason (see LABEL).

    Of `shot` it takes `time`, `voice` [n] and `bands` [n, 8]; `lags` [tracks, 17] is how likely each lag is. Pauses,
    and moments that are not clear, of less than `max_pause` seconds are of whoever talks before and after; so are those
    between a talk and the end of the shot.
    """
    times = shot["time"]
    voiced = closed(shot["voice"] >= SPEAKS, times, max_pause)
    found = np.full(len(times), LABEL[Reason.NO_FACE])
    seen, judged = np.zeros(len(times), bool), dict[int, Track]()
    for number, track in enumerate(tracks):
        if why := _unfit(track, min_face):
            # A small face tells less against a shot than a photograph: what is said of it goes first.
            frames = track.frames[found[track.frames] != LABEL[Reason.SMALL]]
            found[frames] = LABEL[why]
        else:
            judged[number] = track
        seen[track.frames] = True
    sound = _sound(shot)
    told = {number: _judged(track, sound, lags[number]) for number, track in judged.items()}
    if judged:
        speaker = _speakers(times, judged, told)
        found = np.where(speaker != LABEL[Reason.NO_FACE], speaker, found)
    found[seen & ~voiced] = LABEL[Reason.SILENT]
    found = _bridged(found, times, tracks, max_pause)
    for begin, end in runs(found):
        if (who := int(found[begin])) >= 0:
            why = _against(told[who], times[begin], times[end - 1], lags[who])
            found[begin:end] = LABEL[why] if why else who
    return found


def _against(told: Speaking, begin: float, end: float, lags: Floats) -> Reason | None:
    """What a stretch as a whole says against whoever seems to talk from moment to moment."""
    seen, agreement = told.during(begin, end, lags)
    if seen < LEAST_SEEN:
        return Reason.UNCLEAR
    return Reason.OFF if agreement < DUBBED else None


def _unfit(track: Track, min_face: float) -> Reason | None:
    """Why a face cannot be that of a segment; None where it can."""
    if track.size < min_face:
        return Reason.SMALL
    return Reason.STILL if _is_still(track) else None


def _is_still(track: Track) -> bool:
    """Whether a face is one and the same picture throughout."""
    likeness, opening = (values[np.isfinite(values)] for values in (track.likeness, track.mouths[:, 0]))
    if len(likeness) < LEAST_LIKENESS:
        return False
    alike = float(np.median(likeness))
    return alike >= ALIKE or (alike >= MOVED and len(opening) > 0 and float(opening.std()) <= SHUT)


def _sound(shot: Batch) -> Sound:
    return Sound(shot["time"], shot["voice"].astype(np.float64), shot["bands"].astype(np.float64))


def _judged(track: Track, sound: Sound, lags: Floats) -> Speaking:
    looked = np.isfinite(track.mouths).all(axis=1)
    return speaking(sound.times[track.frames[looked]], track.mouths[looked], sound, lags)


def _speakers(times: Floats, tracks: Mapping[int, Track], told: Mapping[int, Speaking]) -> Labels:
    """Label of each frame, as if a voice was heard throughout; NO_FACE where none of these tracks is seen.

    Of people who are seen at once one speaks, or somebody else does, as in `speaking.one_of`; but pictures of talks and
    interviews show whoever speaks more often than not.
    """
    total, best, second = np.full(len(times), OFF), *np.zeros((2, len(times)))
    who, seen = np.full(len(times), -1), np.zeros(len(times), bool)
    for number, track in tracks.items():
        frames, ratio = track.frames, _ratios(told[number], times[track.frames])
        total[frames] += ratio
        first = ratio > best[frames]
        second[frames] = np.where(first, best[frames], np.maximum(second[frames], ratio))
        best[frames] = np.where(first, ratio, best[frames])
        who[frames] = np.where(first, number, who[frames])
        seen[frames] = True
    nobody = np.select(
        [~seen, OFF / total >= CLEAR, (best + second) / total >= CLEAR],
        [LABEL[Reason.NO_FACE], LABEL[Reason.OFF], LABEL[Reason.TWO]],
        LABEL[Reason.UNCLEAR],
    )
    nobody[(nobody == LABEL[Reason.TWO]) & (second == 0)] = LABEL[Reason.UNCLEAR]
    return np.where(best / total >= CLEAR, who, nobody)


def _ratios(found: Speaking, times: Floats) -> Floats:
    """How many times likelier it is than not, at these times, that the voice is this person's."""
    if not len(found.odds):
        return np.ones(len(times))
    nearest = np.searchsorted((found.times[1:] + found.times[:-1]) / 2, times)
    return np.asarray(np.exp(np.clip(found.odds[nearest], -30, 30)))


def runs(values: NDArray[np.generic]) -> Iterator[tuple[int, int]]:
    """Begin and end of each longest stretch of equal values."""
    borders = np.flatnonzero(values[1:] != values[:-1]) + 1
    yield from pairwise([0, *borders.tolist(), len(values)])


def closed(flags: Flags, times: Floats, longest: float) -> Flags:
    """Flags [n] without the gaps between them, and before the first and after the last, of less than `longest` s."""
    found = flags.copy()
    ends = np.append(times, times[-1:])
    for begin, end in runs(flags) if flags.any() else ():
        if not flags[begin] and ends[end] - times[begin] < longest:
            found[begin:end] = True
    return found


def _bridged(found: Labels, times: Floats, tracks: Sequence[Track], longest: float) -> Labels:
    """Labels [n] where a voice is at once the one's who talks before it or after it, while seen, unless two do."""
    filled, ends = found.copy(), np.append(times, times[-1:])
    silent = LABEL[Reason.SILENT]
    stretches = list(runs(np.where((found < 0) & (found != silent), -len(LABEL) - 1, found)))
    for number, (begin, end) in enumerate(stretches):
        if found[begin] >= 0 or found[begin] == silent or ends[end] - times[begin] >= longest:
            continue
        around = (int(found[first]) for first, _ in stretches[max(number - 1, 0) : number + 2])
        talkers = {label for label in around if label >= 0}
        if len(talkers) == 1 and _is_seen(tracks[min(talkers)], begin, end, times):
            filled[begin:end] = min(talkers)
    return filled


def _is_seen(track: Track, begin: int, end: int, times: Floats) -> bool:
    """Whether a face is seen from one frame to another, but for moments."""
    first, last = np.searchsorted(track.frames, (begin, end))
    seen = times[track.frames[first:last]]
    return bool(np.diff([times[begin], *seen, times[end - 1]]).max() <= UNSEEN)
