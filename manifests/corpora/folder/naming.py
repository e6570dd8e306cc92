"""Names of subjects that may not stand for one person: a camera's word, one name in many folders."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from portrait_prep.manifests.corpora.folder.halves import whole_stem
from portrait_prep.manifests.wording import FEW, a_few

CAMERAS = (
    *("img", "img_e", "vid", "mvi", "mov", "mah", "dsc", "dscn", "dscf", "pxl", "gx", "gh", "gl", "gp", "gopr", "dji"),
    *("win", "pict", "cimg", "capture", "snapchat", "whatsapp", "wa", "telegram", "signal", "inshot", "trim", "obs"),
    *("video", "videos", "clip", "clips", "movie", "film", "recording", "rec", "record", "screen", "screencast", "at"),
    *("zoom", "webcam", "camera", "cam", "stream", "untitled", "output", "out", "new", "file", "part", "segment"),
    *("take", "scene", "shot", "sample", "test", "temp", "final", "export", "download", "voice", "audio"),
)
"""Words that cameras, phones and programs begin names with; none of them is a person's name."""

CAMERA = re.compile(rf"(?:(?:{'|'.join(CAMERAS)})(?![a-z])|[\W\d_])*", re.IGNORECASE)
"""Such words, numbers and dates only."""

MANY_FOLDERS = 3
"""One subject for most videos of so many folders is taken for an accident."""


def warnings(rule: str, by_subject: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """One line for each kind of name that may mislead; `by_subject` has the paths of each below the folder."""
    if rule == "each":
        return
    otherwise = _otherwise(rule)
    total = sum(map(len, by_subject.values()))
    machine = [subject for subject in by_subject if rule == "stem-prefix" and CAMERA.fullmatch(subject)]
    if sum(len(by_subject[subject]) for subject in machine) > 1:
        yield f"Warning: {a_few(machine)} of the subjects have names that machines give, not people's: {otherwise}."
    wide = [name for name, paths in by_subject.items() if name not in machine and _mixed(rule, paths, total)]
    if wide:
        places = a_few(sorted({str(_place(rule, path)) for path in by_subject[wide[0]]}))
        yield (
            f"Warning: {a_few(wide)} of the subjects cover videos of several folders, as {wide[0]} of {places}: where "
            f"these are several people, {otherwise}."
        )
    if len(by_subject) == total > FEW:
        yield f"Every video is a subject of its own: where several show one person, {otherwise}."


def _otherwise(rule: str) -> str:
    ways = "parent, folder:N or regex:EXPR" if rule == "stem-prefix" else "folder:N or regex:EXPR"
    return (
        f"--subject-from {ways} names them otherwise, in a new workspace (a catalogue keeps the subjects that it has)"
    )


def _place(rule: str, path: Path) -> Path:
    """The folder whose name, or whose files' names, the rule goes by."""
    kind, _, depth = rule.partition(":")
    return Path(*path.parts[: int(depth)]) if kind == "folder" else path.parent


def _mixed(rule: str, paths: Sequence[Path], total: int) -> bool:
    """Whether one name covers videos that may be of several people; an expression says what was meant."""
    places = {_place(rule, path) for path in paths}
    if rule.startswith("regex:") or len(places) == 1:
        return False
    crowded = len(paths) > total / 2 and len(places) >= MANY_FOLDERS
    repeated = max(Counter(whole_stem(path) for path in paths).values()) > 1
    return rule != "stem-prefix" or crowded or repeated
