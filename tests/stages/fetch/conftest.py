import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from portrait_prep.stages.fetch import session
from tests.clips import clicks, make, portrait, steady, write_clip
from tests.stages.fetch.server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server; no proxy of this machine stands before it, and nobody waits long before asking it again."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(session, "FIRST_WAIT", 0.01)
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of H.264 and AAC."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(path, steady(25, 4), portrait(320, 240), sound=clicks(4, 48000, [1, 2]))


@pytest.fixture(scope="session")
def content(clip: Path) -> bytes:
    return clip.read_bytes()


@pytest.fixture(scope="session")
def film(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The clip at two heights without sound, and its sound, as HTTP Live Streaming (RFC 8216): path -> bytes."""
    folder = tmp_path_factory.mktemp("hls")
    make(
        *("-i", clip, "-filter_complex", "[0:v]split[a][hi];[a]scale=-2:144[lo]"),
        *("-map", "[lo]", "-map", "[hi]", "-map", "0:a", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50"),
        *("-c:a", "aac", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-master_pl_name", "film.m3u8"),
        *("-var_stream_map", "v:0,agroup:x v:1,agroup:x a:0,agroup:x", folder / "v%v_.m3u8"),
    )
    return {f"/film/{path.name}": path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were to be waited, each time; nobody does."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds
