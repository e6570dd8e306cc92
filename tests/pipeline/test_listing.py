"""Listing: what became of each video, where it stands and why; nobody is left out unasked."""

from pathlib import Path

import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.verdict import Review
from portrait_prep.pipeline.listing import Listed, Wish, listed
from portrait_prep.pipeline.reviewing import decide
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result
from tests.pipeline.toy import SHORT, add_videos, numbers, toy_session

FOUR = {"a1": numbers(30), "a2": numbers(12), "b1": "1 2 bad", "c1": numbers(40)}
"""a2 lasts half a second, which the rules reject; b1 fails; c1 is rejected by a person."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("listing") / "w"
    settings = add_videos(root, FOUR).workspace.settings
    settings.write_text(settings.read_text().replace("min_seconds = 0.0", "min_seconds = 1.0"))
    session = toy_session(root)
    session.run(session.select((), (), retry_failed=False), workers=0)
    decide(
        toy_session(root), ["c1"], Review(decision="reject", why="a mask", who="ann", when="2026-01-02T03:04:05+00:00")
    )
    add_videos(root, {"d1": numbers(30)})
    return root


def found(root: Path, **wish: object) -> dict[str, Listed]:
    return {one.video_id: one for one in listed(toy_session(root), Wish(**wish))}  # type: ignore[arg-type]


def test_every_video_has_one_result_and_its_reasons(root: Path) -> None:
    everyone = found(root)
    assert {name: (one.result, one.stage, one.state) for name, one in everyone.items()} == {
        "a1": (Result.ACCEPTED, "total", State.DONE),
        "a2": (Result.REJECTED, "total", State.DONE),
        "b1": (Result.FAILED, "count", State.FAILED),
        "c1": (Result.REJECTED, "total", State.DONE),
        "d1": (Result.UNFINISHED, "count", State.PENDING),
    }
    reasons = {name: one.reasons for name, one in everyone.items()}
    assert reasons["a1"] == ()
    assert reasons["a2"] == (SHORT.format(value=0.48, limit=1.0),)
    assert reasons["b1"] == ("count failed: it says bad",)
    assert reasons["c1"] == ("ann rejected it: a mask",)
    assert reasons["d1"] == ("count is pending: not computed yet",)


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ({"result": Result.ACCEPTED}, ["a1"]),
        ({"result": Result.REJECTED}, ["a2", "c1"]),
        ({"result": Result.FAILED}, ["b1"]),
        ({"result": Result.FAILED, "stage": "scale"}, []),
        ({"result": Result.FAILED, "stage": "count"}, ["b1"]),
        ({"subject": "a"}, ["a1", "a2"]),
        ({"subject": "a", "result": Result.REJECTED}, ["a2"]),
    ],
)
def test_those_are_listed_that_were_asked_for(root: Path, wish: dict[str, object], names: list[str]) -> None:
    assert sorted(found(root, **wish)) == names


def test_a_stage_tells_where_everybody_stands_there(root: Path) -> None:
    states = {name: one.state for name, one in found(root, stage="scale").items()}
    assert states == {
        **dict.fromkeys(("a1", "a2", "c1"), State.DONE),
        "b1": State.BLOCKED,
        "d1": State.PENDING,
    }


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"stage": "sclae"}, "There is no stage 'sclae'"),
        ({"subject": "z"}, "No video has the subject 'z'; there are: a, b, c, d."),
        (
            {"split": "train"},
            "No video of this catalogue has a split: 'portrait-prep split --ratios 80/10/10' gives them one.",
        ),
    ],
)
def test_what_there_is_not_is_said(root: Path, wish: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        found(root, **wish)


def test_an_unknown_id_gets_the_nearest_ones(root: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no video 'a11' in the catalogue; did you mean a1"):
        toy_session(root).named(["a11"])


def test_the_status_names_the_rejected_beside_the_failed(root: Path) -> None:
    counts = toy_session(root).status_counts()
    assert counts.to_json()["rejected"] == [
        {"video_id": "a2", "reasons": [SHORT.format(value=0.48, limit=1.0)]},
        {"video_id": "c1", "reasons": ["ann rejected it: a mask"]},
    ]
    assert "c1: rejected: ann rejected it: a mask" in counts.lines()


def test_ids_and_patterns_name_videos_each_once(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {name: numbers(3) for name in ("a1", "a2", "b1")})
    assert session.named(["b1", "a*", "a1", "[ab]1"]) == ["b1", "a1", "a2"]
    assert session.select((), ("a?",), retry_failed=False).only == {"a1", "a2"}
    with pytest.raises(BadInput, match=r"There is no video 'c\*' in the catalogue"):
        session.named(["c*"])
