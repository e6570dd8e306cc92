"""The stretches of videos in which there is a face, and what each is called as a part of an export."""

from collections.abc import Collection, Iterator, Sequence

from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.windows import Window


def named_stretches(videos: Sequence[Footage], taken: Collection[str] = ()) -> Iterator[tuple[str, Window]]:
    """Every stretch between long gaps, called after its video where it is the whole of it.

    It is `<video_id>@<first frame>` else, and where the export has another use for the name (`taken`).
    """
    for number, footage in enumerate(videos):
        for first, stop in footage.runs:
            video_id, frames = footage.video.video_id, stop - first
            plain = frames == footage.frames and video_id not in taken
            yield video_id if plain else f"{video_id}@{first}", Window(number, first, frames)
