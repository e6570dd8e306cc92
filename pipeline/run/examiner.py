"""Runs in a worker: examines its process, and carries out tasks once it has passed.

A worker may have another version of portrait_prep, or none, or another Python. So this file is sent as source text,
needs only the standard library, and runs there before any object of portrait_prep is unpickled.
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
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODULE = "_portrait_prep_examiner"
"""Name of the module that a worker process makes to keep its facts, and the runs that it passed for."""

FACTS: dict[str, Callable[[], str]] = {
    "Python": lambda: "{}.{}".format(*sys.version_info),
    "encoding of file names": sys.getfilesystemencoding,
    "portrait_prep": lambda: code_digest("portrait_prep"),
    "ffmpeg": lambda: _ffmpeg(os.environ.get("IMAGEIO_FFMPEG_EXE", "")),
}
"""What must be equal besides versions of packages. IMAGEIO_FFMPEG_EXE names an ffmpeg other than the package's."""

SOURCES = (".py", ".npz", ".json")
"""Suffixes of the files that make up the code."""

BUILDS = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu")}
"""Package -> the distributions that provide it, any of which will do: both compute the same on a CPU."""

VISIBLE_AFTER = 2.0
"""Seconds after which a new file must be visible on a network disk."""


def fact(name: str) -> str:
    """A fact of this process by its name: one of FACTS, or else the version of a package ("none": it is missing)."""
    if name in FACTS:
        return FACTS[name]()
    try:
        return metadata.version(distribution_of(name)).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "none"


def distribution_of(package: str) -> str:
    """The distribution that provides a package here; its own name where none does."""
    for distribution in BUILDS.get(package, (package,)):
        try:
            metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
        return distribution
    return package


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
    """The first line that ffmpeg says of its version; "its package's" where that brings one, as some builds do not."""
    try:
        if not executable:
            executable = str(import_module("imageio_ffmpeg").get_ffmpeg_exe())
            if Path(executable).parent.name == "binaries":
                return "its package's"
        told = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    except (ImportError, RuntimeError, OSError, subprocess.SubprocessError):
        return "none"
    return told.stdout.partition("\n")[0]


def _state() -> Any:
    """The module MODULE, made at the first call: `process` (id), `facts` and `passed` (ids of runs).

    Facts are taken once, since what this process has loaded stays the same when its files change.
    """
    state: Any = sys.modules.setdefault(MODULE, types.ModuleType(MODULE))
    if not hasattr(state, "facts"):
        state.process, state.facts, state.passed = uuid.uuid4().hex, {}, set()
    return state


def examine(expected: dict[str, str], probes: Sequence[tuple[str, str]], run: str) -> tuple[str, dict[str, str], str]:
    """Compare this process with the `expected` facts, and let it carry out tasks of `run` if it passes.

    `probes` are paths and contents of files that the driver wrote; this process writes an answer beside each. Returns
    an id of this process, its facts, and what is wrong with the folders ("" if nothing).
    """
    state = _state()
    for name in expected:
        if name not in state.facts:
            state.facts[name] = fact(name)
    facts = {name: state.facts[name] for name in expected}
    trouble = "" if facts != expected else _answer_all(probes, state.process)
    if facts == expected and not trouble:
        state.passed.add(run)
        state.perform = perform
    return state.process, facts, trouble


def _answer_all(probes: Sequence[tuple[str, str]], process: str) -> str:
    """Write the content of each probe file into its answer. Returns what is wrong, "" if nothing."""
    for name, content in probes:
        folder = Path(name).parent
        if not _reads(Path(name), content):
            return f"it does not see {folder} as it is here: mount it there under the same path"
        try:
            answer_to(name, process).write_text(content)
        except OSError as error:
            return f"it may not write to {folder} ({error.strerror}): start it as a user who may"
    return ""


def _reads(path: Path, content: str) -> bool:
    end = time.monotonic() + VISIBLE_AFTER
    while True:
        try:
            return path.read_text() == content
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)


def answer_to(probe: str, process: str) -> Path:
    """Where a process answers a probe file."""
    return Path(f"{probe}.{process}")


def perform(run: str, payload: bytes) -> Any:
    """Carry out a task, a pickled pair of function and arguments. Raises KeyError(MODULE) unless passed for `run`."""
    if run not in _state().passed:
        raise KeyError(MODULE)
    task, arguments = pickle.loads(payload)  # noqa: S301 (of our own driver, as all that dask brings)
    return task(*arguments)
