"""GPUs: which of this machine's a run may use. Nothing here loads CUDA: that is for the workers, one a device.

What a GPU computes differs from what a CPU computes in the last bits, as it does between two kinds of GPU. That is no
reason to compute anything again: the setting is part of no fingerprint. A stage notes in its metrics what it ran on.
"""

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile

from portrait_prep.pipeline.declare.settings import GpuSetting

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable by which CUDA sees some devices only:
https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#cuda-environment-variables"""
PATIENCE = 120.0
"""Seconds that a program may take to answer."""
GPU = "GPU"
"""Name of the dask resource that a worker with a GPU offers; dask-cuda's documentation uses the same."""

LISTED = re.compile(r"^\s*(GPU|MIG) .*\(UUID: ([^)\s]+)\)\s*$", re.MULTILINE)
TORCH_SEES_CUDA = "import sys, torch; sys.exit(not torch.cuda.is_available())"


def most(setting: GpuSetting) -> int:
    """The greatest number of GPUs that a setting allows."""
    return {"auto": sys.maxsize, "off": 0}[setting] if isinstance(setting, str) else setting


def devices_of(listing: str) -> tuple[str, ...]:
    """The UUIDs in what `nvidia-smi -L` prints, in its order; a GPU that is cut up (MIG) stands for its parts."""
    devices: list[list[str]] = []
    for kind, uuid in LISTED.findall(listing):
        if kind == GPU:
            devices.append([uuid])
        elif devices:
            devices[-1].append(uuid)
    return tuple(uuid for device in devices for uuid in device[1:] or device)


def visible(devices: Sequence[str], variable: str | None) -> tuple[str, ...]:
    """Those of a machine's devices that CUDA_VISIBLE_DEVICES leaves, each named as that variable takes it.

    The variable holds numbers or UUIDs, which may be cut short; what is neither ends the list. None: all are visible.
    """
    if variable is None:
        return tuple(devices)

    def known(entry: str) -> bool:
        by_number = entry.isdecimal() and int(entry) < len(devices)
        return by_number or (entry[:4] in ("GPU-", "MIG-") and any(device.startswith(entry) for device in devices))

    return tuple(takewhile(known, (entry.strip() for entry in variable.split(","))))


def find_devices() -> tuple[str, ...]:
    """The devices that programs of this machine can use; one line in the log where there are some, but no such program.

    Asks NVIDIA's driver and, only where that knows of a device, ONNX Runtime and PyTorch.
    """
    devices = visible(devices_of(listing()), os.environ.get(VISIBLE))
    if devices and not _onnxruntime_has_cuda() and not _torch_sees_cuda():
        log.warning(
            "There is a GPU that neither ONNX Runtime nor PyTorch can use here: install onnxruntime-gpu in place of "
            "onnxruntime, or PyTorch with CUDA."
        )
        return ()
    return devices


def listing() -> str:
    """What `nvidia-smi -L` prints; nothing where there is no such program or it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        answer = subprocess.run(  # noqa: S603
            [program, "-L"], capture_output=True, text=True, errors="backslashreplace", timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("nvidia-smi does not answer (%s): going on as without a GPU", error)
        return ""
    return answer.stdout


def _onnxruntime_has_cuda() -> bool:
    import onnxruntime  # noqa: PLC0415  of no use where there is no GPU

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _torch_sees_cuda() -> bool:
    """Asked in a process of its own: PyTorch takes seconds to load, and much memory."""
    try:
        command = [sys.executable, "-c", TORCH_SEES_CUDA]
        subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return True


Find = Callable[[], Sequence[str]]
"""Names the devices of this machine, as CUDA_VISIBLE_DEVICES takes them."""


def chosen(setting: GpuSetting, find: Find = find_devices) -> tuple[str, ...]:
    """The devices that a run uses; the machine is not asked where the setting allows none."""
    return tuple(find()[: most(setting)]) if most(setting) else ()
