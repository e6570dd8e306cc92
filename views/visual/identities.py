"""Whose faces they are: subjects that hold different people, subjects that look like one, videos that change people.

By the embeddings of the stage `identity`. All of it is a warning: relatives are alike, and a person in profile or in
the dark is unlike herself.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.store.shards import ShardReader
from portrait_prep.stages.identity import STAGE
from portrait_prep.stages.models.sface import NUMBERS, SAME, unit
from portrait_prep.views.reading.columns import changed
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.selection import Footage

Embeddings = NDArray[np.float32]

MOST_PEOPLE = 64
"""Of one subject that are told apart: who looks like none of them is counted to the last."""
CELLS = 1 << 24
"""Cosines that are held at a time: 64 MB."""


@dataclass(frozen=True)
class Known:
    """Accepted videos in the order of the catalogue: id, subject, embedding [n, 128], and likeness of its faces [n]."""

    video_ids: Sequence[str]
    subjects: Sequence[str]
    embeddings: Embeddings
    likeness: NDArray[np.float32]


@dataclass(frozen=True)
class Identities:
    """What there is to look at. `mixed`: subject -> the videos of each person, those of the one seen most often first.

    `alike`: two subjects and the cosine between their means, the most alike pairs first; of each subject, the subject
    that is most like it. `changing`: videos whose faces are not one person's.
    """

    mixed: Mapping[str, Sequence[Sequence[str]]]
    alike: Sequence[tuple[str, str, float]]
    changing: Sequence[str]

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(self.mixed or self.alike or self.changing)


def known(reader: Reader) -> Known:
    """The embeddings of a reader's videos, each shard read once. Raises Damaged."""
    embeddings = np.empty((len(reader), NUMBERS), np.float32)
    likeness = np.empty(len(reader), np.float32)
    shards = defaultdict[str, list[int]](list)
    for number, footage in enumerate(reader.videos):
        shards[footage.video.shard].append(number)
    for shard, numbers in shards.items():
        for number, row in zip(numbers, _rows(reader, shard, [reader.videos[each] for each in numbers]), strict=True):
            embeddings[number], likeness[number] = row["embedding"][0], row["likeness"][0]
    videos = [footage.video for footage in reader.videos]
    return Known([video.video_id for video in videos], [video.subject for video in videos], embeddings, likeness)


def _rows(reader: Reader, shard: str, chosen: Sequence[Footage]) -> Iterator[Batch]:
    path = reader.workspace.shard(STAGE.name, shard)
    ids = [footage.video.video_id for footage in chosen]
    try:
        with ShardReader(path) as file:
            found = {video_id: record.digest for video_id, record in file.records.items()}
            if any(found.get(one.video.video_id) != one.digests[STAGE.name] for one in chosen):
                raise changed(path)
            yield from file.single_rows(ids, ("embedding", "likeness"))
    except FileNotFoundError as error:
        raise changed(path) from error


def compare(known: Known) -> Identities:
    """Tell people apart. Time grows with the videos and the square of the subjects, memory with the videos alone."""
    of_subject = defaultdict[str, list[int]](list)
    for number, subject in enumerate(known.subjects):
        of_subject[subject].append(number)
    mixed, means = {}, np.empty((len(of_subject), NUMBERS), np.float32)
    for place, (subject, numbers) in enumerate(of_subject.items()):
        found = people(known.embeddings[numbers])
        if len(found) > 1:
            mixed[subject] = [[known.video_ids[numbers[row]] for row in rows] for rows in found]
        means[place] = unit(known.embeddings[[numbers[row] for row in found[0]]].sum(axis=0))
    names = list(of_subject)
    pairs = {(min(a, b), max(a, b)): cosine for a, b, cosine in most_alike(means)}
    alike = [(names[one], names[other], cosine) for (one, other), cosine in pairs.items()]
    changing = [known.video_ids[number] for number in np.flatnonzero(known.likeness < SAME).tolist()]
    return Identities(mixed, sorted(alike, key=lambda pair: (-pair[2], pair)), changing)


def people(embeddings: Embeddings) -> list[list[int]]:
    """The rows [n, 128] by person, in order; the one with most rows first.

    Each row goes to the person whose mean it is most like, or is somebody new where it is like nobody.
    """
    sums, rows = np.empty((MOST_PEOPLE, NUMBERS)), list[list[int]]()
    for row, embedding in enumerate(embeddings.astype(np.float64)):
        cosines = unit(sums[: len(rows)]) @ embedding
        nearest = int(cosines.argmax()) if rows else -1
        if rows and cosines[nearest] >= SAME:
            rows[nearest].append(row)
            sums[nearest] += embedding
        elif len(rows) < MOST_PEOPLE:
            sums[len(rows)] = embedding
            rows.append([row])
        else:
            rows[-1].append(row)
    return sorted(rows, key=lambda found: -len(found))


def most_alike(means: Embeddings) -> Iterator[tuple[int, int, float]]:
    """Of each row [n, 128] of length 1, the other one that is most like it, and the cosine; where that is enough."""
    count = len(means)
    step = max(CELLS // max(count, 1), 1)
    for start in range(0, count if count > 1 else 0, step):
        cosines = means[start : start + step] @ means.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1
        nearest = cosines.argmax(axis=1)
        for row in np.flatnonzero(cosines[rows, nearest] >= SAME):
            yield start + int(row), int(nearest[row]), round(float(cosines[row, nearest[row]]), 3)
