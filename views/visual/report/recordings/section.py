"""All that the page says of recordings: what each came to, and the timelines of as many as it has room for."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from portrait_prep.manifests.corpora.folder.files import SUFFIXES
from portrait_prep.manifests.printing import printable
from portrait_prep.manifests.segments import NONE, Segment, Segments, readable_segments
from portrait_prep.manifests.video import is_address, path_of
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.recordings.joining import Joiner, Task, names_of, outdated, tasks_of
from portrait_prep.stages.recordings.overview import has_recordings, reasons_of_failures, recordings_of
from portrait_prep.stages.recordings.talk import Reason
from portrait_prep.stages.sources import local
from portrait_prep.views.visual.report.pictures import shared, spread
from portrait_prep.views.visual.report.recordings.lanes import lanes
from portrait_prep.views.visual.report.recordings.stills import stills
from portrait_prep.views.visual.report.rows import NamedColumn

TIMELINES = 60
"""Recordings with a timeline on a page: an hour takes some 80 kB."""

SEEN = 2.0
"""Seconds that a stretch which is not kept must last to get a picture."""

UNKNOWN = "not told"
"""Stands for the reason where a table has none."""

REMOVED = "removed"
"""Stands for the reason where the video of a segment, or its person, was taken out of the workspace."""

MEANINGS: Mapping[str, str] = {
    Reason.NO_FACE: "nobody is seen",
    Reason.SMALL: "all faces are lower than [segment] min_face",
    Reason.STILL: "the face looks as it did before, in place or moved: a photograph",
    Reason.SILENT: "somebody is seen, and no voice is heard",
    Reason.OFF: "a voice is heard, and it is nobody's who is seen",
    Reason.TWO: "one of two speaks, and which one is not clear",
    Reason.UNCLEAR: "it may be somebody who is seen, or not",
    Reason.SHORT: "one person speaks, for less than [segment] min_seconds",
    Reason.BORDER: "a moment beside a cut or dissolve",
    Reason.CROWDED: "no region shows this face and no other one",
    Reason.BLEND: "frames that show two shots, or black",
    Reason.STANDING: "one picture for more than a second: a still, or the file is damaged there",
    Reason.UNREADABLE: "this part of the file could not be read",
    REMOVED: "a person took it out: remove",
}
"""Reason -> what it says of a stretch."""


QUIET = (Reason.NO_FACE, Reason.SMALL, Reason.STILL, Reason.SILENT, Reason.BORDER, Reason.BLEND, Reason.STANDING)
"""Reasons by which nobody's talk is lost who is seen."""

LONGEST = 1e8
"""Seconds (three years) beyond which nobody's recording goes: what a table says is only data."""


@dataclass(frozen=True)
class RecordingsSection:
    """The recordings of a session's workspace; none where it has none.

    At most `pictures` stretches get a picture. `show`: recordings that have a timeline in any case.
    """

    session: Session
    pictures: int
    show: Collection[str] = ()

    @cached_property
    def names(self) -> list[str]:
        """All of which there is something to tell."""
        there = names_of(self._recordings) if has_recordings(self.session) else ()
        return sorted({*self._segments.made, *self._segments.rows, *there})

    @cached_property
    def drawn(self) -> list[str]:
        """Those with a timeline."""
        there = [name for name in self.names if self._segments.rows.get(name)]
        return sorted({*spread(there, TIMELINES), *(set(there) & set(self.show))})

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Names and JSON-ready values of the object that the script reads; an iterator stands for an array."""
        yield (
            "reasons",
            [{"name": str(reason), "told": told, "quiet": reason in QUIET} for reason, told in MEANINGS.items()],
        )
        yield "drawn", [self.names.index(name) for name in self.drawn]
        yield "recordings", (self._facts(name) for name in self.names)

    def timelines(self) -> Iterator[tuple[int, Any]]:
        """Number and timeline of each recording that is drawn, made one at a time."""
        chosen = self._chosen()
        for name in self.drawn:
            rows, task = self._segments.rows[name], self._tasks.get(name)
            found = lanes(self._joiner, task, rows) if task else {}
            told = self._told(rows, found)
            taken = chosen.get(name, []) if task else []
            pictures = (
                dict(stills(self._path(rows[0].source), [(number, rows[number]) for number in taken])) if taken else {}
            )
            yield self.names.index(name), {**told, "stills": pictures}

    def _told(self, rows: Sequence[Segment], found: Mapping[str, Any]) -> dict[str, Any]:
        """The rows and what was found, by column; times in ms."""
        reasons, people = NamedColumn(), NamedColumn()
        for row in rows:
            reasons.add(self._reason(row) or None)
            people.add(row.subject)
        faces = [[*face, -1 if person is None else people.number(person)] for *face, person in found.get("faces", ())]
        crops = ([row.crop_x, row.crop_y, row.crop_w, row.crop_h] if row.kept else 0 for row in rows)
        return {
            "start": [round(_bounded(row.start) * 1000) for row in rows],
            "end": [round(_bounded(row.end) * 1000) for row in rows],
            "id": [row.segment_id for row in rows],
            "shot": [-1 if row.shot is None else row.shot for row in rows],
            "share": [round(_bounded(row.voice_share) * 100) for row in rows],
            "crop": list(crops),
            "reason": reasons.to_json(),
            "person": people.to_json(),
            **found,
            "faces": faces,
        }

    def _facts(self, name: str) -> dict[str, Any]:
        rows = self._segments.rows.get(name, ())
        seconds: dict[str, float] = {}
        for row in rows:
            reason = self._reason(row)
            seconds[reason] = seconds.get(reason, 0.0) + _bounded(row.end) - _bounded(row.start)
        kept = [row for row in rows if not self._reason(row)]
        source = rows[0].source if rows else ""
        return {
            "name": printable(name),
            "source": printable(source),
            "address": self._address(source),
            "kept": len(kept),
            "people": len({row.subject for row in kept}),
            "seconds": {str(printable(reason)): round(length, 3) for reason, length in seconds.items()},
            "note": self._note(name),
        }

    def _reason(self, row: Segment) -> str:
        """Why a stretch does not become a video; empty where it may."""
        removals = self.session.removals
        if row.segment_id in removals.videos or row.subject in removals.subjects:
            return REMOVED
        return "" if row.kept else row.reason or UNKNOWN

    def _is_there(self, source: str) -> bool:
        if not source or is_address(source) or "\0" in source:
            return False
        return os.path.isfile(self._path(source))  # noqa: PTH113 (raises for no name)

    def _path(self, source: str) -> Path:
        return local(self._recordings.workspace.root, source).absolute()

    def _address(self, source: str) -> str | None:
        """Where a browser finds the file, while it is there; None for what a browser may take for a page."""
        path = self._path(source) if self._is_there(source) else None
        return path.as_uri() if path and path.suffix.lower() in SUFFIXES else None

    def _note(self, name: str) -> str:
        rows = self._segments.rows.get(name, ())
        again = "run portrait-prep segment"
        if name not in self._tasks:
            return f"Not all of its parts are through, or up to date: {again}."
        if name in self._outdated:
            return f"Its segments do not rest on what was found in it, or on other settings: {again}."
        if rows and not self._is_there(rows[0].source):
            return f"Its file {path_of(rows[0].source).name} is not there, so it has no pictures."
        return str(printable("; ".join(self._failures.get(name, ()))))

    def _chosen(self) -> dict[str, list[int]]:
        """Numbers of the rows that get a picture, by recording: segments first, then where a talk may be lost."""
        kept, lost, quiet = list[tuple[str, int]](), list[tuple[str, int]](), list[tuple[str, int]]()
        for name in self.drawn:
            for number, row in enumerate(self._segments.rows[name]):
                reason = self._reason(row)
                if not reason:
                    kept.append((name, number))
                elif reason != REMOVED and row.end - row.start >= SEEN:
                    (quiet if reason in QUIET else lost).append((name, number))
        found: dict[str, list[int]] = {}
        for name, number in sorted(shared(kept, shared(lost, quiet, self.pictures), self.pictures)):
            found.setdefault(name, []).append(number)
        return found

    @cached_property
    def _recordings(self) -> Session:
        return recordings_of(self.session)

    @cached_property
    def _segments(self) -> Segments:
        if not has_recordings(self.session):
            return NONE
        return readable_segments(self.session.workspace.segments)

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        if not has_recordings(self.session):
            return {}
        return {task.recording: task for task in tasks_of(self._recordings)}

    @cached_property
    def _failures(self) -> dict[str, list[str]]:
        """Why parts failed, by recording."""
        found: dict[str, list[str]] = {}
        for name, why in reasons_of_failures(self._recordings, self._recordings.status_counts()):
            found.setdefault(name, []).append(why)
        return found

    @cached_property
    def _outdated(self) -> set[str]:
        return {task.recording for task in outdated(self._tasks.values(), self._segments)}

    @cached_property
    def _joiner(self) -> Joiner:
        return Joiner.of(self._recordings)


def _bounded(number: float) -> float:
    return min(max(0.0, number), LONGEST)  # 0 for NaN
