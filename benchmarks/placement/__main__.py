"""`python -m benchmarks.placement`: how busy devices and cores are, and what the scheduler costs, without any of them.

Devices from 1 to 8 and cores from 8 to 128 are simulated, so that no time passes but that of the scheduler.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.placement.outcome import Outcome, catalogue, simulate
from benchmarks.placement.picture import draw

HEAD = (
    "devices",
    "cores",
    "workers a device",
    "hours",
    "device",
    "its workers",
    "others",
    "least time",
    "CPU ms a video",
)


def outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    """One for each number of devices, cores and workers that share a device."""
    videos = catalogue(options.videos, options.seconds, options.shard_seconds)
    for devices in options.devices:
        for sharing in options.sharing:
            for cores in (cores for cores in options.cores if devices * sharing <= cores):
                with tempfile.TemporaryDirectory() as folder:
                    yield simulate(Path(folder) / "w", videos, devices, cores, sharing)


def line(one: Outcome, videos: int) -> str:
    """A row of the table."""
    shares = (f"{share:.0%}" for share in (one.device, one.owners, one.others, one.bound))
    cells = (one.devices, one.cores, one.sharing, f"{one.hours:.2f}", *shares, f"{one.cost / videos * 1e3:.1f}")
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print a table, and draw it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement", description=__doc__)
    parser.add_argument("--videos", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each")
    parser.add_argument("--shard-seconds", type=float, default=120.0, help="footage in a shard")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--cores", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--sharing", type=int, nargs="+", default=[1, 4], help="workers that share a device")
    parser.add_argument("--picture", type=Path, help="PNG to draw")
    options = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")
    found = []
    for one in outcomes(options):
        found.append(one)
        print(line(one, options.videos), flush=True)
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
