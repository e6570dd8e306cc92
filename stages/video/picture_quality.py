"""What the pictures of a video are like: sharpness and exposure of the face, cuts, and repeats.

The face is looked at in the square inside of its outline, so that hair, background and padding have no say; its blur at
one and the same size, whatever its size in the picture. Faces of few source pixels are told by how far they were scaled
up; a blur that is still there at this size is the lens's, the motion's or the encoder's.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS, Image
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.stages.face.place import place_of
from portrait_prep.stages.streaming.percentiles import Percentiles
from portrait_prep.stages.video import dissolves, repeats
from portrait_prep.stages.video.dissolves import Dissolves
from portrait_prep.stages.video.repeats import Repeats
from portrait_prep.stages.video.sampled import sampled
from portrait_prep.stages.video.scene_cuts import Cuts

LENGTH = 9
"""Pixels of the mean filter that the picture is blurred with."""


def blur(luma: NDArray[Any]) -> float | None:
    """Blur of a picture [height, width], 0 (sharp) to 1, the greater of the two directions; None where all is even."""
    picture = luma.astype(np.float32)
    along = (_blur_along(picture, axis) for axis in (0, 1))
    return max((value for value in along if value is not None), default=None)


def _blur_along(picture: NDArray[np.float32], axis: int) -> float | None:
    size = (1, LENGTH) if axis == 0 else (LENGTH, 1)
    blurred = cv2.blur(picture, size, borderType=cv2.BORDER_REFLECT)
    before, after = (_steps(values, axis) for values in (picture, blurred))
    variation, lost = cv2.sumElems(before)[0], cv2.sumElems(np.maximum(before - after, 0))[0]
    return 1 - lost / variation if variation else None


def _steps(picture: NDArray[Any], axis: int) -> NDArray[np.float32]:
    """By how much neighbours differ along an axis."""
    first, second = (picture[:-1], picture[1:]) if axis == 0 else (picture[:, :-1], picture[:, 1:])
    return cv2.absdiff(first, second).astype(np.float32, copy=False)


INSIDE = 0.7
"""Side of that square in sizes of the face: eyes, nose and mouth are in it."""

SIDE = 96
"""Pixels that it is scaled to for the blur, so that a face is seen at 140: sharp from as many source pixels on."""

EVERY = 5
"""Of the frames with a face, in every so many it is looked at: five times a second."""

TOGETHER = 50
"""Frames that are measured together: one by one, between runs of a network, they would take twice the time."""

CRUSHED = 4
"""Greatest luma, of 255, in which nothing can be told from black."""

BLOWN = 251
"""Least luma in which nothing can be told from white."""


METRICS = (
    Metric(
        "cuts",
        "",
        "scene cuts: within three frames at least 8 grey levels of tones and 30 of what is where, steady before and "
        "after",
        title="Scene cuts",
        decimals=0,
        bounds=(
            at_most(
                "max_cuts",
                0,
                "most scene cuts",
                "it has {value} scene cut{s}, more than {limit}",
                places="cut_times",
                ge=0,
            ),
        ),
        blind="a jump cut that keeps the set (its jump may tell it); one in the last three frames; a cut from lights "
        "that are switched on",
    ),
    Metric("cut_times", "s", "when they are, in seconds of the source", kind="numbers"),
    *dissolves.METRICS,
    *repeats.METRICS,
    Metric(
        "blur",
        "",
        "blur of the face, median, 0 to 1: the blur effect of Crété-Roffet et al. (2007), at 140 px across the face",
        title="Blur",
        bounds=(
            at_most(
                "max_blur",
                0.65,
                "greatest blur of the face (0..1): that of a Gaussian of 5 px in the 512 px frame",
                "the face is blurred by {value:.2f}, more than {limit:g}",
                ge=0,
                le=1,
            ),
        ),
        blind="blur from smooth skin or make-up, within some 0.1; grain that hides it",
    ),
    Metric(
        "face_luma",
        "",
        "mean luma of the face, 0 to 255 (BT.601)",
        title="Face brightness",
        decimals=0,
        bounds=(
            at_least(
                "min_face_luma",
                30.0,
                "least mean luma of the face (0..255)",
                "the face is dark: its mean luma is {value:.0f}, below {limit:g}",
                ge=0,
                le=255,
            ),
            at_most(
                "max_face_luma",
                225.0,
                "greatest mean luma of the face (0..255)",
                "the face is too bright: its mean luma is {value:.0f}, above {limit:g}",
                ge=0,
                le=255,
            ),
        ),
        blind="dark skin from little light: hence the wide limits",
    ),
    Metric(
        "crushed_share",
        "share",
        f"share of the face's pixels that are black: luma up to {CRUSHED}",
        title="Black pixels",
        decimals=1,
        bounds=(
            at_most(
                "max_crushed_share",
                0.3,
                "greatest share of the face's pixels that are black",
                "{value:.0%} of the face's pixels are black, more than {limit:.0%}",
                ge=0,
                le=1,
            ),
        ),
        blind="black that was lifted afterwards",
    ),
    Metric(
        "blown_share",
        "share",
        f"share of the face's pixels that are white: luma from {BLOWN} on",
        title="White pixels",
        decimals=1,
        bounds=(
            at_most(
                "max_blown_share",
                0.2,
                "greatest share of the face's pixels that are white",
                "{value:.0%} of the face's pixels are white, more than {limit:.0%}",
                ge=0,
                le=1,
            ),
        ),
        blind="white that was lowered afterwards",
    ),
)


class PictureQuality:
    """Measures the pictures of one video, frame by frame."""

    def __init__(self) -> None:
        self._cuts, self._dissolves, self._repeats = Cuts(), Dissolves(), Repeats()
        self._blur = Percentiles(0.0, 1.0, 1000)
        self._faces = self._pixels = self._luma = self._crushed = self._blown = 0
        self._pictures: list[tuple[Image, bool]] = []
        self._parts: list[tuple[NDArray[np.uint8], float]] = []

    def add(self, image: Image, landmarks: NDArray[np.float32] | None) -> None:
        """Take in the next frame, RGB [height, width, 3], and its face's landmarks [478, 3]; None: there is none."""
        self._pictures.append((sampled(image), landmarks is not None))
        if landmarks is not None:
            if self._faces % EVERY == 0:
                self._parts.append(_inside(image, landmarks))
            self._faces += 1
        if len(self._pictures) == TOGETHER:
            self._look_at_all()

    def _look_at_all(self) -> None:
        for pixels, seen in self._pictures:
            self._cuts.add(pixels)
            self._dissolves.add(pixels)
            self._repeats.add(pixels, seen)
        for luma, size in self._parts:
            self._look(luma, size)
        self._pictures.clear()
        self._parts.clear()

    def _look(self, luma: NDArray[np.uint8], size: float) -> None:
        if luma.size == 0:
            return
        self._pixels += luma.size
        self._luma += int(luma.sum(dtype=np.int64))
        self._crushed += int(np.count_nonzero(luma <= CRUSHED))
        self._blown += int(np.count_nonzero(luma >= BLOWN))
        width, height = (max(round(SIDE * length / size), 2) for length in luma.shape[::-1])
        blurred = blur(cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA))
        self._blur.add(np.array(np.nan if blurred is None else blurred))

    def metrics(self, start: float = 0.0) -> dict[str, Any]:
        """`cuts` and `dissolves`; of the face `blur` (median), `face_luma` (mean) and shares of black and white.

        Also `cut_times`, `dissolve_times` and what `Repeats` tells, where the first frame is shown at second `start` of
        the source. Those of the face are None where there never was one.
        """
        self._look_at_all()
        seen = max(self._pixels, 1)
        sums = {"face_luma": self._luma, "crushed_share": self._crushed, "blown_share": self._blown}
        exposure = {name: total / seen if self._pixels else None for name, total in sums.items()}
        frames = {"cut": self._cuts.frames, "dissolve": self._dissolves.frames}
        counts = {f"{name}s": len(numbers) for name, numbers in frames.items()}
        times = {f"{name}_times": [start + number / FPS for number in numbers] for name, numbers in frames.items()}
        return {**counts, **times, **self._repeats.metrics(start), "blur": self._blur.at(50), **exposure}


def _inside(image: Image, landmarks: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
    """Luma (BT.601, 0..255) of the square inside the face's outline, as far as it is in the picture; and its side."""
    place = place_of(landmarks)
    side = INSIDE * place.size
    left, top = max(round(place.x - side / 2), 0), max(round(place.y - side / 2), 0)
    right, bottom = max(round(place.x + side / 2), 0), max(round(place.y + side / 2), 0)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    luma = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) if part.size else part[..., 0]
    return luma.astype(np.uint8, copy=False), side
