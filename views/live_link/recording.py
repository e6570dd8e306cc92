"""A recording of the app Live Link Face: a CSV file with the 61 channels, row by row.

Format: there is no published one; this is what the app's recordings in public repositories are (anim/alex_rom_3.csv of
https://github.com/alexdjulin/LiveLinkFace-CSV-Retarget-For-Motionbuilder, livelink/animations/ of
https://github.com/AnimaVR/NeuroSync_Player). In those, eyes turn by up to 0.6 and by 0.61 a score: radians, since as
half turns that were 108 degrees. Yaw > 0 goes with a look to the subject's right and pitch > 0 with one down: the signs
of `views.crnn`. Importers take them for radians, too: Faceit (`set_rotation_units('RAD')`), Diffeomorphic's for Daz.
Unreal's own ARKit plugin, which records no such files, has half turns (AppleARKitConversion.h).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.views.crnn import CHANNELS, Form, channels_of
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

SWAPPED = {"JawLeft": "JawRight", "JawRight": "JawLeft", "MouthLeft": "MouthRight", "MouthRight": "MouthLeft"}
"""Channels of Unreal's order -> those that the app has in their place."""
HEADER = tuple(SWAPPED.get(name, name) for name in CHANNELS)
"""The 61 channels in the app's order."""
ORDER = np.array([CHANNELS.index(name) for name in HEADER])
"""int [61]: where each of them stands in Unreal's."""


def write_recording(reader: Reader, number: int, fps: int, rotations: Form, path: Path) -> None:
    """Write a video's channels, `fps` rows a second from its first frame on. Raises what `Reader.read` raises.

    In a long gap the count of channels is 0 and the cells are empty.
    """
    every = Window(number, 0, reader.videos[number].frames)
    with path.open("w", encoding="ascii", newline="") as file:
        file.write(f"Timecode,BlendShapeCount,{','.join(HEADER)}\n")
        file.writelines(_lines((channels_of(reader, part, fps, rotations) for part in blocks(every)), fps))


def _lines(parts: Iterable[NDArray[np.float64]], fps: int) -> Iterator[str]:
    known, row = ",".join(["%.10f"] * len(HEADER)), 0
    for part in parts:
        for values in part[:, ORDER]:
            told = f"{len(HEADER)},{known % tuple(values)}" if np.isfinite(values).all() else f"0{',' * len(HEADER)}"
            yield f"{timecode(row, fps)},{told}\n"
            row += 1


def timecode(row: int, fps: int) -> str:
    """Hours, minutes, seconds, and the number of the row in its second; the app adds a fraction, which is 0 here."""
    seconds, number = divmod(row, fps)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{number:02d}.000"
