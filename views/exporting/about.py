"""What an export of any column tells: which columns, by which names, and what is known of each video."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from portrait_prep.errors import BadInput
from portrait_prep.manifests.video import CUT, Video
from portrait_prep.views.reading.selection import Footage

COLUMNS = (
    *("landmarks.landmarks", "headpose.canonical"),
    *("headpose.euler", "headpose.translation", "headpose.scale"),
)
"""Those that are exported where none are named."""
VISIBLE = "torso.visible"
UNSEEN = {"torso.shoulders", "torso.billboard"}
"""Columns that are filled where a shoulder was not seen: `torso.visible`, which says where, always goes along."""
PLACES = {"source", "sound", "shard", *CUT}
"""Fields of the catalogue that tell where a workspace has a video from; all others are told."""


def with_visibility(columns: Collection[str]) -> tuple[str, ...]:
    """The columns, each once, and what must go along with them. Raises BadInput for what names no column."""
    if unclear := [column for column in columns if "." not in column]:
        raise BadInput(f"A column is named with its stage, as '{COLUMNS[0]}', not '{unclear[0]}'.")
    wanted = dict.fromkeys(columns)
    return tuple(wanted | {VISIBLE: None} if UNSEEN & wanted.keys() else wanted)


def names_of(columns: Iterable[str]) -> Mapping[str, str]:
    """Column, `stage.column` -> what it is called alone: without its stage, where that is no other's name too."""
    listed = list(columns)
    short = [column.partition(".")[2] for column in listed]
    return {column: name if short.count(name) == 1 else column for column, name in zip(listed, short, strict=True)}


def about(footage: Footage) -> dict[str, Any]:
    """What the catalogue says of a video, and whether it was accepted; null where a field does not apply."""
    told = {name: getattr(footage.video, name) for name in Video.model_fields if name not in PLACES}
    return {**told, "accepted": footage.accepted}
