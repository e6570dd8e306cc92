"""The poses of a video in numbers: least, greatest and mean values, and the angles between which the head mostly is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.streaming.percentiles import Percentiles

ANGLES = ("yaw", "pitch", "roll")


class PoseRange:
    """The angles between which the head is in all but a hundredth of the frames on either side."""

    def __init__(self) -> None:
        self._angles = {name: Percentiles(-180.0, 180.0, 1440) for name in ANGLES}

    def add(self, euler: NDArray[np.floating[Any]]) -> None:
        """Take in yaw, pitch, roll [n, 3] in degrees; NaN does not count."""
        for angles, values in zip(self._angles.values(), euler.T, strict=True):
            angles.add(values)

    def metrics(self) -> dict[str, list[float | None] | None]:
        """`yaw_range`, `pitch_range`, `roll_range`: 1st and 99th percentile in degrees; None without any frame."""
        ranges = {f"{name}_range": [angles.at(1), angles.at(99)] for name, angles in self._angles.items()}
        return {name: None if None in limits else limits for name, limits in ranges.items()}


class ColumnRange:
    """Least, greatest and mean value of some columns over the finite frames of a video, as they stream by."""

    def __init__(self) -> None:
        self._count = 0
        self._low: NDArray[np.float64] | float = np.inf
        self._high: NDArray[np.float64] | float = -np.inf
        self._total: NDArray[np.float64] | float = 0.0

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Take in rows [n, k]."""
        finite = values[np.isfinite(values).all(axis=1)].astype(np.float64)
        self._count += len(finite)
        self._low = np.minimum(self._low, finite.min(axis=0, initial=np.inf))
        self._high = np.maximum(self._high, finite.max(axis=0, initial=-np.inf))
        self._total = self._total + finite.sum(axis=0)

    def metrics(self, *names: str) -> dict[str, float]:
        """`<name>_min`, `<name>_max` and `<name>_mean`; nothing when there was no finite frame."""
        if not self._count:
            return {}
        kinds = {"min": self._low, "max": self._high, "mean": self._total / self._count}
        return {
            f"{name}_{kind}": float(value)
            for kind, values in kinds.items()
            for name, value in zip(names, np.asarray(values), strict=True)
        }
