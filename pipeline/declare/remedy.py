"""What mends a claim that does not hold: in plain words, and as the commands that these words come to."""

from dataclasses import dataclass
from pathlib import Path

from portrait_prep.manifests.plain_files import lies_inside
from portrait_prep.manifests.printing import shell_word


@dataclass(frozen=True)
class Remedy:
    """`delete`: files that go, named from the workspace; `run`: whether a run is needed then, by which command.

    With neither, there is no command for it: a person has to decide.
    """

    words: str
    delete: tuple[str, ...] = ()
    run: bool = False
    by: str = "run"

    def __str__(self) -> str:
        return self.words

    def commands(self, root: Path) -> list[str]:
        """Shell commands for the workspace at `root`, to be given in this order; none deletes what lies elsewhere."""
        lines = [f"rm {shell_word(str(root / name))}" for name in self.delete if lies_inside(root / name, root)]
        return [*lines, f"portrait-prep {self.by} -w {shell_word(str(root))}"] if self.run else lines
