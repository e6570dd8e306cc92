"""The same face throughout a video: follows one face, and does not let the network slip to a neighbour.

The face mesh tracks by itself while it sees a face. When it has lost it, it searches the frame afresh and takes the
face that looks best, whoever's that is. So every face is compared with the last one. A face within half a face's size
of it, and not half as large again, is the same. Otherwise the detector looks at the whole frame: the face in it that
is nearest to the last one is the right one, if it is within 0.8 of a face's size; where the mesh holds another, the
others are painted over and it searches again. With no face that near the frame counts as one without a face (a
*stray*). A person who really moved must not be lost for ever: after `patience` strays in a row the face that is there
is taken, and counted as a jump of identity, since nothing in the picture tells a move from a cut to somebody else.

A network that gives several faces at once is held to the same rules: of all that it gives, the one in question is the
one that is nearest to the last.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face.place import Place, place_of_box
from portrait_prep.stages.models.mediapipe import Face, FaceDetector
from portrait_prep.stages.video.crop import main_face

REACH = 0.5
"""How far from the last one a face may be, in its sizes, to be the same without a look at the others."""
FAR_REACH = 0.8
"""How far it may be if no other face is nearer: heads that touch are a whole size apart."""


def is_confirmed(place: Place, boxes: NDArray[np.float32]) -> bool:
    """Whether one of the detector's boxes [n, 5] is in the place of a face and of its size."""
    return any(place.fits(place_of_box(box), REACH) for box in boxes)


class FaceNetwork(Protocol):
    """Finds faces with their landmarks; may find one only, and may look for it where it was in the frame before."""

    def reset(self) -> None:
        """Forget the frame before: the next one is searched afresh."""

    def find(self, image: Image) -> list[Face]:
        """The faces in an RGB image, best first."""


def _nearest(faces: Sequence[Face], place: Place) -> Face:
    """Of some faces, at least one, the nearest to a place."""
    return min(faces, key=lambda face: place.distance(face.place))


class FaceFollower:
    """Finds the same face in each frame of one video, in order; make a new one for each video.

    `jumps` counts the times another face had to be taken, `strays` the frames in which only another face was seen.
    """

    def __init__(self, network: FaceNetwork, detector: FaceDetector, patience: int) -> None:
        self.jumps = 0
        self.strays = 0
        self._network, self._detector, self._patience = network, detector, patience
        self._last: Place | None = None
        self._waited = 0
        network.reset()

    def __call__(self, image: Image) -> Face | None:
        """The face in an RGB image, or None when it is not there."""
        found = self._network.find(image)
        if not found:
            return None
        face = self._same(found) or self._right_one(image, found)
        if face is not None:
            self._last, self._waited = face.place, 0
        return face

    def _same(self, found: Sequence[Face]) -> Face | None:
        """The face that is so near to the last that it needs no look at the others."""
        if self._last is None:
            return None
        face = _nearest(found, self._last)
        return face if self._last.fits(face.place, REACH) else None

    def _right_one(self, image: Image, found: Sequence[Face]) -> Face | None:
        if self._last is None:
            return self._main_one(image, found)
        again = self._again(image, found, self._last)
        if again is None:
            self.strays += 1
            self._waited += 1
            if self._waited > self._patience:
                self.jumps += 1
                return found[0]
        return again

    def _main_one(self, image: Image, found: Sequence[Face]) -> Face:
        """At the start, the face that the square is cut around; the best one where the network does not see that."""
        boxes = self._detector(image)
        main = main_face([boxes], image.shape[1], image.shape[0])
        if not len(main):
            return found[0]
        return self._in_box(image, found, boxes, int(np.flatnonzero((boxes == main).all(axis=1))[0])) or found[0]

    def _again(self, image: Image, found: Sequence[Face], last: Place) -> Face | None:
        """Of all faces in the picture the one nearest to the last, where that is near enough to be the same."""
        boxes = self._detector(image)
        if not len(boxes):
            face = _nearest(found, last)
            return face if last.fits(face.place, FAR_REACH) else None
        places = [place_of_box(box) for box in boxes]
        nearest = int(np.argmin([last.distance(place) for place in places]))
        return self._in_box(image, found, boxes, nearest) if last.fits(places[nearest], FAR_REACH) else None

    def _in_box(self, image: Image, found: Sequence[Face], boxes: NDArray[np.float32], wanted: int) -> Face | None:
        """The face that lies in the wanted box, if need be found with the other boxes painted over."""
        places = [place_of_box(box) for box in boxes]
        face = _nearest(found, places[wanted])
        own = face.place
        if int(np.argmin([own.distance(place) for place in places])) == wanted:
            return face
        self._network.reset()
        alone = self._network.find(_without(image, np.delete(boxes, wanted, axis=0), boxes[wanted]))
        if alone:
            face = _nearest(alone, places[wanted])
            if places[wanted].distance(face.place) <= REACH:
                return face
        self._network.reset()
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
