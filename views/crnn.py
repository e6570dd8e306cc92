"""What a CRNN from sound to a face reads: a log-mel spectrogram, and the 61 channels of Live Link Face, frame by frame.

Source: https://github.com/see2023/Bert-VITS2-ext, motion/const_map.py (the order of channels), data_utils.py
(`AudioVisemesLoader`) and its design note for the network: two poolings by 2, so that T columns of the spectrogram give
T/4 predictions. Where the original errs, this does not:

- Its 44.1 kHz at a hop of 512 give predictions at 21.53 Hz, which no video has. Here it is 16 kHz at a hop of 160:
  four columns are one frame of 25 Hz, to the sample.
- It records faces over a network, drops the first 66.7 ms of them as a guess of their delay, and cuts both to a length.
  Here frame k of the target is of samples 640k to 640k + 639: nothing leads and nothing lags.
- Its sigmoid cannot reach rotations, which have a sign: `rotations="unit"` brings them to 0..1.
- Recordings of the app name `JawLeft`, `MouthLeft` and their counterparts in the other order. Here all goes by name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.media.picture import FPS
from portrait_prep.stages.face.geometry import rotation_from_euler
from portrait_prep.stages.models.blendshapes import INDEX
from portrait_prep.views.reading.mel import Mel, log_mel
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Sample, Samples
from portrait_prep.views.reading.windows import Window, mask, windows

SHAPES = (
    *("EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft"),
    *("EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight", "EyeLookUpRight"),
    *("EyeSquintRight", "EyeWideRight", "JawForward", "JawLeft", "JawRight", "JawOpen", "MouthClose", "MouthFunnel"),
    *("MouthPucker", "MouthLeft", "MouthRight", "MouthSmileLeft", "MouthSmileRight", "MouthFrownLeft"),
    *("MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight", "MouthStretchLeft", "MouthStretchRight"),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper", "MouthPressLeft", "MouthPressRight"),
    *("MouthLowerDownLeft", "MouthLowerDownRight", "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft"),
    *("BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft"),
    *("CheekSquintRight", "NoseSneerLeft", "NoseSneerRight"),
)
"""The 51 shapes that blendshapes tell, in Unreal's order (`EARFaceBlendShape`). Left and right are the subject's."""
UNKNOWN = "TongueOut"
"""The channel that no network here tells: 0, and not to be learnt."""
ROTATIONS = (
    *("HeadYaw", "HeadPitch", "HeadRoll"),
    *("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
)
CHANNELS = (*SHAPES, UNKNOWN, *ROTATIONS)
"""All 61, in the order of the target."""

SCORES = np.array([INDEX[name[0].lower() + name[1:]] for name in SHAPES], np.intp)
"""int [51]: where each shape stands among MediaPipe's 52."""
KNOWN = np.array([name != UNKNOWN for name in CHANNELS])
"""bool [61]: the channels to be learnt."""
HALF_TURN = 180.0
"""Degrees that are 1 in Unreal's channels."""
FULL_LOOK = 30.0
"""Degrees that an eye is turned at a score of 1. Nobody publishes it; the circles of irises in video say 25 to 30."""

COLUMNS_PER_FRAME = 4
MEL = Mel(n_fft=640, hop=160, bands=80, scale="slaney", norm=True, power=1, align="hop")
"""As VITS makes them (mel_processing.py): windows of four hops, magnitudes, Slaney's bands. Any other `Mel` with a hop
of 160 and `align="hop"` will do."""
FLOOR = 1e-5
"""Least magnitude before the logarithm, as there."""

BLENDSHAPES, EULER = "landmarks.blendshapes", "headpose.euler"
Form = Literal["signed", "unit", "radians"]
FORMS = {"signed": (1.0, 0.0), "unit": (0.5, 0.5), "radians": (np.pi, 0.0)}
"""Name of how rotations are given -> what a share of a half turn is multiplied by, and then raised by."""


@dataclass(frozen=True)
class Crnn:
    """Makes samples of windows of up to `length` frames.

    `mel` float32 [1, 80, 4 * length]: ln of mel magnitudes of the sound in -1..1; at a window's borders they hear what
    lies beyond. `target` float32 [n, 61], n = length * fps / 25, row j at j / fps seconds, linearly between frames: 51
    scores 0..1, TongueOut 0, and rotations in half turns, -1..1 (`unit`: 0..1, 0.5 is none; `radians`). `channels` bool
    [61]: false for TongueOut. `valid` bool [n]: false where a shorter window is filled, with silence and zeros.
    `video_id`, and `first` int64, the window's first frame.

    Rotations have the signs that Unreal's AppleARKitFaceSupport gives them together with these names of left and right:
    yaw > 0, toward the subject's right; pitch > 0, down; roll > 0, the top toward the subject's left. Of a head they
    are Unreal's own angles, yaw about the vertical, then pitch, then roll; eyes are turned against the head, as far as
    the `EyeLook` scores say, and do not roll.
    """

    length: int = 500
    fps: int = FPS
    rotations: Form = "signed"
    spectrogram: Mel = MEL

    def __call__(self, reader: Reader, window: Window, rng: np.random.Generator) -> Sample:  # noqa: ARG002 (a view's form)
        """The sample of one window. Raises what `Reader` raises."""
        rows = rows_of(self.length, self.fps)
        target = np.zeros((rows, len(CHANNELS)), np.float32)
        filled = rows_of(window.frames, self.fps)
        target[:filled] = channels_of(reader, window, self.fps, self.rotations)
        return {
            "mel": self._mel(reader, window),
            "target": target,
            "channels": KNOWN.copy(),
            "valid": mask(filled, rows),
            "video_id": reader.videos[window.video].video.video_id,
            "first": np.int64(window.first),
        }

    def _mel(self, reader: Reader, window: Window) -> NDArray[np.float32]:
        """A frame more at either end holds all that the first and the last column reach for."""
        start = max(window.first - 1, 0)
        stop = min(window.first + window.frames + 1, reader.videos[window.video].frames)
        columns = log_mel(reader.sound(window.video, start, stop - start), self.spectrogram, FLOOR)
        before, wanted = COLUMNS_PER_FRAME * (window.first - start), COLUMNS_PER_FRAME * window.frames
        mel = np.full((1, len(columns), COLUMNS_PER_FRAME * self.length), np.log(FLOOR), np.float32)
        mel[0, :, :wanted] = columns[:, before : before + wanted]
        return mel


def crnn(
    workspace: Path | str,
    length: int = 500,
    stride: int | None = None,
    *,
    fps: int = FPS,
    rotations: Form = "signed",
    short: bool = False,
    seed: int = 0,
    **wishes: Any,
) -> Samples:
    """Windows of `length` frames every `stride` frames (default: one after another); `split="train"`, and what else
    `Reader` takes, chooses among the videos.

    `fps`: of the target, 60 as the original recorded. `rotations`: `signed`, `unit` for a network that ends in a
    sigmoid, or `radians`. `short`: also what is shorter than a window, filled up.

    Raises BadInput when the workspace has no blendshapes, nothing is chosen, or for other values of the options.
    """
    if rotations not in FORMS or fps < 1:
        raise BadInput(f"rotations must be {' or '.join(FORMS)} and fps at least 1, not '{rotations}' and {fps}.")
    reader = reader_of_channels(workspace, **wishes)
    items = windows(reader.videos, length, stride or length, short=short)
    return Samples(reader, items, Crnn(length, fps, rotations), seed)


def channels(blendshapes: NDArray[Any], euler: NDArray[Any], rotations: Form = "signed") -> NDArray[np.float64]:
    """The 61 channels [n, 61] of MediaPipe's scores [n, 52] and of a head's yaw, pitch and roll in degrees [n, 3]."""
    found = np.zeros((len(blendshapes), len(CHANNELS)))
    shapes, turns = found[:, : len(SHAPES)], found[:, -len(ROTATIONS) :]
    np.clip(blendshapes[:, SCORES], 0.0, 1.0, out=shapes)
    turns[:, :3] = unreal_angles(euler)
    look = {name: found[:, column] for column, name in enumerate(SHAPES) if name.startswith("EyeLook")}
    # Inward is toward the subject's right for the left eye, and toward the left for the right one.
    turns[:, 3] = FULL_LOOK * (look["EyeLookInLeft"] - look["EyeLookOutLeft"])
    turns[:, 4] = FULL_LOOK * (look["EyeLookDownLeft"] - look["EyeLookUpLeft"])
    turns[:, 6] = FULL_LOOK * (look["EyeLookOutRight"] - look["EyeLookInRight"])
    turns[:, 7] = FULL_LOOK * (look["EyeLookDownRight"] - look["EyeLookUpRight"])
    scale, shift = FORMS[rotations]
    turns *= scale / HALF_TURN
    turns += shift
    return found


def channels_of(reader: Reader, window: Window, fps: int, rotations: Form = "signed") -> NDArray[np.float64]:
    """The channels [n, 61] of a window, n = frames * fps / 25, row j at j / fps seconds; NaN in long gaps.

    The last rows lie between the window's last frame and the next. Raises what `Reader.read` raises.
    """
    count = min(window.frames + 1, reader.videos[window.video].frames - window.first)
    read = reader.read(window.video, window.first, count, (BLENDSHAPES, EULER))
    moments = np.arange(rows_of(window.frames, fps)) * (FPS / fps)
    return resampled(channels(read[BLENDSHAPES], read[EULER], rotations), moments)


def resampled(known: NDArray[np.float64], moments: NDArray[Any]) -> NDArray[np.float64]:
    """Values [n, 61] of frames at moments [m], counted in frames: linearly between two of them.

    Where the next frame is not there, or NaN, they stay as they are in the last one.
    """
    left = np.minimum(moments.astype(np.intp), len(known) - 1)
    right = np.minimum(left + 1, len(known) - 1)
    share = (moments - left)[:, np.newaxis]
    between = (share != 0) & np.isfinite(known[right]).all(axis=1, keepdims=True)
    return np.where(between, (1 - share) * known[left] + share * known[right], known[left])


def degrees(target: NDArray[Any], rotations: Form = "signed") -> NDArray[np.float64]:
    """The nine rotations [..., 9] of targets or predictions [..., 61], in degrees."""
    scale, shift = FORMS[rotations]
    return np.asarray((target[..., -len(ROTATIONS) :].astype(np.float64) - shift) * (HALF_TURN / scale))


def unreal_angles(euler: NDArray[Any]) -> NDArray[np.float64]:
    """Yaw, pitch and roll of an Unreal `FRotator` in degrees [n, 3], of `headpose.euler` [n, 3].

    Ours take the head to upright, roll first in image axes; Unreal's take an upright head to where it is, yaw last,
    about the vertical. Axes as in AppleARKitConversion.h: x to the back of the head, y to image right, z up.
    """
    rotation = rotation_from_euler(euler)
    right, down, out = rotation[..., 0, :], rotation[..., 1, :], rotation[..., 2, :]
    yaw = np.arctan2(-out[..., 0], out[..., 2])
    pitch = np.arctan2(out[..., 1], np.hypot(out[..., 0], out[..., 2]))
    roll = np.arctan2(right[..., 1], down[..., 1])
    return np.asarray(np.rad2deg(np.stack([yaw, pitch, roll], axis=-1)))


def rows_of(frames: int, fps: int) -> int:
    """Rows of so many frames, at so many rows a second."""
    return round(frames * fps / FPS)


def reader_of_channels(workspace: Path | str, columns: Iterable[str] = (BLENDSHAPES, EULER), **wishes: Any) -> Reader:
    """A reader of what the channels are made of. Raises BadInput, in words of its own when only blendshapes lack."""
    try:
        return Reader(workspace, columns, **wishes)
    except BadInput as error:
        Reader(workspace, (EULER,), **wishes)
        raise BadInput(
            f"{workspace} has no blendshapes, which are the targets here: set 'backend = \"face_landmarker\"' under "
            f"[landmarks] in its pipeline.toml, then 'portrait-prep models fetch face_landmarker -w {workspace}' and "
            f"'portrait-prep run -w {workspace}'."
        ) from error
