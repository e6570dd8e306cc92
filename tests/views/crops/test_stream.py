"""Crops of a workspace: in step with its frames, as files, and in the tar files of WebDataset."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.stages.headpose import mean_face
from portrait_prep.views.crops.stream import CUTTERS, LANDMARKS, stream
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window
from portrait_prep.views.webdataset import WEBDATASET, WebdatasetOptions
from tests.views.moving_faces import DRAWN, FRAMES

KINDS = tuple(CUTTERS)
OPTIONS = WebdatasetOptions(columns=("headpose.scale",), crops=KINDS)
DRAWN_ALONE = Choice(only=(DRAWN,))


class LoneReader:
    """Stands in for the reader of one video: each frame has its number for a colour; frames 3 to 5 show no face."""

    decoded = 0

    def stream(self, _: int, first: int, frames: int) -> Iterator[Image]:
        for number in range(first, first + frames):
            self.decoded += 1
            yield np.full((512, 512, 3), number, np.uint8)

    def read(self, _: int, first: int, frames: int, columns: list[str]) -> dict[str, Any]:
        assert columns == [LANDMARKS]
        faces = np.repeat(mean_face()[np.newaxis], first + frames, axis=0)
        faces[3:6] = np.nan
        return {LANDMARKS: faces[first:].astype(np.float32)}


def test_each_frame_is_decoded_once_and_one_without_a_face_is_black() -> None:
    reader = LoneReader()
    crops = list(stream(reader, Window(0, 0, 8), KINDS))  # type: ignore[arg-type]
    assert reader.decoded == len(crops) == 8
    for number, of_frame in enumerate(crops):
        assert of_frame.keys() == set(KINDS)
        for kind, crop in of_frame.items():
            seen = number not in (3, 4, 5)
            assert crop.image[128, 128].tolist() == [number if seen else 0] * 3
            assert np.array_equal(crop.place, CUTTERS[kind].none, equal_nan=True) != seen


@pytest.fixture(scope="module")
def exported(moving_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Ending -> content, of the one video that is filmed."""
    folder = tmp_path_factory.mktemp("tars") / "x"
    write_export(WEBDATASET, moving_workspace, folder, OPTIONS, DRAWN_ALONE)
    (path,) = folder.iterdir()
    with tarfile.open(path) as tar:
        files = {member.name.partition(".")[2]: tar.extractfile(member) for member in tar}
    with tarfile.open(path) as tar:
        return {name: tar.extractfile(f"{DRAWN}.{name}").read() for name in files}  # type: ignore[union-attr]


def test_the_tar_holds_pictures_and_places_and_no_column_that_nobody_asked_for(exported: dict[str, bytes]) -> None:
    crops = {f"{kind}.{ending}" for kind in KINDS for ending in ("mp4", "npy")}
    assert exported.keys() == {"mp4", "wav", "json", "scale.npy"} | crops


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_places_are_those_of_the_view(
    kind: str, exported: dict[str, bytes], moving_workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "crops.mp4").write_bytes(exported[f"{kind}.mp4"])
    images = list(read_frames(tmp_path / "crops.mp4"))
    places = np.load(io.BytesIO(exported[f"{kind}.npy"]), allow_pickle=False)
    assert len(images) == len(places) == FRAMES[DRAWN]
    reader = Reader(moving_workspace, [LANDMARKS])
    window = Window(reader.numbers[DRAWN], 0, FRAMES[DRAWN])
    for image, place, crops in zip(images, places, stream(reader, window, KINDS), strict=True):
        crop = crops[kind]  # type: ignore[index]
        np.testing.assert_array_equal(place, crop.place)
        assert image.shape == crop.image.shape
        assert np.abs(image.astype(int) - crop.image).mean() < 6


def test_the_same_workspace_gives_the_same_bytes(
    exported: dict[str, bytes], moving_workspace: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        write_export(WEBDATASET, moving_workspace, tmp_path / name, OPTIONS, DRAWN_ALONE)
    (one,), (other,) = ((tmp_path / name).iterdir() for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()
