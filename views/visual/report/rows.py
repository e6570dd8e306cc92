"""What the report keeps of every video: one short row, boiled down from its status."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from portrait_prep.manifests.catalogue import DUPLICATE_OF, LABELS
from portrait_prep.manifests.verdict import RULES, QualitySettings, Reviewed
from portrait_prep.pipeline.status.plan import StageStatus, State
from portrait_prep.pipeline.status.survey import VideoStatus
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.measures import MEASURES, flat

BLANK = "…"
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w]|\.\d)%?")


class Blank:
    """Stands for any value in the reason of a rule."""

    def __format__(self, _: str) -> str:
        return BLANK

    def __getitem__(self, _: int) -> "Blank":
        return self


class Headings:
    """Finds the heading of a reason: a rule's with its thresholds, any other without what is the video's own."""

    def __init__(self, settings: QualitySettings) -> None:
        texts = dict.fromkeys(rule.reason.format(value=Blank(), limits=settings) for rule in RULES)
        self._rules = [(re.compile(".+?".join(map(re.escape, text.split(BLANK)))), text) for text in texts]

    def of(self, reason: str, video_id: str, source: str) -> str:
        """The heading. Of a reason that is no rule's: without the video's id, its file's name, and numbers."""
        for pattern, text in self._rules:
            if pattern.fullmatch(reason):
                return text
        if reason.startswith(DUPLICATE_OF):
            return f"{DUPLICATE_OF}{BLANK}"
        for own in sorted({video_id, source, PurePath(source).name} - {""}, key=len, reverse=True):
            reason = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", BLANK, reason)
        return NUMBER.sub(BLANK, reason)


class Result(StrEnum):
    """What became of a video, in the order in which the page lists it."""

    FAILED = "failed"
    REJECTED = "rejected"
    UNFINISHED = "unfinished"
    ACCEPTED = "accepted"
    LEFT_OUT = "left out"


COUNTED_LABELS = tuple(name for name, label in LABELS.items() if label.counted)
FACETS = tuple(dict.fromkeys(("corpus", "split", "fold", "four_class", *COUNTED_LABELS, "licence")))
"""Fields of the catalogue by which videos are counted, where they have values, the most asked for first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One video on the page: a few short texts and numbers, since one is held for every video of the catalogue.

    `states` has the state of each stage, `notes` why a stage is not done; `reasons` are pairs of a heading and a text;
    `measures` has one number for each of MEASURES. `location` is None while there are no frames.
    """

    video_id: str
    subject: str
    source: str
    shard: str
    defect: str | None
    facets: tuple[str | None, ...]
    seconds: float | None
    result: Result
    states: tuple[State, ...]
    notes: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    measures: tuple[float | None, ...]
    location: VideoLocation | None

    @classmethod
    def of(cls, video_status: VideoStatus, headings: Headings) -> "Row":
        """Boil the status of a video down."""
        video, statuses = video_status.video, video_status.statuses
        records = {name: status.record for name, status in statuses.items() if _holds(status)}
        metrics = {"normalize.seconds": video.duration}
        metrics |= flat({name: record for name, record in records.items() if record})
        values = (getattr(video, name) for name in FACETS)
        return cls(
            video_id=video.video_id,
            subject=video.subject,
            source=video.source,
            shard=video.shard,
            defect=video.defect,
            facets=tuple(None if value is None else str(value) for value in values),
            seconds=metrics["normalize.seconds"],
            result=_result(video_status),
            states=tuple(status.state for status in statuses.values()),
            notes=tuple(_note(status) for status in statuses.values()),
            reasons=tuple(
                (headings.of(reason, video.video_id, video.source), reason) for reason in _reasons(video_status)
            ),
            measures=tuple(measure.of(metrics) for measure in MEASURES),
            location=VideoLocation.of(video_status),
        )


def _holds(status: StageStatus) -> bool:
    """Whether what the stage measured counts: also of a setting that has changed since, but not of a failure."""
    return status.record is not None and status.record.done


def _note(status: StageStatus) -> str:
    return "" if status.state is State.DONE else status.reason


def _result(video_status: VideoStatus) -> Result:
    states = {status.state for status in video_status.statuses.values()}
    if not video_status.video.worked_on:
        return Result.LEFT_OUT
    if State.FAILED in states:
        return Result.FAILED
    if video_status.verdict.accepted:
        return Result.ACCEPTED
    return Result.UNFINISHED if states & {State.PENDING, State.STALE} else Result.REJECTED


def _reasons(video_status: VideoStatus) -> Iterator[str]:
    """All there is to say of what became of it."""
    yield from _failures(video_status.statuses)
    yield from _quality_reasons(video_status) or _waiting(video_status)
    yield from _accepted_by(video_status)


def _failures(statuses: Mapping[str, StageStatus]) -> Iterator[str]:
    """What made the video fail a stage, and what a retry would do."""
    for stage, status in statuses.items():
        record = status.record
        if status.state is State.FAILED and record and record.error:
            attempts = f"{record.attempts} attempt{'' if record.attempts == 1 else 's'}"
            who = "every run" if status.again else "--retry-failed"
            hope = "no retry will mend it" if record.error.permanent else f"{who} tries it again"
            yield f"{stage}: {record.error.message} ({record.error.type}, {attempts}; {hope})"


def _quality_reasons(video_status: VideoStatus) -> tuple[str, ...]:
    """The reasons of the verdict without those that only repeat the state of a stage."""
    repeated = tuple(
        f"{name} is {status.state}" for name, status in video_status.statuses.items() if status.state is not State.DONE
    )
    return tuple(reason for reason in video_status.verdict.reasons if not reason.startswith(repeated))


def _accepted_by(video_status: VideoStatus) -> Iterator[str]:
    """Who accepted the video, and what the rules had against it. Who rejected it is among the verdict's reasons."""
    verdict = video_status.verdict
    if isinstance(verdict, Reviewed) and verdict.review.decision == "accept":
        yield f"{verdict.review.who} accepted it: {verdict.review.why}"
        yield from (f"overruled: {reason}" for reason in verdict.overruled)


def _waiting(video_status: VideoStatus) -> tuple[str, ...]:
    """Of a video without a quality reason: what the first stage waits for, or why the video is left out."""
    if not video_status.video.worked_on:
        return (str(video_status.video.defect),)
    for stage, status in video_status.statuses.items():
        if status.state in (State.PENDING, State.STALE):
            return (f"{stage} is {status.state}: {status.reason}",)
    return ()
