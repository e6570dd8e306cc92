"""The poses of a video in numbers: least, greatest and mean values, and the angles between which the head mostly is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.metric import Metric, farthest, spread, within
from portrait_prep.stages.streaming.percentiles import Percentiles

ANGLES = ("yaw", "pitch", "roll")

VERBS = {"yaw": "turns", "pitch": "nods", "roll": "tilts"}
POSITIVE = {
    "yaw": "the nose points to image left",
    "pitch": "the nose points down",
    "roll": "the head tilts to image left",
}
BLIND = "angles near profile, where there is little of the face to go by"


def _metric(angle: str, default: float, description: str, most: float) -> Metric:
    return Metric(
        f"{angle}_range",
        "degrees",
        f"1st and 99th percentile of the {angle}, right within 0.125; above 0 {POSITIVE[angle]}",
        title=f"{angle.capitalize()}, farthest",
        decimals=1,
        kind="numbers",
        take=farthest,
        bounds=(
            within(
                f"max_{angle}",
                default,
                description,
                f"the head {VERBS[angle]} from {{value[0]:.0f}} to {{value[1]:.0f}} degrees ({angle}), beyond "
                "{limit:g}",
                ge=0,
                le=most,
            ),
        ),
        blind=BLIND,
    )


METRICS = (
    _metric("yaw", 60.0, "degrees either way between which 98 % of the yaws must lie", 90),
    _metric("pitch", 45.0, "the same for the pitch, degrees", 180),
    _metric("roll", 45.0, "the same for the roll, degrees", 180),
    Metric(
        "yaw_span",
        "degrees",
        "from the 1st to the 99th percentile of the yaw",
        title="Yaw, range",
        decimals=1,
        take=spread,
        view_of="yaw_range",
    ),
)


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
