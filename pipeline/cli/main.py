"""`portrait-prep`: parses the command line, and turns every error into one sentence and an exit code.

0 all well; 1 ran, and some videos failed a stage or the audit found something; 2 wrong usage, bad configuration or a
missing prerequisite; 130 interrupted.
"""

import signal
import sys
from typing import NoReturn

from cyclopts import App, CycloptsError

from manifests.errors import PortraitPrepError

USAGE, INTERRUPTED = 2, 130

app = App(
    name="portrait-prep",
    help="From raw talking-face video to training shards, in stages that resume.",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)
COMMANDS = {
    "demo": "demonstrate:demo",
    "init": "catalogue:init",
    "run": "work:run",
    "status": "inspect:status",
    "manifest": "inspect:manifest",
    "audit": "inspect:audit",
    "report": "publish:report",
    "models": "machine:models",
    "doctor": "machine:doctor",
}
"""Loaded when called: the doctor must be able to come where a package does not load."""

for name, place in COMMANDS.items():
    app.command(f"pipeline.cli.{place}", name=name)


def main() -> NoReturn:
    """Run one command and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        sys.exit(app() or 0)
    except (CycloptsError, PortraitPrepError) as error:
        sys.stderr.write(f"portrait-prep: {' '.join(str(error).split())}\n")
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.stderr.write("portrait-prep: interrupted; run again to go on from here\n")
        sys.exit(INTERRUPTED)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
