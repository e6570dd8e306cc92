"""What a worker says of itself, and how it carries out tasks once it has passed.

A worker may hold another portrait_prep, or none, or be another Python. So this file is sent as text, needs nothing but
Python's own library, and is run there before anything of ours is unpickled.
"""

import hashlib
import os
import pickle
import subprocess
import sys
import time
import types
import uuid
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

KEPT = "_portrait_prep_examiner"
"""Name of the module in which a process keeps what it was found to be, and which runs it passed for."""

FACTS: dict[str, Callable[[], str]] = {
    "Python": lambda: "{}.{}".format(*sys.version_info),
    "encoding of file names": sys.getfilesystemencoding,
    "portrait_prep": lambda: code_digest("portrait_prep"),
    "ffmpeg": lambda: _ffmpeg(os.environ.get("IMAGEIO_FFMPEG_EXE", "")),
}
"""What must be equal besides the versions of packages. An ffmpeg that no variable names comes with its package."""

SOURCES = (".py", ".npz", ".json")
"""Endings of the files that decide what the code computes."""

BUILDS = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu")}
"""Packages that several distributions bring: the one for GPUs gives the same code for the CPU."""

PATIENCE = 2.0
"""Seconds in which a network disk shows a new file."""


def fact(name: str) -> str:
    """A fact of this process by its name: one of FACTS, or else the version of a package ("none": it is missing)."""
    if name in FACTS:
        return FACTS[name]()
    for distribution in BUILDS.get(name, (name,)):
        try:
            return version(distribution).partition("+")[0]
        except PackageNotFoundError:
            continue
    return "none"


def code_digest(package: str) -> str:
    """A digest over names and bytes of all source files of a package, as installed; "none" where it is missing."""
    spec = find_spec(package)
    digest = hashlib.sha256()
    for root in sorted((spec.submodule_search_locations or ()) if spec else ()):
        for folder, folders, files in os.walk(root, followlinks=True):
            folders.sort()
            for name in sorted(files):
                if name.endswith(SOURCES) and not name.startswith("."):
                    path = Path(folder, name)
                    digest.update(f"{path.relative_to(root).as_posix()}\0".encode(errors="surrogateescape"))
                    digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12] if spec else "none"


def _ffmpeg(executable: str) -> str:
    if not executable:
        return "its package's"
    try:
        told = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "none"
    return told.stdout.partition("\n")[0]


def _kept() -> Any:
    """Facts are kept: what this process has loaded stays when files change beneath it."""
    kept: Any = sys.modules.setdefault(KEPT, types.ModuleType(KEPT))
    if not hasattr(kept, "facts"):
        kept.process, kept.facts, kept.passed = uuid.uuid4().hex, {}, set()
    return kept


def examine(expected: dict[str, str], notes: Sequence[tuple[str, str]], run: str) -> tuple[str, dict[str, str], str]:
    """Compare this process with what is `expected` of it, and let it work for `run` if it passes.

    `notes` are files that the driver wrote, and their contents: an answer is left beside each. Returns an id of this
    process, its facts, and what is wrong with the folders ("": nothing).
    """
    kept = _kept()
    for name in expected:
        if name not in kept.facts:
            kept.facts[name] = fact(name)
    facts = {name: kept.facts[name] for name in expected}
    trouble = "" if facts != expected else _answered(notes, kept.process)
    if facts == expected and not trouble:
        kept.passed.add(run)
        kept.perform = perform
    return kept.process, facts, trouble


def _answered(notes: Sequence[tuple[str, str]], process: str) -> str:
    """Write below each note what it says. Returns what is wrong, "" where nothing is."""
    for name, content in notes:
        folder = Path(name).parent
        if not _reads(Path(name), content):
            return f"it does not see {folder} as it is here: mount it there under the same path"
        try:
            answer_to(name, process).write_text(content)
        except OSError as error:
            return f"it may not write to {folder} ({error.strerror}): start it as a user who may"
    return ""


def _reads(path: Path, content: str) -> bool:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return path.read_text() == content
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)


def answer_to(note: str, process: str) -> Path:
    """Where a process answers a note."""
    return Path(f"{note}.{process}")


def perform(run: str, payload: bytes) -> Any:
    """Carry out a task of a run, a pickled pair of function and arguments. Raises KeyError(KEPT) where not passed."""
    if run not in _kept().passed:
        raise KeyError(KEPT)
    task, arguments = pickle.loads(payload)  # noqa: S301 (of our own driver, as all that dask brings)
    return task(*arguments)
