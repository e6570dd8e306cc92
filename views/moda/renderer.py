"""What MODA's renderer reads: a face drawn in lines, pictures of the person, and the frame that is to come of it.

Source: https://github.com/taichuai/MODA, datasets/render_dataset.py (`RenderDataset.__getitem__`) and
data_prepare/steps/step7-gen_pix2pix.py. Nothing is drawn beforehand: a sample is made of one frame of the mp4 and one
row of the columns. Where the original errs, this does not:

- There pictures of the person are taken from all frames, those to be tested on among them, and one may come twice. Here
  they are of the training part.
- There time is 1 + n / 1000 in training and n / 1000 when it is used. Here it is n / 1000; the released weights were
  trained with `time_offset=1.0`.
- There the mouth's mask is loaded, and no loss uses it. It is here all the same.
- There shoulders are drawn in every picture. Here only where they were seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import SIZE, Image
from portrait_prep.stages.face.geometry import Pose, to_image
from portrait_prep.stages.face.mesh import EDGES
from portrait_prep.views.moda.centre import HEADMOTION
from portrait_prep.views.moda.parts import MOUTH
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Sample, Samples
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.store import Store, size
from portrait_prep.views.reading.windows import Stretches, Window

Floats = NDArray[np.floating[Any]]
Colour = tuple[int, int, int]

Part = Literal["train", "val"]
COLUMNS = (
    *("headpose.canonical", "headpose.euler", "headpose.translation", "headpose.scale"),
    *("torso.shoulders", "torso.visible"),
)

EXAMPLES = 4
"""Pictures of the person. The released renderer looks at the first of them (`use_example=1`)."""
TRAINING = 0.8
"""Share of a clip's frames, from its beginning, that is trained on: `train_val_rate`."""
TICKS = 1000.0
"""Frames to a unit of time: `temporal_encoding_param`."""
OCTAVES = 6
"""Frequencies of the time's encoding, each twice the one before: `num_encoding_functions`."""
EXAMPLE_BYTES = 64 << 20
"""Decoded pictures that are kept, in each process: 3 MB a video."""

GREY: Colour = (128, 128, 128)
WHITE: Colour = (224, 224, 224)
GREEN: Colour = (48, 255, 48)
RED: Colour = (255, 48, 48)
LINES: Mapping[str, tuple[Colour, int]] = {
    "tesselation": (GREY, 1),
    "face_oval": (WHITE, 2),
    "lips": (WHITE, 2),
    "left_eye": (GREEN, 2),
    "left_eyebrow": (GREEN, 2),
    "right_eye": (RED, 2),
    "right_eyebrow": (RED, 2),
    "left_iris": (GREEN, 2),
    "right_iris": (RED, 2),
}
"""Part -> colour and width in px, in the order in which they are drawn."""
SHOULDERS: tuple[Colour, int] = ((225, 225, 225), 2)
AROUND_MOUTH = 45
"""Side in px of the square by which the mouth is widened."""
FAR = 1 << 14
"""Px beyond which nothing is drawn: OpenCV's coordinates overflow."""


@dataclass(frozen=True)
class RendererFrame:
    """Makes the sample of one frame; pictures are RGB, -1..1.

    `mesh` float32 [3, 512, 512]: the face in lines, and the shoulders that were seen.
    `face` float32 [3, 512, 512]: the frame itself.
    `example` float32 [3 * examples, 512, 512]: pictures of the same video's training part, the same for all its frames.
    `time_position` float32 [13, 512, 512]: t and sin, cos of t, 2t, 4t, … 32t; t = `time_offset` + frame / 1000.
    `weight_mask` float32 [1, 512, 512]: 1 around the mouth, else -1. `video_id`, `frame`.
    """

    examples: int = EXAMPLES
    time_offset: float = 0.0
    seed: int = 0
    _pictures: Store[Image] = field(
        default_factory=partial(Store, EXAMPLE_BYTES, size), init=False, repr=False, compare=False
    )

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:  # noqa: ARG002 (a view's form)
        """The sample of one frame. Raises what `Reader` raises."""
        number, frame, _ = window
        row = reader.read(number, frame, 1, COLUMNS)
        face = to_image(row["headpose.canonical"], Pose(*(row[f"headpose.{name}"] for name in HEADMOTION)))[0]
        return {
            "mesh": signed(feature_image(face, row["torso.shoulders"][0][row["torso.visible"][0]])),
            "example": self._examples(reader, number),
            "time_position": time_position(self.time_offset + frame / TICKS),
            "face": signed(reader.images(number, frame, 1)[0]),
            "weight_mask": signed(mouth_mask(face)[:, :, np.newaxis]),
            "video_id": reader.videos[number].video.video_id,
            "frame": frame,
        }

    def _examples(self, reader: Reader, number: int) -> NDArray[np.float32]:
        """Decoded once in a process, for they are far apart."""
        footage = reader.videos[number]
        frames = example_frames(footage, self.examples, self.seed)
        key = footage.digests["normalize"]
        pictures = self._pictures.get(key, lambda: np.concatenate([reader.images(number, at, 1) for at in frames]))
        return np.concatenate([signed(picture) for picture in pictures])


def renderer(
    workspace: Path | str,
    *,
    part: Part = "train",
    examples: int = EXAMPLES,
    time_offset: float = 0.0,
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """Every frame with a face of the first 80 % of each chosen video, or (`val`) of the rest.

    A renderer is one person's: `video_id="…"` or `subject="…"`, and what else `Reader` takes, chooses videos; `seed` is
    for the choice of examples. Raises BadInput when nothing is chosen, and ValueError for another part.
    """
    if part not in ("train", "val"):
        raise ValueError(f"part must be 'train' or 'val', not {part!r}")
    reader = Reader(workspace, COLUMNS, **wishes)
    make = RendererFrame(examples, time_offset, seed)
    return Samples(reader, Stretches(_runs(reader.videos, part), 1, 1), make, seed)


def training_frames(footage: Footage) -> int:
    """How many frames, from the beginning, are of the training part."""
    return int(footage.frames * TRAINING + 0.5)


def _runs(videos: Sequence[Footage], part: Part) -> Iterator[tuple[int, int, int]]:
    """Video, first frame and last + 1 of what lies between gaps in this part."""
    for number, footage in enumerate(videos):
        bound = training_frames(footage)
        low, high = (0, bound) if part == "train" else (bound, footage.frames)
        for first, stop in footage.runs:
            if max(first, low) < min(stop, high):
                yield number, max(first, low), min(stop, high)


def example_frames(footage: Footage, count: int, seed: int) -> list[int]:
    """Frames of the training part, with a face where there are such; always the same of a video."""
    bound = training_frames(footage)
    seen = [frame for first, stop in footage.runs for frame in range(first, min(stop, bound))] or [0]
    return chosen(seen, count, footage.video.video_id, seed)


def chosen(frames: Sequence[int], count: int, video_id: str, seed: int = 0) -> list[int]:
    """So many of these frames by lot, in order; always the same of a video. One comes twice where they are fewer."""
    rng = np.random.default_rng([seed, *video_id.encode()])
    return sorted(rng.choice(np.asarray(frames), count, replace=len(frames) < count).tolist())


def time_position(time: float) -> NDArray[np.float32]:
    """t, sin t, cos t, sin 2t, cos 2t, … cos 32t, each all over the picture: float32 [13, 512, 512]."""
    phases = np.float32(time) * np.exp2(np.arange(OCTAVES, dtype=np.float32))
    values = np.concatenate([[np.float32(time)], np.stack([np.sin(phases), np.cos(phases)], axis=1).reshape(-1)])
    return np.repeat(values, SIZE * SIZE).reshape(-1, SIZE, SIZE)


def signed(picture: Image) -> NDArray[np.float32]:
    """uint8 [height, width, channels], 0..255 -> float32 [channels, height, width], -1..1."""
    values = np.multiply(picture.transpose(2, 0, 1), np.float32(2 / 255), dtype=np.float32, order="C")
    return np.subtract(values, np.float32(1), out=values)


def feature_image(face: Floats, shoulders: Floats) -> Image:
    """RGB uint8 [512, 512, 3] of a face [478, 2 or 3] and shoulders [n, 9, 2], in image px: lines on black.

    Source: its data_prepare/steps/step7-gen_pix2pix.py (`get_feature_image`), in the colours of MediaPipe's default
    drawing styles. Its pictures are written by OpenCV and read by PIL: they are red, green, blue.
    """
    canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels = _pixels(face)
    for part, (colour, width) in LINES.items():
        cv2.polylines(canvas, list(pixels[EDGES[part]]), False, colour, width)
    cv2.polylines(canvas, list(_pixels(shoulders)), False, *SHOULDERS)
    return canvas


def mouth_mask(face: Floats) -> NDArray[np.uint8]:
    """255 around the mouth of a face [478, 2 or 3] in image px, 0 elsewhere; uint8 [512, 512]."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [_pixels(face)[list(MOUTH)]], 255)
    return np.asarray(cv2.dilate(mask, np.ones((AROUND_MOUTH, AROUND_MOUTH), np.uint8)), np.uint8)


def _pixels(points: Floats) -> NDArray[np.int32]:
    """x and y cut to whole pixels, as the original cuts them."""
    return np.clip(points[..., :2], -FAR, FAR).astype(np.int32)
