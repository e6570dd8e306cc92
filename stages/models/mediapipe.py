"""MediaPipe behind one module, so that a later release of it is a one-file change.

One network of each kind lives in a process; `reset` between videos makes it equal a fresh one bit for bit.
"""

import atexit
import importlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.points import COUNT
from portrait_prep.stages.models import blendshapes
from portrait_prep.stages.models.registry import verified

# MediaPipe's own use of protobuf, of no concern to users.
warnings.filterwarnings("ignore", "SymbolDatabase.GetPrototype", UserWarning)

NO_SCORES = np.empty(0, np.float32)

_WIRE = np.dtype([("head", "V3"), ("x", "<f4"), ("y_tag", "V1"), ("y", "<f4"), ("z_tag", "V1"), ("z", "<f4")])
"""One landmark of a serialized list that has x, y and z and nothing else: 17 bytes."""
_TAG_BYTES = [0, 1, 2, 7, 12]
_TAGS = np.frombuffer(b"\x0a\x0f\x0d\x15\x1d", np.uint8)


class Face(NamedTuple):
    """One face that a network found."""

    landmarks: NDArray[np.float32]
    """[478, 3]: x and y in pixels of the image, z on the scale of x (times the width), negative toward the camera."""
    blendshapes: NDArray[np.float32]
    """Scores in 0..1: [52] named in `stages.models.blendshapes`, or [0] from a network that gives none."""


class _Network:
    """A network that stays usable: MediaPipe's graphs refuse all that follows once one picture was an error to them."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made = make, make()
        atexit.register(self._close)

    def __call__(self, image: Image) -> Any:
        """What the network tells of an RGB image. Raises RuntimeError where it cannot look at it.

        A picture of no pixels would end the process, or every later look.
        """
        if image.size == 0:
            raise RuntimeError("a picture of no pixels cannot be looked at")
        try:
            return self._made.process(image)
        except RuntimeError:
            self._close()
            self._made = self._make()
            raise

    def reset(self) -> None:
        """Forget the frames before."""
        self._made.reset()

    def _close(self) -> None:
        with suppress(RuntimeError):  # one that is broken says so once more
            self._made.close()


class FaceMesh:
    """The 478-point face mesh with attention, in tracking mode. See https://arxiv.org/abs/2006.10962."""

    def __init__(self, faces: int = 1, tracking: bool = True) -> None:
        networks = _solution("face_mesh")
        self._network = _Network(
            lambda: networks.FaceMesh(static_image_mode=not tracking, max_num_faces=faces, refine_landmarks=True)
        )

    def reset(self) -> None:
        """Forget the tracked face: the next frame is searched afresh."""
        self._network.reset()

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Find faces in an RGB image; return float32 [faces, 478, 3].

        x and y in pixels of the image, z on the scale of x (times the width), negative toward the camera.
        """
        found = self._network(image).multi_face_landmarks or ()
        return _in_pixels([_points(face) for face in found], image)

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
    """BlazeFace, full-range model (faces within five metres). See https://arxiv.org/abs/1907.05047."""

    def __init__(self, confidence: float = 0.5) -> None:
        networks = _solution("face_detection")
        self._network = _Network(lambda: networks.FaceDetection(min_detection_confidence=confidence, model_selection=1))

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Find faces in an RGB image; return float32 [faces, 5]: x, y, width, height in pixels, and confidence."""
        height, width = image.shape[:2]
        boxes = [
            (box.xmin * width, box.ymin * height, box.width * width, box.height * height, detection.score[0])
            for detection in self._network(image).detections or ()
            for box in (detection.location_data.relative_bounding_box,)
        ]
        return np.asarray(boxes, np.float32).reshape(-1, 5)


class PersonSegmenter:
    """MediaPipe SelfieSegmentation, the general 256x256 model."""

    def __init__(self) -> None:
        networks = _solution("selfie_segmentation")
        self._network = _Network(lambda: networks.SelfieSegmentation(model_selection=0))

    def reset(self) -> None:
        """Forget the previous frame's mask."""
        self._network.reset()

    def __call__(self, image: Image) -> NDArray[np.float32]:
        """Probability of person for each pixel of an RGB image; float32 [height, width] in 0..1."""
        return cast("NDArray[np.float32]", self._network(image).segmentation_mask)


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


def _solution(name: str) -> Any:
    """A module of MediaPipe, loaded on first use: it takes a second, and most commands need none."""
    return importlib.import_module(f"mediapipe.python.solutions.{name}")


def _in_pixels(faces: Any, image: Image) -> NDArray[np.float32]:
    """Points [faces, 478, 3] in shares of the image -> pixels of it."""
    height, width = image.shape[:2]
    shaped = np.asarray(faces, np.float64).reshape(-1, COUNT, 3)
    return (shaped * (width, height, width)).astype(np.float32)


def _points(face: Any) -> NDArray[np.float32]:
    """x, y, z of a NormalizedLandmarkList, float32 [478, 3].

    Reads all points at once from the message's wire format (https://protobuf.dev/programming-guides/encoding) where
    that has the expected form, at a fraction of the cost of asking for them one by one.
    """
    wire = face.SerializeToString()
    if len(wire) == COUNT * _WIRE.itemsize:
        rows = np.frombuffer(wire, _WIRE)
        if (rows.view(np.uint8).reshape(COUNT, -1)[:, _TAG_BYTES] == _TAGS).all():
            return np.stack([rows["x"], rows["y"], rows["z"]], axis=1)
    return np.array([(point.x, point.y, point.z) for point in face.landmark], np.float32)
