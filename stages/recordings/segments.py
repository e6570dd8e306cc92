"""Segments: a recording, frame by frame, becomes stretches of one shot with one speaking person, and the rest."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from portrait_prep.manifests.segments import Segment
from portrait_prep.media.box import Box
from portrait_prep.pipeline.declare.section import PlainSection
from portrait_prep.pipeline.declare.stage import Batch, Params
from portrait_prep.stages.models.silero import SPEAKS
from portrait_prep.stages.recordings.people import Seen, mean_embedding, mean_shape, people_of
from portrait_prep.stages.recordings.regions import region
from portrait_prep.stages.recordings.shot_frames import is_long
from portrait_prep.stages.recordings.speaking import LAGS, lags_of_others
from portrait_prep.stages.recordings.talk import LABEL, REASONS, Reason, labels, lags_in, runs
from portrait_prep.stages.recordings.tracks import Track, tracks_of

Floats = NDArray[np.float64]

VERSION = 3
"""Raised when the same columns would give other segments."""

EARLY = 0.0005
"""Seconds before its first frame at which a segment begins, so that rounding takes no frame away and adds none."""

EVERY = 5
"""Frames between which it is not asked whether another face has come."""

PAUSE = 0.4
"""Seconds over which a voice is averaged to find where it pauses most."""


class SegmentParams(Params):
    """What becomes a segment."""

    min_seconds: float = Field(3.0, ge=0.2, le=3600, description="length of a segment at least, seconds")
    max_seconds: float = Field(
        60.0, ge=0.2, le=3600, description="at most, seconds: what is longer is cut where the voice pauses"
    )
    max_pause: float = Field(
        1.5,
        ge=0,
        le=60,
        description="pauses of the voice, and moments at which it is not clear who speaks, of less than so many "
        "seconds do not end a segment",
    )
    margin: float = Field(0.04, ge=0, le=5, description="seconds that are left out next to cuts and dissolves")
    min_face: float = Field(
        64.0, ge=24, le=4320, description="median height of the face at least, pixels of the source as displayed"
    )
    room: float = Field(
        1.5, ge=0.3, le=8, description="space around the face in the crop, in its heights: [normalize] margin needs 1"
    )

    @model_validator(mode="after")
    def _in_order(self) -> "SegmentParams":
        if self.min_seconds > self.max_seconds:
            raise ValueError("min_seconds must not be above max_seconds")
        return self


SECTION = PlainSection("segment", SegmentParams)


@dataclass(frozen=True)
class Recording:
    """A file, its name in ids, its displayed (width, height)."""

    name: str
    source: str
    picture: tuple[int, int]


@dataclass(frozen=True)
class Stretch:
    """Frames `begin` to `end` of a shot, of one person (`track`) or nobody; without a `reason` it is kept."""

    begin: int
    end: int
    reason: Reason | None
    track: int | None = None
    crop: Box | None = None


def stretches(
    shot: Batch, tracks: Sequence[Track], lags: Floats, picture: tuple[int, int], params: SegmentParams
) -> list[Stretch]:
    """Divide a shot of n frames; every frame is in exactly one stretch.

    `shot` has what `tracks_of` and `labels` take, and `ends` [n]: when each frame makes way for the next. `cut_before`
    and `cut_after` tell whether the shot borders on another one (one value each).
    """
    found = labels(shot, tracks, lags, params.min_face, params.max_pause)
    found[(found >= 0) & _near_a_cut(shot, params.margin)] = LABEL[Reason.BORDER]
    divided: list[Stretch] = []
    for begin, end in runs(found):
        if found[begin] < 0:
            divided.append(Stretch(begin, end, REASONS[int(found[begin])]))
        else:
            divided += _talk(shot, Stretch(begin, end, None, int(found[begin])), tracks, picture, params)
    return divided


def _near_a_cut(shot: Batch, margin: float) -> NDArray[np.bool_]:
    times, ends = shot["time"], shot["ends"]
    within = margin - EARLY
    after = shot["cut_before"] & (times - times[0] < within)
    return np.asarray(after | (shot["cut_after"] & (ends[-1] - ends < within)))


def _talk(
    shot: Batch, talk: Stretch, tracks: Sequence[Track], picture: tuple[int, int], params: SegmentParams
) -> Iterator[Stretch]:
    """What one person says, cut where it is too long."""
    for begin, end in _pieces(shot, talk.begin, talk.end, params):
        piece = replace(talk, begin=begin, end=end)
        if _seconds(shot, begin, end) < params.min_seconds:
            yield replace(piece, reason=Reason.SHORT)
        else:
            yield from _alone(shot, piece, tracks, picture, params)


def _alone(
    shot: Batch, piece: Stretch, tracks: Sequence[Track], picture: tuple[int, int], params: SegmentParams
) -> Iterator[Stretch]:
    """A piece of talk, without what comes before another face has gone or after it has come."""

    def crop(begin: int, end: int) -> Box | None:
        faces = [_boxes(track, begin, end) for track in tracks]
        own = faces.pop(piece.track or 0)
        return region(own, [boxes for boxes in faces if len(boxes)], picture, params.room) if len(own) else None

    begin = left = piece.begin
    end = piece.end
    while begin < piece.end:
        if (found := crop(begin, end)) is None:
            ends = range(begin + EVERY, piece.end, EVERY)
            end = next((last - EVERY for last in ends if crop(begin, last) is None), piece.end - 1)
            found = crop(begin, end) if end > begin else None
        if found and _seconds(shot, begin, end) >= params.min_seconds:
            if left < begin:
                yield replace(piece, begin=left, end=begin, reason=Reason.CROWDED)
            yield replace(piece, begin=begin, end=end, crop=found)
            left = end
        begin, end = max(end, begin + EVERY), piece.end
    if left < piece.end:
        yield replace(piece, begin=left, reason=Reason.CROWDED)


def _seconds(shot: Batch, begin: int, end: int) -> float:
    return float(_lengths(shot, begin, shot["ends"][end - 1]))


def _lengths(shot: Batch, begin: int, ends: Floats) -> Floats:
    """Seconds from a frame to some moments, as segments have them: rounding misses no limit."""
    return np.round(before(ends) - before(shot["time"][begin]), 4)


def _boxes(track: Track, begin: int, end: int) -> Floats:
    first, last = np.searchsorted(track.frames, (begin, end))
    return track.boxes[first:last]


def _pieces(shot: Batch, begin: int, end: int, params: SegmentParams) -> Iterator[tuple[int, int]]:
    """Frames cut into pieces that are not too long, nor too short where that can be, where the voice pauses most."""
    voice = _averaged(shot)
    while end - begin > 1 and _seconds(shot, begin, end) > params.max_seconds:
        cuts = np.arange(begin + 1, end)
        lengths = _lengths(shot, begin, shot["time"][cuts])
        fits = lengths <= params.max_seconds
        enough = fits & (lengths >= params.min_seconds)
        rest = np.round(before(shot["ends"][end - 1]) - before(shot["time"][cuts]), 4) >= params.min_seconds
        wishes = (enough & rest & (lengths >= params.max_seconds / 2), enough & rest, enough, fits)
        possible = next((cuts[wish] for wish in wishes if wish.any()), cuts[:1])
        level = voice[possible]
        cut = int(possible[np.flatnonzero(level == level.min())[-1]])
        yield begin, cut
        begin = cut
    yield begin, end


def _averaged(shot: Batch) -> Floats:
    """The mean probability of a voice around the moment at which each frame begins."""
    times, voice = shot["time"], shot["voice"].astype(np.float64)
    sums = np.concatenate([[0.0], voice.cumsum()])
    first, last = (np.searchsorted(times, times + offset) for offset in (-PAUSE / 2, PAUSE / 2))
    return np.asarray(np.round((sums[last] - sums[first]) / np.maximum(last - first, 1), 6))


Shots = Callable[[], Iterable[Batch]]
"""Reads a recording's shots, and what lies between, as `stretches` takes them: whole, as often as it is called.

With `shot` [n], the number of the shot, or -1 where frames show two of them.
"""


def segments(recording: Recording, shots: Shots, params: SegmentParams) -> Iterator[Segment]:
    """The rows of a recording, in order: every moment of it is in exactly one.

    It is gone through twice: once to learn who is in it, and how far lips and sound are apart.
    """
    found, at = Found.of(shots(), params), 0
    for shot in shots():
        tracks = _tracks(shot)
        own = slice(at, at + len(tracks))
        people, at = found.people[own], own.stop
        divided = (
            stretches(shot, tracks, found.lags[own], recording.picture, params)
            if _is_shot(shot)
            else [Stretch(0, len(shot["time"]), _of_no_shot(shot))]
        )
        yield from (_row(recording, shot, stretch, people) for stretch in divided)


@dataclass(frozen=True)
class Found:
    """Of each track of all shots: how likely each lag is, [tracks, 17], and the number of the person."""

    lags: Floats
    people: Sequence[int]

    @classmethod
    def of(cls, shots: Iterable[Batch], params: SegmentParams) -> "Found":
        """Look at each track by itself, and then at all together."""
        explained, seen = [np.zeros((0, len(LAGS)))], list[Seen]()
        for shot in shots:
            tracks = _tracks(shot)
            explained.append(lags_in(shot, tracks, params.min_face))
            seen += (_seen(int(shot["shot"][0]), track) for track in tracks)
        lags = np.concatenate(explained)
        return cls(lags_of_others(list(lags)) if len(lags) else lags, people_of(seen))


def _seen(shot: int, track: Track) -> Seen:
    first, last = (int(track.frames[place]) for place in (0, -1))
    return Seen(shot, first, last, mean_shape(track.shapes), mean_embedding(track.embeddings))


def _tracks(shot: Batch) -> list[Track]:
    return tracks_of(shot) if _is_shot(shot) else []


def _is_shot(shot: Batch) -> bool:
    return bool(shot["shot"][0] >= 0)


def _of_no_shot(shot: Batch) -> Reason:
    return Reason.STANDING if is_long(shot["time"], shot["ends"]).all() else Reason.BLEND


def _row(recording: Recording, shot: Batch, stretch: Stretch, people: Sequence[int]) -> Segment:
    time, crop, number = shot["time"][stretch.begin], stretch.crop, int(shot["shot"][0])
    person = None if stretch.track is None else f"{recording.name}-{people[stretch.track]:03d}"
    place: dict[str, int] = {} if crop is None else {f"crop_{name}": getattr(crop, name) for name in "xywh"}
    return Segment(
        segment_id=segment_id(recording.name, person, float(time)),
        recording=recording.name,
        source=recording.source,
        start=float(before(time)),
        end=float(before(shot["ends"][stretch.end - 1])),
        subject=person,
        voice_share=round(float((shot["voice"][stretch.begin : stretch.end] >= SPEAKS).mean()), 4),
        kept=stretch.reason is None,
        reason=stretch.reason and stretch.reason.value,
        shot=None if number < 0 else number,
        track=stretch.track,
        **place,
    )


def segment_id(recording: str, person: str | None, time: float) -> str:
    """The name of what begins with a frame at a time (s). A pattern finds all segments of one person."""
    return f"{person or f'{recording}-none'}-{round(time * 1000):08d}"


def before(times: Floats) -> Floats:
    """Just before some frames: each is the first one from there on, and none before it is. Seconds, 0 or more."""
    return np.asarray(np.round(np.maximum(times - EARLY, 0.0), 4))
