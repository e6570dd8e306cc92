"""What `export dh-live` writes, read as the contract says that its loader reads it; nothing of the export's is used."""

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.views.dh_live.export import DH_LIVE
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.exporting.filling import UNFINISHED
from tests.views import moving_faces
from tests.whole.runs import portrait_prep

Values = NDArray[Any]
WRITTEN = {"ann-1": (0, 30), "bob-gap@18": (18, 22), "cy-drawn": (0, 16)}
"""Folder -> its first frame, and how many; of bob-gap, four frames before the gap are too few."""
OVAL = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)
"""The outline of the lower face: of the 141 points, numbers 108 to 128."""
INNER_LIPS = (13, 14)


@pytest.fixture(scope="module")
def exported(filmed_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder, and what the command said."""
    folder = tmp_path_factory.mktemp("outside") / "new" / "dh"
    done = portrait_prep("export", "dh-live", folder, "-w", filmed_workspace)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@dataclass
class Loaded:
    """One folder as the loader holds it: section 2A."""

    images: list[Path]
    keypoints: Values
    matrices: list[Values]
    face: Values

    @classmethod
    def of(cls, folder: Path) -> "Loaded":
        with (folder / "keypoint_rotate.pkl").open("rb") as file:
            keypoints = pickle.load(file)
        with (folder / "face_mat_mask.pkl").open("rb") as file:
            matrices, face = pickle.load(file)
        return cls(sorted((folder / "image").glob("*.png")), keypoints, matrices, face)

    @property
    def mask(self) -> Values:
        """Where the outline of the face is drawn in each frame, [frames, 21, 2]."""
        face = np.column_stack([self.face[108:129], np.ones(21)])
        return np.stack([(matrix @ face.T).T[:, :2] for matrix in self.matrices])


def read_png(path: Path) -> Values:
    """BGR uint8."""
    image = cv2.imread(str(path))
    assert image is not None
    return image


def test_there_is_a_folder_for_each_stretch(exported: tuple[Path, str]) -> None:
    folder, said = exported
    assert {path.name for path in folder.iterdir()} == set(WRITTEN)
    for name, (_, frames) in WRITTEN.items():
        assert f"{name}: {frames} frames" in said
        assert {path.name for path in (folder / name).iterdir()} == {
            "image",
            "keypoint_rotate.pkl",
            "face_mat_mask.pkl",
        }
        images = sorted(path.name for path in (folder / name / "image").iterdir())
        assert images == [f"{number:06d}.png" for number in range(1, frames + 1)]
    assert "bob-gap@0: left out, 4 frames; the loader takes nothing from less than 7" in said
    assert f"{folder}: 3 folders" in said


def test_values_are_of_the_types_that_the_contract_has(exported: tuple[Path, str]) -> None:
    for name, (_, frames) in WRITTEN.items():
        loaded = Loaded.of(exported[0] / name)
        assert (loaded.keypoints.shape, loaded.keypoints.dtype.name) == ((frames, 478, 3), "float64")
        assert type(loaded.matrices) is list
        assert {(matrix.shape, matrix.dtype.name) for matrix in loaded.matrices} == {((4, 4), "float64")}
        assert (loaded.face.shape, loaded.face.dtype.name) == ((141, 3), "float64")
        assert len(loaded.images) == len(loaded.matrices) == frames
        assert read_png(loaded.images[0]).shape == (512, 512, 3)


def test_pictures_points_and_matrices_are_of_the_same_frame(exported: tuple[Path, str], filmed_workspace: Path) -> None:
    for name, (first, frames) in WRITTEN.items():
        loaded = Loaded.of(exported[0] / name)
        truth = moving_faces.landmarks(name.partition("@")[0])[first : first + frames]
        np.testing.assert_array_equal(loaded.keypoints, truth)
        for path, points in zip(loaded.images[::5], truth[::5], strict=True):
            drawn = moving_faces.image(points)[..., ::-1].astype(float)
            assert np.abs(read_png(path) - drawn).mean() < 2
        # Canonical space: the mean of points 50, 280 and 168 lies at (256, 232, 128).
        carried = np.stack([matrix @ [256, 232, 128, 1] for matrix in loaded.matrices])
        np.testing.assert_allclose(carried[:, :3], truth[:, [50, 280, 168]].mean(axis=1), atol=1e-3)
        assert np.isfinite(loaded.mask).all()


def test_what_is_blackened_covers_the_jaw_and_is_the_same_in_all_frames(exported: tuple[Path, str]) -> None:
    """The chin of every frame lies above its mask, and the mask in canonical space is one for all."""
    for name in WRITTEN:
        loaded = Loaded.of(exported[0] / name)
        chin = OVAL.index(152)
        assert (loaded.mask[:, chin, 1] > loaded.keypoints[:, 152, 1]).all()
        assert np.abs(loaded.mask[:, chin, 0] - loaded.keypoints[:, 152, 0]).max() < 25
        # Ends of the outline, at the ears, are hardly moved: a face, and not anything below it.
        ears = np.abs(loaded.mask[:, [0, -1]] - loaded.keypoints[:, [OVAL[0], OVAL[-1]], :2])
        assert np.median(ears) < 15


def test_five_references_can_be_drawn_from_each_folder(exported: tuple[Path, str]) -> None:
    """As its loader draws: from the frames whose lips are open most, less a third."""
    for name in WRITTEN:
        keypoints = Loaded.of(exported[0] / name).keypoints
        opening = np.linalg.norm(keypoints[:, INNER_LIPS[0]] - keypoints[:, INNER_LIPS[1]], axis=1)
        assert len(np.argsort(opening)[int(len(opening) * (1 / 3)) :]) >= 5
        points = keypoints[0][list(OVAL[2:-2])]
        assert (points[:, :2] > 0).all()
        assert (points[:, :2] < 512).all()


def test_killed_and_gone_on_with_it_is_the_same(
    exported: tuple[Path, str], filmed_workspace: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "dh"
    command = [sys.executable, "-m", "pipeline", "export", "dh-live", str(folder), "-w", str(filmed_workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline()  # the first folder is whole, the second has begun
        os.kill(running.pid, signal.SIGKILL)
    assert [path.name for path in folder.iterdir()] == [UNFINISHED]
    write_export(DH_LIVE, filmed_workspace, folder)
    assert tree(folder) == tree(exported[0])


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_written_where_no_stretch_is_long_enough(filmed_workspace: Path, tmp_path: Path) -> None:
    with patch("portrait_prep.views.dh_live.export.LEAST", 50), pytest.raises(BadInput, match="needs 50 frames"):
        write_export(DH_LIVE, filmed_workspace, tmp_path / "dh", choice=Choice(("ann-1",)))
    assert not any(tmp_path.iterdir())
