"""The stage features: which rows lie in which frame, at any length, and that a workspace takes it on and off."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.errors import BadSetting, Damaged, MissingPrerequisite
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import FULL_SCALE, Pcm
from portrait_prep.media.wav import SAMPLES_PER_FRAME as SAMPLES
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages import features
from portrait_prep.stages.features import STAGE, FeaturesParams
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.test_speech import noise, write_wav

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

from tests.stages.models.plain_wav2vec2 import hidden_states  # noqa: E402
from tests.stages.models.tiny_wav2vec2 import (  # noqa: E402
    LARGE,
    TINY,
    tiny_weights,
    write_model,
    write_safetensors,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


def job(folder: Path, pcm: Pcm, model: Path, **settings: Any) -> MemoryJob[FeaturesParams]:
    params = FeaturesParams(**({"backend": "hubert", "model": str(model)} | settings))
    wav = write_wav(folder / "v.wav", pcm)
    return MemoryJob(params, folder, frames=len(pcm) // SAMPLES, files={"wav": wav})


def hidden_of(folder: Path, pcm: Pcm, model: Path, **settings: Any) -> NDArray[np.float16]:
    columns: Batch = collect(STAGE, job(folder, pcm, model, **settings))
    assert claims_hold(STAGE, columns)
    return columns["hidden"]


def normalized(pcm: Pcm) -> NDArray[np.float32]:
    """As Wav2Vec2FeatureExtractor of transformers does."""
    wave = pcm / FULL_SCALE
    return np.asarray((wave - wave.mean()) / np.sqrt(wave.var() + 1e-7), np.float32)


@pytest.mark.parametrize("frames", [1, 2, 3, 249, 250, 251, 700])
def test_frame_k_has_the_rows_that_begin_in_it(frames: int, tmp_path: Path, model: Path) -> None:
    pcm = noise(frames)
    expected = hidden_states(normalized(pcm), tiny_weights(), TINY)[-1]
    assert len(expected) == 2 * frames - 1
    hidden = hidden_of(tmp_path, pcm, model)
    assert hidden.shape == (frames, 2, 32)
    found = hidden.reshape(-1, 32).astype(np.float32)
    np.testing.assert_allclose(found[:-1], expected, atol=1e-3 * expected.std(), rtol=1e-3)
    np.testing.assert_array_equal(found[-1], found[-2])


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8).filter(lambda lengths: sum(lengths) % 2 == 1))
def test_rows_come_into_frames_however_they_are_cut(lengths: list[int]) -> None:
    count = sum(lengths)
    rows = np.arange(count, dtype=np.float32)[:, None]
    blocks = np.split(rows, np.cumsum(lengths)[:-1])
    frames = np.concatenate(list(features._by_frame(blocks)))
    expected = [[2 * k, min(2 * k + 1, count - 1)] for k in range((count + 1) // 2)]
    assert frames[..., 0].tolist() == expected


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_layer_that_is_chosen_is_kept(layer: int, tmp_path: Path, model: Path) -> None:
    expected = hidden_states(normalized(noise(40)), tiny_weights(), TINY)[layer]
    found = hidden_of(tmp_path, noise(40), model, layer=layer).reshape(-1, 32)[:-1]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_large_wav2vec2_that_wants_its_waves_as_they_are(tmp_path: Path) -> None:
    config = LARGE | {"model_type": "wav2vec2", "hidden_size": 48}
    folder = write_model(tmp_path / "m", config)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    pcm = noise(40)
    expected = hidden_states((pcm / FULL_SCALE).astype(np.float32), tiny_weights(config), config)[-1]
    found = hidden_of(tmp_path, pcm, folder, backend="wav2vec2").reshape(-1, 48)[:-1]
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.std(), rtol=1e-3)


def test_silence_is_a_sound_as_any_other(tmp_path: Path, model: Path) -> None:
    hidden = hidden_of(tmp_path, np.zeros(30 * SAMPLES, np.int16), model)
    assert np.isfinite(hidden).all()


def test_it_says_what_it_ran_on(tmp_path: Path, model: Path) -> None:
    told = job(tmp_path, noise(3), model)
    collect(STAGE, told)
    assert told.metrics == {"provider": "PyTorch on cpu"}


def test_a_video_without_frames_is_bad_and_a_wav_of_another_length_damaged(tmp_path: Path, model: Path) -> None:
    with pytest.raises(BadVideo, match="no frames"):
        collect(STAGE, job(tmp_path, noise(0), model))
    other = job(tmp_path, noise(3), model)
    other.frames = 4
    with pytest.raises(Damaged):
        collect(STAGE, other)


def test_numbers_that_float16_cannot_hold_are_no_features(tmp_path: Path) -> None:
    weights = {name: tensor * 1e6 if "final_layer_norm" in name else tensor for name, tensor in tiny_weights().items()}
    folder = write_model(tmp_path / "m")
    write_safetensors(folder / "model.safetensors", weights)
    with pytest.raises(BadVideo, match="float16 cannot hold"):
        collect(STAGE, job(tmp_path, noise(3), folder))


def test_a_layer_that_is_not_there_is_told_before_anything_is_computed(model: Path) -> None:
    assert STAGE.models is not None
    with pytest.raises(BadSetting, match=r"\[features\] layer is 3, and this hubert has 2: set 0 to 2"):
        STAGE.models(FeaturesParams(backend="hubert", model=str(model), layer=3))
    assert STAGE.models(FeaturesParams()) == {}


def test_a_model_of_the_other_kind_is_told(model: Path) -> None:
    assert STAGE.models is not None
    with pytest.raises(MissingPrerequisite, match="another kind"):
        STAGE.models(FeaturesParams(backend="wav2vec2", model=str(model)))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """One minute, then five, in a process of their own: in memory, five minutes would be 46 MB."""
    folder = write_model(tmp_path / "m", TINY | {"hidden_size": 256, "num_hidden_layers": 1})
    grown = subprocess.run(
        [sys.executable, "-c", GROWTH, str(tmp_path), str(folder)], check=True, capture_output=True, text=True
    )
    assert int(grown.stdout) < 15_000


GROWTH = """
import resource, sys
from pathlib import Path
import torch
from portrait_prep.stages.models import wav2vec2_encoder
from tests.stages.test_features import STAGE, job, noise
torch.set_num_threads(1)
wav2vec2_encoder.IN_MEMORY = 1 << 18
peaks = []
for frames in (1500, 7500):
    told = job(Path(sys.argv[1]), noise(frames), Path(sys.argv[2]))
    for _ in STAGE.process(told):
        pass
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


def normalize(job: Job[Params]) -> Iterator[Batch]:
    """A wav of noise, and a number a frame."""
    job.frames = int(job.source.read_text())
    write_wav(job.output("wav"), noise(job.frames, job.frames))
    yield {"number": np.arange(job.frames, dtype=np.int32)}


NORMALIZE = Stage(
    name="normalize",
    version=1,
    params=Params,
    columns=(Column("number", "int32"),),
    process=normalize,
    media=("wav",),
)
VIDEOS = {"a": 3, "b": 251, "c": 40}


def session(root: Path) -> Session:
    return Session(Workspace(root), (NORMALIZE, STAGE))


def run(root: Path, settings: str) -> dict[str, int]:
    (root / "pipeline.toml").write_text(f"[features]\n{settings}\n")
    now = session(root)
    return dict(+now.run(now.select((), (), retry_failed=False), workers=0)[0].computed)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "w"
    session(root).workspace.create()
    rows = []
    for name, frames in VIDEOS.items():
        (tmp_path / name).write_text(str(frames))
        rows.append(Video(video_id=name, corpus="folder", subject=name, source=str(tmp_path / name), duration=1.0))
    write_catalogue(root / "catalogue.parquet", merge([], rows, 120.0))
    return root


def written(root: Path) -> dict[str, NDArray[np.float16]]:
    """Video -> what the shard holds of it, read by PyArrow alone."""
    (path,) = (root / "features").glob("*.parquet")
    table = pq.read_table(path)
    hidden = table["hidden"].combine_chunks()
    values = np.asarray(hidden.flatten().flatten().to_numpy(zero_copy_only=False)).reshape(len(hidden), 2, -1)
    names = np.array(table["video_id"].to_pylist())
    return {name: values[names == name] for name in VIDEOS}


def test_on_and_off_it_alone_is_computed_and_holds_what_the_network_gives(root: Path, model: Path) -> None:
    assert run(root, 'backend = "off"') == {"normalize": 3}
    assert not (root / "features").exists()
    on = f'backend = "hubert"\nmodel = "{model}"'
    assert run(root, on) == {"features": 3}
    for name, frames in VIDEOS.items():
        expected = hidden_states(normalized(noise(frames, frames)), tiny_weights(), TINY)[-1]
        found = written(root)[name].astype(np.float32)
        assert found.shape == (frames, 2, 32)
        np.testing.assert_allclose(found.reshape(-1, 32)[:-1], expected, atol=1e-3 * expected.std(), rtol=1e-3)
    assert run(root, 'backend = "off"') == run(root, on) == {}
    assert run(root, f"{on}\nlayer = 1") == {"features": 3}
    assert [finding.line() for finding in Audit(session(root), deep=True).findings()] == []


def test_the_same_model_elsewhere_makes_nothing_stale_and_another_one_all_of_it(
    root: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAIT_PREP_WORKSPACE", str(root))
    (root / "models").mkdir()
    write_model(root / "models" / "mine")
    run(root, f'backend = "hubert"\nmodel = "{model}"')
    assert run(root, 'backend = "hubert"\nmodel = "mine"') == {}
    write_model(root / "models" / "mine", TINY | {"hidden_size": 48})
    assert run(root, 'backend = "hubert"\nmodel = "mine"') == {"features": 3}
    assert written(root)["a"].shape == (3, 2, 48)


def test_videos_of_one_shard_that_were_computed_by_networks_of_two_widths(root: Path, tmp_path: Path) -> None:
    """The rest of a shard does not stand in the way of what is computed anew."""
    folder = write_model(tmp_path / "m")
    run(root, f'backend = "hubert"\nmodel = "{folder}"')
    write_model(folder, TINY | {"hidden_size": 48})
    now = session(root)
    computed = now.run(now.select((), ("a",), retry_failed=False), workers=0)[0].computed
    assert computed["features"] == 1
    assert run(root, f'backend = "hubert"\nmodel = "{folder}"') == {"features": 2}
    assert {name: values.shape[2] for name, values in written(root).items()} == dict.fromkeys(VIDEOS, 48)


def test_a_model_that_is_not_there_ends_a_run_in_one_sentence(root: Path, tmp_path: Path) -> None:
    run(root, 'backend = "off"')
    with pytest.raises(MissingPrerequisite, match=r"There is no folder .* where models lie"):
        run(root, f'backend = "hubert"\nmodel = "{tmp_path / "nowhere"}"')
    damaged = write_model(tmp_path / "m")
    (damaged / "model.safetensors").write_bytes(b"\x08" + bytes(200))
    with pytest.raises(MissingPrerequisite, match="damaged or no file of weights"):
        run(root, f'backend = "hubert"\nmodel = "{damaged}"')
