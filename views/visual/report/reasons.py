"""Why videos were accepted, rejected or not finished, and the headings under which the page counts such reasons."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from portrait_prep.manifests.verdict import Reviewed
from portrait_prep.manifests.video import DUPLICATE_OF
from portrait_prep.manifests.wording import counted
from portrait_prep.pipeline.declare.quality import Rule
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoSummary

BLANK = "…"
"""Stands for a name or number in a heading."""
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w]|\.\d)%?")


@dataclass(frozen=True)
class Reason:
    """Why a video has its result. `rule`: the setting of `[quality]` that gave the reason, if one did."""

    text: str
    rule: str | None = None


class Headings:
    """Groups reasons that differ only in the numbers and names of each video, under a common heading."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.key: rule for rule in rules}

    def of(self, reason: Reason, video_id: str, source: str) -> str:
        """The heading of the rule; else the text of the reason, with video id, file name and numbers left BLANK."""
        if reason.rule in self._rules:
            return self._rules[reason.rule].heading
        if reason.text.startswith(DUPLICATE_OF):
            return f"{DUPLICATE_OF}{BLANK}"
        text = reason.text
        for own in sorted({video_id, source, PurePath(source).name} - {""}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", BLANK, text)
        return NUMBER.sub(BLANK, text)


def reasons_of(summary: VideoSummary) -> Iterator[Reason]:
    """Why a video has its result, errors of stages first; what only repeats the state of a stage is left out."""
    yield from map(Reason, _failures(summary))
    yield from list(_against(summary)) or map(Reason, _waiting(summary))
    yield from _in_favour(summary)


def _failures(summary: VideoSummary) -> Iterator[str]:
    """The error of each stage that failed, and what a retry would do."""
    for failure in summary.failures:
        attempts = counted(failure["attempts"], "attempt")
        who = "every run" if failure["stage"] in summary.retried else "--retry-failed"
        hope = "no retry will mend it" if failure["permanent"] else f"{who} tries it again"
        yield f"{failure['stage']}: {failure['message']} ({failure['type']}, {attempts}; {hope})"


def _against(summary: VideoSummary) -> Iterator[Reason]:
    """Rejections: a person's, and those of the rules."""
    verdict = summary.verdict
    if isinstance(verdict, Reviewed) and verdict.review.decision == "reject":
        yield Reason(verdict.review.sentence)
    yield from (Reason(text, rule) for text, rule in zip(verdict.reasons, verdict.rules, strict=True) if rule)


def _in_favour(summary: VideoSummary) -> Iterator[Reason]:
    """A person's acceptance, and the rejections that it overruled."""
    verdict = summary.verdict
    if isinstance(verdict, Reviewed) and verdict.review.decision == "accept":
        yield Reason(verdict.review.sentence)
        yield from (Reason(f"overruled: {text}") for text in verdict.overruled)


def _waiting(summary: VideoSummary) -> tuple[str, ...]:
    """Why the first stage that is not current is not, or why the video is left out; for videos without a rejection."""
    if not summary.video.worked_on:
        return (str(summary.video.defect),)
    for stage, state in summary.states.items():
        if state in (State.PENDING, State.STALE):
            return (f"{stage} is {state}: {summary.reasons[stage]}",)
    return ()
