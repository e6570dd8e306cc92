"""What the report keeps of every video: one short row, made from its status."""

from collections.abc import Sequence
from dataclasses import dataclass

from portrait_prep.manifests.video import LABELS
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result, result_of
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.charts import Chart, flat, numbers
from portrait_prep.views.visual.report.reasons import Headings, reasons_of

COUNTED_LABELS = tuple(name for name, label in LABELS.items() if label.counted)
FACETS = tuple(dict.fromkeys(("corpus", "split", "fold", "four_class", *COUNTED_LABELS, "licence")))
"""Fields of the catalogue by which videos are counted, where they have values, the most asked for first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One video on the page.

    `facets` has the values of FACETS; `states` the state of each stage, `notes` why a stage is not done ("" if it is);
    `reasons` pairs of a heading and a text; `measures` one number for each chart, None where there is none. `location`
    is None while there are no frames.
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
    def of(cls, summary: VideoSummary, shown: Sequence[Chart], headings: Headings) -> "Row":
        """The row of a video; `shown` are the charts of the page. Outdated measures are shown, too."""
        video = summary.video
        metrics = {"normalize.seconds": video.duration} | flat(summary.done)
        values = (getattr(video, name) for name in FACETS)
        return cls(
            video_id=video.video_id,
            subject=video.subject,
            source=video.source,
            shard=video.shard,
            defect=video.defect,
            facets=tuple(None if value is None else str(value) for value in values),
            seconds=next(iter(numbers(metrics["normalize.seconds"])), None),
            result=result_of(summary),
            states=tuple(summary.states.values()),
            notes=tuple(
                "" if state is State.DONE else summary.reasons[stage] for stage, state in summary.states.items()
            ),
            reasons=tuple(
                (headings.of(reason, video.video_id, video.source), reason.text) for reason in reasons_of(summary)
            ),
            measures=tuple(chart.of(metrics) for chart in shown),
            location=VideoLocation.of(summary),
        )
