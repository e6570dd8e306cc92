"""Which videos of a workspace a trainer reads: chosen by what the catalogue and the manifests say of them."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.catalogue import Video, read_catalogue
from manifests.errors import BadInput
from pipeline.workspace import Workspace

Wish = str | int | float | None | Collection[Any] | Callable[[Any], bool]
"""A value that a catalogue field must have, several of which it must have one, or a test of it."""

COLUMNS = ("video_id", "stage", "outcome", "digest", "frames", "metrics", "accepted")
MEDIA = "normalize"
"""The stage that makes the mp4 and the wav: every video that is read has been through it."""
FACES = "landmarks"
"""The stage that tells in which frames no face was found for long."""


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


def select(
    workspace: Workspace, stages: Iterable[str] = (), accepted: bool | None = True, **wishes: Wish
) -> tuple[Footage, ...]:
    """The videos that are done at `stages` and fulfil every wish, in the order of the catalogue.

    `accepted`: only accepted ones, only rejected ones, or (None) both. A wish names a field of the catalogue:
    `split="train"`, `fold={1, 2, 3}`, `four_class=lambda label: label is not None`.

    Raises BadInput when the workspace cannot be read, a field is unknown, or there is no such video.
    """
    if unknown := set(wishes) - set(Video.model_fields):
        raise BadInput(
            f"The catalogue has no field {', '.join(sorted(unknown))}; it has {', '.join(Video.model_fields)}."
        )
    needed = {MEDIA, *stages}
    known = _standings(workspace)
    found, left_out = [], dict.fromkeys(("not done at all that is read", "rejected or accepted", *wishes), 0)
    for video in read_catalogue(workspace.catalogue):
        footage, done = _footage(video, known.get(video.video_id, {}), needed)
        if not done:
            left_out["not done at all that is read"] += 1
        elif accepted is not None and footage.accepted is not accepted:
            left_out["rejected or accepted"] += 1
        elif wish := next((name for name, wish in wishes.items() if not _fulfils(getattr(video, name), wish)), None):
            left_out[wish] += 1
        else:
            found.append(footage)
    if not found:
        reasons = ", ".join(f"{count} by '{reason}'" for reason, count in left_out.items() if count) or "it is empty"
        raise BadInput(f"No video of {workspace.root} is chosen: left out were {reasons}.")
    return tuple(found)


def _fulfils(value: Any, wish: Wish) -> bool:
    if callable(wish):
        return bool(wish(value))
    if isinstance(wish, Collection) and not isinstance(wish, str):
        return value in wish
    return bool(value == wish)


def _standings(workspace: Workspace) -> dict[str, dict[str, dict[str, Any]]]:
    """Video id -> stage -> its row of the manifests' table. Raises BadInput."""
    try:
        table = pq.read_table(workspace.manifests_table, columns=list(COLUMNS))
    except (OSError, pa.ArrowException) as error:
        raise BadInput(
            f"{workspace.manifests_table} cannot be read: run 'portrait-prep run' to its end first."
        ) from error
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_pylist():
        known.setdefault(row["video_id"], {})[row["stage"]] = row
    return known


def _footage(video: Video, rows: Mapping[str, dict[str, Any]], needed: Collection[str]) -> tuple[Footage, bool]:
    """What is known of a video, and whether it is done at every stage that is needed."""
    done = {stage: row for stage, row in rows.items() if row["outcome"] == "done"}
    gaps = json.loads(done[FACES]["metrics"]).get("gaps", ()) if FACES in done else ()
    footage = Footage(
        video,
        frames=max((row["frames"] for row in done.values()), default=0),
        accepted=any(row["accepted"] for row in rows.values()),
        gaps=tuple((first, stop) for first, stop in gaps),
        digests={stage: row["digest"] for stage, row in done.items()},
    )
    return footage, done.keys() >= set(needed)
