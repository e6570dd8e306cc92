"""Networks that are published as PyTorch weights, run in ONNX Runtime: exported once, opened for one thread.

An export lies in the folder `cache` of the workspace that PORTRAIT_PREP_WORKSPACE names. Its name holds the digest of
its bytes, which is checked before use; the folder can be deleted at any time. Only making an export needs PyTorch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.files import flush_and_rename, is_intact, sha256_of, temporary_beside
from portrait_prep.pipeline.declare.workspace import CACHE, WORKSPACE_VARIABLE, Workspace

if TYPE_CHECKING:
    import onnxruntime
    import torch

EXPORTER = 1
"""Version of how networks are exported: raise it with another opset, other options or another pinned PyTorch."""
OPSET = 17
"""https://github.com/onnx/onnx/blob/main/docs/Versioning.md: read by every ONNX Runtime since 1.12."""

IMAGE, OUTPUT = "image", "output"
"""Names of the input and of the output of every export."""

Provider = str | tuple[str, dict[str, str]]
"""One of ONNX Runtime's execution providers by its name, or with options."""

CPU: tuple[Provider, ...] = ("CPUExecutionProvider",)


def exported(
    name: str, sha256: str, build: Callable[[], torch.nn.Module], shape: tuple[int, ...], folder: Path | None = None
) -> Path:
    """The ONNX file of a network, made on first use.

    The file's name holds `sha256`, that of the weights, and the sha256 of its own bytes. It is made again where these
    do not agree or several files have the same weights. `build` returns the network with these weights loaded; it takes
    one float32 tensor [n, *shape] and returns one tensor [n, ...], for any n. The file appears whole or not at all:
    processes that make it at the same time write equal files, and the last one stays. `folder` replaces the workspace's
    cache. Raises MissingPrerequisite where the file must be made and PyTorch is missing.
    """
    stem = _stem(name, sha256)
    known = _known(folder or _cache(), stem)
    if len(known) == 1 and is_intact(known[0], known[0].stem.removeprefix(stem)):
        return known[0]
    require_torch(name)
    made = _made(build(), shape, folder or _workspace().folder(CACHE), stem)
    for other in known:
        if other != made:
            other.unlink(missing_ok=True)
    return made


def altered_exports(
    name: str, sha256: str, build: Callable[[], torch.nn.Module], shape: tuple[int, ...], folder: Path
) -> list[Path]:
    """The exports of a network in `folder` whose bytes differ from those of an export made now from the weights.

    `exported` compares a file only with its own name, which somebody who replaced the file may have changed with it.
    The arguments are those of `exported`. Empty where PyTorch, or what its exporter needs, is missing.
    """
    stem = _stem(name, sha256)
    known = _known(folder, stem)
    if not known or not (find_spec("torch") and find_spec("onnx")):
        return []
    with TemporaryDirectory() as anew:
        made = _made(build(), shape, Path(anew), stem)
        return [path for path in known if path.name != made.name]


def _stem(name: str, sha256: str) -> str:
    return f"{name}-{sha256[:16]}-{EXPORTER}-"


def _known(folder: Path, stem: str) -> list[Path]:
    return sorted(folder.glob(f"{escape(stem)}*.onnx"))


def _made(network: torch.nn.Module, shape: tuple[int, ...], folder: Path, stem: str) -> Path:
    """Export a network into `folder`; returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(folder / f"{stem}.onnx")
    try:
        _export(network, shape, temporary)
        path = folder / f"{stem}{sha256_of(temporary)}.onnx"
        flush_and_rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _cache() -> Path:
    return _workspace().root / CACHE


def _workspace() -> Workspace:
    workspace = os.environ.get(WORKSPACE_VARIABLE)
    if not workspace:
        raise MissingPrerequisite(
            f"There is no place for an export: set the environment variable {WORKSPACE_VARIABLE} to a workspace."
        )
    return Workspace(Path(workspace))


def require_torch(name: str) -> None:
    """Raise MissingPrerequisite when PyTorch, or what its exporter needs, cannot be imported."""
    try:
        import onnx  # noqa: F401, PLC0415
        import torch  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingPrerequisite(
            f"The network {name} is converted on its first use, for which {error.name} is missing: "
            "run pip install -c constraints.txt -e '.[torch]' in the folder of portrait-prep."
        ) from error


def _export(network: torch.nn.Module, shape: tuple[int, ...], path: Path) -> None:
    import torch  # noqa: PLC0415  takes seconds and is rarely needed

    network.eval()
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter by tracing is the older one; it alone needs no further package, and these networks do not branch.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, *shape),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[IMAGE],
            output_names=[OUTPUT],
            dynamic_axes={IMAGE: {0: "n"}, OUTPUT: {0: "n"}},
        )


def session(path: Path, providers: Sequence[Provider] = CPU) -> onnxruntime.InferenceSession:
    """Open an ONNX file on one thread, with kernels that repeat bit for bit; `providers` in order of preference.

    ONNX Runtime leaves out providers that do not start; the session's `get_providers` names those in use.
    Raises MissingPrerequisite when the file is not a network that ONNX Runtime can load.
    """
    import onnxruntime  # noqa: PLC0415 (slow to load, and not needed to look)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        # By default it would try other providers after an error, of its own accord, and print that it does.
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers), enable_fallback=0)
    except Exception as error:  # ONNX Runtime's own errors have no base but this one
        raise MissingPrerequisite(f"{path} cannot be loaded by ONNX Runtime: delete it and run again.") from error
