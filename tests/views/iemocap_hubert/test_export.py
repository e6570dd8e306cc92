"""What `export iemocap-hubert` writes, read as the contract says that IEMOCAP_hubert's scripts read it."""

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.iemocap import catalogue as iemocap
from portrait_prep.views.exporting.export import Choice, Part, write_export
from portrait_prep.views.iemocap_hubert.export import IEMOCAP_HUBERT, IemocapOptions
from portrait_prep.views.reading.reader import Reader
from tests.iemocap_release import release
from tests.views.takes import Cast, make
from tests.whole.runs import portrait_prep

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

NUMBERS = {"neu": 0, "hap": 1, "exc": 1, "ang": 2, "sad": 3}
SHORT, LONG, SILENT = "Ses01F_impro01_F000", "Ses02M_impro03_M001", "Ses05M_impro01_M002"
SPOKEN = {
    SHORT: "neu",
    "Ses01F_impro01_M001": "sad",
    LONG: "exc",
    "Ses02M_impro03_F002": "fru",
    "Ses04F_script01_1_F000": "ang",
    "Ses05M_impro01_M000": "hap",
    SILENT: "neu",
}
"""Nobody speaks in session 3, and frustration is none of the four classes."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("utterances")
    emotions = {name: number for number, name in enumerate(SPOKEN)} | {SILENT: -1}
    return make(folder / "w", iemocap.catalogue(release(folder, SPOKEN)), Cast(emotions, {SHORT: 25, LONG: 80}))


@pytest.fixture(scope="module")
def exported(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The file, and what the command said."""
    file = tmp_path_factory.mktemp("outside") / "Train_data_org.pickle"
    done = portrait_prep("export", "iemocap-hubert", file, "-w", workspace)
    assert done.returncode == 0, done.stderr
    return file, done.stdout


def loaded(file: Path) -> Any:
    with file.open("rb") as handle:
        return pickle.load(handle)


def of_the_original(workspace: Path, video_id: str) -> Any:
    """Section 5: three seconds, zeros behind, and then mean 0 and deviation 1 over all of it."""
    reader = Reader(workspace, accepted=None)
    sound = reader.sound(reader.numbers[video_id]).reshape(-1)[:48000] / 32768
    wave = np.pad(sound, (0, 48000 - len(sound)))
    return (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)


def test_it_is_a_list_of_five_sessions(exported: tuple[Path, str], workspace: Path) -> None:
    file, said = exported
    data = loaded(file)
    assert (type(data), [type(session) for session in data]) == (list, [list] * 5)
    heard = [name for name in SPOKEN if SPOKEN[name] != "fru" and name != SILENT]
    expected = [[name for name in heard if name[4] == str(k)] for k in range(1, 6)]
    assert [[each["id"] for each in session] for session in data] == expected
    for each in (each for session in data for each in session):
        assert set(each) == {"label", "wav_encodings", "id"}
        assert (type(each["label"]), each["label"]) == (int, NUMBERS[SPOKEN[each["id"]]])
        wave = each["wav_encodings"]
        assert (type(wave), wave.dtype, tuple(wave.shape)) == (torch.Tensor, torch.float32, (1, 1, 48000))
        np.testing.assert_allclose(wave[0, 0].numpy(), of_the_original(workspace, each["id"]), atol=1e-5)
    told = ("session 1: 2 utterances", "session 3 has no utterance", f"{file}: 5 utterances.")
    for sentence in (
        *told,
        f"{SILENT}: left out, it has no sound",
        "left out, with no four_class: 1 (Ses02M_impro03_F002)",
    ):
        assert sentence in said


def test_its_batches_have_the_shape_that_its_network_hears(exported: tuple[Path, str]) -> None:
    """Four axes after batching, of which training squeezes all that are 1."""
    items = [each for session in loaded(exported[0]) for each in session]
    batch = torch.utils.data.default_collate([(torch.Tensor(each["wav_encodings"]), each["label"]) for each in items])
    assert tuple(batch[0].shape) == (5, 1, 1, 48000)
    assert tuple(batch[0].squeeze().shape) == (5, 48000)


def test_the_wave_may_be_normalized_without_the_padding(workspace: Path, tmp_path: Path) -> None:
    write_export(IEMOCAP_HUBERT, workspace, tmp_path / "it", IemocapOptions(wave="wave"), Choice((SHORT,)))
    wave = loaded(tmp_path / "it")[0][0]["wav_encodings"][0, 0]
    assert not wave[16000:].any()
    assert wave[:16000].std().item() == pytest.approx(1, abs=1e-3)


class Cut(BaseException):
    """The process dies."""


@pytest.mark.parametrize("cut", range(11))
def test_broken_off_and_gone_on_with_it_is_the_same(
    exported: tuple[Path, str], workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """After so many sessions; and, when all are joined, after so many were taken away."""
    file = tmp_path / "some.pickle"

    def watch(parts: Sequence[Part]) -> Iterator[Part]:
        for number, part in enumerate(parts):
            if number == cut:
                raise Cut
            yield part

    unlink, left = Path.unlink, [cut - 5]

    def guarded(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("session"):
            if left[0] == 0:
                raise Cut
            left[0] -= 1
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", guarded)
        if cut < 10:
            with pytest.raises(Cut):
                write_export(IEMOCAP_HUBERT, workspace, file, watch=watch)
            assert not file.exists()
    write_export(IEMOCAP_HUBERT, workspace, file)
    assert file.read_bytes() == exported[0].read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_nothing_is_written_of_silence_alone(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="are silent"):
        write_export(IEMOCAP_HUBERT, workspace, tmp_path / "it", choice=Choice((SILENT,)))
    assert not any(tmp_path.iterdir())


def test_other_corpora_have_nothing_to_give(moving_workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"No video of .* is chosen: \d+ of another corpus"):
        write_export(IEMOCAP_HUBERT, moving_workspace, tmp_path / "it")
    assert not any(tmp_path.iterdir())
