"""A folder that is filled whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.plain_files import opened_plain

UNFINISHED = ".unfinished"
"""Where, within the folder, files are until all are there."""


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A place to fill within `folder`; on success all of it moves up, files after folders; on any error it is gone.

    What a killed process left is swept away by the next. Nothing outside `folder` is written to. Raises BadInput when
    `folder` is no folder, holds something, or is just being filled.
    """
    present = folder.exists()
    if present and not folder.is_dir():
        raise BadInput(f"{folder} is a file: name a folder that is empty or not there yet.")
    folder.mkdir(parents=True, exist_ok=True)
    _require_empty(folder)
    stage = folder / UNFINISHED
    if stage.is_symlink():
        raise BadInput(f"{stage} is a link, and is not written through: remove it and try again.")
    stage.mkdir(exist_ok=True)
    with _alone(stage):
        try:
            _require_empty(folder)
            yield _emptied(stage / "whole")
            _move(stage / "whole", folder)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            if not present and not any(folder.iterdir()):
                folder.rmdir()


def _require_empty(folder: Path) -> None:
    if any(path.name != UNFINISHED for path in folder.iterdir()):
        raise BadInput(f"{folder} is not empty: name a folder that is empty or not there yet.")


@contextmanager
def _alone(stage: Path) -> Iterator[None]:
    """Hold the place against another process; the lock goes with this one."""
    with opened_plain(stage / ".lock", os.O_RDWR | os.O_CREAT) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"Another process is filling {stage.parent}: wait for it or stop it.") from error
        yield


def _emptied(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder


def _move(stage: Path, folder: Path) -> None:
    """All or nothing. Files last: they are the lists of what is there."""
    moved: list[Path] = []
    try:
        for path in sorted(stage.iterdir(), key=lambda path: (path.is_file(), path.name)):
            moved.append(path.rename(folder / path.name))
    except BaseException:
        for path in moved:
            path.rename(stage / path.name)
        raise
