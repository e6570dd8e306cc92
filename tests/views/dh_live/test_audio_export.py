"""What `export dh-live-audio` writes, read as the contract says that DH_live's loader reads it."""

import pickle
import wave
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from portrait_prep.cli.export import mouth_pca
from portrait_prep.errors import BadInput
from portrait_prep.views.dh_live.audio_export import DH_LIVE_AUDIO, DhLiveAudioOptions
from portrait_prep.views.dh_live.mouth_pca import MouthPca
from portrait_prep.views.dh_live.samples import dh_live_audio
from portrait_prep.views.exporting.export import Choice, Part, write_export
from tests.views import moving_faces
from tests.whole.runs import portrait_prep

NAME, FRAMES = "ann-1", 30
"""The one that is long enough."""


@pytest.fixture(scope="module")
def pca(filmed_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pca") / "mouth.npz"
    assert mouth_pca(file, workspace=filmed_workspace) == 0
    return file


@pytest.fixture(scope="module")
def exported(filmed_workspace: Path, pca: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder, and what the command said."""
    folder = tmp_path_factory.mktemp("outside") / "sounds"
    done = portrait_prep("export", "dh-live-audio", folder, "--pca", pca, "-w", filmed_workspace)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_there_is_a_sound_and_a_text_for_each_stretch(exported: tuple[Path, str]) -> None:
    folder, said = exported
    assert {path.name for path in folder.iterdir()} == {f"{NAME}.wav", f"{NAME}.txt", "pca.pkl"}
    for name, frames in (("bob-gap@0", 4), ("bob-gap@18", 22), ("cy-drawn", 16)):
        assert f"{name}: left out, {frames} frames; the loader takes nothing from less than 28" in said


def test_sound_and_coefficients_are_of_the_same_frames(
    exported: tuple[Path, str], filmed_workspace: Path, pca: Path
) -> None:
    """Section 2C: int16 at 16 kHz, 640 samples for each line; windows of 26 frames, which hear two more."""
    folder, _ = exported
    with wave.open(str(folder / f"{NAME}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    np.testing.assert_array_equal(sound, moving_faces.pcm(NAME))
    told = np.loadtxt(folder / f"{NAME}.txt")
    assert told.shape == (FRAMES, 7)
    assert min(len(told), len(sound) // 640 - 2) - 26 + 1 >= 1
    target = dh_live_audio(filmed_workspace, pca, length=FRAMES, video_id=NAME)[0]["target"]
    np.testing.assert_allclose(told[:, :6] * MouthPca.load(pca).deviation[:6], target, atol=0.05)
    assert 0.3 < told[:, 0].std() < 3


def test_its_own_formula_makes_pictures_of_mouths(exported: tuple[Path, str], pca: Path) -> None:
    folder, fitted = exported[0], MouthPca.load(pca)
    with (folder / "pca.pkl").open("rb") as file:
        read = pickle.load(file)
    assert (read.mean_.shape, read.components_.shape) == ((1350,), (7, 1350))
    told = np.loadtxt(folder / f"{NAME}.txt")[:, :6]
    pictures = (np.dot(told, read.components_[:6]) + read.mean_).reshape(-1, 15, 30, 3)
    np.testing.assert_allclose(pictures, fitted.picture(told * fitted.deviation[:6]), atol=1e-3)


class Cut(BaseException):
    """The process dies."""


def test_another_pca_under_the_same_name_begins_anew(filmed_workspace: Path, pca: Path, tmp_path: Path) -> None:
    file, folder = tmp_path / "mouth.npz", tmp_path / "sounds"
    file.write_bytes(pca.read_bytes())
    options, only = DhLiveAudioOptions(pca=file), Choice((NAME,))

    def watch(parts: Sequence[Part]) -> Iterator[Part]:
        yield parts[0]
        raise Cut

    with pytest.raises(Cut):
        write_export(DH_LIVE_AUDIO, filmed_workspace, folder, options, only, watch)
    fitted = MouthPca.load(file)
    replace(fitted, mean=fitted.mean + 1).save(file)
    for target in (folder, tmp_path / "fresh"):
        write_export(DH_LIVE_AUDIO, filmed_workspace, target, options, only)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "fresh" / path.name).read_bytes()


def test_what_is_missing_is_told(filmed_workspace: Path, pca: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--pca mouth\.npz: 'portrait-prep export mouth-pca mouth\.npz' makes it"):
        write_export(DH_LIVE_AUDIO, filmed_workspace, tmp_path / "it")
    with pytest.raises(BadInput, match="cy-drawn: left out, 16 frames; the loader takes nothing from less than 28"):
        write_export(
            DH_LIVE_AUDIO, filmed_workspace, tmp_path / "it", DhLiveAudioOptions(pca=pca), Choice(("cy-drawn",))
        )
    assert not any(tmp_path.iterdir())
