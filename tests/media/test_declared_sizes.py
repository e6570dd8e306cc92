"""What a file declares of itself is held against its size before memory is spent on it."""

import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portrait_prep.media.container import NotAVideo, opened
from portrait_prep.media.iso_boxes import CONTAINER_BOXES, declares_too_many, iso_boxes
from portrait_prep.media.memory import BASE_ALLOWANCE, bounded_memory
from portrait_prep.media.probe import duration, probe
from tests.clips import make

MANY = 20_000_000


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seed") / "seed.mp4"
    sources = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=0.6", "-f", "lavfi", "-i", "sine=440:r=16000:d=0.6")
    make(*sources, "-c:v", "libx264", "-c:a", "aac", path)
    return path


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def table(name: bytes, *counts: int) -> bytes:
    return box(name, bytes(4) + struct.pack(f">{len(counts)}I", *counts))


def movie(*tables: bytes, kind: bytes = b"vmhd") -> bytes:
    media = box(b"minf", box(kind, bytes(12)) + box(b"stbl", b"".join(tables)))
    return box(b"moov", box(b"trak", box(b"mdia", media)))


def packed(index: bytes) -> bytes:
    content = box(b"cmvd", struct.pack(">I", len(index)) + zlib.compress(index))
    return box(b"moov", box(b"cmov", box(b"dcom", b"zlib") + content))


MOVIES = {
    "samples of one size": movie(table(b"stsz", 1, MANY)),
    "samples of small sizes": movie(table(b"stz2", 4, MANY)),
    "fragments that say nothing of their samples": box(b"moof", box(b"traf", table(b"trun", MANY))),
    "a long box": b"\0\0\0\1moov" + struct.pack(">Q", 1000) + movie(table(b"stsz", 1, MANY))[8:],
    "behind other boxes": box(b"free", bytes(9)) * 3000 + movie(table(b"stsz", 1, MANY)),
    "in pieces": b"".join(movie(table(b"stsz", 1, 4000)) for _ in range(40)),
    "a packed index": packed(movie(table(b"stsz", 1, MANY))),
    "an index packed very well": packed(movie(bytes(1 << 22))),
    "of sound": movie(table(b"stsz", 1, MANY), kind=b"smhd"),
}


@pytest.mark.parametrize("kind", MOVIES)
def test_more_samples_than_bytes_are_no_video(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", b"isom\0\0\2\0isom") + MOVIES[kind])
    with pytest.raises(NotAVideo, match=r"declares more samples than its \d+ bytes can hold"), opened(path):
        pass


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", ()),
        ("fragments.mp4", ("-movflags", "frag_keyframe+empty_moov")),
        ("dash.mp4", ("-movflags", "dash")),
        ("waves.mov", ("-c:v", "copy", "-c:a", "pcm_u8")),
        ("law.mov", ("-c:v", "copy", "-c:a", "pcm_mulaw")),
        ("adpcm.mov", ("-c:v", "copy", "-c:a", "adpcm_ima_qt")),
        ("still.mp4", ("-vf", "select=eq(n\\,0)")),
    ],
)
def test_what_is_there_may_be_declared(tmp_path: Path, seed: Path, name: str, options: tuple[str, ...]) -> None:
    make("-i", seed, *options, tmp_path / name)
    assert not declares_too_many(tmp_path / name)
    assert len(probe(tmp_path / name).times) == (1 if name == "still.mp4" else 15)


def test_an_old_movie_with_a_packed_index_is_read(tmp_path: Path, seed: Path) -> None:
    data, path = seed.read_bytes(), tmp_path / "a.mov"
    with seed.open("rb") as file:
        parts = {part.name: data[part.start - 8 : part.end] for part in iso_boxes(file, 0, len(data))}
    path.write_bytes(b"".join(packed(part) if name == b"moov" else part for name, part in parts.items()))
    assert len(probe(path).times) == 15


def test_boxes_in_boxes_come_to_an_end(tmp_path: Path) -> None:
    nested = b""
    for _ in range(20000):
        nested = box(b"moov", nested)
    empty = [box(name, bytes(8)) for name in CONTAINER_BOXES]
    for content in (nested, box(b"free", b"") * 200_000, b"\0\0\0\0moov", *empty):
        (tmp_path / "a.mp4").write_bytes(content)
        begun = time.perf_counter()
        assert duration(tmp_path / "a.mp4") is None
        assert time.perf_counter() - begun < 5


def larger(data: bytearray, mark: bytes, write: Callable[[bytearray, int], None]) -> bytes:
    at = -1
    while (at := data.find(mark, at + 1)) >= 0:
        write(data, at)
    return bytes(data)


def png(data: bytearray, at: int) -> None:
    struct.pack_into(">II", data, at + 4, 16000, 16000)
    struct.pack_into(">I", data, at + 17, zlib.crc32(data[at : at + 17]))


def test_a_picture_larger_than_any_camera_makes_is_not_decoded(tmp_path: Path, seed: Path) -> None:
    make("-i", seed, "-an", "-c:v", "png", tmp_path / "a.mov")
    path = tmp_path / "b.mov"
    path.write_bytes(larger(bytearray((tmp_path / "a.mov").read_bytes()), b"IHDR", png))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(NotAVideo):
        probe(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


BOUNDED = """
import numpy as np
from portrait_prep.media.memory import BASE_ALLOWANCE, bounded_memory
with bounded_memory(1000):
    try:
        kept = np.empty(2 * BASE_ALLOWANCE, np.uint8)
    except MemoryError:
        print("refused")
kept = np.empty(2 * BASE_ALLOWANCE, np.uint8)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep no such bound")
def test_memory_is_bounded_while_a_file_is_opened_and_not_after() -> None:
    done = subprocess.run([sys.executable, "-c", BOUNDED], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def open_a_while(size: int) -> None:
    with bounded_memory(size):
        time.sleep(0.01)


def test_the_bound_grows_with_the_file_and_is_taken_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded_memory(10):
        small = resource.getrlimit(resource.RLIMIT_AS)[0]
    with bounded_memory(BASE_ALLOWANCE):
        assert resource.getrlimit(resource.RLIMIT_AS)[0] > small + 8 * BASE_ALLOWANCE
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(open_a_while, range(8)))
    assert resource.getrlimit(resource.RLIMIT_AS) == before
