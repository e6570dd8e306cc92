"""Removals: the videos and subjects that were taken out of a workspace and that stay out when a corpus is added again.

They lie in the workspace as `removed.jsonl`, one line a video or subject.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import field_validator, model_validator

from portrait_prep.manifests.catalogue import Catalogue
from portrait_prep.manifests.ids import is_name
from portrait_prep.manifests.json_lines import read_lines, write_lines
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.record import Model, encodable
from portrait_prep.manifests.video import DUPLICATE_OF, FURTHER, Video, original_of


class Removal(Model):
    """One line: a video, with the subject that it was removed with (null: it was named itself), or a subject.

    Why (may be empty), who removed it, and when (ISO 8601, UTC).
    """

    video_id: str | None = None
    subject: str | None = None
    source: str | None = None
    """Its address, where it is not a file of this machine: what was downloaded for it is found by that."""
    why: str = ""
    who: str
    when: str

    @field_validator("subject", "source", "why", "who")
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
        return frozenset(self._by_id)

    @cached_property
    def sources(self) -> dict[str, str | None]:
        """The same, each with its address, if it has one."""
        return {video_id: one.source for video_id, one in self._by_id.items()}

    @cached_property
    def subjects(self) -> frozenset[str]:
        """The subjects of which nothing is taken in."""
        return frozenset(self._by_subject)

    def without(self, videos: Collection[str], subjects: Collection[str]) -> "Removals":
        """The removals but for these videos and subjects, and for the videos that went with those subjects."""
        kept = (one for one in self.made if one.video_id not in videos and one.subject not in subjects)
        return Removals(tuple(kept))

    def divide(
        self, chosen: Sequence[Video], listed: Sequence[Video] = (), known: Collection[str] = ()
    ) -> tuple[list[Video], dict[str, Removal]]:
        """Of the rows `chosen` of a corpus those that may come in, and id -> removal of those that stay out.

        A copy stays out with its original. A subject that was given another name since is known by the videos that
        went with it, in `listed`, all rows of the corpus; `known` are the ids in the catalogue.
        """
        names = self._names_in(listed, known)
        reasons = {video.video_id: self._reason(video, names) for video in (*listed, *chosen)}
        kept: list[Video] = []
        out: dict[str, Removal] = {}
        for video in chosen:
            reason = reasons[video.video_id] or (reasons.get(video.repeats) if video.repeats else None)
            if reason:
                out[video.video_id] = reason
            else:
                kept.append(video)
        return kept, out

    def _names_in(self, listed: Sequence[Video], known: Collection[str]) -> dict[str, Removal]:
        """Name that a corpus has for a subject that was removed under another -> its removal.

        Where a video of that name is still in the catalogue, the name is also somebody else's.
        """
        others = {video.subject for video in listed if video.video_id in known}
        gone = {
            one.video_id: self._by_subject[one.subject]
            for one in self.made
            if one.video_id and one.subject in self._by_subject
        }
        return {
            video.subject: gone[video.video_id]
            for video in listed
            if video.video_id in gone and video.repeats is None and video.subject not in others
        }

    def _reason(self, video: Video, names: Mapping[str, Removal]) -> Removal | None:
        """What keeps a video out: of its subject, where that is to stay out, else its own."""
        own = self._by_id.get(video.video_id)
        subject = own.subject if own and own.subject in self._by_subject else video.subject
        return self._by_subject.get(subject) or names.get(video.subject) or own

    @cached_property
    def _by_id(self) -> dict[str, Removal]:
        return {one.video_id: one for one in self.made if one.video_id is not None}

    @cached_property
    def _by_subject(self) -> dict[str, Removal]:
        return {one.subject: one for one in self.made if one.video_id is None and one.subject is not None}

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


def way_back(removals: Iterable[Removal]) -> str:
    """The command that forgets these removals."""
    ids = [one.video_id for one in removals if one.video_id is not None]
    subjects = [str(one.subject) for one in removals if one.video_id is None]
    named = [*ids, *(["--subject", *subjects] if subjects else [])]
    return "portrait-prep remove --forget " + " ".join(map(shell_word, named))


def read_removals(path: Path) -> Removals:
    """What was removed; nothing where there is no file. Raises BadInput as `read_lines` does."""
    return Removals(tuple(removal for _, removal in read_lines(path, Removal, "removal")))


def write_removals(path: Path, made: Iterable[Removal]) -> None:
    """Write all removals, whole or not at all."""
    write_lines(path, (removal.model_dump(exclude_none=True) for removal in made))
