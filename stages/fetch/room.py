"""Room on the disk, looked at before a transfer starts rather than when it runs out."""

import shutil
from pathlib import Path

from manifests.errors import TransferFailed

GB = 1_000_000_000


def require(folder: Path, needed: int, reserve: float) -> None:
    """Raise TransferFailed when `needed` more bytes in `folder` would leave less than `reserve` GB of its disk."""
    free = shutil.disk_usage(folder).free
    if free - needed < reserve * GB:
        raise TransferFailed(
            f"The disk of {folder} has {free / GB:.3g} GB free, too little for the {needed / GB:.3g} GB still to come "
            f"and the {reserve:g} GB that must stay free: make room on it, or set a smaller 'reserve'."
        )
