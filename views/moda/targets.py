"""What MODA is to say: the face, the head's motion and the shoulders, relative to a mean; and the way back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.face.geometry import Pose, to_canonical, to_image
from portrait_prep.stages.streaming.described import NAME as STATS
from portrait_prep.views.moda.centre import HEADMOTION, Centre, centre_of_batches, centre_of_clip, centre_of_subject
from portrait_prep.views.moda.published import published, published_to_image
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.store import Store
from portrait_prep.views.reading.windows import Window, blocks, padded

COLUMNS = ("headpose.canonical", "headpose.euler", "headpose.translation", "headpose.scale", "torso.billboard")
"""The frame columns that targets are made of."""
LANDMARKS = "landmarks.landmarks"
NAMES = ("mesh", "headmotion", "torso")
KNOWN = 512
"""Most clips whose centre is remembered, some 25 kB each."""


@dataclass(frozen=True)
class Targets:
    """Relative to what targets are given, and in which units.

    `centre`: less the mean of the `subject` over all its accepted videos, or of the `clip` alone.
    `standardize`: over the deviation, too.
    `order`: of the angles, in which the head's rotation is taken off: `XYZ` leaves faces upright, `xyz` as MODA's
    released weights know them (see `views.moda.published`; its centre is that of the clip).
    `unsmoothed`: faces are the landmarks of the very frame, as the network gave them, not smoothed as configured.
    """

    centre: Literal["subject", "clip"] = "subject"
    standardize: bool = False
    order: Literal["XYZ", "xyz"] = "XYZ"
    unsmoothed: bool = False
    _known: Store[Centre] = field(default_factory=partial(Store, KNOWN), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise ValueError for a centre or an order that there is not, or that do not go together."""
        if self.centre not in ("subject", "clip") or self.order not in ("XYZ", "xyz"):
            raise ValueError(
                f"centre is 'subject' or 'clip', order 'XYZ' or 'xyz'; not {self.centre!r}, {self.order!r}"
            )
        if (self.centre, self.order) == ("subject", "xyz"):
            raise ValueError("statistics of subjects are in the order 'XYZ': with order='xyz', centre must be 'clip'")

    @property
    def columns(self) -> tuple[str, ...]:
        """The frame columns to be read."""
        return (*COLUMNS, LANDMARKS) if self.unsmoothed else COLUMNS

    @property
    def stages(self) -> tuple[str, ...]:
        """The other stages that a video must be done at."""
        return () if self.order == "xyz" else (STATS,)

    def check(self, reader: Reader) -> None:
        """Raise BadInput when targets are relative to a subject of which there are no statistics."""
        if self.centre == "clip":
            return
        if missing := {footage.video.subject for footage in reader.videos} - reader.subjects:
            first, more = min(missing), f" and {len(missing) - 1} more" * (len(missing) > 1)
            raise BadInput(
                f"No video is accepted, and so there are no statistics of {first}{more}: choose other subjects, or "
                "Targets(centre='clip')."
            )

    def read(self, reader: Reader, window: Window) -> Batch:
        """The columns of these frames, in the units asked for. Raises what `Reader.read` raises."""
        batch = reader.read(*window, self.columns)
        if self.unsmoothed:
            batch["headpose.canonical"] = to_canonical(batch.pop(LANDMARKS), _pose(batch)).astype(np.float32)
        return published(batch) if self.order == "xyz" else batch

    def blocks(self, reader: Reader, window: Window) -> Iterator[Batch]:
        """The same, some frames at a time."""
        for block in blocks(window):
            yield self.read(reader, block)

    def centre_of(self, reader: Reader, number: int) -> Centre:
        """What the targets of video `number` are relative to.

        Raises Damaged when the stats stage is not done with it, and BadInput when no video of the subject is accepted.
        """
        if self.order == "xyz":
            footage = reader.videos[number]
            every = Window(number, 0, footage.frames)
            key = footage.digests["headpose"], footage.digests["torso"]
            return self._known.get(key, lambda: centre_of_batches(self.blocks(reader, every)))
        find = centre_of_subject if self.centre == "subject" else centre_of_clip
        return self._known.get((ref(reader), number), lambda: find(reader, number))

    def sample(self, reader: Reader, window: Window, length: int) -> dict[str, Any]:
        """Targets of a window, padded with zeros to `length`, and what they are relative to."""
        batch, centre = self.read(reader, window), self.centre_of(reader, window.video)
        columns = {
            "mesh": batch["headpose.canonical"],
            "headmotion": np.column_stack([batch[f"headpose.{name}"] for name in HEADMOTION]),
            "torso": batch["torso.billboard"],
        }
        sample: dict[str, Any] = {name: padded(self._relative(columns[name], centre, name), length) for name in NAMES}
        sample |= {"reference": centre.mean["mesh"].copy(), "torso_mask": centre.torso_mask}
        sample |= {f"{name}_mean": centre.mean[name].copy() for name in ("headmotion", "torso")}
        return sample | {f"{name}_std": centre.std[name].copy() for name in NAMES if self.standardize}

    def _relative(self, values: NDArray[Any], centre: Centre, name: str) -> NDArray[np.float32]:
        """In place: a fresh array of this size costs more than the arithmetic."""
        flat = values.reshape(len(values), -1).astype(np.float32, copy=False)
        flat -= centre.mean[name].reshape(-1)
        if self.standardize:
            flat /= centre.std[name].reshape(-1)
        return flat

    def to_landmarks(self, sample: Mapping[str, Any]) -> NDArray[np.float64]:
        """The face of a sample (or one that a network made) in image px, float64 [length, 478, 3]: the way back.

        z is negative toward the camera, as in the column `landmarks`. Where a sample is padded, it is the mean face.
        """
        mesh, motion = (_whole(sample, name) for name in ("mesh", "headmotion"))
        face = mesh.reshape(len(mesh), -1, 3) + np.asarray(sample["reference"], np.float64).reshape(-1, 3)
        motion = motion + np.asarray(sample["headmotion_mean"], np.float64)
        parts = motion[:, :3], motion[:, 3:6], motion[:, 6]
        if self.order == "xyz":
            return published_to_image(face, *parts)
        return to_image(face, Pose(*(part.astype(np.float32) for part in parts)))


PUBLISHED = Targets(centre="clip", order="xyz")
"""As MODA's released weights know them."""


def _pose(batch: Batch) -> Pose:
    return Pose(*(batch[f"headpose.{name}"] for name in HEADMOTION))


def _whole(sample: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Times the deviation, where a target was divided by it."""
    values, std = np.asarray(sample[name], np.float64), sample.get(f"{name}_std")
    return values if std is None else values * np.asarray(std, np.float64).reshape(-1)
