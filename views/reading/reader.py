"""The reader under all views: any frames of any chosen video, columns and media, without reading the rest.

It holds no corpus in memory: one small entry a video, where columns lie in the shards used last, and a bounded store
of decoded row groups. It can be pickled (as paths and choices, no open file) and forked. It is for one thread; a copy
(`copy.copy`) serves another.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.media.file import File
from portrait_prep.media.picture import SIZE, Image
from portrait_prep.media.wav import WavReader
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.shards import ShardReader, by_stage
from portrait_prep.stages.streaming.described import CORPUS
from portrait_prep.views.reading.columns import Decoded, ShardColumns, changed
from portrait_prep.views.reading.selection import MEDIA, Footage, Wish, select
from portrait_prep.views.reading.statistics import Statistics, read_statistics, subject_files
from portrait_prep.views.reading.store import Store

OPEN_FILES = 128
"""Most files open at a time: far below the 1024 that a process usually may have."""
KNOWN_SHARDS = 2048
"""Most shard files whose layout is remembered, some 15 kB each."""
KNOWN_ROWS = 1024
"""Most rows of stages with one row a video that are kept, up to some 25 kB each."""
KNOWN_SUBJECTS = 256
"""Most subjects whose statistics are kept, some 50 kB each."""
CACHE_BYTES = 64 << 20
"""Decoded row groups and rows that are kept, in each process."""


class Reader:
    """The chosen videos of a workspace. `videos[i]` tells of video i; the other methods take its number i.
    `left_out`: the ids of the others, by why they were not chosen.

    `columns` are the frame columns to be read, `stage.column`; a video must be done at their stages, and at `stages`,
    whose `facts` are to be asked for. `accepted` and `wishes` choose among them: see `views.reading.selection.select`.
    """

    def __init__(
        self,
        workspace: Path | str,
        columns: Iterable[str] = (),
        *,
        stages: Iterable[str] = (),
        accepted: bool | None = True,
        cache_bytes: int = CACHE_BYTES,
        **wishes: Wish,
    ) -> None:
        """Raise BadInput when nothing is chosen, or a column is not there; see `select`."""
        self.workspace = Workspace(Path(workspace).absolute())
        self.columns = tuple(dict.fromkeys(columns))
        self.cache_bytes = cache_bytes
        self._by_stage = by_stage(self.columns)
        selected = select(self.workspace, {*self._by_stage, *stages}, accepted, **wishes)
        self.videos, self.left_out = selected.videos, selected.left_out
        self._forget()
        for stage in self._by_stage:
            self._shard(stage, 0)

    def __len__(self) -> int:
        """The number of videos."""
        return len(self.videos)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("workspace", "columns", "cache_bytes", "videos", "left_out", "_by_stage")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def close(self) -> None:
        """Let go of files and memory; the next read opens them again."""
        self._forget()

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Video id -> its number here."""
        return {footage.video.video_id: number for number, footage in enumerate(self.videos)}

    def read(self, number: int, first: int = 0, frames: int | None = None, columns: Iterable[str] = ()) -> Batch:
        """Frames `first` to `first + frames - 1` (default: to the end): `stage.column` -> [frames, *shape].

        `columns`: some of those that the reader was made for; default: all. The arrays are the caller's own.
        Raises IndexError when there are no such frames, BadInput for other columns, Damaged when a shard is not what
        the manifests tell of.
        """
        wanted = tuple(columns) or self.columns
        if other := set(wanted).difference(self.columns):
            unknown = ", ".join(sorted(other))
            raise BadInput(f"The reader was not made to read {unknown}: it reads {', '.join(self.columns)}.")
        video = self.videos[number].video
        count = _checked(self.videos[number], first, frames)
        batch: Batch = {}
        for stage, names in by_stage(wanted).items():
            shard = self._shard(stage, number)
            file = self._files.get(shard.path, shard.open)
            assert isinstance(file, File)
            for name in names:
                batch[f"{stage}.{name}"] = shard.read(video.video_id, name, first, count, file, self._decoded)
        return batch

    def sound(self, number: int, first: int = 0, frames: int | None = None) -> NDArray[np.int16]:
        """The samples of these frames, int16 [frames, 640] at 16 kHz, read from the wav. Raises as `read` does."""
        footage = self.videos[number]
        count = _checked(footage, first, frames)
        path = self.workspace.media(footage.video.video_id, "wav")
        wav = self._files.get(path, lambda: self._open_wav(path, number))
        assert isinstance(wav, WavReader)
        return wav.read(first, count)

    def images(self, number: int, first: int = 0, frames: int | None = None, size: int = SIZE) -> NDArray[np.uint8]:
        """These frames of the mp4, RGB uint8 [frames, size, size, 3]. Raises as `read` does."""
        count = _checked(self.videos[number], first, frames)
        images = np.empty((count, size, size, 3), np.uint8)
        for row, image in enumerate(self.stream(number, first, count, size)):
            images[row] = image
        return images

    def stream(self, number: int, first: int = 0, frames: int | None = None, size: int = SIZE) -> Iterator[Image]:
        """The same one by one, RGB uint8 [size, size, 3]: memory does not grow with their number."""
        from portrait_prep.media.frames import read_frames  # noqa: PLC0415 (who reads no pictures needs no PyAV

        footage = self.videos[number]
        count = _checked(footage, first, frames)
        self._shard(MEDIA, number).check()
        path = self.workspace.media(footage.video.video_id, "mp4")
        yield from read_frames(path, size, range(first, first + count))

    def media(self, number: int, suffix: str) -> Path:
        """The mp4 or wav of a video, as a whole file. Raises Damaged when it is gone, or not of this video's state."""
        self._shard(MEDIA, number).check()
        path = self.workspace.media(self.videos[number].video.video_id, suffix)
        if not path.is_file():
            raise Damaged(f"{path} is gone: run again.")
        return path

    def facts(self, number: int, *columns: str) -> dict[str, Any]:
        """What stages with one row a video say of it: `normalize.fps`, `stats.canonical_mean` float64 [478, 3], ….

        Arrays are not to be written to. Raises Damaged when the stage is not done or has no such column.
        """
        rows = {stage: self._row(stage, number, names) for stage, names in by_stage(columns).items()}
        return {f"{stage}.{name}": row[name][0] for stage, row in rows.items() for name in row}

    def statistics(self, subject: str = CORPUS) -> Statistics:
        """Means and deviations of a subject over all its accepted videos, or of the corpus; not to be written to.

        Raises BadInput when there are none.
        """
        return self._statistics.get(subject, lambda: read_statistics(self.workspace, subject, self._subject_files))

    @property
    def subjects(self) -> Set[str]:
        """Those that there are statistics of, and the corpus. Raises BadInput when there are none."""
        return self._subject_files.keys()

    @cached_property
    def _subject_files(self) -> dict[str, str | None]:
        return subject_files(self.workspace)

    def _forget(self) -> None:
        self._files: Store[File | WavReader] = Store(OPEN_FILES)
        self._shards: Store[ShardColumns] = Store(KNOWN_SHARDS)
        self._decoded: Decoded = Store(self.cache_bytes, lambda values: values.nbytes)
        self._rows: Store[Batch] = Store(KNOWN_ROWS)
        self._statistics: Store[Statistics] = Store(KNOWN_SUBJECTS)

    def _shard(self, stage: str, number: int) -> ShardColumns:
        """Where the columns of a stage lie for this video. Raises Damaged unless that is what the manifests tell of."""
        footage = self.videos[number]
        path = self.workspace.shard(stage, footage.video.shard)
        shard = self._shards.get(path, lambda: _opened(path, self._by_stage.get(stage, ())))
        if shard.digests.get(footage.video.video_id) != footage.digests[stage]:
            raise changed(path)
        return shard

    def _open_wav(self, path: Path, number: int) -> WavReader:
        self._shard(MEDIA, number).check()
        return WavReader(path, self.videos[number].frames)

    def _row(self, stage: str, number: int, names: Sequence[str]) -> Batch:
        key = (stage, number, *names)
        return self._rows.get(key, lambda: _read_row(self.workspace, stage, self.videos[number], names))


def _opened(path: Path, names: Sequence[str]) -> ShardColumns:
    try:
        return ShardColumns(path, names)
    except FileNotFoundError as error:
        raise changed(path) from error


def _read_row(workspace: Workspace, stage: str, footage: Footage, names: Sequence[str]) -> Batch:
    path, video_id = workspace.shard(stage, footage.video.shard), footage.video.video_id
    try:
        with ShardReader(path) as reader:
            if reader.records[video_id].digest != footage.digests.get(stage, reader.records[video_id].digest):
                raise changed(path)
            return reader.row(video_id, 0, names)
    except (FileNotFoundError, LookupError) as error:
        raise Damaged(f"{path} tells nothing of {video_id}: run 'portrait-prep run {stage}'.") from error


def _checked(footage: Footage, first: int, frames: int | None) -> int:
    """How many frames are meant. Raises IndexError when the video does not have them."""
    count = footage.frames - first if frames is None else frames
    if first < 0 or count < 0 or first + count > footage.frames:
        raise IndexError(f"{footage.video.video_id} has {footage.frames} frames, not {first} to {first + count - 1}.")
    return count
