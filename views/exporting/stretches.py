"""The stretches of videos that an export takes, and what each is called as a part of it."""

from collections.abc import Collection, Iterator, Sequence

from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.windows import Window, blocks


def named_stretches(videos: Sequence[Footage], taken: Collection[str] = ()) -> Iterator[tuple[str, Window]]:
    """Every stretch between long gaps, called after its video where it is the whole of it.

    It is `<video_id>@<first frame>` else, and where the export has another use for the name (`taken`).
    """
    for number, footage in enumerate(videos):
        for first, stop in footage.runs:
            video_id, frames = footage.video.video_id, stop - first
            plain = frames == footage.frames and video_id not in taken
            yield video_id if plain else f"{video_id}@{first}", Window(number, first, frames)


def is_silent(reader: Reader, window: Window) -> bool:
    """Whether all of its samples are zero, as where the source has no sound. Raises what `Reader` raises."""
    return not any(reader.sound(*block).any() for block in blocks(window))
