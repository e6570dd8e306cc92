"""`video-parsing_0.25.npy` in the export, where the stage parsing is on, as MODA's scripts made and read it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.moda.export import MODA
from portrait_prep.views.moda.parsing_file import FILE
from tests.views.moving_faces import STAGES

PARSED, NOT_PARSED = "bob-gap", "train.txt"
RUN = 100
"""Frames that show the same."""


def whole_maps(frames: int) -> NDArray[np.uint8]:
    """Classes of 512 x 512, one map for each run, in cells too small for a quarter to show them all."""
    cells = np.random.default_rng(0).integers(0, 19, (-(-frames // RUN), 64, 64), np.uint8)
    maps = cells.repeat(8, axis=1).repeat(8, axis=2)
    maps[:, 1::4] = 18
    return maps


def parsing(side: int) -> Stage[Any]:
    def process(job: Job[Params]) -> Iterator[Batch]:
        if job.video.video_id != PARSED:
            raise BadVideo("it is not seen")
        for number, whole in enumerate(whole_maps(job.frames)):
            small = cv2.resize(whole, (side, side), interpolation=cv2.INTER_NEAREST)
            yield {"classes": small[np.newaxis].repeat(min(RUN, job.frames - number * RUN), axis=0)}

    columns = (Column("classes", "uint8", (side, side)),)
    return Stage("parsing", 1, Params, columns, process, reads=("normalize.mp4",), on=lambda _: True)


def test_it_is_a_quarter_of_the_frames_by_the_nearest_pixel(moving_workspace: Path, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(moving_workspace, root)
    session = Session(Workspace(root), (*STAGES[:2], parsing(256), *STAGES[2:]))
    session.run(session.select((), (), retry_failed=False), workers=0)
    write_export(MODA, root, tmp_path / "moda", choice=Choice((PARSED, NOT_PARSED)))
    assert [path.parent.name for path in sorted((tmp_path / "moda").rglob(FILE))] == ["bob-gap@0", "bob-gap@830"]
    maps = whole_maps(1650).astype(np.int32)
    for first in (0, 830):
        folder = tmp_path / "moda" / f"{PARSED}@{first}"
        found = np.load(folder / "video-parsing_0.25.npy")
        assert found.dtype == np.int32
        assert found.shape == (len(np.load(folder / "feature.npz")["Vertices"]), 128, 128)
        for row in (0, 1, 399, len(found) - 1):
            whole = maps[(first + row) // RUN]
            expected = cv2.resize(whole, (128, 128), interpolation=cv2.INTER_NEAREST)
            np.testing.assert_array_equal(found[row], expected)


def test_where_it_is_off_there_is_no_such_file(moving_workspace: Path, tmp_path: Path) -> None:
    write_export(MODA, moving_workspace, tmp_path / "moda", choice=Choice(("test.txt",)))
    assert not list((tmp_path / "moda").rglob(FILE))
