"""The catalogue: one row a video, under a name that can be a file's, and nobody on two sides of a split."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from portrait_prep.manifests.ids import SAFE_ID, is_name
from portrait_prep.manifests.video import Video, problem_of
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.auditing.finding import Finding, found

BY_SUBJECT = (None, "subject")
"""What `split_by` says where nobody may be on two sides."""


def examine_catalogue(path: str, videos: Sequence[Video]) -> Iterator[Finding]:
    """Look at all rows of the catalogue, which findings name `path`."""
    for video_id, count in Counter(video.video_id for video in videos).items():
        if count > 1:
            yield found("repeated row", path, video_id, count=count)
    for video in videos:
        if not _has_names(video) or not all(map(SAFE_ID.fullmatch, (video.video_id, video.shard))):
            yield found("unsafe name", path, video.video_id)
        elif problem := problem_of(video):
            yield found("bad row", path, video.video_id, problem=problem)
    worked_on = [video for video in videos if video.worked_on]
    yield from _leaks(path, "split", [video for video in worked_on if video.split_by in BY_SUBJECT])
    yield from _leaks(path, "fold", worked_on)


def _leaks(path: str, field: str, videos: Iterable[Video]) -> Iterator[Finding]:
    """Subjects who are on two sides; a video without a side is on none."""
    sides: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for video in videos:
        if (side := getattr(video, field)) is not None:
            sides[video.subject][str(side)].append(video.video_id)
    for subject, by_side in sides.items():
        if len(by_side) > 1:
            text = ", ".join(f"{side}: {a_few(ids)}" for side, ids in sorted(by_side.items()))
            yield found("leak", path, subject=subject, field=field, sides=text)


def _has_names(video: Video) -> bool:
    return is_name(video.video_id) and is_name(video.shard)


def usable(videos: Iterable[Video]) -> list[Video]:
    """The rows that the rest of an audit goes by: the first of each id, and none that is no file's name.

    Names with a leading dash are taken, as every command takes them: else their files would be nobody's.
    """
    rows: dict[str, Video] = {}
    for video in videos:
        if _has_names(video):
            rows.setdefault(video.video_id, video)
    return list(rows.values())
