"""What MODA's targets are relative to: the mean face, head motion and shoulders, of a person or of one clip."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.streaming.described import DESCRIBED
from portrait_prep.stages.streaming.moments import Moments
from portrait_prep.views.reading.reader import Reader

HEADMOTION = ("euler", "translation", "scale")
"""Yaw, pitch, roll; x, y, z of the head in the flipped image; scale: the seven numbers of a head's motion."""
MOVING = 0.5
"""Canonical px: the mean deviation above which a clip's shoulders count as seen (`torso_mask`)."""
LEAST = 1e-6
"""Deviations are taken to be at least so large: what never moves gives zeros."""

Values = Mapping[str, NDArray[np.float64]]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Centre:
    """Means and deviations by target, float32: `mesh` [478, 3] canonical px, `headmotion` [7], `torso` [18, 3].

    `torso_mask`: the shoulders of this very clip move, by a mean deviation of more than 0.5 canonical px.
    """

    mean: Mapping[str, Float32]
    std: Mapping[str, Float32]
    torso_mask: bool

    @classmethod
    def of(cls, means: Values, deviations: Values, torso_deviation: NDArray[np.float64]) -> "Centre":
        """From values by the names of `stages.stats.DESCRIBED`."""
        std = {name: np.maximum(values, np.float32(LEAST)) for name, values in _targets(deviations).items()}
        return cls(_targets(means), std, bool(torso_deviation.mean() > MOVING))


def _targets(values: Values) -> dict[str, Float32]:
    headmotion = np.concatenate([values[name].reshape(-1) for name in HEADMOTION])
    targets = {"mesh": values["canonical"], "headmotion": headmotion, "torso": values["billboard"]}
    return {name: each.astype(np.float32) for name, each in targets.items()}


def centre_of_subject(reader: Reader, number: int) -> Centre:
    """Of the person in video `number`, over all its accepted videos.

    Raises BadInput when none is accepted, and Damaged when the stats stage is not done with this one.
    """
    clip, known = _moments(reader, number), reader.statistics(reader.videos[number].video.subject)
    means, deviations = ({name: known[f"{name}_{kind}"] for name in clip} for kind in ("mean", "std"))
    return Centre.of(means, deviations, clip["billboard"].deviation)


def centre_of_clip(reader: Reader, number: int) -> Centre:
    """Of video `number` alone. Raises Damaged when the stats stage is not done with it."""
    return _centre(_moments(reader, number))


def centre_of_batches(batches: Iterable[Batch]) -> Centre:
    """Of a clip in units that the stats stage does not know: its columns, streamed."""
    moments = {column.name: Moments.none(column.shape) for column in DESCRIBED}
    for batch in batches:
        for column in DESCRIBED:
            moments[column.name] += Moments.of(batch[column.reads].reshape(-1, *column.shape))
    return _centre(moments)


def _centre(moments: Mapping[str, Moments]) -> Centre:
    deviations = {name: each.deviation for name, each in moments.items()}
    return Centre.of({name: each.average for name, each in moments.items()}, deviations, deviations["billboard"])


def _moments(reader: Reader, number: int) -> dict[str, Moments]:
    """As the stats stage has them."""
    kinds = ("count", "mean", "m2")
    facts = reader.facts(number, *(f"stats.{column.name}_{kind}" for column in DESCRIBED for kind in kinds))
    parts = {column.name: [facts[f"stats.{column.name}_{kind}"] for kind in kinds] for column in DESCRIBED}
    return {name: Moments(int(count), mean, m2) for name, (count, mean, m2) in parts.items()}
