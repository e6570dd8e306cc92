"""The corpora that a workspace can be made of: one file each, turning a release into catalogue rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from manifests.catalogue import Video
from manifests.corpora import folder, hdtf


@dataclass(frozen=True)
class Corpus:
    """A corpus: what it is, in one line, and the function that lists its videos (its keywords are the user's options).

    Where ids are not the release's own, `catalogue` takes `known`, the rows that the workspace has already, so that ids
    stay as they were given.
    """

    description: str
    catalogue: Callable[..., list[Video]]


CORPORA: Mapping[str, Corpus] = {
    folder.CORPUS: Corpus("any folder of talking-face videos of your own", folder.catalogue),
    hdtf.CORPUS: Corpus("HDTF: 436 intervals of 369 videos from YouTube, annotated by time and crop", hdtf.catalogue),
}
