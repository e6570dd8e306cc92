"""The command line as a user types it, and an independent reading of what it leaves behind (PyAV, SciPy, PyArrow)."""

import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

SHARED = Path(__file__).parents[2].parent / "shared"
CLIPS = SHARED / "data" / "clips"


def portrait_prep(*arguments: str | Path, timeout: float = 280) -> subprocess.CompletedProcess[str]:
    """Run the command; never raises."""
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def columns(root: Path, stage: str, video_id: str, *names: str) -> list[NDArray[Any]]:
    """Columns of one video, read with PyArrow alone, stacked to [rows, …]."""
    (path,) = (path for path in (root / stage).glob("*-*.parquet") if video_id in ids_in(path))
    table = pq.read_table(path, columns=[*names, "video_id"], filters=[("video_id", "=", video_id)])
    return [np.array(table[name].to_pylist()) for name in names]


def ids_in(path: Path) -> set[str]:
    """The videos whose rows lie in a shard."""
    return set(pq.read_table(path, columns=["video_id"])["video_id"].to_pylist())


def mp4_facts(path: Path) -> dict[str, Any]:
    """Decode every frame."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream)]
        return {
            "frames": len(times),
            "size": (stream.width, stream.height),
            "rate": stream.average_rate,
            "codec": stream.codec_context.name,
            "pixels": stream.pix_fmt,
            "steady": bool(np.allclose(np.diff(np.array(times, float)), 0.04, atol=1e-6)),
        }


def wav_facts(path: Path) -> dict[str, Any]:
    """Read the header."""
    with wave.open(str(path)) as sound:
        return {
            "samples": sound.getnframes(),
            "rate": sound.getframerate(),
            "channels": sound.getnchannels(),
            "bytes": sound.getsampwidth(),
        }
