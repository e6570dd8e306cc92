"""How far a head turns: between which angles it is nearly all the time."""

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
