"""What changed between two workspaces is said, to the value; nothing is said of two that are the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from portrait_prep.cli.diff import lines
from portrait_prep.errors import Damaged
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.verdict import Review
from portrait_prep.pipeline.diff import Difference, Spread, compare
from portrait_prep.pipeline.reviewing import decide
from tests.pipeline.damage import edit_json
from tests.pipeline.toy import add_videos, numbers, toy_session

FOUR = {"a1": numbers(600), "a2": numbers(30), "b1": "1 2 bad", "b2": numbers(40, 7)}


def go(root: Path) -> None:
    session = toy_session(root)
    session.run(session.select((), (), retry_failed=False), workers=0)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("diff") / "w"
    add_videos(root, FOUR)
    go(root)
    return root


@pytest.fixture
def second(first: Path, tmp_path: Path) -> Path:
    """A copy that shares its sources with the first."""
    return Path(shutil.copytree(first, tmp_path / "w"))


def found(first: Path, second: Path) -> tuple[Difference, list[str]]:
    difference = compare(toy_session(first), toy_session(second))
    json.dumps(difference.to_json())
    return difference, list(lines(difference))


def test_a_copy_is_the_same_and_so_is_one_that_was_computed_again(first: Path, second: Path) -> None:
    assert found(first, second) == (Difference(stages=found(first, second)[0].stages), ["No difference."])
    for stage in ("count", "scale", "total", "manifests"):
        shutil.rmtree(second / stage)
    go(second)
    difference, told = found(first, second)
    assert not difference.any
    assert told == ["No difference."]


def test_a_setting_and_what_it_did_to_the_values(first: Path, second: Path) -> None:
    (second / "pipeline.toml").write_text("[scale]\nfactor = 2.5\n")
    go(second)
    difference, told = found(first, second)
    assert difference.settings == {"[scale] factor": (2.0, 2.5)}
    assert dict(difference.stages["scale"].made) == {"setting factor changed: 2.0 -> 2.5": ["a1", "a2", "b2"]}
    spread = difference.stages["scale"].columns["pair"]
    apart = np.concatenate([np.arange(600), np.arange(30), np.arange(7, 47)]) / 2
    assert (spread.videos, spread.values) == (["a1", "a2", "b2"], 2 * 670)
    assert spread.different == 2 * np.count_nonzero(apart)
    assert spread.mean == pytest.approx(apart.mean())
    assert (spread.greatest, spread.video, spread.frame) == (299.5, "a1", 599)
    assert set(difference.stages["total"].columns) == {"total"}
    assert not difference.stages["count"].any
    assert difference.joined == ["total/all.parquet"]
    assert "settings: [scale] factor: 2.0 -> 2.5" in told
    assert any(line.startswith("scale.pair: 1336 of 1340 values differ, by") for line in told)


def test_rows_of_the_catalogue_other_ends_and_other_lengths(first: Path, tmp_path: Path) -> None:
    second = tmp_path / "w"
    add_videos(second, FOUR | {"a2": numbers(28), "b1": "1 2", "b2": "bad", "c1": "3"})
    videos = [video for video in toy_session(second).videos if video.video_id != "a1"]
    write_catalogue(second / "catalogue.parquet", videos)
    go(second)
    difference, told = found(first, second)
    assert (difference.added, difference.removed) == (["c1"], ["a1"])
    assert dict(difference.changed) == {"source": ["a2", "b1", "b2"]}
    count = difference.stages["count"]
    assert dict(count.outcomes) == {"failed: it says bad -> done": ["b1"], "done -> failed: it says bad": ["b2"]}
    assert dict(count.files) == {"txt has other bytes": ["a2"]}
    assert (count.columns["number"].shapes, count.columns["number"].different) == (["a2"], 0)
    assert dict(difference.stages["scale"].outcomes) == {"not computed -> done": ["b1"], "done -> not computed": ["b2"]}
    assert (
        "verdict of b1: not accepted: count is failed: it says bad; scale is blocked: count failed -> accepted" in told
    )


def test_decisions_of_people(first: Path, second: Path) -> None:
    review = Review(decision="reject", why="a poster", who="ann", when="2026-01-02T03:04:05+00:00")
    decide(toy_session(second), ["a2"], review)
    difference, told = found(first, second)
    assert list(difference.verdicts) == ["a2"]
    assert told[-1] == "verdict of a2: accepted -> not accepted: ann rejected it: a poster"


def test_a_workspace_that_cannot_be_read_is_named(first: Path, second: Path) -> None:
    (second / "scale/toy-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(Damaged, match=r"scale/toy-00000\.parquet"):
        compare(toy_session(first), toy_session(second))


def test_values_that_are_missing_on_one_side() -> None:
    spread, nan = Spread(), np.nan
    spread.add("v", 10, np.array([[1.0, nan], [nan, 4.0], [nan, 6.0]]), np.array([[1.5, 2.0], [nan, 4.0], [nan, nan]]))
    assert (spread.values, spread.different) == (6, 3)
    assert (spread.missing_first, spread.missing_second) == (1, 1)
    assert (spread.greatest, spread.mean, spread.frame) == (0.5, 0.25, 10)
    spread.add("v", 13, np.array(["x", None, "y"], object), np.array(["x", "z", "w"], object))
    assert (spread.different, spread.missing_first) == (5, 2)


@pytest.mark.parametrize("quality", [1.5, [], {"accepted": "x"}, {"accepted": True, "reasons": [True]}, {"review": 1}])
def test_a_verdict_that_a_stranger_wrote_is_none(first: Path, second: Path, quality: object) -> None:
    edit_json(second / "manifests/a2.json", lambda told: told.update(quality=quality))
    difference, told = found(first, second)
    assert list(difference.verdicts) == ["a2"]
    assert told[-1] == "verdict of a2: accepted -> not judged"
