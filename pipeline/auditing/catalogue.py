"""The catalogue: one row a video, under a name that can be a file's, and nobody on two sides of a split."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from portrait_prep.manifests.ids import SAFE_ID, is_name
from portrait_prep.manifests.splits import leaks
from portrait_prep.manifests.video import Video, problem_of
from portrait_prep.pipeline.auditing.finding import Finding, found


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
    for leak in leaks(videos):
        yield found("leak", path, subject=leak.subject, field=leak.field, sides=str(leak))


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
