"""MediaPipe behind one module, so that a later release of it is a one-file change.

One network of each kind lives in a process; `reset` between videos makes it equal a fresh one bit for bit.
"""

import atexit
import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.place import Place, place_of
from portrait_prep.stages.face.points import COUNT
from portrait_prep.stages.models import blendshapes
from portrait_prep.stages.models.graph import Graph, messages, picture
from portrait_prep.stages.models.registry import verified

NO_SCORES = np.empty(0, np.float32)

_WIRE = np.dtype([("head", "V3"), ("x", "<f4"), ("y_tag", "V1"), ("y", "<f4"), ("z_tag", "V1"), ("z", "<f4")])
"""One landmark of a serialized list that has x, y and z and nothing else: 17 bytes."""
_TAGS = np.array([(b"\x0a\x0f\x0d", 0, b"\x15", 0, b"\x1d", 0)] * COUNT, _WIRE).view(np.uint8)
_TAG_BITS = np.where(_TAGS, 255, 0).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Face:
    """One face that a network found.

    `landmarks` [478, 3]: x and y in pixels of the image, z on the scale of x (times the width), negative toward the
    camera. `blendshapes`: scores in 0..1, [52] named in `stages.models.blendshapes`, or [0] from a network that gives
    none.
    """

    landmarks: NDArray[np.float32]
    blendshapes: NDArray[np.float32]

    @cached_property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.landmarks)


class _Network:
    """A network that stays usable: MediaPipe's graphs refuse all that follows once one picture was an error to them."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made = make, make()
        atexit.register(self._close)

    def __call__(self, image: Image) -> Any:
        """What the network tells of an RGB image. Raises RuntimeError or ValueError where it cannot look at it.

        A picture of no pixels would end the process, or every later look; of one with other channels it would read
        what lies beside it.
        """
        if image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an array of {image.shape} is no RGB picture")
        if image.size == 0:
            raise RuntimeError("a picture of no pixels cannot be looked at")
        try:
            return self._made.process(image)
        except (RuntimeError, ValueError):
            self._close()
            self._made = self._make()
            raise

    def reset(self) -> None:
        """Forget the frames before."""
        self._made.reset()

    def _close(self) -> None:
        with suppress(RuntimeError, ValueError):  # one that is broken says so once more
            self._made.close()


class FaceMesh:
    """The 478-point face mesh with attention, in tracking mode. See https://arxiv.org/abs/2006.10962."""

    def __init__(self, faces: int = 1, tracking: bool = True) -> None:
        switches = {"num_faces": faces, "with_attention": True, "use_prev_landmarks": tracking}
        file = "face_landmark/face_landmark_front_cpu.binarypb"
        self._network = _Network(lambda: Graph(file, "multi_face_landmarks", switches))

    def reset(self) -> None:
        """Forget the tracked face: the next frame is searched afresh."""
        self._network.reset()

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Find faces in an RGB image; return float32 [faces, 478, 3].

        x and y in pixels of the image, z on the scale of x (times the width), negative toward the camera.
        """
        faces = [_points(face) for face in messages(self._network(image))]
        return _in_pixels(np.stack(faces), image) if faces else np.empty((0, COUNT, 3), np.float32)

    def find(self, image: Image) -> list[Face]:
        """The faces in an RGB image, without scores."""
        return [Face(landmarks, NO_SCORES) for landmarks in self(image)]


class FaceLandmarker:
    """MediaPipe Tasks' face landmarker: 478 points and 52 blendshape scores. See https://arxiv.org/abs/2309.05782.

    In image mode: each frame is searched afresh, so that nothing leads or lags. Its video mode smooths the points of a
    single face over time (by a third of a frame and more), and with several faces finds each frame's afresh, too.
    """

    def __init__(self, model: Path, faces: int = 4) -> None:
        self._mediapipe = importlib.import_module("mediapipe")
        tasks = self._mediapipe.tasks
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)), num_faces=faces, output_face_blendshapes=True
        )
        self._network = tasks.vision.FaceLandmarker.create_from_options(options)
        atexit.register(self._network.close)

    def reset(self) -> None:
        """Nothing is remembered from frame to frame."""

    def find(self, image: Image) -> list[Face]:
        """The faces in an RGB image."""
        rgb = self._mediapipe.ImageFormat.SRGB
        found = self._network.detect(self._mediapipe.Image(image_format=rgb, data=image))
        points = [[(point.x, point.y, point.z) for point in face] for face in found.face_landmarks]
        scores = [[category.score for category in face] for face in found.face_blendshapes]
        shaped = np.asarray(scores, np.float32).reshape(-1, blendshapes.COUNT)
        return [Face(*face) for face in zip(_in_pixels(points, image), shaped, strict=True)]


class FaceDetector:
    """BlazeFace, full-range model (faces within five metres). See https://arxiv.org/abs/1907.05047.

    It gives faces from a confidence of 0.6 on: MediaPipe's own class says that it takes another, and does not.
    """

    def __init__(self) -> None:
        file = "face_detection/face_detection_full_range_cpu.binarypb"
        self._network = _Network(lambda: Graph(file, "detections"))
        self._detection = importlib.import_module("mediapipe.framework.formats.detection_pb2").Detection

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Find faces in an RGB image; return float32 [faces, 5]: x, y, width, height in pixels, and confidence."""
        height, width = image.shape[:2]
        boxes = [
            (box.xmin * width, box.ymin * height, box.width * width, box.height * height, detection.score[0])
            for detection in map(self._detection.FromString, messages(self._network(image)))
            for box in (detection.location_data.relative_bounding_box,)
        ]
        return np.asarray(boxes, np.float32).reshape(-1, 5)


class PersonSegmenter:
    """MediaPipe SelfieSegmentation, the general 256x256 model."""

    def __init__(self) -> None:
        file = "selfie_segmentation/selfie_segmentation_cpu.binarypb"
        self._network = _Network(lambda: Graph(file, "segmentation_mask", {"model_selection": 0}))

    def reset(self) -> None:
        """Forget the previous frame's mask."""
        self._network.reset()

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Probability of person for each pixel of an RGB image; float32 [height, width] in 0..1."""
        return picture(self._network(image))


@lru_cache(maxsize=1)
def face_mesh_tracker() -> FaceMesh:
    """This process's tracking face mesh for one face; call `reset` at the start of each video."""
    return FaceMesh(faces=1, tracking=True)


@lru_cache(maxsize=1)
def face_landmarker() -> FaceLandmarker:
    """This process's face landmarker. Raises MissingPrerequisite when its file is missing or another."""
    return FaceLandmarker(verified("face_landmarker").path)


@lru_cache(maxsize=1)
def face_detector() -> FaceDetector:
    """This process's face detector."""
    return FaceDetector()


@lru_cache(maxsize=1)
def person_segmenter() -> PersonSegmenter:
    """This process's person segmenter; call `reset` at the start of each video."""
    return PersonSegmenter()


def _in_pixels(faces: Any, image: Image) -> NDArray[np.float32]:
    """Points [faces, 478, 3] in shares of the image -> pixels of it."""
    height, width = image.shape[:2]
    shaped = np.asarray(faces, np.float64).reshape(-1, COUNT, 3)
    return (shaped * (width, height, width)).astype(np.float32)


def _points(wire: bytes) -> NDArray[np.float32]:
    """x, y, z of a serialized NormalizedLandmarkList, float32 [478, 3].

    Reads all points at once where they have the expected form, at a fraction of the cost of asking for them one by one.
    """
    if len(wire) == COUNT * _WIRE.itemsize and not (np.frombuffer(wire, np.uint8) & _TAG_BITS != _TAGS).any():
        rows, points = np.frombuffer(wire, _WIRE), np.empty((COUNT, 3), np.float32)
        for number, axis in enumerate("xyz"):
            points[:, number] = rows[axis]
        return points
    landmarks = importlib.import_module("mediapipe.framework.formats.landmark_pb2").NormalizedLandmarkList
    return np.array([(point.x, point.y, point.z) for point in landmarks.FromString(wire).landmark], np.float32)
