"""The same face throughout a video: follows one face, and does not let the network slip to a neighbour.

The face mesh tracks by itself while it sees a face. When it has lost it, it searches the frame afresh and takes the
face that looks best, whoever's that is. So every face is compared with the last one. A face within half a face's size
of it, and not half as large again, is the same. Otherwise the detector looks at the whole frame: the face in it that
is nearest to the last one is the right one, if it is within 0.8 of a face's size; where the mesh holds another, the
others are painted over and it searches again. With no face that near the frame counts as one without a face (a
*stray*). A person who really moved must not be lost for ever: after `patience` strays in a row the face that is there
is taken, and counted as a jump of identity, since nothing in the picture tells a move from a cut to somebody else.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.crop import main_face
from stages.frames import Image
from stages.models.mediapipe import FaceDetector, FaceMesh

REACH = 0.5
"""How far from the last one a face may be, in its sizes, to be the same without a look at the others."""
FAR_REACH = 0.8
"""How far it may be if no other face is nearer: heads that touch are a whole size apart."""
GROWTH = 1.5
"""How much larger or smaller it may be."""


@dataclass(frozen=True)
class Place:
    """Where a face is: centre in px, and size (root of its area) in px."""

    x: float
    y: float
    size: float

    def distance(self, other: "Place") -> float:
        """Between the centres, in sizes of this face."""
        return float(np.hypot(self.x - other.x, self.y - other.y)) / self.size

    def fits(self, other: "Place", reach: float) -> bool:
        """Whether the other is near enough, and of a size, to be the same face a little later."""
        return self.distance(other) <= reach and max(self.size / other.size, other.size / self.size) <= GROWTH


def place_of(landmarks: NDArray[np.float32]) -> Place:
    """The place of a face from its landmarks [478, 3]."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    x, y = (low + high) / 2
    return Place(float(x), float(y), float(np.sqrt(np.prod(high - low))))


def _place_of_box(box: NDArray[np.float32]) -> Place:
    x, y, width, height = (float(value) for value in box[:4])
    return Place(x + width / 2, y + height / 2, float(np.sqrt(width * height)))


def is_confirmed(landmarks: NDArray[np.float32], boxes: NDArray[np.float32]) -> bool:
    """Whether one of the detector's boxes [n, 5] is in the place and of the size of these landmarks [478, 3]."""
    own = place_of(landmarks)
    return any(own.fits(_place_of_box(box), REACH) for box in boxes)


class FaceFollower:
    """Finds the same face in each frame of one video, in order; make a new one for each video.

    `jumps` counts the times another face had to be taken, `strays` the frames in which only another face was seen.
    """

    def __init__(self, mesh: FaceMesh, detector: FaceDetector, patience: int) -> None:
        self.jumps = 0
        self.strays = 0
        self._mesh, self._detector, self._patience = mesh, detector, patience
        self._last: Place | None = None
        self._waited = 0
        mesh.reset()

    def __call__(self, image: Image) -> NDArray[np.float32] | None:
        """The face's landmarks float32 [478, 3] in an RGB image, or None when it is not there."""
        found = self._mesh(image)
        if not len(found):
            return None
        face, place = found[0], place_of(found[0])
        if self._last is None or not self._last.fits(place, REACH):
            right_one = self._right_one(image, face)
            if right_one is None:
                return None
            face, place = right_one, place_of(right_one)
        self._last, self._waited = place, 0
        return np.asarray(face)

    def _right_one(self, image: Image, face: NDArray[np.float32]) -> NDArray[np.float32] | None:
        if self._last is None:
            return self._main_one(image, face)
        again = self._again(image, face, self._last)
        if again is None:
            self.strays += 1
            self._waited += 1
            if self._waited > self._patience:
                self.jumps += 1
                return face
        return again

    def _main_one(self, image: Image, face: NDArray[np.float32]) -> NDArray[np.float32]:
        """At the start, the face that the square is cut around; the given one where the mesh does not see that."""
        boxes = self._detector(image)
        main = main_face([boxes], image.shape[1], image.shape[0])
        if not len(main):
            return face
        chosen = self._in_box(image, face, boxes, int(np.flatnonzero((boxes == main).all(axis=1))[0]))
        return face if chosen is None else chosen

    def _again(self, image: Image, face: NDArray[np.float32], last: Place) -> NDArray[np.float32] | None:
        """Of all faces in the picture the one nearest to the last, where that is near enough to be the same."""
        boxes = self._detector(image)
        if not len(boxes):
            return face if last.fits(place_of(face), FAR_REACH) else None
        places = [_place_of_box(box) for box in boxes]
        nearest = int(np.argmin([last.distance(place) for place in places]))
        return self._in_box(image, face, boxes, nearest) if last.fits(places[nearest], FAR_REACH) else None

    def _in_box(
        self, image: Image, face: NDArray[np.float32], boxes: NDArray[np.float32], wanted: int
    ) -> NDArray[np.float32] | None:
        """The given face if it lies in the wanted box, else what the mesh finds with the other boxes painted over."""
        own = place_of(face)
        if int(np.argmin([own.distance(_place_of_box(box)) for box in boxes])) == wanted:
            return face
        self._mesh.reset()
        found = self._mesh(_without(image, np.delete(boxes, wanted, axis=0), boxes[wanted]))
        if len(found) and _place_of_box(boxes[wanted]).distance(place_of(found[0])) <= REACH:
            return np.asarray(found[0])
        self._mesh.reset()
        return None


def _without(image: Image, others: NDArray[np.float32], kept: NDArray[np.float32]) -> Image:
    """The image with boxes [n, 5] painted grey, each grown by a quarter on all sides, except where `kept` lies."""
    painted = image.copy()
    for box in others:
        painted[_grown(box)] = 127
    painted[_grown(kept)] = image[_grown(kept)]
    return painted


def _grown(box: NDArray[np.float32]) -> tuple[slice, slice]:
    x, y, width, height = (float(value) for value in box[:4])
    left, top = max(0, round(x - width / 4)), max(0, round(y - height / 4))
    return slice(top, max(0, round(y + 1.25 * height))), slice(left, max(0, round(x + 1.25 * width)))
