"""`python -m benchmarks.gpu`: whether a GPU does what the documentation says; 8 minutes on an H100 with 16 cores.

Five claims are put to the test, and nothing is downloaded: weights are drawn at random, pictures are noise or the demo.
Prints a table and a verdict for each. Exit code 0: all hold; 1: one does not; 2: there is no GPU. With `--device cpu`
the same is done, as far as it makes sense, in small and without a GPU: to test this very program.
"""

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.agreement import agree
from benchmarks.gpu.memory import run_out
from benchmarks.gpu.mixed import Mix, keep_busy
from benchmarks.gpu.speech import compare
from benchmarks.gpu.speed import BATCHES, race
from benchmarks.gpu.verdict import Verdict
from portrait_prep.pipeline.run.gpus import VISIBLE, chosen, listing
from portrait_prep.pipeline.run.process import CORES, ONE_THREAD, QUIET

Part = Callable[[Path], Sequence[Verdict]]

PARTS: dict[str, dict[str, Part]] = {
    "cuda": {
        "agreement": lambda folder: [agree(folder, "cuda")],
        "speed": lambda folder: [race(folder, "cuda", seconds=2.0)],
        "speech": lambda folder: compare(folder, "cuda", seconds=60.0),
        "memory": lambda folder: run_out(folder, "cuda"),
        "mixed": lambda folder: [keep_busy(folder, "cuda", Mix(copies=24), (1, 4), CORES)],
    },
    "cpu": {
        "agreement": lambda folder: [agree(folder, "cpu")],
        "speed": lambda folder: [race(folder, "cpu", seconds=0.2, batches=BATCHES[:2])],
        "speech": lambda folder: compare(folder, "cpu", seconds=2.0),
        "memory": lambda folder: run_out(folder, "cpu", batch=8),
        "mixed": lambda folder: [keep_busy(folder, "cpu", Mix(copies=1, seconds=0.4), (1,), min(2, CORES))],
    },
}


def carry_out(parts: dict[str, Part]) -> int:
    """Do the parts one after another, each in a folder of its own, and print what came of it. Returns the exit code.

    What is broken in one part must not cost the others, since time on a device is dear.
    """
    code = 0
    for name, part in parts.items():
        start = time.perf_counter()
        with TemporaryDirectory() as folder:
            try:
                found = part(Path(folder))
            except Exception as error:
                traceback.print_exc()
                found = [Verdict(f"{name} can be tried", False, f"{type(error).__name__}: {error}")]
        print(f"\n{name}, {time.perf_counter() - start:.0f} s")
        for verdict in found:
            print(*([""] if verdict.table else []), *verdict.table, "", verdict.line(), sep="\n", flush=True)
            code = max(code, int(verdict.holds is False))
    return code


def main() -> int:
    """Parse the command line, and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS['cuda'])}; default: all")
    parser.add_argument("--device", choices=PARTS, default="cuda")
    arguments = parser.parse_args()
    parts = PARTS[arguments.device]
    if unknown := set(arguments.parts) - parts.keys():
        parser.error(f"there is no part {sorted(unknown)[0]}: name some of {', '.join(parts)}")
    os.environ.update(ONE_THREAD | QUIET)
    if arguments.device == "cpu":
        os.environ[VISIBLE] = ""
    elif not chosen("auto"):
        print("No GPU that can be used is here: try it with --device cpu.", file=sys.stderr)
        return 2
    print(f"{platform.processor() or platform.machine()}, {CORES} cores; {listing().strip() or 'no GPU'}")
    return carry_out({name: part for name, part in parts.items() if name in (arguments.parts or parts)})


if __name__ == "__main__":
    sys.exit(main())
