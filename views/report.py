"""The report for people: one self-contained page with where every video stands, why, and a picture of it."""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from manifests.atomic import replacing
from manifests.errors import BadInput
from pipeline.census import Census
from pipeline.plan import Standing, State
from pipeline.session import Session
from pipeline.survey import Dossier
from pipeline.workspace import Workspace
from views.picture import annotate, thumbnail
from views.still import Place

PICTURES = 300
"""Most pictures on a page, problems first: some 10 kB each, so that a page stays within a few megabytes."""
PICTURE_SIDE = 192


class Lot(StrEnum):
    """What became of a video; in this order they stand on the page."""

    FAILED = "failed"
    REJECTED = "rejected"
    UNFINISHED = "unfinished"
    ACCEPTED = "accepted"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Cell:
    """One video at one stage."""

    state: State
    reason: str


@dataclass(frozen=True)
class Error:
    """What made a video fail a stage."""

    stage: str
    told: str
    kind: str
    attempts: int
    permanent: bool


@dataclass(frozen=True)
class Row:
    """One video on the page: a few short texts, since one is held for every video of the catalogue."""

    video_id: str
    subject: str
    source: str
    seconds: float | None
    lot: Lot
    cells: tuple[Cell, ...]
    reasons: tuple[str, ...]
    errors: tuple[Error, ...]
    place: Place | None
    manifest: bool
    """Whether there is a manifest file to link to."""

    @classmethod
    def of(cls, dossier: Dossier, workspace: Workspace) -> "Row":
        """Boil a dossier down."""
        video, standings = dossier.video, dossier.standings
        return cls(
            video_id=video.video_id,
            subject=video.subject,
            source=video.source,
            seconds=_seconds(dossier),
            lot=_lot(dossier),
            cells=tuple(Cell(standing.state, standing.reason) for standing in standings.values()),
            reasons=_quality_reasons(dossier) or _waiting(dossier),
            errors=tuple(_errors(standings.values())),
            place=Place.of(dossier),
            manifest=workspace.manifest(video.video_id).is_file(),
        )


def _lot(dossier: Dossier) -> Lot:
    states = {standing.state for standing in dossier.standings.values()}
    if not dossier.video.worked_on:
        return Lot.LEFT_OUT
    if State.FAILED in states:
        return Lot.FAILED
    if dossier.verdict.accepted:
        return Lot.ACCEPTED
    return Lot.UNFINISHED if states & {State.PENDING, State.STALE} else Lot.REJECTED


def _seconds(dossier: Dossier) -> float | None:
    """Length as normalized, else as the catalogue has it."""
    normalize = dossier.standings.get("normalize")
    record = normalize.record if normalize else None
    measured = record.metrics.get("seconds") if record and record.done else None
    return dossier.video.duration if measured is None else float(measured)


def _quality_reasons(dossier: Dossier) -> tuple[str, ...]:
    """The reasons of the verdict without those that only repeat the state of a stage."""
    repeated = tuple(
        f"{name} is {standing.state}"
        for name, standing in dossier.standings.items()
        if standing.state is not State.DONE
    )
    return tuple(reason for reason in dossier.verdict.reasons if not reason.startswith(repeated))


def _waiting(dossier: Dossier) -> tuple[str, ...]:
    """Of a video without a quality reason: what the first stage waits for, or why the video is left out."""
    if not dossier.video.worked_on:
        return (str(dossier.video.defect),)
    for stage, standing in dossier.standings.items():
        if standing.state in (State.PENDING, State.STALE):
            return (f"{stage} is {standing.state}: {standing.reason}",)
    return ()


def _errors(standings: Iterable[Standing]) -> Iterator[Error]:
    for standing in standings:
        record = standing.record
        if standing.state is State.FAILED and record and record.error:
            error = record.error
            yield Error(record.stage, error.message, error.type, record.attempts, error.permanent)


@dataclass
class Totals:
    """The figures at the head of the page. A row that repeats another video adds no footage."""

    seconds: float = 0.0
    accepted_seconds: float = 0.0
    last_work: str = ""

    def add(self, dossier: Dossier, row: Row) -> None:
        """Take in one video."""
        seconds = row.seconds or 0.0
        self.seconds += seconds if dossier.video.worked_on else 0.0
        self.accepted_seconds += seconds if dossier.verdict.accepted else 0.0
        started = (standing.record.started for standing in dossier.standings.values() if standing.record)
        self.last_work = max(self.last_work, *started, "")


def write_report(session: Session, pictures: int = PICTURES) -> Path:
    """Write `report/index.html`, whole or not at all, and return its path.

    Reads records and, for at most `pictures` videos (problems first), one frame and its row. What the page shows of a
    video that cannot be read is a placeholder. Raises BadInput when the workspace cannot be read or written to.
    """
    workspace = session.workspace
    _ = session.settings, session.videos
    workspace.require_writable()
    page = render(session, pictures)
    path = workspace.root / "report" / "index.html"
    try:
        with replacing(path) as temporary:
            temporary.write_text(page, "utf-8")
    except OSError as error:
        raise BadInput(f"The report cannot be written to {path}: {error.strerror}.") from error
    return path


def render(session: Session, pictures: int = PICTURES) -> str:
    """The page. The same workspace gives the same page."""
    census, totals, rows = Census(session.stages), Totals(), list[Row]()
    for shard in session.dossiers():
        census.add(shard)
        for dossier in shard:
            row = Row.of(dossier, session.workspace)
            totals.add(dossier, row)
            rows.append(row)
    rows.sort(key=lambda row: list(Lot).index(row.lot))
    return (
        _environment()
        .get_template("report.html")
        .render(
            workspace=session.workspace.root.name,
            stages=[stage.name for stage in session.stages],
            states=list(State),
            census=census,
            lots=Counter(row.lot for row in rows),
            totals=totals,
            rows=_illustrated(rows, session.workspace, pictures),
            pictures=pictures,
        )
    )


def _illustrated(rows: Sequence[Row], workspace: Workspace, pictures: int) -> Iterator[tuple[Row, str | None]]:
    """Each row with its picture as a data: URI, as the page comes to it."""
    for row in rows:
        picture = None
        if pictures and row.place:
            picture = _picture(row.place, workspace)
            pictures -= 1
        yield row, picture


def _picture(place: Place, workspace: Workspace) -> str | None:
    still = place.load(workspace)
    if still is None:
        return None
    jpeg = thumbnail(annotate(still), PICTURE_SIDE)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("views", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["clock"] = clock
    return environment


def _printable(value: Any) -> Any:
    """Names come from foreign files: control characters, lone surrogates and marks that turn the text around show
    as their escapes."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)


def clock(seconds: float | None) -> str:
    """Seconds as people read them: `4.96 s`, `2 min 05 s`, `3 h 07 min`."""
    if seconds is None:
        return "unknown"
    if round(seconds, 2) < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
