"""What MODA reads: windows of sound with the face, the head's motion and the shoulders that go with it.

Source: https://github.com/taichuai/MODA, datasets/audio2repr_dataset.py (`Audio2ReprDataset`), its options in
options/base_options_feature.py, and models/moda_model.py and models/faco_model.py (`set_input`) for what is made of it;
paper: https://arxiv.org/abs/2307.10008. Where the original errs, this does not:

- There a frame has int(16000 / 30) = 533 samples, and sound drifts by 0.6 ms a second. Here frame k is of the samples
  640k to 640k + 639, at 25 frames a second.
- There windows reach past the end of a clip, and are stretched to their length; with several clips most windows are
  taken from the wrong place. Here a window is what lies there.
- There the head's rotation is taken off in the wrong order of angles. Here faces are upright.
- There poses lead by a frame and shoulders lag by two. Here nothing leads or lags.
- There means are of the one clip. Here they are of the person over all its accepted videos, so that the reference
  tells who it is and not how the head was held.
- There the head's motion is degrees, pixels and a ratio under one squared error. `standardize` divides all targets by
  their deviation.

`targets=PUBLISHED` gives them as the released weights know them. Their sound was at 30 frames a second.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.wav import FULL_SCALE
from portrait_prep.stages.face import points
from portrait_prep.views.exporting.about import VISIBLE
from portrait_prep.views.moda.targets import PUBLISHED, Targets
from portrait_prep.views.moda.visibility import SEEN, shares
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Sample, Samples
from portrait_prep.views.reading.store import Store
from portrait_prep.views.reading.windows import Window, mask, padded, windows

__all__ = ["EYE", "LIP", "PUBLISHED", "ComposerWindow", "ModaWindow", "Targets", "as_published", "composer", "moda"]

EPSILON = 1e-7
"""Added to the variance, as `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm` of Hugging Face's transformers does."""
BLOCK = 1000
"""Frames at a time: few enough that the sum of the squares is exact."""
LENGTH = 600
"""Frames of a window: `max_seq_len`. The paper has 300."""
STRIDE = 200
"""Frames from window to window: `frame_jump_stride`."""
EYE = points.EYES
"""intp [60]: irises, eyes and brows, left before right, each ascending: `semantic_eye_indices`."""
LIP = points.LIPS
"""intp [40]: lips, ascending: `semantic_lip_indices`."""
KNOWN = 1 << 16
"""Most clips whose mean and deviation are remembered."""


@dataclass(frozen=True)
class ModaWindow:
    """Makes a sample of a window of n <= `length` frames; what is missing to `length` is zeros.

    `audio` float32 [length, 640]: samples 640k to 640k + 639 of the clip in the row of frame k, less the mean of the
    whole clip, over its deviation.
    `mesh` float32 [length, 1434]: 478 points x, y, z in canonical px, less `reference`.
    `headmotion` float32 [length, 7]: yaw, pitch, roll in degrees, translation x, y, z in px of the flipped image, and
    scale, less `headmotion_mean`.
    `torso` float32 [length, 54]: 18 points of the shoulders in canonical px, less `torso_mean`.
    `mask` bool [length]: false where the window is padded; `frames`: n.
    `torso_mask` bool: both shoulders were seen in nine tenths of the window's frames, and those of this clip move, on
    average by more than 0.5 px: they may be learnt from.
    `torso_visible` bool [length, 2]: the image-left, and image-right, shoulder was found in this frame.
    `reference` float32 [478, 3], `headmotion_mean` float32 [7], `torso_mean` float32 [18, 3]: what was subtracted.
    `mesh_std`, `headmotion_std`, `torso_std`, of the same shapes: what targets were divided by, if they were.
    `eye` int64 [60], `lip` int64 [40]: which of the 478 points. `video_id`, `first`: where it is from.

    `jitter`: the window starts up to so many frames later, by lot, and stays within its stretch.
    """

    length: int = LENGTH
    targets: Targets = field(default_factory=Targets)
    jitter: int = 0
    _moments: "Store[WaveMoments]" = field(default_factory=partial(Store, KNOWN), init=False, repr=False, compare=False)

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:
        """The sample of one window. Raises what `Reader` raises."""
        window = shifted(reader, window, self.jitter, rng)
        key = reader.videos[window.video].digests["normalize"]
        moments = self._moments.get(key, lambda: WaveMoments.of(reader, window.video))
        targets, visible = self.targets.sample(reader, window, self.length), reader.read(*window, (VISIBLE,))[VISIBLE]
        return {
            "audio": padded(moments.normalized(reader.sound(*window)), self.length),
            **targets,
            "torso_mask": targets["torso_mask"] and bool(shares(visible).min() >= SEEN),
            "torso_visible": padded(visible, self.length),
            "eye": EYE.copy(),
            "lip": LIP.copy(),
            **whence(reader, window, self.length),
        }


@dataclass(frozen=True)
class ComposerWindow:
    """Makes a sample for the facial composer (FaCo-Net), which finds the whole face from lips and eyes.

    `lip` float32 [length, 120] and `eye` float32 [length, 180] are its input, parts of `mesh` float32 [length, 1434],
    its target. `reference` float32 [1434] tells it whose face it is. Its discriminator sees lip, eye and mesh side by
    side, 1734 numbers a frame. `mask`, `frames`, `video_id`, `first`, `mesh_std` and `jitter` as in `ModaWindow`.
    """

    length: int = LENGTH
    targets: Targets = field(default_factory=Targets)
    jitter: int = 0

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:
        """The sample of one window. Raises what `Reader` raises."""
        window = shifted(reader, window, self.jitter, rng)
        targets = self.targets.sample(reader, window, self.length)
        faces = targets["mesh"].reshape(self.length, -1, 3)
        return {
            "lip": faces[:, LIP].reshape(self.length, -1),
            "eye": faces[:, EYE].reshape(self.length, -1),
            **{name: targets[name] for name in ("mesh", "mesh_std") if name in targets},
            "reference": targets["reference"].reshape(-1),
            **whence(reader, window, self.length),
        }


def moda(
    workspace: Path | str,
    *,
    length: int = LENGTH,
    stride: int = STRIDE,
    short: bool = False,
    targets: Targets | None = None,
    jitter: int = 0,
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """Windows of `length` frames every `stride` frames: `split="train"`, and what else `Reader` takes, chooses videos.

    None reaches into a long gap. `short`: a stretch that is shorter than `length` gives one window, padded. The
    original draws each start by lot: `jitter=stride // 2 - 1`.

    Raises BadInput when nothing is chosen, and when targets are relative to a subject without statistics.
    """
    make = ModaWindow(length, targets or Targets(), jitter)
    reader = _reader(workspace, make.targets, (VISIBLE,), wishes)
    return Samples(reader, windows(reader.videos, length, stride, short=short), make, seed)


def composer(
    workspace: Path | str,
    *,
    length: int = LENGTH,
    stride: int = STRIDE,
    short: bool = False,
    targets: Targets | None = None,
    jitter: int = 0,
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """The facial composer's windows, chosen as those of `moda` are."""
    make = ComposerWindow(length, targets or Targets(), jitter)
    reader = _reader(workspace, make.targets, (), wishes)
    return Samples(reader, windows(reader.videos, length, stride, short=short), make, seed)


def as_published(sample: Mapping[str, Any]) -> tuple[Any, ...]:
    """The sample of `ModaWindow` as the seven things that `Audio2ReprDataset` gives, for its own training loop."""
    names = ("mesh", "headmotion", "torso", "torso_mask", "torso_mean")
    meta = {
        "Eye": sample["eye"].tolist(),
        "Lip": sample["lip"].tolist(),
        "Reference": sample["reference"],
        "MeanHeadmotion": sample["headmotion_mean"].reshape(7, 1),
    }
    return (sample["audio"].reshape(-1), *(sample[name] for name in names), meta)


def _reader(workspace: Path | str, targets: Targets, columns: tuple[str, ...], wishes: Mapping[str, Any]) -> Reader:
    """Of the videos that have targets. Raises BadInput when there are none, or one of them has no statistics."""
    reader = Reader(workspace, (*targets.columns, *columns), stages=targets.stages, **wishes)
    targets.check(reader)
    return reader


def shifted(reader: Reader, window: Window, jitter: int, rng: np.random.Generator) -> Window:
    """The window, up to `jitter` frames later by lot, within its stretch between gaps."""
    if not jitter:
        return window
    last = next(stop for _, stop in reader.videos[window.video].runs if window.first < stop) - window.frames
    return window._replace(first=int(rng.integers(window.first, min(window.first + jitter, last) + 1)))


def whence(reader: Reader, window: Window, length: int) -> dict[str, Any]:
    """Where a sample is from, and how much of it."""
    return {
        "mask": mask(window.frames, length),
        "frames": window.frames,
        "first": window.first,
        "video_id": reader.videos[window.video].video.video_id,
    }


@dataclass(frozen=True, slots=True)
class WaveMoments:
    """Mean and deviation (population) of a clip's samples, -1..1; wav2vec 2.0 hears sound less one, over the other."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, reader: Reader, number: int) -> "WaveMoments":
        """Of video `number`, whose sound is streamed once. Raises what `Reader.sound` raises."""
        frames = reader.videos[number].frames
        count = total = squares = 0
        for first in range(0, frames, BLOCK):
            samples = reader.sound(number, first, min(BLOCK, frames - first)).reshape(-1).astype(np.float64)
            count, total, squares = count + samples.size, total + int(samples.sum()), squares + int(samples @ samples)
        variance = (count * squares - total * total) / (count * FULL_SCALE) ** 2
        return cls(total / (count * FULL_SCALE), math.sqrt(variance))

    def normalized(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """float32 of the same shape, (x - mean) / sqrt(variance + 1e-7). Digital silence gives zeros."""
        gain = 1 / math.sqrt(self.deviation**2 + EPSILON)
        sound = np.multiply(pcm, np.float32(gain / FULL_SCALE), dtype=np.float32)
        return np.subtract(sound, np.float32(self.mean * gain), out=sound)
