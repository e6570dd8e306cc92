"""What the commands share of the terminal: common options, and one way to say things."""

import getpass
import os
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from portrait_prep.manifests.printing import printable, printable_json

WorkspaceOption = Annotated[Path, Parameter(name=["--workspace", "-w"], help="The workspace directory.")]
Workers = Annotated[
    int, Parameter(help="Local worker processes; 0 works in this process. Default: one a core.", show_default=False)
]
Flag = Parameter(negative=())
Many = Parameter(consume_multiple=True, negative=())
DryRun = Annotated[bool, Parameter(negative=(), help="Only say what would change, and write nothing.")]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON.")]
Who = Annotated[str | None, Parameter(name="--by", help="Who decides. Default: the user's name here.")]


def user_name() -> str:
    """The name of whoever runs this; the number where there is none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def say(line: str) -> None:
    """Tell the user something, in one line whatever the names in it hold."""
    print(printable(line), flush=True)  # noqa: T201


def say_json(value: Any) -> None:
    """Print data as JSON."""
    print(printable_json(value), flush=True)  # noqa: T201
