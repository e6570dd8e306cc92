"""Faces of a recording, followed from frame to frame: up to four at once, each under a number of its own.

The detector finds faces; between its looks the face mesh follows each in a window around it. Looks at mouths are 12 a
second or more, since lips that speak move at 2 to 8 Hz. The detector looks at the first frame of a shot, wherever a
face is lost, at each look while there is none, and else every SEARCH seconds, for who comes in. Which frames are looked
at depends on times alone, so that it matters little where a part of a recording begins.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import floor

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.box import Box
from portrait_prep.media.picture import Image
from portrait_prep.media.probe import Probe
from portrait_prep.media.source_frames import SourceFrame
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.face.geometry import canonical_distances, head_pose
from portrait_prep.stages.face.place import GROWTH, Place, place_of, place_of_box
from portrait_prep.stages.headpose import mean_face
from portrait_prep.stages.models.mediapipe import FaceMesh, face_detector
from portrait_prep.stages.recordings import proportions
from portrait_prep.stages.sound.lip_sync import DISTANCES
from portrait_prep.stages.video.alive import Patch, patch, registered
from portrait_prep.stages.video.faces import SMALLEST, SURE, search_parts, without_repeats
from portrait_prep.stages.video.tracking import FAR_REACH, REACH
from portrait_prep.stages.video.window import cut, window_around

Values = NDArray[np.float32]

MOST = 4
"""Faces that are followed at once."""

LOOKS = 11.9
"""Looks a second at least: every second frame of 23.976, 24 and 25 a second, every fifth of 60."""

SEARCH = 0.4
"""Seconds between looks of the detector while faces are followed; at 25 frames a second it costs 0.3 ms a frame."""

LARGEST = 1920
"""Longer side in px of the picture that is looked at."""

PARTS = 1 / 6
"""Share of the picture's shorter side up to which faces may have others beside them that the detector does not see in
the whole picture, which it looks at with 192 px: then squares as high as the picture are searched, too."""

APART = 4
"""Searches (1.6 s) between two pictures of a face that are compared, to tell whether it is a still: see `video.alive`.
The median likeness of photographs is 0.999 and more; where the camera pans over them or shakes, 0.992 to 0.9999. Of
people it is 0.80 to 0.99."""

CLOSE = 1.6
"""Side of what is cut out for that, in sizes of the face."""

DRIFT = 0.75
"""Sizes by which a face may leave the middle of its window before it gets a new one."""


@dataclass
class _Mesh:
    """A network of this process. A look that shows it no face makes it forget the one before."""

    network: FaceMesh
    fresh: bool = False

    def renew(self) -> None:
        """Forget the face before."""
        if not self.fresh:
            self.network.reset()
        self.fresh = True

    def __call__(self, image: Image) -> Values | None:
        """The face [478, 3] in a picture, if there is one."""
        found = self.network(image)
        self.fresh = len(found) == 0
        return None if self.fresh else found[0]


class _Face:
    """A face that is followed. Its `box` [4] is in px of the picture that is looked at.

    `landmarks` [478, 3] are those of the last look; None where the mesh sees nothing, and there is the detector's box.
    """

    def __init__(self, number: int, mesh: _Mesh, image: Image, box: Values) -> None:
        self.number, self._mesh, self._patches = number, mesh, deque[Patch](maxlen=APART + 1)
        self.find(image, box)

    def find(self, image: Image, box: Values) -> None:
        """Begin to follow it from a box [5] of the detector on."""
        self.box, self.place = box[:4], place_of_box(box)
        self.landmarks: Values | None = None
        self.likeness = np.nan
        self._lay_window(window_around(box, image))
        self._follow(image, FAR_REACH)

    def follow(self, image: Image) -> bool:
        """Look for it in its window; whether the mesh finds it near where it was."""
        return self._follow(image, REACH)

    def _follow(self, image: Image, reach: float) -> bool:
        points = _seen(self._mesh, image, self._window, self.place, reach)
        if points is None:
            return False
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        self.box, self.place, self.landmarks = np.concatenate([low, high - low]), place_of(points), points
        wanted = window_around(self.box, image)
        if self._is_beside(wanted):
            self._lay_window(wanted)
        return True

    def compare(self, image: Image) -> None:
        """Set `likeness`, that to what it was APART such calls ago; NaN where it was not seen at all of them."""
        self.likeness = np.nan
        x, y, width, height = (float(value) for value in self.box)
        side = round(CLOSE * max(width, height))
        around = Box(round(x + width / 2) - side // 2, round(y + height / 2) - side // 2, side, side)
        around = around.within(Box(0, 0, *image.shape[1::-1]))
        if self.landmarks is None or 0 in (around.w, around.h):
            self._patches.clear()
            return
        grey = np.asarray(cv2.cvtColor(cut(image, around), cv2.COLOR_RGB2GRAY), np.uint8)
        self._patches.append(patch(grey, (x - around.x, y - around.y, width, height)))
        if len(self._patches) > APART:
            self.likeness = registered(self._patches[0], self._patches[-1])

    def _is_beside(self, wanted: Box) -> bool:
        """Whether its window no longer is where one should be."""
        window, farthest = self._window, DRIFT * self.place.size
        away = max(
            abs(2 * (window.x - wanted.x) + window.w - wanted.w), abs(2 * (window.y - wanted.y) + window.h - wanted.h)
        )
        return away > 2 * farthest or max(window.w / wanted.w, wanted.w / window.w) > GROWTH

    def _lay_window(self, window: Box) -> None:
        """Where the mesh saw a face in the window before says nothing of this one."""
        self._window = window
        self._mesh.renew()


def _seen(mesh: _Mesh, image: Image, window: Box, place: Place, reach: float) -> Values | None:
    """The face [478, 3] that the mesh sees in a window of the picture, where it is near enough to a place."""
    points = mesh(cut(image, window))
    if points is None:
        return None
    points[:, :2] += (window.x, window.y)
    return points if place.fits(place_of(points), reach) else None


def landmarks_in(image: Image, box: Values) -> Values | None:
    """The face [478, 3] whose box [4] in a picture is that, as this picture alone shows it; None where it does not."""
    mesh = _Mesh(_network(0))
    mesh.renew()
    return _seen(mesh, image, window_around(box, image), place_of_box(box), REACH)


class FaceTracker:
    """Follows the faces of one video, frame by frame in order."""

    def __init__(self, facts: Probe) -> None:
        self._display, self._scale = facts.display, scale_of(facts)
        rate = facts.fps or LOOKS
        self._period, self._half = max(int(rate // LOOKS), 1) / rate, 0.5 / rate
        self._meshes: dict[int, _Mesh] = {}
        self._faces: dict[int, _Face] = {}
        self._begun = 0
        self._look: int | None = None
        self._search: int | None = None
        self._unit = np.ones(4)

    def __call__(self, time: float, frame: SourceFrame, begins: bool) -> Batch:
        """What is known of faces in the frame at a time (s); whether a shot `begins` with it.

        `track` int32 [4], -1 where there is none; `box` float32 [4, 4]: x, y, width and height in display px; `mouth`
        float32 [4, 3] and `shape` float32 [4, 6], NaN but in looks; `likeness` float32 [4], NaN but in searches. A face
        keeps its place among the four.
        """
        # Half a frame away from where frames lie: their times are rounded.
        look, search = (floor((time + self._half) / period) for period in (self._period, SEARCH))
        looks, searches = begins or look != self._look, False
        if looks:
            if begins:
                self._faces.clear()
            searches, image = search != self._search, frame.image(self._scale)
            self._look_at(image, searches or begins)
            if searches:
                self._compare(image)
            self._search = search
        self._look = look
        return self._row(looks, searches)

    def _look_at(self, image: Image, searches: bool) -> None:
        """Follow the faces; where one is lost, or none is known, or it is time, search for others."""
        self._unit = np.tile(np.array(self._display) / image.shape[1::-1], 2)
        lost = {slot for slot, face in self._faces.items() if face.landmarks is not None and not face.follow(image)}
        if searches or lost or not self._faces:
            self._search_in(image, lost, searches)
        for one, other in combinations(list(self._faces.items()), 2):
            if one[1].place.distance(other[1].place) <= REACH:
                self._faces.pop(max(one, other, key=lambda item: item[1].number)[0], None)

    def _compare(self, image: Image) -> None:
        for face in self._faces.values():
            face.compare(image)

    def _search_in(self, image: Image, lost: set[int], closely: bool) -> None:
        """Find faces that were lost, or that the mesh did not see, again or drop them; take in those that are new."""
        boxes = _detected(image, closely)
        places = [place_of_box(box) for box in boxes]
        own = self._matched(places)
        for slot, face in list(self._faces.items()):
            if slot in lost or face.landmarks is None:
                if slot in own:
                    face.find(image, boxes[own[slot]])
                else:
                    del self._faces[slot]
        for number, place in enumerate(places):
            free = next((slot for slot in range(MOST) if slot not in self._faces), None)
            if free is not None and not self._is_known(place):
                mesh = self._meshes.setdefault(free, _Mesh(_network(free)))
                face = _Face(self._begun, mesh, image, boxes[number])
                if face.landmarks is not None or boxes[number, 4] >= SURE:
                    self._faces[free] = face
                    self._begun += 1

    def _matched(self, places: Sequence[Place]) -> dict[int, int]:
        """Which of the places is that of which face, the nearest first."""
        pairs = sorted(
            (face.place.distance(place), slot, number)
            for slot, face in self._faces.items()
            for number, place in enumerate(places)
            if face.place.fits(place, FAR_REACH)
        )
        own: dict[int, int] = {}
        for _, slot, number in pairs:
            if slot not in own and number not in own.values():
                own[slot] = number
        return own

    def _is_known(self, place: Place) -> bool:
        return any(face.place.distance(place) <= FAR_REACH for face in self._faces.values())

    def _row(self, looks: bool, searches: bool) -> Batch:
        row = nothing()
        for slot, face in self._faces.items():
            row["track"][slot], row["box"][slot] = face.number, face.box * self._unit
            row["likeness"][slot] = face.likeness if searches else np.nan
        seen = {slot: face.landmarks for slot, face in self._faces.items() if looks and face.landmarks is not None}
        if seen:
            landmarks = np.stack(list(seen.values()))
            scale = head_pose(landmarks, mean_face())[0].scale
            row["mouth"][list(seen)] = canonical_distances(landmarks, DISTANCES, scale)
            row["shape"][list(seen)] = canonical_distances(landmarks, proportions.ENDS, scale)
        return row


def scale_of(facts: Probe) -> float:
    """How many times as large as displayed the picture is looked at."""
    return min(LARGEST / max(facts.upright), 1.0)


def _detected(image: Image, closely: bool) -> Values:
    """Boxes [n, 5] of the faces in a picture, the largest first; `closely`: small ones as well."""
    boxes, height = face_detector()(image), min(image.shape[:2])
    if closely and not (len(boxes) and boxes[:, 2].max() >= PARTS * height):
        boxes = np.concatenate([boxes, search_parts(image, height)])
        boxes = without_repeats(boxes) if len(boxes) else boxes
    boxes = boxes[boxes[:, 2] >= SMALLEST]
    return np.asarray(boxes[np.argsort(-boxes[:, 2], kind="stable")])


def nothing() -> Batch:
    """A frame without faces."""
    return {
        "track": np.full(MOST, -1, np.int32),
        "box": np.full((MOST, 4), np.nan, np.float32),
        "mouth": np.full((MOST, len(DISTANCES)), np.nan, np.float32),
        "likeness": np.full(MOST, np.nan, np.float32),
        "shape": np.full((MOST, len(proportions.ENDS)), np.nan, np.float32),
    }


@cache
def _network(slot: int) -> FaceMesh:
    """This process's, for each of the faces that are followed at once."""
    del slot
    return FaceMesh()
