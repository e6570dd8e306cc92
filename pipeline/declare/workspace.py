"""The paths of a workspace, who may write to them, its lock, and what a killed run left behind."""

import fcntl
import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from portrait_prep.errors import BadInput, MissingPrerequisite, WorkspaceBusy
from portrait_prep.manifests.files import is_temporary, temporary_beside, writer_is_gone
from portrait_prep.manifests.plain_files import is_plain, opened_plain, real_path
from portrait_prep.manifests.printing import shell_word
from portrait_prep.media.file import MOST_TEXT, regular

LOCK = ".lock"

CACHE = "cache"
"""Folder of files derived from model files; each has the digest of its bytes in its name."""

RECORDINGS = "recordings"
"""Folder of a workspace of its own, in which long recordings are searched for segments."""

SEGMENTS = "segments.parquet"
"""The table of these segments."""

OWN_FILES = ("pipeline.toml", "catalogue.parquet", "manifests.parquet", "reviews.jsonl", "removed.jsonl", SEGMENTS)
"""Files of the workspace's root; hidden ones there are others' business, but for temporary ones."""

OWN_FOLDERS = ("media", "manifests", "report")
"""Folders that the pipeline alone writes into, besides those of the stages."""

WRITE_PERMISSION = ".portrait-prep"
"""File in a folder outside a workspace: it holds the real path of the workspace that may write there by a link."""

INNER = (LOCK, CACHE, RECORDINGS, "sources", "logs")
"""What else a workspace has under names of its own."""

WORKSPACE_VARIABLE = "PORTRAIT_PREP_WORKSPACE"
"""Environment variable with the path of the workspace that this process works on."""

LOCK_TIMEOUT = 0.5
"""Seconds that a run waits for the lock: `require_idle` of another process holds it for much less."""


@dataclass(frozen=True)
class Workspace:
    """The paths of a workspace; see the README for what each holds. Raises BadInput where Arrow cannot open them.

    `outer` is the workspace that this one lies in, if it lies in one: its settings and models are this one's, too.
    """

    root: Path
    outer: Path | None = None

    def __post_init__(self) -> None:
        try:
            str(self.root).encode()
        except UnicodeEncodeError as error:
            raise BadInput(f"The workspace's path {self.root} is not valid UTF-8: give it another name.") from error

    @property
    def home(self) -> Path:
        """Where its settings, models and what derives from these lie."""
        return self.outer or self.root

    @property
    def settings(self) -> Path:
        """Every setting."""
        return self.home / "pipeline.toml"

    @property
    def catalogue(self) -> Path:
        """One row a video."""
        return self.root / "catalogue.parquet"

    @property
    def reviews(self) -> Path:
        """What people decided of videos."""
        return self.root / "reviews.jsonl"

    @property
    def removals(self) -> Path:
        """What was removed, and stays out."""
        return self.root / "removed.jsonl"

    @property
    def segments(self) -> Path:
        """One row a segment of a recording, kept or not."""
        return self.root / SEGMENTS

    @property
    def recordings(self) -> "Workspace":
        """The workspace within this one in which recordings are searched for segments."""
        return Workspace(self.root / RECORDINGS, self.root)

    @property
    def neighbour(self) -> "Workspace":
        """The workspace within this one, or that which this one lies in; it need not be there."""
        return Workspace(self.outer) if self.outer else self.recordings

    @property
    def sources(self) -> Path:
        """Downloads and links to the originals."""
        return self.root / "sources"

    @property
    def manifests_table(self) -> Path:
        """One row a video x stage."""
        return self.root / "manifests.parquet"

    @property
    def logs(self) -> Path:
        """What the runs had to say."""
        return self.root / "logs"

    def shard(self, stage: str, shard: str) -> Path:
        """The file of one unit."""
        return Path(f"{self.root}/{stage}/{shard}.parquet")

    def media(self, video_id: str, suffix: str) -> Path:
        """A normalized media file."""
        return Path(self.media_file(video_id, suffix))

    def media_file(self, video_id: str, suffix: str) -> str:
        """The same as text: paths take time where very many files are only looked at."""
        return f"{self.root}/media/{video_id}.{suffix}"

    def manifest(self, video_id: str) -> Path:
        """The manifest of one video."""
        return Path(self.manifest_file(video_id))

    def manifest_file(self, video_id: str) -> str:
        """The same as text."""
        return f"{self.root}/manifests/{video_id}.json"

    def folder(self, *names: str) -> Path:
        """A folder of the workspace to write into: made where it is not there.

        Raises MissingPrerequisite where a link leads out of the workspace, unless the folder it leads to holds a file
        WRITE_PERMISSION that names this workspace.
        """
        folder = self.root
        for name in names:
            folder = folder / name
            if folder.is_symlink() and not self._may_write_behind(folder):
                permission = shell_word(str(real_path(folder) / WRITE_PERMISSION))
                raise MissingPrerequisite(
                    f"{folder} is a link that leads out of the workspace, where nothing is written unasked: put a "
                    f"folder in its place, or allow it by: realpath {shell_word(str(self.root))} > {permission}"
                )
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def require_apart(self, path: Path, stages: Iterable[str]) -> None:
        """Raise BadInput where a new file or folder would be taken for one of the workspace's own, or lie in one."""
        places = {real_path(path.parent) / path.name, real_path(path)}
        for own in (self.root / name for name in (*stages, *OWN_FOLDERS, *OWN_FILES, *INNER)):
            if any(place.is_relative_to(real_path(own)) for place in places):
                raise BadInput(f"{own} is kept for the workspace's own files: name another place than {path}.")

    def owns(self, *names: str) -> bool:
        """Whether there is such a folder, and it may be written into."""
        folders = [self.root.joinpath(*names[:count]) for count in range(1, len(names) + 1)]
        return all(path.is_dir() and (not path.is_symlink() or self._may_write_behind(path)) for path in folders)

    def _may_write_behind(self, link: Path) -> bool:
        root, target = real_path(self.root), real_path(link)
        if target.is_relative_to(root):
            return True
        try:
            return regular(target / WRITE_PERMISSION, MOST_TEXT).read_text("utf-8").strip() == str(root)
        except (OSError, UnicodeDecodeError):
            return False

    def log(self, name: str) -> Path:
        """Path of a log to append to. A link or special file of that name is removed."""
        path = self.folder("logs") / name
        if os.path.lexists(path) and not is_plain(path):
            path.unlink()
        return path

    def relative(self, path: Path) -> str:
        """How a file of the workspace is named in records and manifests."""
        return path.relative_to(self.root).as_posix()

    def create(self) -> None:
        """Make the folder. Raises BadInput when it cannot be written to."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"The workspace {self.root} cannot be made: {error.strerror}.") from error
        self.require_writable()

    def require_writable(self) -> None:
        """Raise BadInput when this user may not write here."""
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise BadInput(f"The workspace {self.root} is not writable: choose another with -w or mend its rights.")

    def announce(self) -> None:
        """Name this workspace in the environment: model files are looked for in it."""
        os.environ[WORKSPACE_VARIABLE] = str(self.home)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace against a second run. Raises WorkspaceBusy; the lock goes with the process.

        Raises MissingPrerequisite where it lies in another one, behind a link that leads out of that.
        """
        if self.outer:
            Workspace(self.outer).folder(self.root.name)
        self.require_writable()
        with opened_plain(self.root / LOCK, os.O_RDWR | os.O_CREAT) as handle:
            try:
                _lock(handle)
            except BlockingIOError as error:
                raise WorkspaceBusy(f"Another run holds the workspace {self.root}: wait for it or stop it.") from error
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that is gone at the end. Hold the `lock` meanwhile; the next run sweeps it away after a kill."""
        folder = temporary_beside(self.root / "scratch")
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def require_idle(self) -> None:
        """Raise WorkspaceBusy while a run holds the workspace; needs no right to write."""
        try:
            with opened_plain(self.root / LOCK, os.O_RDONLY) as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return
        except BlockingIOError as error:
            raise WorkspaceBusy(f"A run holds the workspace {self.root}: wait for it or stop it.") from error

    def leftovers(self) -> Iterator[Path]:
        """Temporary files and folders that a killed process left. None gets a writer until the next is asked for."""
        inner = [path for path in (self.sources, self.root / "report") if not path.is_symlink()]
        own = (folder for outer in (self.root, *inner) for folder in self._folders(outer))
        within = (folder for folder in own if folder != self.recordings.root)  # has a lock of its own
        for folder in (self.root, *within, *self._allowed_links()):
            for name in self.temporary_names(folder):
                with writer_is_gone(folder / name) as gone:
                    if gone:
                        yield folder / name

    def _allowed_links(self) -> list[Path]:
        """Links in the root to folders elsewhere that may be written into."""
        root = real_path(self.root)
        links = [path for path in self.root.glob("*") if path.is_symlink()]
        return [path for path in links if self.owns(path.name) and not real_path(path).is_relative_to(root)]

    @staticmethod
    def temporary_names(folder: Path) -> list[str]:
        """Of what lies in a folder, in order; of the other names, of which there may be millions, none is kept."""
        with suppress(OSError), os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_temporary(entry.name))
        return []

    @staticmethod
    def _folders(folder: Path) -> list[Path]:
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            folders = [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
        return [path for path in folders if not is_temporary(path.name)]

    def sweep(self, keep: Collection[Path] = ()) -> None:
        """Remove what a killed run left, but for the files to keep. Call with the lock held and no unit under way."""
        for path in self.leftovers():
            if path in keep:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _lock(handle: IO[str] | int) -> None:
    """Take the exclusive lock. Raises BlockingIOError where another process holds it for longer than LOCK_TIMEOUT."""
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
