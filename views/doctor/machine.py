"""What this process may use of the machine: cores and memory, as its control groups limit them.

See https://docs.kernel.org/admin-guide/cgroup-v2.html; the older hierarchy is read at its usual place.
"""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def core_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """Cores that may be busy at once: the affinity of this process or the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(cores), *_quotas(cgroups, membership)])


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    for folder in _folders(cgroups, membership):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)
    quota, period = (_text(cgroups / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.isdigit() and period.isdigit():
        yield int(quota) / int(period)


def memory_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes of memory that this process and its workers may take together."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = [folder / "memory.max" for folder in _folders(cgroups, membership)]
    texts = [_text(path) for path in (*files, cgroups / "memory" / "memory.limit_in_bytes")]
    return min([physical, *(int(text) for text in texts if text.isdigit())])


def _folders(cgroups: Path, membership: Path) -> list[Path]:
    """The folder of this process's control group and those above it; each of them limits."""
    own = next((line[3:] for line in _text(membership).splitlines() if line.startswith("0::")), "/")
    inner = cgroups / own.strip("/")
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(cgroups)]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
