"""The corpus `folder`: any folder of videos, searched through all its subfolders."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import Video, safe_id, source_of, with_digest
from portrait_prep.media.probe import duration

CORPUS = "folder"

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".f4v", ".3gp", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".asf"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".ogv"),
)
"""What counts as a video, by its suffix in lower case."""

WORKSPACE = "catalogue.parquet"
OWN_FOLDERS = frozenset({"media", "sources", "report", "manifests"})
"""Where a folder is itself a workspace, these hold what was made from videos, not videos to start from."""

SubjectFrom = Literal["stem-prefix", "parent", "each"]
"""Who a video's subject is.

`stem-prefix`: the file's name without suffix and without a last `_` and digits (`WDA_KatieHill_000` is of
`WDA_KatieHill`; a name without such an ending is the subject itself). `parent`: the name of the folder it lies in.
`each`: every video is a subject of its own.
"""

NUMBERED = re.compile(r"(.+)_[0-9]+", re.DOTALL)


def catalogue(source: Path, subject_from: SubjectFrom = "stem-prefix", known: Sequence[Video] = ()) -> list[Video]:
    """List the videos below the folder `source`, in the order of their paths.

    An id is the path below `source` without suffix, folders joined by `_`; where that is not a safe id or two files
    would share it (even if only upper and lower case tell them apart), a digest of the path below `source` is added.
    Videos among the `known` rows, also those whose folder has moved since, keep their ids. Files that cannot be read
    are listed without duration. Raises BadInput when there is nothing to list.
    """
    if subject_from not in get_args(SubjectFrom):
        raise BadInput(f"'{subject_from}' is no way to name subjects: use {', '.join(get_args(SubjectFrom))}.")
    root = _checked(source)
    files = sorted(_files(root, SUFFIXES), key=os.fsencode)
    if not files:
        raise BadInput(
            f"There are no videos in {root} or below: give a folder that has some (.mp4, .mov, .mkv, .webm, .avi …)."
        )
    ids = _ids(root, files, known)
    return [
        Video(
            video_id=ids[file],
            corpus=CORPUS,
            subject=_subject(root, file, subject_from, ids[file]),
            source=source_of(root / file),
            duration=duration(root / file),
        )
        for file in files
    ]


def videos_below(source: Path) -> list[Path]:
    """True paths of the videos below a folder, in order. Raises BadInput when it cannot be listed."""
    return files_below(source, SUFFIXES)


def files_below(source: Path, suffixes: Collection[str] | None = None) -> list[Path]:
    """The same of the files that end in one of `suffixes`, which are in lower case; of all files without."""
    root = _checked(source)
    return [root / file for file in sorted(_files(root, suffixes), key=os.fsencode)]


def _checked(source: Path) -> Path:
    """The folder's true path. Raises BadInput where it is none that can be listed."""
    try:
        source.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"There is no folder {source}: give the path of one that holds videos.") from error
    except OSError as error:
        raise BadInput(f"The folder {source} cannot be read ({error.strerror}): give another, or mend that.") from error
    if not source.is_dir():
        raise BadInput(f"{source} is a file: give the folder it lies in.")
    if not os.access(source, os.R_OK | os.X_OK):
        raise BadInput(f"The folder {source} may not be read: its permissions forbid it.")
    return source.resolve()


def _files(root: Path, suffixes: Collection[str] | None) -> Iterator[Path]:
    """Paths below `root` of all that looks like what is sought; hidden files and folders are passed over.

    Links to folders are followed once. A link to a file that is gone counts: what was expected there must be missed.
    """
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        own = OWN_FOLDERS if WORKSPACE in names else frozenset[str]()
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else [name for name in folders if name[0] != "." and name not in own]
        for name in names if real not in seen else ():
            path = Path(folder, name)
            sought = name[0] != "." and (suffixes is None or path.suffix.lower() in suffixes)
            if sought and (path.is_file() or path.is_symlink()):
                yield path.relative_to(root)
        seen.add(real)


def _ids(root: Path, files: Sequence[Path], known: Sequence[Video]) -> dict[Path, str]:
    """An id for each file; see `catalogue`."""
    by_source = {video.source: video.video_id for video in known}
    taken = {video.video_id.casefold(): video for video in known}
    names = {file: "_".join(file.with_suffix("").parts) for file in files}
    shared = Counter(safe_id(names[file], str(file)).casefold() for file in files)
    ids: dict[Path, str] = {}
    used = set(taken)
    for file in files:
        plain, own = safe_id(names[file], str(file)), with_digest(names[file], str(file))
        kept = by_source.get(source_of(root / file)) or _moved(file, (plain, own), taken)
        choices = ([plain] if shared[plain.casefold()] == 1 else []) + [own, with_digest(names[file], str(root / file))]
        ids[file] = kept or next(choice for choice in choices if choice.casefold() not in used)
        used.add(ids[file].casefold())
    return ids


def _moved(file: Path, choices: Sequence[str], taken: Mapping[str, Video]) -> str | None:
    """The id of the known video that this file was before its folder moved, if any."""
    for choice in choices:
        video = taken.get(choice.casefold())
        if video and video.path.parts[-len(file.parts) :] == file.parts and not os.path.exists(video.path):  # noqa: PTH110 (never raises)
            return video.video_id
    return None


def _subject(root: Path, file: Path, subject_from: SubjectFrom, video_id: str) -> str:
    """The subject as a name that is safe for a file."""
    if subject_from == "each":
        return video_id
    if subject_from == "parent":
        name = (root / file).parent.name
    else:
        numbered = NUMBERED.fullmatch(file.stem)
        name = numbered[1] if numbered else file.stem
    return safe_id(name, name)
