"""`video-parsing_0.25.npy` of a clip: the classes of BiSeNet, of which MODA's scripts take the background of pictures.

Source: https://github.com/taichuai/MODA, data_prepare/steps: step5-face_parsing-test.py writes it, a quarter as wide
and as high as the frames, by the nearest pixel; step7-gen_pix2pix.py reads it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import SIZE
from portrait_prep.views.exporting.arrays import Stream, write_npy
from portrait_prep.views.reading.masks import CLASSES
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

FILE = "video-parsing_0.25.npy"
SIDE = SIZE // 4


class ParsedVideos:
    """Those of a reader's videos that the stage `parsing` has done; there need not be any."""

    def __init__(self, reader: Reader) -> None:
        self._videos = [footage.video.video_id for footage in reader.videos]
        stage = CLASSES.partition(".")[0]
        done = {footage.video.video_id for footage in reader.videos if stage in footage.digests}
        self._reader = Reader(reader.workspace.root, (CLASSES,), accepted=None, video_id=done) if done else None

    def write(self, window: Window, folder: Path) -> None:
        """The file of one clip, int32 [frames, 128, 128], where its video is parsed. Raises what `Reader` raises."""
        video_id = self._videos[window.video]
        if self._reader and video_id in self._reader.numbers:
            number = self._reader.numbers[video_id]
            rows = _rows(self._reader, window._replace(video=number))
            write_npy(folder / FILE, Stream(window.frames, (SIDE, SIDE), "<i4", rows))


def _rows(reader: Reader, window: Window) -> Iterator[NDArray[Any]]:
    for part in blocks(window):
        classes = reader.read(*part)[CLASSES]
        kept = np.arange(SIDE) * classes.shape[1] // SIDE
        yield classes[:, kept[:, None], kept]
