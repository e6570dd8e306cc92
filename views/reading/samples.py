"""A data set of samples made on the fly: items, the reader, and the function that makes one of the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from portrait_prep.errors import BadInput
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window

Sample = Mapping[str, Any]
"""Name -> array, number or text."""

Make = Callable[[Reader, Window, np.random.Generator], Sample]
"""What a view is: makes one sample. All that it draws by lot it draws from the generator."""


class Draw(NamedTuple):
    """An item as it is seen in an epoch: what is drawn by lot for it differs from epoch to epoch."""

    number: int
    epoch: int


class Samples(Sequence[Sample]):
    """Samples by number, as NumPy arrays. The same item of the same epoch under the same seed is the same sample,
    whichever process makes it and whatever was made before."""

    def __init__(self, reader: Reader, items: Sequence[Window], make: Make, seed: int = 0) -> None:
        """Raise BadInput where there are no items, which a loader would pass over in silence."""
        if not len(items):
            longest = max((stop - first for footage in reader.videos for first, stop in footage.runs), default=0)
            raise BadInput(
                f"No sample can be made of the {len(reader.videos)} videos chosen from {reader.workspace.root}: their "
                f"longest stretch without a gap has {longest} frames. Ask for shorter windows, or, where the view has "
                "it, for short=True."
            )
        self.reader, self.items, self.make, self.seed = reader, items, make, seed

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: Any) -> Any:
        """Sample `number` (of epoch 0), or of a `Draw`. Raises IndexError, and what `Reader` raises."""
        draw = number if isinstance(number, Draw) else Draw(int(number), 0)
        window = self.items[draw.number]
        rng = np.random.default_rng((self.seed, draw.epoch, draw.number % len(self)))
        return self.make(self.reader, window, rng)
