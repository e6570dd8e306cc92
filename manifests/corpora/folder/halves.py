"""Picture and sound that lie in two files: as a downloader leaves them that could not merge them, or a recorder."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portrait_prep.media.probe import duration
from portrait_prep.media.probe_sound import sound_channels, sound_seconds

HALF = re.compile(r"(.+)\.f[0-9]+(?:-\w+)?", re.DOTALL)
"""`X.f137` (and `X.f251-drc`): yt-dlp's name for one format of `X`."""

SOUND_SUFFIXES = frozenset(
    {".m4a", ".wav", ".mp3", ".aac", ".flac", ".opus", ".ogg", ".oga", ".weba", ".mka", ".wma", ".ac3", ".aif", ".aiff"}
)
"""What may be a file of sound, by its suffix in lower case."""

APART, APART_SHARE = 0.5, 0.01
"""Two halves of one recording may differ by so many seconds, or by this share of the picture's length."""


@dataclass(frozen=True)
class Halves:
    """The sound that belongs to a picture without sound; and, in a sentence each, what may but need not belong."""

    sounds: Mapping[Path, Path] = field(default_factory=dict)
    unclear: Sequence[str] = ()


def whole_stem(file: Path) -> str:
    """The name of a file without its suffix, and without what tells which half of a download it is."""
    half = HALF.fullmatch(file.stem)
    return half[1] if half else file.stem


def join(root: Path, seconds: Mapping[Path, float | None], others: Iterable[Path]) -> Halves:
    """Find, for each picture without sound, the file of sound of the same name in the same folder.

    `seconds` maps the videos below `root` to their lengths, None where there is no picture; `others` are further files.
    They are joined where there is one of each, and one as long as the other.
    """
    named: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for file in (*seconds, *(file for file in others if file.suffix.lower() in SOUND_SUFFIXES)):
        named[file.parent, whole_stem(file)].append(file)
    sounds: dict[Path, Path] = {}
    unclear: list[str] = []
    for files in named.values():
        pictures = [file for file in files if seconds.get(file) is not None] if len(files) > 1 else []
        mute = [file for file in pictures if sound_channels(root / file) == 0]
        alone = [file for file in files if file not in pictures and _is_sound(root / file)] if mute else []
        if len(pictures) == len(alone) == 1 and _as_long(seconds[mute[0]], sound_seconds(root / alone[0])):
            sounds[mute[0]] = alone[0]
        elif alone:
            unclear.append(_unclear(mute, alone, one=len(pictures) == len(alone) == 1))
    return Halves(sounds, unclear)


def _is_sound(path: Path) -> bool:
    return duration(path) is None and sound_seconds(path) is not None


def _as_long(picture: float | None, sound: float | None) -> bool:
    return picture is not None and sound is not None and abs(picture - sound) <= max(APART, APART_SHARE * picture)


def _unclear(mute: Sequence[Path], alone: Sequence[Path], one: bool) -> str:
    pictures, sounds = (", ".join(str(file) for file in sorted(files)) for files in (mute, alone))
    why = "they are not of one length" if one else "it is not clear which belong together"
    return f"No sound in {pictures}, and no picture in {sounds}: not joined, since {why}; join them yourself."
