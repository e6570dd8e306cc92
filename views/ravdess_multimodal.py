"""What MultimodalEmotionRecognition reads of RAVDESS: a few faces, a mel spectrogram, and which emotion it is.

Source: https://github.com/Wionerlol/MultimodalEmotionRecognition, src/data/ravdess.py (`load_video_frames`,
`load_audio_mel`, `map_emotion_label`) and src/utils/face_crop.py. Where the original errs, this does not:

- There the face is never cropped: each of the two ways to MediaPipe's detector fails, and the whole 16:9 frame is
  squashed into a square. Here it is a true square around the face, from the landmarks, with the padding that was meant.
- There the frames span the whole clip of three to five seconds, while the sound is its first three. Here both are of
  the same three seconds; `spread="clip"` spreads the frames as the original does.
- Its code makes 301 frames of sound (`hop=160`), its documents tell of 188 (`hop=256`): both are to be had.
- Its training frames are always darkened to 20..60 % and blurred, its validation frames never: no augmentation here.

Splits are the catalogue's: by actor, or the published one, which has every actor on all sides
(`portrait-prep init ravdess --split stratified`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.ravdess.catalogue import CORPUS
from portrait_prep.manifests.corpora.ravdess.names import EMOTIONS, INTENSITIES, STATEMENTS
from portrait_prep.manifests.video import Video
from portrait_prep.media.picture import FPS, SIZE
from portrait_prep.media.wav import FULL_SCALE, SAMPLES_PER_FRAME
from portrait_prep.views.reading.mel import Mel, decibel_mel
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Sample, Samples
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.squares import cut
from portrait_prep.views.reading.windows import Window, padded

FRAMES = 8
"""Frames of one sample."""
SIDE = 112
"""Side in pixels of a face."""
PADDING = 0.3
"""Share of the face that is added on each side."""
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of red, green and blue in 0..1."""

HEARD = 3 * FPS
"""Video frames that are heard: three seconds."""
SAMPLES = HEARD * SAMPLES_PER_FRAME
BANDS = 64
WINDOW = 400
"""Samples of a transform: 25 ms."""

Label = Literal["emotion", "four_class_merged", "four_class"]
LABELS: Mapping[Label, tuple[str, ...]] = {
    "emotion": EMOTIONS,
    "four_class_merged": ("neutral", "happy", "negative", "surprised"),
    "four_class": ("neu", "hap", "sad", "ang"),
}
"""Field of the catalogue -> its classes in the order of their numbers. The original has the first two; the third, which
leaves out the takes of the other four emotions, is what others mean by four classes of RAVDESS."""

LANDMARKS = "landmarks.landmarks"


@dataclass(frozen=True)
class RavdessMultimodal:
    """Makes samples of the frames of a window and of the sound of its first three seconds.

    `video` float32 [8, 3, 112, 112]: RGB faces, of 0..1 less ImageNet's mean, over its deviation. Frames are spread
    evenly over those of the window that have a face, first and last among them.
    `mel` float32 [1, 64, 48000 // hop + 1]: dB re 1 of mel energies, from -100: 25 ms, 0..8000 Hz, HTK's scale.
    `wave` float32 [1, 48000]: the same sound, -1..1 at 16 kHz, zeros where the video is shorter (what WavLM hears).
    `label` int64: number of the class in `LABELS[label]`.
    `frames` int64 [8]: which frames they are. `emotion`, `intensity`, `statement`, `repetition`, `actor` int64: the
    codes in the names of RAVDESS's files. `video_id`. `text`: the sentence, empty where the catalogue lacks it.
    """

    label: Label = "emotion"
    hop: int = 256

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:  # noqa: ARG002 (a view's form)
        """The sample of one window. Raises what `Reader` raises."""
        footage = reader.videos[window.video]
        frames = spread(seen(footage, window), FRAMES)
        sound = reader.sound(window.video, window.first, min(window.frames, HEARD)).reshape(-1)
        sound = padded(sound, SAMPLES)
        return {
            "video": self._video(reader, window.video, frames),
            "mel": decibel_mel(sound, Mel(n_fft=WINDOW, hop=self.hop, bands=BANDS))[np.newaxis],
            "wave": (sound / np.float32(FULL_SCALE))[np.newaxis],
            "label": np.int64(LABELS[self.label].index(getattr(footage.video, self.label))),
            "frames": frames,
            **codes(footage.video),
            "video_id": footage.video.video_id,
            "text": footage.video.text or "",
        }

    def _video(self, reader: Reader, number: int, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """Frame by frame: those between are never held."""
        points = [reader.read(number, frame, 1, (LANDMARKS,))[LANDMARKS][0] for frame in frames.tolist()]
        video = np.empty((len(frames), 3, SIDE, SIDE), np.float32)
        squares = face_squares(np.stack(points)).tolist()
        for place, frame, square in zip(video, frames.tolist(), squares, strict=True):
            place[:] = cut(reader.images(number, frame, 1)[0], square, SIDE).transpose(2, 0, 1)
        video /= 255
        video -= IMAGENET_MEAN[:, np.newaxis, np.newaxis]
        video /= IMAGENET_STD[:, np.newaxis, np.newaxis]
        return video


def ravdess_multimodal(
    workspace: Path | str,
    *,
    label: Label = "emotion",
    hop: int = 256,
    spread: Literal["sound", "clip"] = "sound",
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """One sample for each spoken take: `split="train"`, and what else `Reader` takes, chooses among them.

    `hop` samples from column to column of the spectrogram: 256 makes the 188 columns of the original's documents, 160
    the 301 of its code. `spread`: over which frames those of a sample are spread, those of the `sound` or all of the
    `clip`. A take that shows no face there is left out. Raises BadInput when nothing is chosen, or for another label or
    spread.
    """
    for value, known in ((label, tuple(LABELS)), (spread, tuple(STRETCH))):
        if value not in known:
            raise BadInput(f"'{value}' is not among {', '.join(known)}.")
    choice: dict[str, Any] = {"corpus": CORPUS, "channel": "speech", label: lambda value: value is not None} | wishes
    reader = Reader(workspace, (LANDMARKS,), **choice)
    return Samples(reader, items(reader.videos, STRETCH[spread]), RavdessMultimodal(label, hop), seed)


STRETCH: Mapping[str, int | None] = {"sound": HEARD, "clip": None}
"""Most frames that a sample's are spread over."""


def items(videos: Sequence[Footage], longest: int | None) -> list[Window]:
    """The beginning of each video, or all of it, where there is a face in it."""
    windows = (Window(number, 0, min(each.frames, longest or each.frames)) for number, each in enumerate(videos))
    return [window for window in windows if len(seen(videos[window.video], window))]


def seen(footage: Footage, window: Window) -> NDArray[np.int64]:
    """The frames of a window that have landmarks, int64 [n]."""
    frames = np.arange(window.first, window.first + window.frames)
    inside = [(first <= frames) & (frames < stop) for first, stop in footage.runs]
    return frames[np.any(inside, axis=0)] if inside else frames[:0]


def spread(frames: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` of these frames, evenly, the first and the last among them; some twice where there are fewer."""
    return frames[np.linspace(0, len(frames) - 1, count).round().astype(np.int64)]


def face_squares(landmarks: NDArray[np.float32]) -> NDArray[np.int64]:
    """Left, top and side in px, int64 [n, 3], of squares around the faces [n, 478, 3] of one video.

    Each has its face in the middle; all have the same side, that of the median face, so that a mouth that opens does
    not shrink the face. They may reach beyond the picture.
    """
    low, high = landmarks[:, :, :2].min(axis=1), landmarks[:, :, :2].max(axis=1)
    size = float(np.median((high - low).max(axis=1)))
    side = round(min((1 + 2 * PADDING) * size, 2 * SIZE))
    corners = np.rint((low + high - side) / 2).astype(np.int64)
    return np.column_stack([corners, np.full(len(corners), max(side, 1))])


def codes(video: Video) -> dict[str, np.int64]:
    """What RAVDESS's file names tell of a take, as the numbers that they have there."""
    return {
        "emotion": np.int64(EMOTIONS.index(video.emotion or "") + 1),
        "intensity": np.int64(INTENSITIES.index(video.intensity or "") + 1),
        "statement": np.int64(STATEMENTS.index(video.statement or "") + 1),
        "repetition": np.int64(video.repetition or 0),
        "actor": np.int64(video.subject.rpartition("_")[2]),
    }
