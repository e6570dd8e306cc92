"""A folder or file that is filled part by part, and has its final name when all parts are there.

Until then they lie in a folder of its own. An export that is broken off, however, leaves the parts that are whole
there, and the same export goes on from them; another one starts anew.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.plain_files import opened_plain
from portrait_prep.media.file import regular

UNFINISHED = ".unfinished"
"""Ends the name of the folder of what is not finished."""
DONE, BEGUN = "done", "begun"
"""Its folders, of whole parts and of the one that is being written."""
PLAN, COMPLETE = "plan", "complete"
"""Its files with the digest of the plan: of what the parts are, and put there once all are."""


@dataclass(frozen=True)
class Target:
    """Where an export goes: a folder that is empty or not there yet; or (`is_file`) a file that is not there yet."""

    path: Path
    is_file: bool = False

    @property
    def folder(self) -> Path:
        """The folder in which the finished parts get their final names."""
        return self.path.parent if self.is_file else self.path

    @property
    def unfinished(self) -> Path:
        """The folder of what is not finished: nothing outside of `folder` is written to."""
        return self.folder / (f".{self.path.name}{UNFINISHED}" if self.is_file else UNFINISHED)

    def require_free(self) -> None:
        """Raise BadInput where something has the name already."""
        if self.is_file and os.path.lexists(self.path):
            raise BadInput(f"{self.path} is there already: name a file that is not there yet.")
        if self.folder.exists() and not self.folder.is_dir():
            raise BadInput(f"{self.folder} is a file: name a folder that is empty or not there yet.")
        if not self.is_file and self.path.exists() and any(path != self.unfinished for path in self.path.iterdir()):
            raise BadInput(f"{self.path} is not empty: name a folder that is empty or not there yet.")

    def final(self, part: Path) -> Path:
        """The final name of what is left in the folder of whole parts."""
        return self.path if self.is_file else self.path / part.name


@dataclass(frozen=True)
class Filling:
    """The parts of an export while it is written. `complete`: all are there, and some have their final names."""

    place: Path
    complete: bool

    @property
    def done(self) -> Path:
        """The folder of the parts that are whole."""
        return self.place / DONE

    def has(self, name: str) -> bool:
        """Whether a part is whole."""
        return self.complete or os.path.lexists(self.done / name)

    def write(self, name: str, write: Callable[[Path], None]) -> None:
        """Have a file or folder written, flush it to disk, and count it among those that are whole."""
        begun, done = _emptied(self.place / BEGUN) / Path(name).name, self.done / name
        write(begun)
        _flush(begun)
        done.parent.mkdir(parents=True, exist_ok=True)
        begun.rename(done)


@contextmanager
def filling(target: Target, plan: str) -> Iterator[Filling]:
    """Fill `target` by a plan, known by its digest; at the end of the block all that is there gets its final name.

    On any error, and when the process is killed, what is whole is kept for the same plan to go on with; nothing is
    left where nothing is. Raises BadInput when the target is not free, or is just being filled.
    """
    place, present = target.unfinished, target.folder.exists()
    complete = _digest(place / COMPLETE) == plan
    if not complete:
        target.require_free()
    target.folder.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        raise BadInput(f"{place} is a link, and is not written through: remove it and try again.")
    place.mkdir(exist_ok=True)
    with _alone(place, target.path):
        try:
            if not complete:
                _begin(place, plan)
            (place / DONE).mkdir(exist_ok=True)  # it may have been killed while it tidied up
            yield Filling(place, complete)
            _flush_lists(place / DONE)
            _note(place / COMPLETE, plan)
            _move(place / DONE, target, complete)
            shutil.rmtree(place)
        finally:
            _leave(place, target, present)


def _begin(place: Path, plan: str) -> None:
    """Have what is whole there, if it is of this plan, and else nothing."""
    if _digest(place / PLAN) != plan:
        (place / COMPLETE).unlink(missing_ok=True)
        _emptied(place / DONE)
        _note(place / PLAN, plan)


def _digest(path: Path) -> str | None:
    """The digest that a file notes; None where there is none."""
    try:
        return regular(path).read_text("utf-8")
    except (OSError, ValueError):
        return None


def _note(path: Path, digest: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(digest, "utf-8")


@contextmanager
def _alone(place: Path, path: Path) -> Iterator[None]:
    """Hold the place against another process; the lock goes with this one."""
    with opened_plain(place / ".lock", os.O_RDWR | os.O_CREAT) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"Another process is filling {path}: wait for it or stop it.") from error
        yield


def _emptied(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder


def _flush(part: Path) -> None:
    """Have a file, or all that a folder holds, on disk: whatever is under its final name must outlive a power cut."""
    for path in [part, *part.rglob("*")] if part.is_dir() else [part]:
        _sync(path)


def _flush_lists(done: Path) -> None:
    """Have the files that tell of all parts on disk, too."""
    for path in done.iterdir():
        if path.is_file():
            _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move(done: Path, target: Target, begun: bool) -> None:
    """All or nothing. Files last: they are the lists of what is there.

    `begun`: by a process that was killed. What it has moved stays, and so does the rest, to be gone on with.
    """
    moved: list[Path] = []
    try:
        for path in sorted(done.iterdir(), key=lambda path: (path.is_file(), path.name)):
            final = target.final(path)
            if os.path.lexists(final):
                raise BadInput(f"{final} came there while the export was written: move it away and try again.")
            moved.append(path.rename(final))
    except BaseException:
        if not begun:
            for path in moved:
                path.rename(done / path.name)
            (done.parent / COMPLETE).unlink(missing_ok=True)
        raise
    _sync(target.folder)


def _leave(place: Path, target: Target, present: bool) -> None:
    """Keep what is whole; where that is nothing, leave nothing."""
    if not place.exists():
        return
    shutil.rmtree(place / BEGUN, ignore_errors=True)
    if not any((place / DONE).glob("*")):
        shutil.rmtree(place, ignore_errors=True)
        if not present and not any(target.folder.iterdir()):
            target.folder.rmdir()
