"""Long recordings, cut into parts of some minutes: a row of the catalogue each, so that parts are worked on at once.

Where a part begins hangs on its recording alone, so that nothing moves when others come or go.
"""

import math
from collections.abc import Iterator, Sequence

from portrait_prep.manifests.corpora.folder.catalogue import CORPUS as FOLDER
from portrait_prep.manifests.corpora.folder.catalogue import Listing
from portrait_prep.manifests.corpora.folder.summary import left_out
from portrait_prep.manifests.video import DUPLICATE_OF, Video
from portrait_prep.manifests.wording import a_few, counted, hours_of_all

CORPUS = "recordings"

PART = 300.0
"""Seconds of a part. The last one goes on to the end, and lasts half as long or half as long again."""


def catalogue(listing: Listing, known: Sequence[Video] = ()) -> list[Video]:
    """The parts of the recordings below a folder; the subject of a part is its recording.

    Ids and second copies are as of the corpus `folder`. What cannot be read as a video is one part, which will say why.
    """
    return [part for recording in listing.rows(list(_recordings(known))) for part in _parts(recording)]


def surplus(known: Sequence[Video], listed: Sequence[Video]) -> set[str]:
    """Ids of the `known` parts of `listed` recordings that these have no longer, since their files are shorter now."""
    names, there = {part.subject for part in listed}, {part.video_id for part in listed}
    return {part.video_id for part in known if part.subject in names and part.video_id not in there}


def summary(listing: Listing, parts: Sequence[Video], added: Sequence[str]) -> list[str]:
    """How many recordings there are, and what there is to say of those in the folder; one line each."""
    new = set(added)
    names = {part.subject for part in parts}
    fresh = names - {part.subject for part in parts if part.video_id not in new}
    copies = sorted({f"{part.subject} of {recording_of(part.repeats)}" for part in parts if part.repeats})
    length = hours_of_all(part.duration for part in parts if part.worked_on)
    lines = [f"{counted(len(names), 'recording')} ({len(fresh)} new) in {counted(len(parts), 'part')}, {length}."]
    if copies:
        lines.append(f"Duplicates, byte for byte: {a_few(copies)}: never worked on.")
    if sounds := [str(sound) for sound in listing.halves.sounds.values()]:
        lines.append(f"Not listened to, since they are files apart from the picture: {a_few(sounds)}: join them first.")
    return [*lines, *left_out(listing)]


def _parts(recording: Video) -> Iterator[Video]:
    count = max(math.floor((recording.duration or 0.0) / PART + 0.5), 1)
    for number in range(count):
        start, last = number * PART, number == count - 1
        end = recording.duration if last else start + PART
        yield recording.model_copy(
            update={
                "video_id": _part_id(recording.video_id, number),
                "corpus": CORPUS,
                "subject": recording.video_id,
                "sound": None,  # one that is cut must begin with its part
                "start": start,
                "end": None if last else end,
                "duration": None if end is None else end - start,
                "defect": recording.repeats and DUPLICATE_OF + _part_id(recording.repeats, number),
            }
        )


def _part_id(recording: str, number: int) -> str:
    return f"{recording}-p{number:04d}"


def recording_of(part_id: str) -> str:
    """The id of the recording of which this is a part."""
    return part_id.rpartition("-p")[0]


def _recordings(parts: Sequence[Video]) -> Iterator[Video]:
    """The recordings of which these are the parts, as rows of the corpus `folder`."""
    seen = set[str]()
    for part in parts:
        if part.subject not in seen:
            seen.add(part.subject)
            defect = part.repeats and DUPLICATE_OF + recording_of(part.repeats)
            yield part.model_copy(update={"video_id": part.subject, "corpus": FOLDER, "defect": defect})
