"""What the statistics of subjects describe, and where they lie: for the stage that makes them, and for readers."""

from dataclasses import dataclass

from portrait_prep.manifests.video import ALL_SUBJECTS
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.streaming.moments import Moments

NAME = "stats"
"""Of the stage, and of the folder."""
CORPUS = ALL_SUBJECTS
"""The subject that stands for all of them; the last row of the table."""
TABLE = "subjects.parquet"


@dataclass(frozen=True)
class DescribedColumn:
    """An upstream column, described frame by frame with values of `shape`."""

    name: str
    reads: str
    shape: tuple[int, ...]
    unit: str

    def moments(self, batch: Batch) -> Moments:
        """Of the frames of a batch of the column."""
        return Moments.of(batch[self.name].reshape(-1, *self.shape))


DESCRIBED = (
    DescribedColumn("canonical", "headpose.canonical", (478, 3), "canonical px"),
    DescribedColumn("euler", "headpose.euler", (3,), "degree"),
    DescribedColumn("translation", "headpose.translation", (3,), "px"),
    DescribedColumn("scale", "headpose.scale", (1,), "canonical px per image px"),
    DescribedColumn("billboard", "torso.billboard", (18, 3), "canonical px"),
)
