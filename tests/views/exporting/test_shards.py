"""Videos are packed in order, none is lost, and no file is larger than it may be but for a single large video."""

import re
from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.video import Video
from portrait_prep.views.exporting.shards import by_split, packed
from portrait_prep.views.reading.selection import Footage


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 40))
def test_packing(sizes: list[int], most: int) -> None:
    runs = packed(range(len(sizes)), sizes.__getitem__, most)
    assert [number for run in runs for number in run] == list(range(len(sizes)))
    for run, after in zip_longest(runs, runs[1:]):
        filled = sum(sizes[number] for number in run)
        assert filled <= most or len(run) == 1
        assert after is None or filled + sizes[after[0]] > most


def test_splits_have_names_that_files_and_datasets_can_have() -> None:
    splits = ["train", None, "a.b", "my split", "my-split", "../x", "train"]
    rows = [Video(video_id=f"v{n}", corpus="c", subject="s", source="f", split=split) for n, split in enumerate(splits)]
    sides = by_split([Footage(row, 1, True) for row in rows], "all")
    assert sorted(map(list, sides.values())) == [[0, 6], [1], [2], [3], [4], [5]]
    assert {"train", "all", "a.b"} < set(sides)
    assert all(re.fullmatch(r"\w+(\.\w+)*", name, re.ASCII) for name in sides)
