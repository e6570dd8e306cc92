"""Memory does not grow with a video's length: a ten-minute video through every stage, beside a ten-second one."""

import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import pytest

from portrait_prep.stages.order import STAGES
from tests.whole.runs import portrait_prep

SLACK = 48
"""MiB by which two runs of the same work may differ."""

MEASURE = """
import resource, sys
from pathlib import Path
from portrait_prep.cli.opening import open_session
session = open_session(Path(sys.argv[1]))
session.run(session.select(sys.argv[2:], (), False), workers=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def looped(source: Path, seconds: int, folder: Path) -> Path:
    """The source again and again, stream-copied."""
    folder.mkdir()
    target = folder / "long.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-stream_loop", "-1", "-i", source]
    subprocess.run([*command, "-t", str(seconds), "-c", "copy", target], check=True)
    return target


def peaks(source: Path, root: Path) -> dict[str, int]:
    """MiB of resident memory at most, by stage, each in a process of its own."""
    portrait_prep("init", "folder", "-w", root, "--source", source.parent)
    found = {}
    for stage in (stage for stage in STAGES if stage.on is None):
        command = [sys.executable, "-c", MEASURE, str(root), stage.name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[stage.name] = int(done.stdout.split()[-1])
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_minutes_need_no_more_memory_than_ten_seconds(demo_sources: Path, tmp_path: Path) -> None:
    source = demo_sources / "astronaut-25fps-rotated.mp4"
    short = peaks(looped(source, 10, tmp_path / "short"), tmp_path / "w10")
    long = peaks(looped(source, 600, tmp_path / "long"), tmp_path / "w600")
    grown = {stage: long[stage] - short[stage] for stage in short}
    assert max(grown.values()) < SLACK, (short, long)
