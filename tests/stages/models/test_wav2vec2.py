"""wav2vec 2.0 and HuBERT in PyTorch alone: which models are taken, and that they give what transformers computes."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

from portrait_prep.errors import MissingPrerequisite  # noqa: E402
from portrait_prep.stages.models import registry  # noqa: E402
from portrait_prep.stages.models.wav2vec2 import PUBLISHED, SpeechModel, features  # noqa: E402
from portrait_prep.stages.models.wav2vec2_network import Wav2Vec2  # noqa: E402
from portrait_prep.stages.models.wav2vec2_size import Size, Sound  # noqa: E402
from tests.stages.models.tiny_wav2vec2 import LARGE, TINY, tiny_weights, write_model, write_safetensors  # noqa: E402

REFERENCE = {(0, 1): -1.110167, (10, 5): -2.492008, (74, 7): 0.044495, (110, 20): -1.636542, (148, 31): 0.670224}
"""Of `tiny_weights` and `wave`: last_hidden_state of HubertModel, transformers 5.23.0 and PyTorch 2.13.0 on a CPU."""


def wave() -> NDArray[np.float32]:
    time = np.arange(48000)
    return np.asarray(math.sqrt(2) * np.sin(time**2 / 1e5), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_model(tmp_path_factory.mktemp("tiny"))


def opened(folder: Path, kind: str = "hubert") -> Any:
    return SpeechModel.within(folder, kind).opened()


def test_it_computes_what_transformers_does(folder: Path) -> None:
    found = features(wave(), folder)
    assert found.dtype == np.float32
    assert found.shape == (149, 32)
    for place, value in REFERENCE.items():
        assert found[place] == pytest.approx(value, abs=1e-4), place


@pytest.mark.parametrize("kind", list(PUBLISHED))
@pytest.mark.parametrize("config", [TINY, LARGE], ids=["base", "large"])
def test_transformers_computes_the_same(config: dict[str, Any], kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="Hugging Face transformers is not installed")
    model = write_model(tmp_path / "m", config | {"model_type": kind})
    network = getattr(transformers, {"hubert": "HubertModel", "wav2vec2": "Wav2Vec2Model"}[kind])
    with torch.no_grad():
        told = network.from_pretrained(model).eval()(torch.from_numpy(wave())[None], output_hidden_states=True)
    sound = Sound(48000, lambda first, samples: wave()[first : first + samples])
    for layer, expected in [*enumerate(told.hidden_states), (None, told.last_hidden_state)]:
        found = np.concatenate(list(opened(model, kind).rows(sound, layer)))
        np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-5, err_msg=str(layer))


def test_the_published_ones_are_the_default_and_of_the_size_of_base_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    for kind, name in PUBLISHED.items():
        with pytest.raises(MissingPrerequisite, match=f"models fetch {name}"):
            SpeechModel.find(kind)
        (tmp_path / registry.MODELS[name].file).write_bytes(b"something else")
        with pytest.raises(MissingPrerequisite, match=f"is not the registered {name}"):
            SpeechModel.find(kind)
    assert sum(each.numel() for each in Wav2Vec2(Size()).parameters()) + 768 == 94_371_712
    assert 0.99 < Size().parameters / 94_371_712 < 1


def test_a_folder_is_found_by_path_and_by_name_where_models_lie(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SpeechModel.find("hubert", str(folder)) == SpeechModel.within(folder, "hubert")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    write_model(tmp_path / "mine")
    assert SpeechModel.find("hubert", "mine").weights == tmp_path / "mine" / "model.safetensors"
    (tmp_path / "yours").mkdir()
    with pytest.raises(MissingPrerequisite, match=r"yours holds no config\.json of a model: give the folder"):
        SpeechModel.find("hubert", "yours")


@pytest.mark.parametrize("named", ["mine", "./mine", "m" * 300, "m\0", "/m"])
def test_a_folder_that_is_named_from_where_one_stands_is_not_looked_for(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker stands elsewhere."""
    (tmp_path / "models").mkdir()
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "mine")
    with pytest.raises(MissingPrerequisite, match=r"There is no folder '.*' where models lie: put it into models/"):
        SpeechModel.find("hubert", named)


def test_what_decides_the_values_is_in_the_digests_and_where_it_lies_is_not(folder: Path, tmp_path: Path) -> None:
    first = SpeechModel.within(folder, "hubert").digests
    assert SpeechModel.within(write_model(tmp_path / "a"), "hubert").digests == first
    other = write_model(tmp_path / "b", TINY | {"layer_norm_eps": 1e-3, "mask_time_prob": 0.5})
    assert SpeechModel.within(other, "hubert").digests != first
    (other / "config.json").write_text(json.dumps(TINY | {"mask_time_prob": 0.5}))
    assert SpeechModel.within(other, "hubert").digests == first
    (other / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    assert SpeechModel.within(other, "hubert").digests != first


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


def test_a_network_within_one_that_was_trained_to_write_down_speech_is_taken_out(folder: Path, tmp_path: Path) -> None:
    whole = {f"hubert.{name}": tensor for name, tensor in tiny_weights().items() if name != "masked_spec_embed"}
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    write_safetensors(tmp_path / "model.safetensors", whole | {"lm_head.weight": torch.ones(5, 32)})
    np.testing.assert_array_equal(features(wave(), tmp_path), features(wave(), folder))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "no config.json"),
        ("{", "no config.json"),
        ("[]", "no config.json"),
        ("1", "no config.json"),
        ("null", "no config.json"),
        ('"x"', "no config.json"),
        (json.dumps(TINY | {"model_type": "wav2vec2"}), "another kind .model_type wav2vec2."),
        (json.dumps(TINY | {"conv_stride": [5, 2, 2, 2, 2, 2, 4]}), "another kind .conv_stride"),
        (json.dumps(TINY | {"feat_extract_norm": "batch"}), "does not describe a network of this kind .feat_extract"),
        (json.dumps(TINY | {"hidden_size": 10**9}), "does not describe a network of this kind .hidden_size"),
        (json.dumps(TINY | {"hidden_size": "32"}), "does not describe a network of this kind .hidden_size"),
        (json.dumps(TINY | {"hidden_size": 8192, "num_hidden_layers": 128}), "it is larger than any network"),
        (json.dumps(TINY | {"num_attention_heads": 5}), "does not describe a network of this kind .sizes"),
        (json.dumps(TINY | {"conv_dim": [16] * 6}), "does not describe a network of this kind .conv_dim"),
        (json.dumps(TINY), "neither model.safetensors nor pytorch_model.bin"),
    ],
)
def test_a_folder_of_another_kind_is_told(tmp_path: Path, config: str | None, told: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(MissingPrerequisite, match=told) as caught:
        SpeechModel.within(tmp_path, "hubert")
    assert "\n" not in str(caught.value)


def test_weights_of_another_size_are_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY | {"num_hidden_layers": 3}))
    write_safetensors(tmp_path / "model.safetensors", tiny_weights())
    with pytest.raises(MissingPrerequisite, match="weights of another network"):
        features(wave(), tmp_path)


def test_weights_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    weights = tiny_weights()
    weights["encoder.layers.1.feed_forward.output_dense.bias"][3] = torch.nan
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    write_safetensors(tmp_path / "model.safetensors", weights)
    with pytest.raises(MissingPrerequisite, match="holds values that are no numbers"):
        features(wave(), tmp_path)


class Bomb:
    """What writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("plain", [True, False])
def test_a_file_that_would_run_code_is_not_run(tmp_path: Path, plain: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    state = {"weights": Bomb(tmp_path / "ran"), "as large as weights are": bytes(100_000)}
    if plain:
        (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(state))
    else:
        torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(MissingPrerequisite, match=r"pytorch_model\.bin is"):
        features(wave(), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_tensors_of_the_same_bytes_are_not_read_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    entry = {"dtype": "F32", "shape": [250], "data_offsets": [0, 1000]}
    header = json.dumps({f"w{number}": entry for number in range(1000)}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(1000))
    with pytest.raises(MissingPrerequisite, match="its tensors overlap"):
        features(wave(), tmp_path)


@pytest.mark.parametrize("size", [40_000, 1 << 40])
def test_a_file_that_is_too_small_or_too_large_for_its_network_is_not_even_read(tmp_path: Path, size: int) -> None:
    weights = write_model(tmp_path / "m") / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(size)
    with pytest.raises(MissingPrerequisite, match=f"it has {size} bytes, and such files 46400 to "):
        SpeechModel.within(weights.parent, "hubert")


@pytest.mark.parametrize("kept", [0, 7, 300, -1])
def test_damaged_weights_are_told(folder: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TINY))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:kept])
    with pytest.raises(MissingPrerequisite, match="damaged or no file of weights"):
        features(wave(), tmp_path)


def test_weights_that_are_replaced_are_read_anew(tmp_path: Path) -> None:
    before = features(wave(), write_model(tmp_path / "m"))
    weights = {name: tensor * 0.9 for name, tensor in tiny_weights().items()}
    write_safetensors(tmp_path / "m" / "model.safetensors", weights)
    assert np.abs(features(wave(), tmp_path / "m") - before).max() > 0.01
