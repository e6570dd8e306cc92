"""HuBERT in PyTorch alone: what transformers computes, from the files that it writes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

from portrait_prep.errors import MissingPrerequisite  # noqa: E402
from portrait_prep.stages.models.hubert import check, features  # noqa: E402
from portrait_prep.stages.models.hubert_network import Hubert, Size  # noqa: E402
from tests.stages.models.tiny_hubert import TINY, tiny_weights, write_model, write_safetensors  # noqa: E402

REFERENCE = {(0, 1): -1.110167, (10, 5): -2.492008, (74, 7): 0.044495, (110, 20): -1.636542, (148, 31): 0.670224}
"""Of `tiny_weights` and `wave`: last_hidden_state of HubertModel, transformers 5.23.0 and PyTorch 2.13.0 on a CPU."""


def wave() -> NDArray[np.float32]:
    time = np.arange(48000)
    return np.asarray(math.sqrt(2) * np.sin(time**2 / 1e5), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"))


def test_it_computes_what_transformers_does(folder: Path) -> None:
    found = features(wave(), folder)
    assert found.dtype == np.float32
    assert found.shape == (149, 32)
    for place, value in REFERENCE.items():
        assert found[place] == pytest.approx(value, abs=1e-4), place


def test_transformers_computes_the_same(folder: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="Hugging Face transformers is not installed")
    network = transformers.HubertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = network(torch.from_numpy(wave())[None]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(features(wave(), folder), expected, atol=1e-5)


def test_older_files_hold_the_same_weights(folder: Path, tmp_path: Path) -> None:
    """As of before PyTorch had parametrizations."""
    older = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in tiny_weights().items()
    }
    assert sum(name.endswith(("weight_g", "weight_v")) for name in older) == 2
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    torch.save(older, tmp_path / "pytorch_model.bin")
    np.testing.assert_array_equal(features(wave(), tmp_path), features(wave(), folder))


def test_a_frame_is_of_320_samples() -> None:
    """(48000 - 400) // 320 + 1 frames, and the last one hears the end."""
    network = Hubert(Size(**{name: value for name, value in TINY.items() if name != "model_type"})).eval()
    with torch.inference_mode():
        for samples, frames in ((400, 1), (719, 1), (720, 2), (16000, 49), (48000, 149)):
            assert network(torch.zeros(1, samples)).shape == (1, frames, 32)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "no config.json"),
        ("{", "no config.json"),
        (json.dumps(TINY | {"model_type": "wav2vec2"}), "another kind .model_type wav2vec2."),
        (json.dumps(TINY | {"do_stable_layer_norm": True}), "another kind .do_stable_layer_norm True."),
        (json.dumps(TINY), "neither model.safetensors nor pytorch_model.bin"),
    ],
)
def test_a_folder_of_another_kind_is_told(tmp_path: Path, config: str | None, told: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(MissingPrerequisite, match=told):
        check(tmp_path)


def test_weights_of_another_size_are_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY | {"num_hidden_layers": 3}))
    write_safetensors(tmp_path / "model.safetensors", tiny_weights())
    with pytest.raises(MissingPrerequisite, match="weights of another network"):
        features(wave(), tmp_path)


@pytest.mark.parametrize("content", ["[]", "1", "null", '"x"'])
def test_a_config_that_is_no_object_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(MissingPrerequisite, match="holds no"):
        features(wave(), tmp_path)


def test_tensors_of_the_same_bytes_are_not_read_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    entry = {"dtype": "F32", "shape": [250], "data_offsets": [0, 1000]}
    header = json.dumps({f"w{number}": entry for number in range(1000)}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(1000))
    with pytest.raises(MissingPrerequisite, match="its tensors overlap"):
        features(wave(), tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 300, -1])
def test_damaged_weights_are_told(folder: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:kept])
    with pytest.raises(MissingPrerequisite, match="damaged or no file of weights"):
        features(wave(), tmp_path)
