"""Ids of videos and names of shards: each is also part of a file's name in the workspace."""

import hashlib
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import translate

SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
MAX_ID = 96
"""Longest id that is made: leaves room for suffixes within the 255 bytes of a file name."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
"""Names accepted in an existing workspace: also ids with a leading dash, which early versions made."""
LONGEST_NAME = 200
"""Also ids chosen by a person may be longer than MAX_ID; with prefix and suffix a file name has 255 bytes at most."""
NAME_RULE = f"letters, digits, '.', '_' and '-', no '.' first, at most {LONGEST_NAME}"


def safe_id(text: str, salt: str) -> str:
    """`text` if it already is a safe id, else a readable one made stable and unique by a digest of `salt`.

    A safe id matches `[A-Za-z0-9._-]+`, starts neither with a dot (a hidden file) nor with a dash (an option) and is at
    most 96 characters long. Give the true path (or name) as `salt`: the same input always gets the same id.
    """
    if SAFE_ID.fullmatch(text) and len(text) <= MAX_ID:
        return text
    return with_digest(text, salt)


def with_digest(text: str, salt: str) -> str:
    """`text` made safe, cut short, and ended by eight hexadecimal digits of the sha256 of `salt`."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[: MAX_ID - 9] or "video"
    return f"{stem}-{hashlib.sha256(salt.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def part_of(name: str, address: str) -> str:
    """The hidden folder for what came so far of the page at an address, which is to be called `name`."""
    return f".{name}{_part_ending(address)}"


def is_part_of(folder: str, addresses: Iterable[str]) -> bool:
    """Whether `part_of` gave a folder its name, for one of these addresses."""
    return folder.startswith(".") and folder.endswith(tuple(_part_ending(address) for address in addresses))


def _part_ending(address: str) -> str:
    return f".{hashlib.sha256(address.encode()).hexdigest()[:8]}.part"


def is_name(text: str) -> bool:
    """Whether an id or shard name read from a file can be part of a file name, and leads to no other folder."""
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None


SOUND = ".sound"
"""Ends the stem of the link to a sound file."""


def ids_in(link: str) -> set[str]:
    """The ids that a link in `sources/` can be of: its name with or without a suffix and the mark of a sound file.

    An id may have dots: `clip.1.mp4` is of clip.1, and never of clip.
    """
    names = {link, link.rpartition(".")[0]} - {""}
    return names | {name.removesuffix(SOUND) for name in names}


NEAREST = 3
"""Ids that are named where one is asked for that there is not."""


def did_you_mean(name: str, ids: Iterable[str]) -> str:
    """The ids nearest to a name or pattern, as the first part of a sentence; empty where none is near."""
    nearest = get_close_matches(name, ids, NEAREST)
    return f"did you mean {' or '.join(nearest)}? " if nearest else ""


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern with `*`, `?` or `[…]` as of a shell; no id has these."""
    return re.search(r"[*?[]", name) is not None


def matching(name: str, ids: Collection[str]) -> list[str]:
    """The ids that are meant by an id or a pattern."""
    if not is_pattern(name):
        return [name] if name in ids else []
    pattern = re.compile(translate(name))
    return [one for one in ids if pattern.match(one)]
