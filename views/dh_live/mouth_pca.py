"""Six numbers for the look of a mouth: a principal component analysis of small pictures of mouths, and its file.

Source: https://github.com/kleinlee/DH_live, train_audio/preparation_step1.py. There the pictures are of videos that
another network (Wav2Lip) painted over one still photograph, and a rectangle in the picture is the same place on the
head in all of them. In real video heads move: here the rectangle is fixed to the head, around all that the lips reach
in the video, and cut along the head's turn. Where the original errs, this does not:

- It fits on pictures that it made symmetrical and stretched to more contrast, and projects ones that it did not.
- Skin and light would be most of what differs among real videos, and no voice tells of them: each video's own mean
  picture is taken off, before fitting and before projecting.
- It keeps the analysis as a pickle, which can do anything when loaded. This is an .npz of plain arrays.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.media.file import regular
from portrait_prep.stages.face.geometry import Pose, to_image
from portrait_prep.views.dh_live.face_range import CANONICAL, FaceRange, FaceRanges
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window

WIDTH, HEIGHT = 30, 15
VALUES = 3 * WIDTH * HEIGHT
COMPONENTS = 7
"""That are kept; `COEFFICIENTS` of them are what networks are trained on."""
COEFFICIENTS = 6
SHARE = 0.9
"""Of the width and height that the lips reach, which the picture shows."""
FINER = 4
"""Pictures are cut at so many times their size and then averaged: a mouth is larger than thirty pixels."""
BLOCK = 25
"""Frames looked at in a row: from one key frame to the next."""
FEWEST_BLOCKS = 4
"""Of each video, where it has so many: its mean picture is made of them."""
MIDDLE = 128.0

POSE = ("headpose.euler", "headpose.translation", "headpose.scale")
COLUMNS = (CANONICAL, *POSE)
"""What a reader must read for pictures of mouths."""
COMMAND = "portrait-prep export mouth-pca"


@dataclass(frozen=True)
class MouthPca:
    """The analysis. Values are BGR 0..255, row by row, as in a picture [15, 30, 3].

    `mean` float64 [1350] over all videos, `components` float64 [7, 1350] orthonormal, the largest value of each
    positive, `variance` float64 [7] of the coefficients, `ratio` float64 [7] their share of the whole. `videos` text
    [n] ids, `means` float32 [n, 1350] the mean picture of each.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variance: NDArray[np.float64]
    ratio: NDArray[np.float64]
    videos: NDArray[np.str_]
    means: NDArray[np.float32]

    def of(self, video_id: str) -> NDArray[np.float32]:
        """The mean picture of a video, float32 [1350]. Raises BadInput when the analysis does not know the video."""
        found = np.flatnonzero(self.videos == video_id)
        if not len(found):
            raise BadInput(f"The mouth PCA was fitted without {video_id}: run '{COMMAND}' again.")
        return np.asarray(self.means[found[0]])

    @property
    def deviation(self) -> NDArray[np.float64]:
        """That of each coefficient, float64 [7]: the first moves far more than the last."""
        return np.asarray(np.sqrt(self.variance))

    def project(
        self, pictures: NDArray[np.float32], video_id: str, coefficients: int = COEFFICIENTS
    ) -> NDArray[np.float32]:
        """The first coefficients, float32 [n, 6], of pictures [n, 15, 30, 3] of a video. Raises BadInput as `of`."""
        deviations = pictures.reshape(-1, VALUES) - self.of(video_id)
        return np.asarray(deviations @ self.components[:coefficients].T, np.float32)

    def picture(self, coefficients: NDArray[Any], video_id: str | None = None) -> NDArray[np.float32]:
        """Pictures float32 [n, 15, 30, 3] that have these coefficients [n, 6]: of a video, or of the mean mouth."""
        mean = self.mean if video_id is None else self.of(video_id)
        return np.asarray(mean + coefficients @ self.components[:COEFFICIENTS], np.float32).reshape(
            -1, HEIGHT, WIDTH, 3
        )

    def save(self, path: Path) -> None:
        """Write it; the same analysis gives the same bytes."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path | str) -> "MouthPca":
        """Read it. Raises BadInput when the file is not there or is another one."""
        try:
            with np.load(regular(Path(path)), allow_pickle=False) as arrays:
                loaded = cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except FileNotFoundError as error:
            raise BadInput(f"There is no {path}: '{COMMAND} {path} -w WORKSPACE' makes it.") from error
        except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
            raise BadInput(f"{path} is no mouth PCA: '{COMMAND} {path} -w WORKSPACE' makes one.") from error
        if loaded.components.shape != (COMPONENTS, VALUES) or loaded.means.shape != (len(loaded.videos), VALUES):
            raise BadInput(f"{path} is no mouth PCA: '{COMMAND} {path} -w WORKSPACE' makes one.")
        return loaded


def mouth_pictures(reader: Reader, window: Window, face: FaceRange) -> NDArray[np.float32]:
    """Pictures of the mouth in a window, BGR 0..255 float32 [frames, 15, 30, 3]; NaN where there is no face.

    The reader must read `COLUMNS`. Raises what `Reader` raises.
    """
    rows = reader.read(*window, POSE)
    corners = to_image(_corners(face, window.frames), Pose(*(rows[name] for name in POSE)))[:, :, :2]
    pictures = np.full((window.frames, HEIGHT, WIDTH, 3), np.nan, np.float32)
    for picture, image, corner in zip(pictures, reader.images(*window), corners, strict=True):
        if np.isfinite(corner).all():
            picture[:] = _cut(image, corner)
    return pictures


def _corners(face: FaceRange, frames: int) -> NDArray[np.float64]:
    """Three corners of the rectangle, canonical [frames, 3, 3]: top left, top right, bottom left."""
    middle, half = (face.lips[:2] + face.lips[2:]) / 2, SHARE * (face.lips[2:] - face.lips[:2]) / 2
    (left, top), (right, bottom) = middle - half, middle + half
    corners = np.array([(left, top, face.depth), (right, top, face.depth), (left, bottom, face.depth)])
    return np.broadcast_to(corners, (frames, 3, 3))


def _cut(image: NDArray[np.uint8], corners: NDArray[np.float64]) -> NDArray[np.float32]:
    """The parallelogram with these corners [3, 2] (px, whose edges are whole numbers) of an RGB image, as BGR."""
    width, height = FINER * WIDTH, FINER * HEIGHT
    ends = np.array([(0, 0), (width, 0), (0, height)])
    # OpenCV counts from the middles of pixels.
    matrix = cv2.getAffineTransform((ends - 0.5).astype(np.float32), (corners - 0.5).astype(np.float32))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(fine.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)[:, :, ::-1])


def fit(reader: Reader, frames: int = 20_000, done: Callable[[int], object] = lambda _: None) -> MouthPca:
    """Fit on about `frames` frames of the reader's videos, evenly spread; the reader must read `COLUMNS`.

    `done` is called with the number of each video that has been looked at. Memory does not grow with videos, but for
    the mean picture of each. Raises BadInput when there are too few frames, and what `Reader` raises.
    """
    share = frames / max(sum(footage.frames for footage in reader.videos), 1)
    gathered, ranges = _Gathered(), FaceRanges()
    with threadpool_limits(limits=1, user_api="blas"):  # several threads add up in another order each time
        for number, footage in enumerate(reader.videos):
            face = ranges.of(reader, number)
            for window in blocks(number, footage.frames, share):
                pictures = mouth_pictures(reader, window, face).reshape(-1, VALUES)
                gathered.add(pictures[np.isfinite(pictures[:, 0])])
            gathered.end(footage.video.video_id)
            done(number)
        return gathered.analysis()


def blocks(number: int, frames: int, share: float) -> Iterator[Window]:
    """Runs of frames of a video that hold about a share of it, evenly spread."""
    whole = -(-frames // BLOCK)
    wanted = min(max(round(share * whole), FEWEST_BLOCKS), whole)
    for block in np.unique(np.linspace(0, whole - 1, wanted).round().astype(int)).tolist():
        yield Window(number, block * BLOCK, min(BLOCK, frames - block * BLOCK))


class _Gathered:
    """Sums over pictures, less each video's mean."""

    def __init__(self) -> None:
        self.scatter = np.zeros((VALUES, VALUES))
        self.count, self.sum = 0, np.zeros(VALUES)
        self.ids: list[str] = []
        self.means: list[NDArray[np.float32]] = []
        self._count, self._sum = 0, np.zeros(VALUES)

    def add(self, pictures: NDArray[np.float32]) -> None:
        """Take in pictures [n, 1350] of the video under way."""
        values = pictures.astype(np.float64) - MIDDLE
        self.scatter += values.T @ values
        self._count += len(values)
        self._sum += values.sum(axis=0)

    def end(self, video_id: str) -> None:
        """The video is at its end."""
        if self._count:
            mean = self._sum / self._count
            self.scatter -= self._count * np.outer(mean, mean)
            self.ids.append(video_id)
            self.means.append((mean + MIDDLE).astype(np.float32))
        self.count, self.sum = self.count + self._count, self.sum + self._sum
        self._count, self._sum = 0, np.zeros(VALUES)

    def analysis(self) -> MouthPca:
        """The components of what is left."""
        free = self.count - len(self.ids)
        if free <= COMPONENTS:
            raise BadInput(f"{self.count} frames with a mouth are too few for {COMPONENTS} components.")
        covariance = self.scatter / free
        rising, vectors = eigh(covariance, subset_by_index=(VALUES - COMPONENTS, VALUES - 1))
        variance, components = rising[::-1].copy(), vectors.T[::-1]
        largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, np.newaxis], axis=1)
        return MouthPca(
            self.sum / self.count + MIDDLE,
            components * np.sign(largest),
            variance,
            variance / covariance.trace(),
            np.array(self.ids, np.str_),
            np.stack(self.means),
        )
