"""What each stage costs a frame: time of its worker, and of the device where its network runs on one.

Host times were measured on one core of an AMD EPYC (`make bench`, docs/scale.md). Device times are assumed, since no
GPU was at hand. The simulation is of how work is placed, so what matters is the ratio between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portrait_prep.pipeline.run.task import VideoTask


@dataclass(frozen=True)
class Cost:
    """Milliseconds a frame: `host` of the worker beside its device, `device` on it, `cpu` of one core without any."""

    host: float
    device: float = 0.0
    cpu: float = 0.0

    def seconds(self, frames: float, gpu: bool) -> tuple[float, float]:
        """Seconds that a worker needs, of them those of the device."""
        if not gpu:
            return frames * (self.host + self.cpu) / 1e3, 0.0
        return frames * (self.host + self.device) / 1e3, frames * self.device / 1e3


COSTS: Mapping[str, Cost] = {
    "download": Cost(0.05),
    "normalize": Cost(4.4),
    "landmarks": Cost(3.8),
    "headpose": Cost(0.7, device=0.1, cpu=0.6),
    "parsing": Cost(1.5, device=2.0, cpu=140.0),
    "torso": Cost(2.5),
    "speech": Cost(0.08),
    "features": Cost(0.3, device=0.7, cpu=20.0),
    "identity": Cost(0.8),
    "stats": Cost(0.2),
}
"""By the stage's name; torso takes the outlines that parsing found."""
COMMIT = 0.05
"""Seconds that it takes to write a shard."""
START = 0.02
"""Seconds that a task costs beside its frames."""


def seconds_of(stage: str, tasks: Sequence[VideoTask], frames_a_second: float, gpu: bool) -> tuple[float, float]:
    """Seconds that a task takes its worker, and of them those of the device."""
    frames = sum((task.video.duration or 0.0) * frames_a_second for task in tasks)
    worker, device = COSTS[stage].seconds(frames, gpu)
    return START + worker, device
