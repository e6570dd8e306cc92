"""Videos as they are packed into files: those of each split together, in order, up to a size."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from portrait_prep.manifests.ids import with_digest
from portrait_prep.views.reading.selection import Footage

MEGABYTE = 1_000_000
SPLIT_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
"""What can be part of a file's name, and a split to Hugging Face datasets."""


def by_split(videos: Sequence[Footage], unsplit: str) -> Mapping[str, Sequence[int]]:
    """Split -> the numbers of its videos; those without one are in `unsplit`."""
    sides = defaultdict[str, list[int]](list)
    for number, footage in enumerate(videos):
        sides[_file_name(footage.video.split or unsplit)].append(number)
    return sides


def _file_name(split: str) -> str:
    return split if SPLIT_NAME.fullmatch(split) else with_digest(split, split).replace("-", "_")


def packed(numbers: Sequence[int], size: Callable[[int], int], most: int) -> list[list[int]]:
    """The videos cut into runs of at most `most` bytes; one that is larger is alone."""
    runs, filled = list[list[int]](), 0
    for number in numbers:
        more = size(number)
        if not runs or filled + more > most:
            runs.append([])
            filled = 0
        runs[-1].append(number)
        filled += more
    return runs
