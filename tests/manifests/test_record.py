"""A record speaks of its own video's files only."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from portrait_prep.manifests.record import AddedLater, Record, unsaid

GOOD: dict[str, Any] = {
    "video_id": "a.1",
    "stage": "normalize",
    "outcome": "done",
    "fingerprint": "",
    "basis": {"version": 1},
}


def output(path: str) -> dict[str, Any]:
    return {"media": [{"path": path, "bytes": 1, "sha256": ""}]}


def test_its_own_media_are_taken() -> None:
    assert Record(**GOOD, **output("media/a.1.mp4")).media[0].path == "media/a.1.mp4"
    assert Record(**GOOD | {"video_id": "-as-first-made"}).video_id == "-as-first-made"


@pytest.mark.parametrize(
    "bad",
    [
        {"video_id": "../a"},
        {"video_id": ""},
        {"video_id": "a" * 300},
        {"video_id": "a\n"},
        {"stage": "../../x"},
        {"stage": "a/b"},
        output("/etc/passwd"),
        output("media/../pipeline.toml"),
        output("pipeline.toml"),
        output("media/other.mp4"),
        output("media/a.1.x/y"),
        output("sources/a.1.mp4"),
    ],
)
def test_what_leads_elsewhere_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Record(**GOOD | bad)


@pytest.mark.parametrize(
    "bad",
    [{"rows": -1}, {"rows": 10**18}, {"frames": -5}, {"frames": 10**15}, {"digest": "zz"}, {"digest": "0" * 64 + "\n"}],
)
def test_numbers_and_digests_that_no_stage_writes_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Record(**GOOD | bad)


class Settings(BaseModel):
    width: int = 5
    kept: Annotated[bool, AddedLater()] = Field(False, description="came later")
    shift: Annotated[float | None, AddedLater()] = None


def test_what_was_added_later_counts_where_it_is_not_at_its_default() -> None:
    assert unsaid(Settings()) == {"kept", "shift"}
    assert unsaid(Settings(width=7, kept=True)) == {"shift"}
    assert unsaid(Settings(shift=0.0)) == {"kept"}
