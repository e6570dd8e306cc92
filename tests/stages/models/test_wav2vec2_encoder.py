"""Sounds of any length through the network: the rows are those of the whole sound, in whatever pieces it goes."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

from portrait_prep.stages.models import wav2vec2_encoder  # noqa: E402
from portrait_prep.stages.models.wav2vec2 import SpeechModel  # noqa: E402
from portrait_prep.stages.models.wav2vec2_encoder import Encoder, Rows  # noqa: E402
from portrait_prep.stages.models.wav2vec2_size import Sound  # noqa: E402
from tests.stages.models.plain_wav2vec2 import hidden_states  # noqa: E402
from tests.stages.models.tiny_wav2vec2 import LARGE, TINY, tiny_weights, write_model, write_safetensors  # noqa: E402

KINDS = {"base": TINY, "large": LARGE}
CLOSE = 1e-4
"""Of the standard deviation of a hidden state: a tenth of what is promised. The last bits of float32 stay below."""


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Louder and softer, so that no stretch is as any other."""
    wave = np.random.default_rng(seed).standard_normal(samples)
    wave *= 1.1 + np.sin(np.arange(samples) / 9000)
    return np.asarray(wave / wave.std(), np.float32)


def sound(wave: NDArray[np.float32]) -> Sound:
    return Sound(len(wave), lambda first, samples: wave[first : first + samples])


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Encoder]:
    return {name: opened(write_model(tmp_path_factory.mktemp(name) / "m", config)) for name, config in KINDS.items()}


def opened(folder: Path, gpu: bool = False) -> Encoder:
    torch.set_num_threads(1)
    model = SpeechModel.within(folder, "hubert")
    return Encoder(model.size, model.weights, model.kind, gpu)


def rows(encoder: Encoder, wave: NDArray[np.float32], layer: int | None = None, **how: Any) -> NDArray[np.float32]:
    return np.concatenate(list(encoder.rows(sound(wave), layer, **how)))


def far(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Greatest difference, in standard deviations."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / expected.std())


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("samples", [400, 640, 719, 720, 32080, 400_123])
def test_every_hidden_state_is_that_of_the_whole_sound(
    encoders: Mapping[str, Encoder], kind: str, samples: int
) -> None:
    wave, config = noise(samples), KINDS[kind]
    expected = hidden_states(wave, tiny_weights(config), config)
    assert len(expected[0]) == (samples - 80) // 320
    for layer, state in zip((0, 1, 2, None), expected, strict=True):
        assert far(rows(encoders[kind], wave, layer), state) < CLOSE, layer


@settings(max_examples=20, deadline=None)
@given(
    samples=st.integers(400, 20_000),
    heard=st.integers(1, 30),
    seen=st.integers(3, 60),
    measured=st.integers(200, 3000),
    kind=st.sampled_from(list(KINDS)),
)
def test_where_pieces_end_leaves_no_trace(
    encoders: Mapping[str, Encoder], samples: int, heard: int, seen: int, measured: int, kind: str
) -> None:
    wave = noise(samples, samples)
    expected = hidden_states(wave, tiny_weights(KINDS[kind]), KINDS[kind])[-1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("HEARD", heard), ("SEEN", seen), ("MEASURED", measured), ("IN_MEMORY", 1000)):
            patch.setattr(wav2vec2_encoder, name, value)
        assert far(rows(encoders[kind], wave), expected) < CLOSE


def test_attention_that_looks_for_one_row_far_away_finds_it(tmp_path: Path) -> None:
    """What a chunk with context would miss: weights that look sharply, over 40 s."""
    weights = {name: tensor * (8 if "q_proj.weight" in name else 1) for name, tensor in tiny_weights().items()}
    folder = write_model(tmp_path / "m")
    write_safetensors(folder / "model.safetensors", weights)
    encoder, wave = opened(folder), noise(640_000)
    expected = hidden_states(wave, weights, TINY)[-1]
    assert far(rows(encoder, wave), expected) < 1e-3
    assert far(rows(encoder, wave, reach=100), expected) > 0.1


def test_a_row_looks_as_far_as_it_may(encoders: Mapping[str, Encoder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav2vec2_encoder, "SEEN", 10)
    wave = noise(32080)
    whole = rows(encoders["base"], wave)
    assert far(rows(encoders["base"], wave, reach=100), whole) < CLOSE
    assert far(rows(encoders["base"], wave, reach=20), whole) > 0.01
    with_other_end = wave.copy()
    with_other_end[-3200:] *= -1
    near = [rows(encoders["large"], each, 1, reach=1) for each in (wave, with_other_end)]
    np.testing.assert_array_equal(near[0][:60], near[1][:60])
    assert (near[0][-12:] != near[1][-12:]).any()


def test_files_without_a_name_lie_where_they_are_told_to_and_are_gone_afterwards(
    encoders: Mapping[str, Encoder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wav2vec2_encoder, "IN_MEMORY", 1000)
    found = encoders["base"].rows(sound(noise(64_000)), 2, folder=tmp_path)
    assert len(next(found)) == 199
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        rows(encoders["base"], noise(64_000), folder=tmp_path / "gone")


def test_the_number_of_threads_of_a_process_is_left_as_it_was_and_changes_nothing(
    encoders: Mapping[str, Encoder],
) -> None:
    wave = noise(32080)
    alone = rows(encoders["base"], wave)
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(rows(encoders["base"], wave), alone)
        assert torch.get_num_threads() == 2
        assert not torch.is_inference_mode_enabled()
    finally:
        torch.set_num_threads(1)


def test_rows_beyond_both_ends_are_zeros() -> None:
    store = Rows(5, 2, "cpu", None)
    store.write(2, torch.ones(3, 2))
    store.write(0, torch.full((2, 2), 2.0))
    assert store.read(-2, 7)[:, 0].tolist() == [0, 0, 2, 2, 1, 1, 1, 0, 0]
    assert store.read(3, 4).tolist() == [[1, 1]]


def test_without_a_gpu_it_runs_on_the_cpu_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        found = opened(write_model(tmp_path / "m"), gpu=True)
    assert "hubert runs on the CPU: PyTorch sees no GPU" in caplog.text
    assert found.provider == "PyTorch on cpu"


def test_a_gpu_that_fails_costs_speed_and_nothing_else(
    encoders: Mapping[str, Encoder], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    failing, computed = opened(write_model(tmp_path / "m"), gpu=True), Encoder._computed
    assert failing.provider == "PyTorch on CUDA"

    def taken(self: Encoder, *arguments: Any) -> Rows:
        if self._device == "cuda":
            raise RuntimeError("CUDA error: out of memory\nand more")
        return computed(self, *arguments)

    monkeypatch.setattr(Encoder, "_computed", taken)
    wave = noise(6400)
    with caplog.at_level(logging.WARNING):
        found = rows(failing, wave)
    assert "hubert goes on on the CPU: CUDA fails (CUDA error: out of memory)" in caplog.text
    assert failing.provider == "PyTorch on cpu"
    np.testing.assert_array_equal(found, rows(encoders["base"], wave))
