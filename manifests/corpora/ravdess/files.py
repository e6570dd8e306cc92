"""Files of RAVDESS that a user has already: which take and modality each is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from portrait_prep.manifests.corpora.folder.files import files_below
from portrait_prep.manifests.corpora.ravdess.names import (
    AUDIO_ONLY,
    FULL_AV,
    MODALITIES,
    SHAPE,
    VIDEO_ONLY,
    Take,
    takes,
)

JUNK = "__MACOSX"
"""A folder that the archiver of macOS adds, full of what is no file of the release."""


@dataclass(frozen=True)
class Files:
    """Paths by published name; those that have a name again, one like it that the release has not, or another."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    again: Sequence[Path] = ()
    misnamed: Sequence[Path] = ()
    others: Sequence[Path] = ()

    def of(self, take: Take, modality: int) -> Path | None:
        """The file of a take in a modality, where it is there."""
        return self.paths.get(take.file(modality))

    def video(self, take: Take) -> Path | None:
        """The full-AV file, else the video-only one."""
        return self.of(take, FULL_AV) or self.of(take, VIDEO_ONLY)

    def missing(self, asked: Sequence[Take]) -> Counter[tuple[int, int]]:
        """How many files of these takes are not there, by modality and channel."""
        every = product(asked, MODALITIES)
        return Counter((modality, take.channel) for take, modality in every if self.of(take, modality) is None)

    def only_heard(self, asked: Sequence[Take]) -> int:
        """How many of these takes have a sound file and no video."""
        return sum(bool(self.of(take, AUDIO_ONLY)) and not self.video(take) for take in asked)


def find_files(source: Path) -> Files:
    """Sort the files below the folder `source` by their names, wherever they lie; of equal ones the first counts.

    Names may be in capitals. Hidden files (`._*`) are passed over. Raises BadInput when the folder cannot be listed.
    """
    published = {take.file(modality) for take in takes() for modality in MODALITIES}
    found: dict[str, Path] = {}
    again: list[Path] = []
    misnamed: list[Path] = []
    others: list[Path] = []
    for path in files_below(source):
        name = path.name.lower()
        if JUNK in path.parts:
            continue
        if name in found:
            again.append(path)
        elif name in published:
            found[name] = path
        else:
            (misnamed if SHAPE.fullmatch(name) else others).append(path)
    return Files(found, again, misnamed, others)
