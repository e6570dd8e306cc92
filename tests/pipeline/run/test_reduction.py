"""What joins many videos: in the order of their ids, and anew when who they are changes."""

from pathlib import Path

import pyarrow.parquet as pq

from portrait_prep.pipeline.run.reduction import read_reduction, reduction_path
from tests.pipeline.damage import edit_row
from tests.pipeline.toy import add_videos, toy_session


def basis(root: Path) -> str:
    """What the totals were joined from, after a run."""
    session = toy_session(root)
    session.run(session.select((), (), False), workers=0)
    reduction = read_reduction(reduction_path(session.workspace, "total"))
    assert reduction is not None
    return reduction.basis


def test_videos_are_joined_in_the_order_of_their_ids_whatever_that_of_the_catalogue(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    texts = {"c1": "1 2", "a1": "3", "b1": "4 5", "a2": "6"}
    add_videos(one, texts)
    add_videos(other, dict(sorted(texts.items())))
    assert basis(one) == basis(other)
    for root in (one, other):
        assert pq.read_table(root / "total/all.parquet")["video_id"].to_pylist() == ["a1", "a2", "b1", "c1"]


def test_they_are_joined_anew_when_one_is_of_another_subject(tmp_path: Path) -> None:
    root = tmp_path / "w"
    add_videos(root, {"a1": "1 2", "a2": "3"})
    before = basis(root)
    assert basis(root) == before
    edit_row(root, "a2", subject="b")
    assert basis(root) != before
