"""Stage `download`: the source is there, readable, and known by its bytes; what lies at an address is fetched."""

import errno
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any
from urllib.parse import unquote

import numpy as np

from portrait_prep.errors import SourceAway
from portrait_prep.manifests.record import Record
from portrait_prep.manifests.video import Video, is_address, path_of
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.sources import facts, leads_to, link, link_name, local, writable

CHUNK = 1 << 20

PERMANENT = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist: a part of its path is no folder",
    errno.ELOOP: "is a link that leads back to itself",
    errno.ENAMETOOLONG: "has a longer name than this system can read",
}
"""What the system says of a source that no retry will mend; all else (a disk that fails, a server that is away) may."""

FORBIDDEN = (errno.EACCES, errno.EPERM)
"""What it says of one that another user may read, or this one later: nothing about the video."""


@dataclass(frozen=True)
class HashedFile:
    """A file that was read to its end: the name below `sources/` that leads to it, its bytes and its sha256."""

    name: str
    size: int
    sha256: str


def process(job: Job[DownloadParams]) -> Iterator[Batch]:
    """Fetch what lies at an address, read it through, and link it. Raises BadVideo when it cannot be had.

    Raises also what `fetch_source` does.
    """
    picture = _obtain(job, job.video.source)
    sound = None if job.video.sound is None else _obtain(job, job.video.sound, sound=True)
    job.metrics |= {"file": picture.name, "bytes": picture.size, "sha256": picture.sha256}
    if sound:
        job.metrics |= {"sound_file": sound.name, "sound_bytes": sound.size, "sound_sha256": sound.sha256}
    yield {
        "source": np.array([job.video.source], object),
        "file": np.array([picture.name], object),
        "bytes": np.array([picture.size], np.int64),
        "sha256": np.array([picture.sha256], object),
        "sound_file": np.array([sound and sound.name], object),
        "sound_bytes": np.array([sound and sound.size], object),
        "sound_sha256": np.array([sound and sound.sha256], object),
    }


def _obtain(job: Job[DownloadParams], source: str, sound: bool = False) -> HashedFile:
    """Raises BadVideo also for what no file can be called, as the source itself or as what is made of its name."""
    if "\0" in (unquote(source) if is_address(source) else str(path_of(source))):
        raise BadVideo(f"{source} has a NUL in it, which no name of a file has")
    try:
        return _linked(job, source, sound)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise BadVideo(f"{source} {PERMANENT[errno.ENAMETOOLONG]}") from error


def _linked(job: Job[DownloadParams], source: str, sound: bool) -> HashedFile:
    if is_address(source):
        from portrait_prep.stages.fetch.source import fetch_source  # noqa: PLC0415 (slow to load, and not needed to look)

        file = fetch_source(source, writable(job.sources), job.params, job.video.source_height)
    else:
        file = local(job.sources.parent, source)
    size, sha256 = read_through(file)
    name = link_name(job.video, file, sound)
    link(file, job.sources / name)
    return HashedFile(name, size, sha256)


def read_through(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a file.

    Raises BadVideo when it is missing or no file, SourceAway when this user may not read it, OSError when reading fails
    and may not next time.
    """
    try:
        stat = path.stat()
        _check_kind(path, stat.st_mode)
        return _read(path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    except OSError as error:
        if error.errno in FORBIDDEN:
            raise SourceAway(f"{path} may not be read: mend its permissions and run again.") from error
        if error.errno not in PERMANENT:
            raise
        raise BadVideo(f"{path} {PERMANENT[error.errno]}") from error


def _check_kind(path: Path, mode: int) -> None:
    """Only what has an end can be read to it: pipes and devices wait, or go on for ever."""
    if S_ISDIR(mode):
        raise BadVideo(f"{path} is a folder, not a video")
    if not S_ISREG(mode):
        raise BadVideo(f"{path} is a pipe or device, not a video")


@lru_cache(maxsize=256)
def _read(path: Path, *_state: int) -> tuple[int, str]:
    """Remembered while the file stays the same: a dialog's video is the source of some sixty utterances."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def proof(workspace: Workspace, video: Video, record: Record) -> Iterator[tuple[str, Remedy]]:
    """Read picture and sound again: the bytes must be those that were read then, and the links must lead to them."""
    for prefix, source in (("", video.source), ("sound_", video.sound)):
        noted = record.metrics.get(f"{prefix}file")
        if source is not None and isinstance(noted, str):
            name = workspace.sources / Path(noted).name
            own = None if is_address(source) else local(workspace.root, source)
            shard = workspace.relative(workspace.shard(STAGE.name, video.shard))
            mends = _for_own(shard) if own else _for_fetched(shard, workspace.relative(name), name)
            yield from _proved(own or name, record.metrics.get(f"{prefix}sha256"), mends)
            if own and not leads_to(name, own):
                again = Remedy("delete this shard's file and run again", (shard,), run=True)
                yield f"sources/{name.name} does not lead to {own}", again


def _for_own(shard: str) -> tuple[Remedy, Remedy]:
    """What mends a source of the user's that changed, and one that cannot be read."""
    return (
        Remedy(
            "bring the old one back, or delete this shard's file and run again: it is read anew", (shard,), run=True
        ),
        Remedy("bring it back, or accept that it cannot be proved"),
    )


def _for_fetched(shard: str, link: str, name: Path) -> tuple[Remedy, Remedy]:
    """The same of what was fetched, and is read by the link `name`."""
    fetched = (str(Path(link).with_name(name.readlink().name)),) if name.is_symlink() else (link,)
    words = "delete what it leads to and this shard's file, and run again: it is fetched once more"
    lost = "delete this shard's file and run again: it is fetched once more; or accept that it cannot be proved"
    return Remedy(words, (*fetched, shard), run=True), Remedy(lost, (shard,), run=True)


def _proved(file: Path, sha256: Any, mends: tuple[Remedy, Remedy]) -> Iterator[tuple[str, Remedy]]:
    try:
        if read_through(file)[1] != sha256:
            yield f"the source {file} is no longer what it was", mends[0]
    except (BadVideo, SourceAway, OSError) as error:
        yield f"the source cannot be read again ({error})", mends[1]


STAGE = Stage(
    name="download",
    version=2,
    params=DownloadParams,
    columns=(
        Column("source", "str", meaning="where the video comes from, as in the catalogue"),
        Column("file", "str", meaning="name below sources/ by which it is read"),
        Column("bytes", "int64", unit="B", meaning="size of the source"),
        Column("sha256", "str", meaning="sha256 of the source, hexadecimal"),
        Column("sound_file", "str", nullable=True, meaning="the same of a sound file of its own; null without one"),
        Column("sound_bytes", "int64", unit="B", nullable=True, meaning="size of the sound file"),
        Column("sound_sha256", "str", nullable=True, meaning="sha256 of the sound file, hexadecimal"),
    ),
    metrics=(
        Metric("file", "", "name below sources/ by which it is read", kind="text"),
        Metric("bytes", "B", "size of the source"),
        Metric("sha256", "", "sha256 of the source, hexadecimal", kind="text"),
        Metric("sound_file", "", "the same of a sound file of its own", kind="text", optional=True),
        Metric("sound_bytes", "B", "size of the sound file", optional=True),
        Metric("sound_sha256", "", "sha256 of the sound file, hexadecimal", kind="text", optional=True),
    ),
    process=process,
    rows="video",
    catalogue=("source", "sound"),
    outside=facts,
    proof=proof,
    fetches=lambda params: params.at_once,
)
