"""`portrait-prep`: parses the command line, and turns every error into one sentence and an exit code.

0 all well; 1 ran, and some videos failed a stage or the audit found something; 2 wrong usage, bad configuration or a
missing prerequisite; 130 interrupted.
"""

import gc
import io
import os
import signal
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import NoReturn

from cyclopts import App, CycloptsError

from portrait_prep.cli.interruption import end_interrupted, raise_on_signals
from portrait_prep.errors import FULL_DISK, PortraitPrepError
from portrait_prep.manifests.printing import print_logs_safely, printable

FINDINGS, USAGE = 1, 2
OBJECTS_A_COLLECTION = 50_000
"""Records of thousands of videos hold no cycles: to look for some at each 700 objects takes a tenth of an answer."""

app = App(
    name="portrait-prep",
    help="From raw talking-face video to training shards, in stages that resume.",
    version=lambda: version("portrait-prep"),
    result_action="return_value",
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    print_error=False,
)
COMMANDS = (
    ("demo", "demo:demo", "Make the demo corpus, run every stage on it, audit, report, and check the outcome."),
    ("init", "init:init", "Make a workspace from a corpus, or add to it what is new."),
    (
        "segment",
        "segment:segment",
        "Find in long recordings who is seen and speaks, when and where.",
    ),
    ("run", "run:run", "Bring stages up to date: compute what is missing or stale, and nothing else."),
    ("status", "inspect:status", "Show how many videos and shards stand where at each stage, and what failed."),
    ("list", "listing:list_", "List videos: what became of each, where it stands, and why."),
    ("assign", "assign:assign", "Give videos other subjects, splits or folds, by a table; no stage is computed."),
    ("split", "split:split", "Split the videos anew, by ratios or as published; no stage is computed."),
    ("sync", "sync:sync", "List how far lips and voice are apart, and have the next run move the sound into step."),
    ("manifest", "inspect:manifest", "Print the manifest of one video: everything that happened to it."),
    ("audit", "audit:audit", "Check every claim of the workspace."),
    ("review", "review:review", "Accept or reject videos as a person who looked at them; that outranks the rules."),
    ("remove", "remove:remove", "Take videos out of everything, and keep them out: by id, by subject, by lost source."),
    ("diff", "diff:diff", "Say what changed between two workspaces; exit code 1 when something did."),
    ("sides", "sides:sides", "Check that IEMOCAP's videos show the person who is speaking."),
    ("identities", "identities:identities", "Say where subjects seem to hold other people than they should."),
    ("report", "publish:report", "Write report/index.html: one self-contained page about every video."),
    ("measures", "publish:measures", "Print every measure and its rule, with the thresholds of this workspace."),
    ("overlay", "publish:overlay", "Write a video with landmarks, axes of the head and shoulders drawn on it."),
    ("export", "export:export", "Write the files that a training system's own loader reads."),
    ("models", "models:models", "List the model files: where each was found, its licence; fetch or verify them."),
    ("doctor", "doctor.checks:doctor", "Say what works on this machine, and what to do about what does not."),
)
"""Name, function and help of each. Loaded when called: the doctor must come where a package does not load."""

for name, function, summary in COMMANDS:
    app.command(f"portrait_prep.cli.{function}", name=name, help=summary)


def main() -> NoReturn:
    """Run one command and exit."""
    raise_on_signals()
    gc.set_threshold(OBJECTS_A_COLLECTION)
    try:
        _speak_utf8()
        print_logs_safely()
        status = app() or 0
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # all is done: nothing is left to interrupt
        if sys.stdout:
            sys.stdout.flush()
        sys.exit(status)
    except CycloptsError as error:
        _refuse(_of_bounds(error.__cause__) or str(error))
    except PortraitPrepError as error:
        _refuse(str(error))
    except BrokenPipeError:
        # Whoever read our output has had enough of it; Python must not try to write the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FINDINGS)
    except (KeyboardInterrupt, InterruptedError):  # some libraries turn a signal into the second
        with suppress(OSError, KeyboardInterrupt):
            if sys.stdout:
                sys.stdout.flush()
        end_interrupted()
    except OSError as error:
        if error.errno in FULL_DISK:
            _refuse("The disk is full: free some space and run again; what is done is kept.")
        name = error.filename2 or error.filename or "The system"  # of two, the first is temporary and gone by now
        _refuse(f"{name}: {error.strerror or error}.")


def _speak_utf8() -> None:
    """Restart in Python's UTF-8 mode where the locale has another encoding; let any file name be printed.

    A catalogue names files in UTF-8, and ids must not depend on the locale. A process that was started with other
    arguments (`main` called from another program) is not restarted.
    """
    arguments, other = sys.argv[1:], sys.getfilesystemencoding() != "utf-8"
    if other and os.environ.get("PYTHONUTF8") != "1" and sys.orig_argv[-len(arguments) :] == arguments:
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, os.environ | {"PYTHONUTF8": "1"})  # noqa: S606 (ourselves)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _of_bounds(cause: BaseException | None) -> str:
    """What to say where a model of options, which pydantic checks, refuses a value; empty where it is another error."""
    errors = getattr(cause, "errors", None)  # pydantic may be what does not load
    if errors is None:
        return ""
    first = errors()[0]
    option = str(first["loc"][0]).replace("_", "-")  # behind it the place among several values
    return f"--{option} = {first['input']} is not allowed: {first['msg'].replace('Input should be', 'must be')}."


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"portrait-prep: {printable(' '.join(reason.split()))}\n")
    sys.exit(USAGE)
