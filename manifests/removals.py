"""Removals: the videos and subjects that were taken out of a workspace and that stay out when a corpus is added again.

They lie in the workspace as `removed.jsonl`, one line a video or subject.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import field_validator, model_validator

from portrait_prep.manifests.catalogue import Catalogue
from portrait_prep.manifests.ids import is_name
from portrait_prep.manifests.json_lines import read_lines, write_lines
from portrait_prep.manifests.record import Model, encodable
from portrait_prep.manifests.video import DUPLICATE_OF, FURTHER, Video, original_of


class Removal(Model):
    """One line: a video, with the subject that it was removed with (null: it was named itself), or a subject.

    Why (may be empty), who removed it, and when (ISO 8601, UTC).
    """

    video_id: str | None = None
    subject: str | None = None
    why: str = ""
    who: str
    when: str

    @field_validator("subject", "why", "who")
    @classmethod
    def _unicode(cls, text: str | None) -> str | None:
        return text and encodable(text)

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.video_id is None and self.subject is None:
            raise ValueError("names no video and no subject")
        if self.video_id is not None and not is_name(self.video_id):
            raise ValueError("is no id of a video")
        return self


@dataclass(frozen=True)
class Removals:
    """All removals, in the order in which they were made."""

    made: tuple[Removal, ...] = ()

    @cached_property
    def videos(self) -> frozenset[str]:
        """Ids of the videos that were removed."""
        return frozenset(removal.video_id for removal in self.made if removal.video_id is not None)

    @cached_property
    def subjects(self) -> frozenset[str]:
        """The subjects of which nothing is taken in."""
        return frozenset(
            removal.subject for removal in self.made if removal.subject is not None and removal.video_id is None
        )

    def without(self, videos: Collection[str], subjects: Collection[str]) -> "Removals":
        """The removals but for these videos and subjects, and for the videos that went with those subjects."""
        kept = (one for one in self.made if one.video_id not in videos and one.subject not in subjects)
        return Removals(tuple(kept))

    def divide(self, videos: Sequence[Video]) -> tuple[list[Video], list[Video]]:
        """The rows that may come in, and those that stay out: removed, or a copy of one that was."""
        out = {video.video_id for video in videos if self._covers(video)}
        kept: list[Video] = []
        removed: list[Video] = []
        for video in videos:
            (removed if video.video_id in out or video.repeats in out else kept).append(video)
        return kept, removed

    def there_again(self, catalogue: Catalogue) -> list[str]:
        """Ids of the rows that were removed and are there all the same."""
        rows = [*catalogue.having("video_id", self.videos), *catalogue.having("subject", self.subjects)]
        return list(dict.fromkeys(rows))

    def leave(self, catalogue: Catalogue) -> Sequence[Video]:
        """The rows that stay: the catalogue itself where that is all of them.

        Of copies that stay although their original was removed, the first takes its place, and the others repeat it.
        """
        copied = {original_of(str(defect)) for defect in catalogue.values_of("defect")}
        if not self.there_again(catalogue) and not catalogue.lacking(sorted(self.videos & copied)):
            return catalogue
        return list(self._with_heirs([video for video in catalogue if not self._covers(video)]))

    def _with_heirs(self, videos: Sequence[Video]) -> Iterator[Video]:
        there, heirs = {video.video_id for video in videos}, dict[str, str]()
        for video in videos:
            original = video.repeats
            if original is None or original in there or original not in self.videos:
                yield video
                continue
            copy = DUPLICATE_OF + heirs[original] if original in heirs else ""
            heirs.setdefault(original, video.video_id)
            further = str(video.defect).removeprefix(DUPLICATE_OF + original).removeprefix(FURTHER)
            yield video.model_copy(update={"defect": FURTHER.join(filter(None, (copy, further))) or None})

    def _covers(self, video: Video) -> bool:
        return video.video_id in self.videos or video.subject in self.subjects


def read_removals(path: Path) -> Removals:
    """What was removed; nothing where there is no file. Raises BadInput as `read_lines` does."""
    return Removals(tuple(removal for _, removal in read_lines(path, Removal, "removal")))


def write_removals(path: Path, made: Iterable[Removal]) -> None:
    """Write all removals, whole or not at all."""
    write_lines(path, (removal.model_dump(exclude_none=True) for removal in made))
