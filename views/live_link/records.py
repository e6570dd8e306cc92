"""Records that Bert-VITS2-ext learns from: sound and channels of 20 s each, and lists that keep the splits.

Source: https://github.com/see2023/Bert-VITS2-ext, data_utils.py (`AudioVisemesLoader`), motion/record.py and
motion/prepare_visemes.py. Its loader takes 1190 rows or more, cuts them to 1210, and drops the first 4 as a guess of
their delay; so 4 rows stand in front of ours. Sound must be 44.1 kHz, whatever the header of a file says.

    records/<video_id>@<first frame>.wav    44.1 kHz mono PCM16, 20 s
    records/<video_id>@<first frame>.npy    float32 [1204, 61] or a little less, Unreal's order, 60 rows a second
    filelists/{train,val}_visemes.list      to be copied over those that prepare_visemes.py makes of any five records
"""

import wave
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from portrait_prep.media.picture import FPS
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME
from portrait_prep.views.crnn import Form, channels_of
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.windows import Window, windows

FRAMES, LEAST = 20 * FPS, 494
"""Frames of a record, and of the shortest that the loader takes."""
ROWS_PER_SECOND, DROPPED = 60, 4
"""Of the channels; and how many rows the loader drops: int(0.08 * 60)."""
RECORD_RATE = 44_100
VALIDATION = ("val", "test")
"""Splits that are in the list for validation; all others are in the one for training."""
TRAIN_LIST, VAL_LIST = "filelists/train_visemes.list", "filelists/val_visemes.list"


def records_of(videos: Iterable[Footage]) -> Mapping[str, Window]:
    """Name -> its 20 s, one after another between long gaps; what is left over is in none."""
    listed = list(videos)
    long = (each for each in windows(listed, FRAMES, FRAMES, short=True) if each.frames >= LEAST)
    return {f"{listed[each.video].video.video_id}@{each.first}": each for each in long}


def write_channels(reader: Reader, window: Window, rotations: Form, path: Path) -> None:
    """Write the channels of a record. Raises what `Reader.read` raises."""
    rows = channels_of(reader, window, ROWS_PER_SECOND, rotations).astype(np.float32)
    np.save(path, np.concatenate([np.repeat(rows[:1], DROPPED, axis=0), rows]), allow_pickle=False)


def write_sound(reader: Reader, window: Window, path: Path) -> None:
    """Write the sound of a record. Raises what `Reader.sound` raises."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RECORD_RATE, 0, "NONE", "not compressed"))
        file.writeframes(_resampled(reader, window).astype("<i2").tobytes())


def _resampled(reader: Reader, window: Window) -> NDArray[np.float64]:
    """The 16 kHz sound at the rate of records, float64 in steps of 16 bits; a frame around it leaves its ends clean."""
    start = max(window.first - 1, 0)
    stop = min(window.first + window.frames + 1, reader.videos[window.video].frames)
    heard = reader.sound(window.video, start, stop - start).reshape(-1).astype(np.float64)
    common = int(np.gcd(RATE, RECORD_RATE))
    samples = resample_poly(heard, RECORD_RATE // common, RATE // common)
    frame = SAMPLES_PER_FRAME * RECORD_RATE // RATE
    first = (window.first - start) * frame
    return np.clip(np.rint(samples[first : first + window.frames * frame]), -(1 << 15), (1 << 15) - 1)


def write_lists(records: Mapping[str, Window], videos: Iterable[Footage], folder: Path) -> None:
    """Write both lists. Its scripts stop at an empty one: where one side is empty, they look at the other."""
    listed = list(videos)
    sides: dict[str, list[str]] = {TRAIN_LIST: [], VAL_LIST: []}
    for name, window in records.items():
        side = VAL_LIST if listed[window.video].video.split in VALIDATION else TRAIN_LIST
        sides[side].append(f"./records/{name}.z.npy|./records/{name}.npy\n")
    (folder / TRAIN_LIST).parent.mkdir(exist_ok=True)
    for side, other in ((TRAIN_LIST, VAL_LIST), (VAL_LIST, TRAIN_LIST)):
        (folder / side).write_text("".join(sides[side] or sides[other]), "utf-8")
