"""Which videos of a workspace a trainer reads: chosen by what the catalogue and the manifests say of them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.splits import HOW_TO_SPLIT
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.table import MALFORMED

Wish = str | int | float | None | Collection[Any] | Callable[[Any], bool]
"""A value that a catalogue field must have, several of which it must have one, or a test of it."""

COLUMNS = ("video_id", "stage", "outcome", "digest", "frames", "metrics", "accepted")
MEDIA = "normalize"
"""The stage that makes the mp4 and the wav: every video that is read has been through it."""
FACES = "landmarks"
"""The stage that records in which frames no face was found for long."""


@dataclass(frozen=True, slots=True)
class Footage:
    """One video to read: its row of the catalogue, and what the manifests say of it.

    `gaps`: runs of frames [first, last + 1) that are NaN in every column made from landmarks, in order.
    `digests`: stage -> digest of what it made of this video.
    """

    video: Video
    frames: int
    accepted: bool
    gaps: tuple[tuple[int, int], ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """The runs of frames [first, last + 1) between the gaps."""
        edges = [0, *(edge for gap in self.gaps for edge in gap), self.frames]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return tuple((first, stop) for first, stop in pairs if first < stop)


@dataclass(frozen=True)
class Selected:
    """The videos that were chosen, in the order of the catalogue, and the ids of the others by why they were not."""

    videos: tuple[Footage, ...]
    left_out: Mapping[str, Sequence[str]]


def select(workspace: Workspace, stages: Iterable[str] = (), accepted: bool | None = True, **wishes: Wish) -> Selected:
    """The videos that are done at `stages` and fulfil every wish.

    `accepted`: only accepted ones, only rejected ones, or (None) both. A wish names a field of the catalogue:
    `split="train"`, `fold={1, 2, 3}`, `four_class=lambda label: label is not None`.

    Raises BadInput when the workspace cannot be read, a field is unknown, or there is no such video.
    """
    if unknown := set(wishes) - set(Video.model_fields):
        raise BadInput(
            f"The catalogue has no field {', '.join(sorted(unknown))}; it has {', '.join(Video.model_fields)}."
        )
    needed = sorted({MEDIA, *stages})
    known, chosen, left_out = _summaries(workspace), list[Footage](), defaultdict[str, list[str]](list)
    for video in read_catalogue(workspace.catalogue):
        summary = known.get(video.video_id, _Summary())
        if reason := _against(video, summary, needed, accepted, wishes):
            left_out[reason].append(video.video_id)
        else:
            chosen.append(Footage(video, summary.frames, summary.accepted, summary.gaps, summary.digests))
    if not chosen:
        done = {stage for summary in known.values() for stage in summary.digests}
        if done and (missing := [stage for stage in needed if stage not in done]):
            raise BadInput(
                f"No video of {workspace.root} is done at '{missing[0]}', only at {', '.join(sorted(done))}."
            )
        reasons = ", ".join(f"{len(ids)} {reason}" for reason, ids in left_out.items()) or "there is none"
        way_out = f" ({HOW_TO_SPLIT})" if "with no split" in left_out and "of another split" not in left_out else ""
        raise BadInput(f"No video of {workspace.root} is chosen: {reasons}{way_out}.")
    return Selected(tuple(chosen), left_out)


def _against(
    video: Video, summary: "_Summary", needed: Sequence[str], accepted: bool | None, wishes: Mapping[str, Wish]
) -> str:
    """Why a video is not chosen; empty when it is."""
    if not summary.digests.keys() >= set(needed):
        return f"not done at {' and '.join(needed)}"
    if accepted is not None and summary.accepted is not accepted:
        return "not accepted" if accepted else "not rejected"
    other = (name for name, wish in wishes.items() if not _fulfils(getattr(video, name), wish))
    return next((_other(name, getattr(video, name)) for name in other), "")


def _other(name: str, value: Any) -> str:
    if name == "video_id":
        return "not named"
    return f"with no {name}" if value is None else f"of another {name}"


def _fulfils(value: Any, wish: Wish) -> bool:
    if callable(wish):
        return bool(wish(value))
    if isinstance(wish, Collection) and not isinstance(wish, str):
        return value in wish
    return bool(value == wish)


@dataclass(slots=True)
class _Summary:
    """What the manifests say of one video."""

    frames: int = 0
    accepted: bool = False
    gaps: tuple[tuple[int, int], ...] = ()
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one stage."""
        self.accepted |= row["accepted"]
        if row["outcome"] != "done":
            return
        self.frames = max(self.frames, row["frames"])
        self.digests[row["stage"]] = row["digest"]
        if row["stage"] == FACES:
            self.gaps = tuple((first, stop) for first, stop in from_json(row["metrics"]).get("gaps", ()))


def _summaries(workspace: Workspace) -> dict[str, _Summary]:
    """Of every video in the table of the manifests. Raises BadInput when it cannot be read."""
    known: dict[str, _Summary] = {}
    try:
        for batch in _batches(workspace.manifests_table):
            for row in batch.to_pylist():
                known.setdefault(row["video_id"], _Summary()).add(row)
    except (OSError, pa.ArrowException, *MALFORMED) as error:
        raise BadInput(
            f"{workspace.manifests_table} cannot be read: run 'portrait-prep run' to its end first."
        ) from error
    return known


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of the table of the manifests, in bounded memory. Raises OSError, ArrowException."""
    size = regular(path).stat().st_size
    with pq.ParquetFile(path) as table:
        batches = table.iter_batches(columns=list(COLUMNS), use_threads=False)
        while True:
            with bounded_table(size):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
