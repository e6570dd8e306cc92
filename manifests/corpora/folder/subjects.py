"""Whose a video is, by its name and the folders it lies in."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.folder.halves import whole_stem
from portrait_prep.manifests.ids import safe_id
from portrait_prep.manifests.video import Video, path_of

NUMBERED = re.compile(r"(.+)_[0-9]+", re.DOTALL)
GROUP = "subject"

Name = Callable[[Path, Path, str], str | None]
"""The name of a person, given the folder that is searched, a file's path below it, and the video's id."""


@dataclass(frozen=True)
class SubjectRule:
    """A way to name subjects: `text` as the user wrote it, and the function that does it."""

    text: str
    name: Name

    def subject(self, root: Path, file: Path, video_id: str) -> str | None:
        """The subject, as a name that is safe for a file; None where the rule says nothing of this file."""
        name = self.name(root, file, video_id)
        return safe_id(name, name) if name else None


def subject_rule(text: str) -> SubjectRule:
    """Read `--subject-from`. Raises BadInput where it is none of the ways below.

    `stem-prefix`: the file's name without suffix and without a last `_` and digits (`WDA_KatieHill_000` is of
    `WDA_KatieHill`; a name without such an ending is the subject itself). `parent`: the name of the folder it lies in.
    `each`: every video is a subject of its own. `folder:N`: the name of the N-th folder of the path below the one that
    is searched, 1 the outermost. `regex:EXPR`: what the group `subject` of a regular expression finds in that path.
    """
    kind, colon, value = text.partition(":")
    if text in PLAIN:
        return SubjectRule(text, PLAIN[text])
    if colon and kind in WITH_VALUE:
        return SubjectRule(text, WITH_VALUE[kind](value))
    raise BadInput(
        f"'{text}' is no way to name subjects: use stem-prefix, parent, each, folder:N (the N-th folder below "
        "--source) or regex:EXPR (with a group (?P<subject>…))."
    )


DEFAULT = "stem-prefix"


def likely_rule(root: Path, known: Iterable[Video]) -> str:
    """The way that gives most of the `known` videos below a folder the subject that they have; DEFAULT without any.

    So videos that are added later are named as those before them were.
    """
    below = [(path_of(video.source), video) for video in known if not video.remote]
    files = [(path.relative_to(root), video) for path, video in below if path.is_relative_to(root)]
    deepest = max((len(file.parts) for file, _ in files), default=1)
    ways = [DEFAULT, *PLAIN, *(f"folder:{number}" for number in range(1, deepest))]
    rules = [subject_rule(way) for way in ways]

    def agreeing(rule: SubjectRule) -> int:
        return sum(rule.subject(root, file, video.video_id) == video.subject for file, video in files)

    return max(rules, key=agreeing).text


def _stem_prefix(_: Path, file: Path, __: str) -> str:
    stem = whole_stem(file)
    numbered = NUMBERED.fullmatch(stem)
    return numbered[1] if numbered else stem


def _folder(value: str) -> Name:
    if not re.fullmatch("[1-9][0-9]{0,3}", value):
        raise BadInput(
            f"'folder:{value}' names no folder: use folder:1 for the outermost below --source, or folder:2 …"
        )
    number = int(value)
    return lambda _, file, __: file.parts[number - 1] if len(file.parts) > number else None


def _regex(value: str) -> Name:
    try:
        expression = re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput(f"'regex:{value}' is no regular expression ({error}): mend it.") from error
    if GROUP not in expression.groupindex:
        raise BadInput(f"'regex:{value}' has no group 'subject': write (?P<subject>…) around the part that names it.")

    def name(_: Path, file: Path, __: str) -> str | None:
        found = expression.search(file.as_posix())
        return found[GROUP] if found else None

    return name


PLAIN: Mapping[str, Name] = {
    "stem-prefix": _stem_prefix,
    "parent": lambda root, file, _: (root / file).parent.name,
    "each": lambda _, __, video_id: video_id,
}
WITH_VALUE: Mapping[str, Callable[[str], Name]] = {"folder": _folder, "regex": _regex}
