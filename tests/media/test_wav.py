import multiprocessing
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_prep.errors import Damaged
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME, Pcm, WavReader, count_samples, resize_wav, write_wav

FRAMES = 30


def noise(frames: int, seed: int = 0) -> Pcm:
    """int16 [frames, 640] over the whole range."""
    return np.random.default_rng(seed).integers(-(2**15), 2**15, (frames, 640), np.int16)


def standard(path: Path, pcm: Pcm, rate: int = 16000, channels: int = 1) -> Path:
    """Written by the standard library."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standard(tmp_path_factory.mktemp("wav") / "v.wav", noise(FRAMES))


def test_a_frame_is_40_ms() -> None:
    assert (RATE, SAMPLES_PER_FRAME) == (16000, 640)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3000), max_size=5))
def test_what_is_written_in_pieces_is_what_the_standard_library_writes(tmp_path: Path, lengths: list[int]) -> None:
    pieces = [noise(5, seed).reshape(-1)[:length] for seed, length in enumerate(lengths)]
    assert write_wav(tmp_path / "a.wav", iter(pieces)) == sum(lengths)
    whole = np.concatenate([np.empty(0, np.int16), *pieces])
    assert (tmp_path / "a.wav").read_bytes() == standard(tmp_path / "b.wav", whole).read_bytes()
    assert count_samples(tmp_path / "a.wav") == sum(lengths)


def test_pieces_may_be_of_any_shape_and_order(tmp_path: Path) -> None:
    stereo = noise(2).reshape(-1, 2)
    write_wav(tmp_path / "a.wav", [stereo[:, 1], noise(3)])
    expected = np.concatenate([stereo[:, 1], noise(3).reshape(-1)])
    assert (tmp_path / "a.wav").read_bytes() == standard(tmp_path / "b.wav", expected).read_bytes()


@pytest.mark.parametrize("samples", [0, 100, 640 * 10, 640 * 12])
def test_a_file_is_cut_or_filled_with_silence(tmp_path: Path, samples: int) -> None:
    pcm = noise(10).reshape(-1)
    write_wav(tmp_path / "a.wav", [pcm])
    resize_wav(tmp_path / "a.wav", samples)
    expected = np.concatenate([pcm, np.zeros(640 * 2, np.int16)])[:samples]
    assert (tmp_path / "a.wav").read_bytes() == standard(tmp_path / "b.wav", expected).read_bytes()


@given(st.integers(0, FRAMES), st.integers(0, FRAMES))
def test_any_frames_are_read(path: Path, first: int, frames: int) -> None:
    frames = min(frames, FRAMES - first)
    samples = WavReader(path, FRAMES).read(first, frames)
    assert samples.dtype == np.int16
    np.testing.assert_array_equal(samples, noise(FRAMES)[first : first + frames])


@given(st.integers(1, FRAMES + 5))
def test_blocks_are_all_of_it(path: Path, frames: int) -> None:
    blocks = list(WavReader(path, FRAMES).blocks(frames))
    assert [len(block) for block in blocks[:-1]] == [frames] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), noise(FRAMES))


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES + 1])
def test_another_length_is_damage(path: Path, frames: int) -> None:
    with pytest.raises(Damaged, match=rf"is not 16 kHz mono PCM16 of {frames} frames with 640 samples each: normalize"):
        WavReader(path, frames)


HARMS: dict[str, Callable[[Path], Any]] = {
    "another rate": lambda path: standard(path, noise(FRAMES), rate=8000),
    "two channels": lambda path: standard(path, noise(FRAMES), channels=2),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + bytes(2)),
    "no header": lambda path: path.write_bytes(bytes(44) + path.read_bytes()[44:]),
    "8 bits": lambda path: path.write_bytes(path.read_bytes()[:34] + b"\x08" + path.read_bytes()[35:]),
    "another file": lambda path: path.write_bytes(b"not a wav"),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("harm", HARMS)
def test_another_form_is_damage(tmp_path: Path, harm: str) -> None:
    path = standard(tmp_path / "v.wav", noise(FRAMES))
    HARMS[harm](path)
    with pytest.raises(Damaged, match=r"v\.wav is not 16 kHz mono"):
        WavReader(path, FRAMES)


def test_a_file_that_is_gone_is_damage(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=r"v\.wav is gone: run again"):
        WavReader(tmp_path / "v.wav", 1)


def test_a_file_that_shrinks_while_it_is_read_is_damage(tmp_path: Path) -> None:
    path = standard(tmp_path / "v.wav", noise(FRAMES))
    reader = WavReader(path, FRAMES)
    resize_wav(path, 640)
    assert len(reader.read(0, 1)) == 1
    with pytest.raises(Damaged, match="ends too early"):
        reader.read(1, 1)


def test_a_closed_file_is_not_read(path: Path) -> None:
    reader = WavReader(path, FRAMES)
    reader.close()
    with pytest.raises(ValueError, match="has been closed"):
        reader.read(0, 1)


def _sums(reader: WavReader, order: list[int]) -> list[int]:
    return [int(reader.read(frame, 1).sum()) for frame in order for _ in range(20)]


def _put_sums(reader: WavReader, order: list[int], queue: Any) -> None:
    queue.put(_sums(reader, order))


def test_forked_processes_share_it(path: Path) -> None:
    """None moves where the others read."""
    reader, context = WavReader(path, FRAMES), multiprocessing.get_context("fork")
    queue: Any = context.Queue()
    orders = [list(range(FRAMES)), list(range(FRAMES))[::-1]]
    processes = [context.Process(target=_put_sums, args=(reader, order, queue)) for order in orders]
    for process in processes:
        process.start()
    own = _sums(reader, orders[0])
    sums = [queue.get(timeout=60), queue.get(timeout=60)]
    for process in processes:
        process.join()
    assert sorted(sums) == sorted([own, [total for frame in orders[1] for total in [own[20 * frame]] * 20]])
