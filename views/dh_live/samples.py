"""What DH_live's two networks read: faces for its renderer, and sound with the look of the mouth for its LSTM.

Source: https://github.com/kleinlee/DH_live. The renderer is `DINet_five_Ref` (talkingface/data/few_shot_dataset.py,
train/data_preparation_face.py), the LSTM `Audio2Feature` (talkingface/data/dataset_wav.py, train_audio/train_lstm.py).

The six numbers that the LSTM is trained on cannot be had from real video in the original's way: they are coefficients
of a PCA over mouths that Wav2Lip painted, of a file that describes those. Here they are projections onto a PCA that
`portrait-prep export mouth-pca FILE -w WORKSPACE` fits on the workspace's own videos. So they are of the same kind, but
not the same numbers: a network trained on these does not go with the original's renderer, nor its LSTM with these.

Where the original errs, this does not:

- Points are as the network gave them, neither cut to whole pixels nor smoothed (there with .1, .8, .1, and matrices of
  the pose over five frames), and z stays as it is when a crop is taken.
- A crop at the border of the picture stays square, and the scale of points is that of the picture.
- The picture is cut once, from the normalized frame, not twice.
- The blank jaw comes from the pose of the head, exactly; there it comes from an affine fit that PCA then bends.
- Each window's first 25 ms of sound hear what lies before, where there is something.
- Jitter that it adds to sound, meant for -1..1, is nothing on samples of 16 bits, and is there in validation too: none
  here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.face.geometry import CANONICAL_CENTRE, EYE_DISTANCE, Pose, to_image
from portrait_prep.views.dh_live.drawing import JITTER, SIDE, UNMOVED, FaceSquare, hint_of_lips, lines, without_jaw
from portrait_prep.views.dh_live.face_range import FaceRange, FaceRanges
from portrait_prep.views.dh_live.mouth_pca import COLUMNS, POSE, MouthPca, mouth_pictures
from portrait_prep.views.dh_live.points import JAW, OVAL, POINTS
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Sample, Samples
from portrait_prep.views.reading.windows import Window, windows

REFERENCES = 5
CLOSED = 1 / 3
"""Share of a video's frames, those with the mouth least open, that are no references."""
TINT = 20
"""Most that references are made lighter or darker, each colour by itself."""
MARGIN = np.array([*range(5, 25, 2), 25, *range(23, 3, -2)]) * (EYE_DISTANCE / 186.5)
"""float [21]: how far below the outline's lowest place the blank jaw goes, canonical px; the original's, whose eyes are
186.5 apart."""

STEPS = 26
"""Video frames of one window of sound."""
LOOK_AHEAD = 4
"""Frames by which the LSTM answers late: its loss pairs `predicted[:, 4:]` with `target[:, :-4]`."""

LANDMARKS, FBANK = "landmarks.landmarks", "speech.fbank"


@dataclass(frozen=True)
class DhLiveRenderer:
    """Makes samples of single frames. Pictures are BGR, 0..1.

    `source` float32 [6, 256, 256]: the crop with its lower face black, then a hint of its mouth with the lines of nose
    and eyes. `ref` float32 [30, 256, 256]: five other frames, each its crop, then lines through all its parts.
    `target` float32 [3, 256, 256]: the crop as it is. `keypoints` float32 [141, 3], `ref_keypoints` float32
    [5, 141, 3]: the points of `views.dh_live.points` in px of these crops, z negative toward the camera. `matrix`
    float64 [4, 4]: takes canonical points, as columns (x, y, z, 1), to px of the target, z on the same scale.
    `frame` int64, `ref_frames` int64 [5], `video_id`.

    References are drawn by lot from the two thirds of the video's frames in which the mouth is most open. `augment`:
    crops are shifted by up to 2 px, references tinted, and the hint's contrast drawn by lot and made noisy, as the
    original does in training.
    """

    augment: bool = True
    ranges: FaceRanges = field(default_factory=FaceRanges, repr=False, compare=False)

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:
        """The sample of the first frame of a window. Raises what `Reader` raises."""
        face, lots = self.ranges.of(reader, window.video), rng if self.augment else None
        others = references(face, window.first, rng)
        points, image = _seen(reader, window.video, window.first)
        crop = FaceSquare.around(points, _shift(lots))
        picture, inside = crop.of(image), crop.points(points)
        pose = Pose(*(reader.read(window.video, window.first, 1, (name,))[name] for name in POSE))
        mouth = face.mouth * (crop.scale / float(pose.scale[0]))
        blank = without_jaw(picture, inside, crop.points(lowest(face, pose)[JAW])[:, 1])
        hint = lines(inside, UNMOVED, hint_of_lips(picture, inside, mouth, lots))
        shown, shown_points = self._references(reader, window.video, others, lots)
        return {
            "source": _tensor([blank, hint]),
            "ref": _tensor(shown),
            "target": _tensor([picture]),
            "keypoints": inside.astype(np.float32),
            "ref_keypoints": np.stack(shown_points).astype(np.float32),
            "matrix": to_crop(crop, pose),
            "frame": np.int64(window.first),
            "ref_frames": others,
            "video_id": reader.videos[window.video].video.video_id,
        }

    def _references(
        self, reader: Reader, video: int, frames: NDArray[np.int64], lots: np.random.Generator | None
    ) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.float64]]]:
        """Crops and lines one after another, and points; all are tinted alike."""
        tint = lots.integers(0, TINT, 3) * lots.choice([-1, 1]) if lots else np.zeros(3, np.int64)
        shown, inside = list[NDArray[np.uint8]](), list[NDArray[np.float64]]()
        for frame in frames.tolist():
            points, image = _seen(reader, video, frame)
            crop = FaceSquare.around(points, _shift(lots))
            inside.append(crop.points(points))
            shown += [(crop.of(image) + tint).clip(0, 255).astype(np.uint8), lines(inside[-1])]
        return shown, inside


@dataclass(frozen=True)
class DhLiveAudio:
    """Makes samples of windows of sound.

    `audio` float32 [2 * frames, 80]: Kaldi's log filter-bank energies, two rows for each video frame. `target` float32
    [frames, 6]: coefficients of the mouth in each frame, row k in the very frame that rows 2k and 2k + 1 of `audio` are
    heard in (the network's delay, `LOOK_AHEAD`, is the loss's affair); only with a `pca`. `video_id`, `first` int64.
    """

    pca: MouthPca | None = None
    ranges: FaceRanges = field(default_factory=FaceRanges, repr=False, compare=False)

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:  # noqa: ARG002 (a view's form)
        """The sample of one window. Raises BadInput when the PCA does not know the video, and what `Reader` raises."""
        fbank = reader.read(*window, (FBANK,))[FBANK]
        video_id = reader.videos[window.video].video.video_id
        sample = {
            "audio": fbank.reshape(-1, fbank.shape[-1]),
            "video_id": video_id,
            "first": np.int64(window.first),
        }
        if self.pca is None:
            return sample
        pictures = mouth_pictures(reader, window, self.ranges.of(reader, window.video))
        return sample | {"target": self.pca.project(pictures, video_id)}


def dh_live_renderer(
    workspace: Path | str, stride: int = 1, *, augment: bool = True, seed: int = 0, **wishes: Any
) -> Samples:
    """Every `stride`-th frame with a face; `split="train"`, and what else `Reader` takes, chooses among the videos.

    Raises BadInput when nothing is chosen.
    """
    reader = Reader(workspace, (LANDMARKS, *COLUMNS), **wishes)
    return Samples(reader, windows(reader.videos, 1, stride), DhLiveRenderer(augment), seed)


def dh_live_audio(
    workspace: Path | str,
    pca: Path | str | None,
    length: int = STEPS,
    stride: int = STEPS // 2,
    *,
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """Windows of `length` frames every `stride` frames; `split="train"`, and what else `Reader` takes, chooses videos.

    `pca`: the file that `portrait-prep export mouth-pca` wrote; None: sound alone. Raises BadInput when the file cannot
    be used, or nothing is chosen.
    """
    fitted = None if pca is None else MouthPca.load(pca)
    reader = Reader(workspace, (FBANK, *(COLUMNS if fitted else ())), **wishes)
    return Samples(reader, windows(reader.videos, length, stride), DhLiveAudio(fitted), seed)


def references(face: FaceRange, frame: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Five frames in which the mouth is open, int64 [5], other ones than `frame`; some twice where there are few."""
    there = np.flatnonzero(np.isfinite(face.opening))
    by_opening = there[np.argsort(face.opening[there], kind="stable")]
    chosen = by_opening[int(len(by_opening) * CLOSED) :]
    chosen = chosen[chosen != frame] if len(chosen) > 1 else chosen
    return np.asarray(rng.choice(chosen, REFERENCES, replace=len(chosen) < REFERENCES), np.int64)


def with_lowest_jaw(face: FaceRange) -> NDArray[np.float64]:
    """The video's mean face, its outline as low as it ever is and a margin below: canonical [141, 3]."""
    points = face.mean.copy()
    points[OVAL, 1] = face.lowest + MARGIN
    return points


def lowest(face: FaceRange, pose: Pose) -> NDArray[np.float64]:
    """The same in the image of one frame: [141, 2] px."""
    return to_image(with_lowest_jaw(face)[np.newaxis], pose)[0, :, :2]


def matrices(pose: Pose) -> NDArray[np.float64]:
    """What takes canonical points, as columns (x, y, z, 1), to px of the image in n frames, float64 [n, 4, 4]."""
    ends = CANONICAL_CENTRE + np.concatenate([np.zeros((1, 3)), np.eye(3)])
    carried = to_image(np.broadcast_to(ends, (len(pose.scale), 4, 3)), pose)
    matrix = np.tile(np.eye(4), (len(carried), 1, 1))
    matrix[:, :3, :3] = np.swapaxes(carried[:, 1:] - carried[:, :1], 1, 2)
    matrix[:, :3, 3] = carried[:, 0] - matrix[:, :3, :3] @ CANONICAL_CENTRE
    return matrix


def to_crop(crop: FaceSquare, pose: Pose) -> NDArray[np.float64]:
    """The matrix that takes canonical points of one frame to px of its crop, float64 [4, 4]."""
    shrink = np.diag([crop.scale, crop.scale, crop.scale, 1.0])
    shrink[:2, 3] = -crop.scale * crop.left, -crop.scale * crop.top
    return np.asarray(shrink @ matrices(pose)[0])


def _seen(reader: Reader, video: int, frame: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    points = reader.read(video, frame, 1, (LANDMARKS,))[LANDMARKS][0, POINTS]
    return points.astype(np.float64), reader.images(video, frame, 1)[0]


def _shift(lots: np.random.Generator | None) -> tuple[int, int]:
    if lots is None:
        return 0, 0
    x, y = lots.integers(-JITTER, JITTER + 1, 2).tolist()
    return x, y


def _tensor(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Pictures [256, 256, 3] as channels, 0..1: [3 n, 256, 256]."""
    channels = np.empty((3 * len(pictures), SIDE, SIDE), np.float32)
    for number, picture in enumerate(pictures):
        np.divide(picture.transpose(2, 0, 1), np.float32(255), out=channels[3 * number : 3 * number + 3])
    return channels
