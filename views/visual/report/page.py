"""Puts the page together and writes it: one file that needs no other and no network."""

import base64
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateStream

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.printing import printable
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.stages.face.mesh import EDGES
from portrait_prep.stages.recordings import overview
from portrait_prep.views.visual.report.charts import charts
from portrait_prep.views.visual.report.detail import detail
from portrait_prep.views.visual.report.pictures import PICTURES, pictured
from portrait_prep.views.visual.report.reasons import Headings
from portrait_prep.views.visual.report.recordings.section import RecordingsSection
from portrait_prep.views.visual.report.row import Row
from portrait_prep.views.visual.report.rows import Rows
from portrait_prep.views.visual.report.text import clock, embedded, embedded_parts
from portrait_prep.views.visual.report.totals import Totals

SCRIPTS = (
    "corpus",
    "filters",
    "format",
    "table",
    "histogram",
    "summary",
    "subjects",
    "videos",
    "curves",
    "mesh",
    "drawer",
    "stretch",
    "timeline",
    "recordings",
    "start",
)
"""Files of `browser/` in the order in which they run, as one script."""


def write_report(session: Session, pictures: int = PICTURES, show: Collection[str] = ()) -> Path:
    """Write `report/index.html`, whole or not at all, and return its path.

    Reads records and, for at most `pictures` videos and those of `show`, frames and rows. What cannot be read of a
    video is left out. Raises BadInput when the workspace cannot be read or written to, or has no video of `show`.
    """
    workspace = session.workspace
    _ = session.settings
    section = RecordingsSection(session, pictures, show)
    names = sorted(set(show).difference(section.names))
    shown = session.named(names) if names else []
    workspace.require_writable()
    path = workspace.root / "report" / "index.html"
    page = render(session, pictures, shown, section)
    try:
        workspace.folder("report")
        with replacing(path) as temporary, temporary.open("wb") as file:
            page.dump(file, "utf-8")
    except OSError as error:
        raise BadInput(f"The report cannot be written to {path}: {error.strerror}.") from error
    return path


def render(
    session: Session, pictures: int = PICTURES, show: Collection[str] = (), recordings: RecordingsSection | None = None
) -> TemplateStream:
    """The page as a stream; the same workspace gives the same page.

    Takes some hundred bytes of memory a video: pictures are made while the stream is written.
    """
    recordings = recordings or RecordingsSection(session, pictures)
    has_videos = session.workspace.catalogue.exists() or not overview.has_recordings(session)
    rows, totals, last_work = _gathered(session, session.summaries() if has_videos else ())
    drawn = pictured(rows, pictures, show)
    style, script = _read("page.css") + (_read("recordings.css") if recordings.names else ""), _script()
    return (
        _environment()
        .get_template("page.html")
        .stream(
            workspace=session.workspace.root.name,
            totals=totals,
            last_work=last_work,
            unmeasured=rows.unmeasured(),
            Result=Result,
            State=State,
            has_videos=has_videos,
            overview=list(overview.lines(session)),
            recordings=embedded_parts(recordings.parts()) if recordings.names else (),
            timelines=((number, embedded(_printable_all(told))) for number, told in recordings.timelines()),
            drawn=len(drawn),
            style=style,
            script=script,
            policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
            corpus=embedded_parts(rows.parts(session.settings.quality, drawn)),
            edges=embedded(_edges()),
            details=_details(session, rows, drawn),
        )
    )


def _gathered(session: Session, found: Iterable[Sequence[VideoSummary]]) -> tuple[Rows, Totals, str]:
    """The rows of the videos found, what they come to, and when the last of their stages was begun."""
    stages = [stage.name for stage in session.stages]
    headings, shown, last_work = Headings(session.planner.rules), charts(session.stages), ""
    rows, totals = Rows(stages, shown), Totals(stages)
    for shard in found:
        for summary in shard:
            row = Row.of(summary, shown, headings)
            rows.add(row)
            totals.add(row)
            last_work = max(last_work, summary.started)
    return rows, totals, last_work


def _details(session: Session, rows: Rows, drawn: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Number and embedded detail of each row that is drawn, made one at a time."""
    if not drawn:
        return
    ids = {rows.video_id(number) for number in drawn}
    videos = {video.video_id: video for video in session.videos if video.video_id in ids}
    for number in drawn:
        location = rows.location(number)
        content = detail(location, session.workspace, videos[location.video_id])
        yield number, embedded(_printable_all(content))


def _printable_all(value: Any) -> Any:
    """A value whose texts are safe to print."""
    if isinstance(value, Mapping):
        return {name: _printable_all(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_printable_all(part) for part in value]
    return printable(value)


def _edges() -> dict[str, list[int]]:
    """The lines of the mesh: name -> points, two for each line."""
    return {name: lines.reshape(-1).tolist() for name, lines in EDGES.items()}


def _read(name: str) -> str:
    return (files("portrait_prep.views.visual.report.browser") / name).read_text("utf-8")


def _script() -> str:
    """All scripts as one, in a scope of its own."""
    parts = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _hash(text: str) -> str:
    """The hash by which a Content Security Policy (W3C, level 3) allows one inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("portrait_prep.views.visual.report", "browser"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["clock"] = clock
    return environment


def _shown(value: Any) -> Any:
    """Foreign text made safe to print; markup of the page itself stays as it is."""
    return value if hasattr(value, "__html__") else printable(value)
