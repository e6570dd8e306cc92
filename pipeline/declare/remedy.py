"""What mends a claim that does not hold: in plain words, and as the commands that these words come to."""

from dataclasses import dataclass
from pathlib import Path

from portrait_prep.manifests.plain_files import lies_inside
from portrait_prep.manifests.printing import shell_word


@dataclass(frozen=True)
class Remedy:
    """`delete`: files that go, named from the workspace; `run`: whether a run is needed then, by which command.

    `absent`: files that are not there; a folder that has such a name goes, too.
    With none of these, there is no command for it: a person has to decide.
    """

    words: str
    delete: tuple[str, ...] = ()
    run: bool = False
    by: str = "run"
    absent: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.words

    def commands(self, root: Path) -> list[str]:
        """Shell commands for the workspace at `root`, to be given in this order; none deletes what lies elsewhere."""
        names = (*self.delete, *(name for name in self.absent if _is_own_folder(root / name)))
        paths = [root / name for name in names if lies_inside(root / name, root)]
        lines = [f"{_deleting(path)} {shell_word(str(path))}" for path in paths]
        return [*lines, f"portrait-prep {self.by} -w {shell_word(str(root))}"] if self.run else lines


def _deleting(path: Path) -> str:
    """How a file goes, or a folder that lies in its place; of a link only itself."""
    return "rm -r" if _is_own_folder(path) else "rm"


def _is_own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
