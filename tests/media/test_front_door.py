"""Whatever a file of the world holds, reading it raises nothing but our own errors, and comes to an end."""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.media.container import NotAVideo, guarded, opened
from portrait_prep.media.probe import duration, probe
from portrait_prep.media.probe_sound import probe_sound, sound_channels, sound_digest, sound_seconds
from portrait_prep.media.source_frames import frames_between, picture_at, sample_frames
from portrait_prep.media.source_sound import read_samples
from tests.clips import make, portrait, steady, write_clip
from tests.media.mutants import SEEDS, mutants, write_seeds

LONGEST = 20.0
"""Seconds for one file, on a busy machine."""


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {path.name: path for path in write_seeds(tmp_path_factory.mktemp("seeds"))}


def probe_and_look(path: Path) -> None:
    facts = probe(path)
    for frame in islice(sample_frames(path, facts, 4), 3):
        assert frame.image().shape[2] == 3
    list(islice(frames_between(path, facts, 0.0, 0.2, 10.0), 3))


LOOKS: tuple[Callable[[Path], object], ...] = (
    probe_and_look,
    probe_sound,
    duration,
    sound_channels,
    sound_seconds,
    sound_digest,
    lambda path: picture_at(path, 0.1, (32, 32)),
    lambda path: read_samples(path, 0.0, 0.3),
)


def look_at_all(seed: Path, path: Path, count: int) -> int:
    """Spoil a file in so many ways and look at each; how many could still be read as a video or a sound."""
    readable = 0
    for number, data in enumerate(mutants(seed, count)):
        path.write_bytes(data)
        begun = time.perf_counter()
        for look in LOOKS:
            try:
                look(path)
                readable += look in (probe_and_look, probe_sound)
            except NotAVideo as error:
                assert len(str(error).splitlines()) == 1, (seed.name, number)
            except OSError as error:
                assert not isinstance(error, av.FFmpegError), (seed.name, number)
            except Exception as error:
                raise AssertionError(f"mutant {number} of {seed.name}") from error
        assert time.perf_counter() - begun < LONGEST, (seed.name, number)
    return readable


@pytest.mark.parametrize("name", SEEDS)
def test_what_is_spoilt_is_refused_in_our_own_words(tmp_path: Path, seeds: dict[str, Path], name: str) -> None:
    readable = look_at_all(seeds[name], tmp_path / name, 24)
    assert readable > 0  # else nothing behind the first door would be tried


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SEEDS)
def test_thousands_that_are_spoilt(tmp_path: Path, seeds: dict[str, Path], name: str) -> None:
    look_at_all(seeds[name], tmp_path / name, 400)
