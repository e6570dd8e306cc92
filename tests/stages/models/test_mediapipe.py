"""A picture that a network cannot look at costs no picture after it."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mediapipe.python.solutions import face_detection, face_mesh, selfie_segmentation

from portrait_prep.demo.animator import SUBJECTS, portrait
from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.picture import Image
from portrait_prep.stages.models.mediapipe import FaceDetector, FaceMesh, PersonSegmenter, _Network

PICTURE = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)


@pytest.mark.parametrize("make", [FaceDetector, FaceMesh, PersonSegmenter])
def test_a_picture_of_no_pixels_is_an_error_of_its_own(make: Callable[[], Callable[[Image], Image]]) -> None:
    network = make()
    before = network(PICTURE).copy()
    for shape in ((0, 0, 3), (5, 0, 3)):
        with pytest.raises(RuntimeError, match="no pixels"):
            network(np.empty(shape, np.uint8))
    if isinstance(network, FaceMesh | PersonSegmenter):
        network.reset()
    assert np.array_equal(network(PICTURE), before)


@pytest.mark.parametrize("make", [FaceDetector, FaceMesh, PersonSegmenter])
def test_what_is_no_rgb_picture_is_refused(make: Callable[[], Callable[[Image], Image]]) -> None:
    network = make()
    for shape in ((64, 48), (64, 48, 4)):
        with pytest.raises(ValueError, match="no RGB picture"):
            network(np.zeros(shape, np.uint8))


def test_a_full_folder_of_temporary_files_is_not_told_as_a_full_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_bytes(self: Path, _: bytes) -> None:
        with self.open("wb"):  # a full disk still takes a file of no bytes
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(MissingPrerequisite, match=r"No space left on device.*TMPDIR"):
        PersonSegmenter()


ALONE = """
import sys
import numpy as np
from portrait_prep.stages.models.mediapipe import FaceDetector, FaceMesh, PersonSegmenter
networks = [FaceMesh(), PersonSegmenter(), FaceDetector()]
found = [[network(picture).copy() for picture in np.load(sys.argv[1])] for network in networks]
assert "mediapipe.python.solutions" not in sys.modules
np.savez(sys.argv[2], *map(np.stack, found))
"""


def test_networks_alone_in_a_process_give_what_mediapipes_own_classes_give(tmp_path: Path) -> None:
    """Bit for bit, over pictures that follow one another."""
    pictures = [np.roll(portrait(SUBJECTS[0]), 3 * step, axis=1) for step in range(3)]
    np.save(tmp_path / "pictures.npy", pictures)
    subprocess.run([sys.executable, "-c", ALONE, tmp_path / "pictures.npy", tmp_path / "found.npz"], check=True)
    with np.load(tmp_path / "found.npz") as found:
        meshes, masks, boxes = found.values()
    with (
        face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=1) as mesh,
        selfie_segmentation.SelfieSegmentation(model_selection=0) as segmentation,
        face_detection.FaceDetection(model_selection=1) as detection,
    ):
        for number, picture in enumerate(pictures):
            (points,) = mesh.process(picture).multi_face_landmarks
            expected = np.array([(point.x, point.y, point.z) for point in points.landmark]) * 512
            assert np.array_equal(meshes[number], expected[None].astype(np.float32))
            assert np.array_equal(masks[number], segmentation.process(picture).segmentation_mask)
            (face,) = detection.process(picture).detections
            box = face.location_data.relative_bounding_box
            (own,) = boxes[number]
            assert own.tolist() == [512 * box.xmin, 512 * box.ymin, 512 * box.width, 512 * box.height, *face.score]


LATER = """
import sys
from portrait_prep.stages.models.mediapipe import FaceDetector
FaceDetector()
assert "matplotlib" not in sys.modules
import mediapipe
assert mediapipe.solutions.face_mesh.FaceMesh and mediapipe.tasks.vision.FaceLandmarker and mediapipe.__version__
assert not hasattr(mediapipe, "nothing of that name")
"""


def test_a_network_loads_little_of_mediapipe_and_all_of_it_is_there_for_who_asks() -> None:
    subprocess.run([sys.executable, "-c", LATER], check=True)


def test_a_network_that_broke_is_made_anew() -> None:
    """As MediaPipe's graphs behave: after one error they know no other answer."""

    class Graph:
        def __init__(self) -> None:
            made.append(self)
            self.broken = self.closed = False

        def process(self, image: Image) -> int:
            self.broken |= image.shape[0] == 1
            if self.broken:
                raise RuntimeError("Graph has errors")
            return 7

        def close(self) -> None:
            self.closed = True
            if self.broken:
                raise RuntimeError("Graph has errors")

    made: list[Graph] = []
    network = _Network(Graph)
    assert network(PICTURE) == 7
    with pytest.raises(RuntimeError, match="Graph has errors"):
        network(PICTURE[:1])
    assert network(PICTURE) == 7
    assert [graph.closed for graph in made] == [True, False]


def test_a_mask_stays_as_it_was_when_the_next_is_made() -> None:
    segmenter, random = PersonSegmenter(), np.random.default_rng(0)
    images = [random.integers(0, 255, (256, 256, 3), np.uint8) for _ in range(4)]
    masks = [segmenter(image) for image in images]
    copies = [PersonSegmenter()(image).copy() for image in images]
    np.testing.assert_array_equal(masks, copies)
