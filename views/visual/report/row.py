"""What the report keeps of every video: one short row, boiled down from its status."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from portrait_prep.manifests.catalogue import DUPLICATE_OF, LABELS
from portrait_prep.manifests.verdict import Reviewed
from portrait_prep.pipeline.declare.quality import Rule
from portrait_prep.pipeline.status.plan import StageStatus, State
from portrait_prep.pipeline.status.result import Result, result_of
from portrait_prep.pipeline.status.survey import VideoStatus
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.charts import Chart, flat

BLANK = "…"
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w]|\.\d)%?")


@dataclass(frozen=True)
class Reason:
    """Why a video is not accepted, or is all the same. `rule`: the setting of `[quality]` that spoke, if one did."""

    text: str
    rule: str | None = None


class Headings:
    """Finds the heading of reasons of like kind: the numbers and names in them differ from video to video."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.key: rule for rule in rules}

    def of(self, reason: Reason, video_id: str, source: str) -> str:
        """A rule's own; of any other reason its text without the video's id, its file's name, and numbers."""
        if reason.rule in self._rules:
            return self._rules[reason.rule].heading
        if reason.text.startswith(DUPLICATE_OF):
            return f"{DUPLICATE_OF}{BLANK}"
        text = reason.text
        for own in sorted({video_id, source, PurePath(source).name} - {""}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", BLANK, text)
        return NUMBER.sub(BLANK, text)


COUNTED_LABELS = tuple(name for name, label in LABELS.items() if label.counted)
FACETS = tuple(dict.fromkeys(("corpus", "split", "fold", "four_class", *COUNTED_LABELS, "licence")))
"""Fields of the catalogue by which videos are counted, where they have values, the most asked for first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One video on the page: a few short texts and numbers, since one is held for every video of the catalogue.

    `states` has the state of each stage, `notes` why a stage is not done; `reasons` are pairs of a heading and a text;
    `measures` has one number for each chart. `location` is None while there are no frames.
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
    def of(cls, video_status: VideoStatus, shown: Sequence[Chart], headings: Headings) -> "Row":
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
            result=result_of(video_status),
            states=tuple(status.state for status in statuses.values()),
            notes=tuple(_note(status) for status in statuses.values()),
            reasons=tuple(
                (headings.of(reason, video.video_id, video.source), reason.text) for reason in _reasons(video_status)
            ),
            measures=tuple(chart.of(metrics) for chart in shown),
            location=VideoLocation.of(video_status),
        )


def _holds(status: StageStatus) -> bool:
    """Whether what the stage measured counts: also of a setting that has changed since, but not of a failure."""
    return status.record is not None and status.record.done


def _note(status: StageStatus) -> str:
    return "" if status.state is State.DONE else status.reason


def _reasons(video_status: VideoStatus) -> Iterator[Reason]:
    """All there is to say of what became of it. What only repeats the state of a stage is left out."""
    yield from map(Reason, _failures(video_status.statuses))
    yield from list(_against(video_status)) or map(Reason, _waiting(video_status))
    yield from _in_favour(video_status)


def _failures(statuses: Mapping[str, StageStatus]) -> Iterator[str]:
    """What made the video fail a stage, and what a retry would do."""
    for stage, status in statuses.items():
        record = status.record
        if status.state is State.FAILED and record and record.error:
            attempts = f"{record.attempts} attempt{'' if record.attempts == 1 else 's'}"
            who = "every run" if status.again else "--retry-failed"
            hope = "no retry will mend it" if record.error.permanent else f"{who} tries it again"
            yield f"{stage}: {record.error.message} ({record.error.type}, {attempts}; {hope})"


def _against(video_status: VideoStatus) -> Iterator[Reason]:
    """What a person, and the rules, have against it."""
    verdict = video_status.verdict
    if isinstance(verdict, Reviewed) and verdict.review.decision == "reject":
        yield Reason(verdict.review.sentence)
    yield from (Reason(text, rule) for text, rule in zip(verdict.reasons, verdict.rules, strict=True) if rule)


def _in_favour(video_status: VideoStatus) -> Iterator[Reason]:
    """Who accepted the video, and what the rules had against it."""
    verdict = video_status.verdict
    if isinstance(verdict, Reviewed) and verdict.review.decision == "accept":
        yield Reason(verdict.review.sentence)
        yield from (Reason(f"overruled: {text}") for text in verdict.overruled)


def _waiting(video_status: VideoStatus) -> tuple[str, ...]:
    """Of a video without a quality reason: what the first stage waits for, or why the video is left out."""
    if not video_status.video.worked_on:
        return (str(video_status.video.defect),)
    for stage, status in video_status.statuses.items():
        if status.state in (State.PENDING, State.STALE):
            return (f"{stage} is {status.state}: {status.reason}",)
    return ()
