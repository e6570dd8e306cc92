"""IEMOCAP_hubert's samples: whose sound, normalized over what, which class, who speaks, which fold."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.corpora.iemocap import catalogue as iemocap
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.models.wav2vec2 import features
from portrait_prep.views.iemocap_hubert import LABELS, SPEAKERS, folds, iemocap_hubert
from portrait_prep.views.reading.samples import Samples
from tests.iemocap_release import FOUR_CLASS_LABELS, full_release, release, said
from tests.views.takes import Cast, make, renamed

CLASSES = {"neu": 0, "hap": 1, "exc": 1, "ang": 2, "sad": 3}
SHORT, LONG, SILENT = "Ses01F_impro01_M000", "Ses02M_impro03_F001", "Ses03F_script01_1_M002"
LEFT_OUT = "Ses01F_impro01_F009"
SPOKEN = {
    f"Ses0{session}{wearer}_{scene}_{speaker}00{number}": label
    for session in range(1, 6)
    for wearer, scene in (("F", "impro01"), ("M", "script01_1"))
    for speaker, number, label in (("F", 0, "neu"), ("M", 1, "exc"), ("F", 2, "ang"), ("M", 3, "sad"), ("M", 4, "hap"))
} | {SHORT: "neu", LONG: "hap", SILENT: "sad", LEFT_OUT: "fru"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Utterances of all sessions: one second long, three, or more; one of no sound at all."""
    folder = tmp_path_factory.mktemp("utterances")
    emotions = {name: CLASSES.get(label, 4) for name, label in SPOKEN.items()} | {SILENT: -1}
    cast = Cast(emotions, {SHORT: 25, LONG: 90})
    return make(folder / "w", iemocap.catalogue(release(folder, SPOKEN)), cast)


@pytest.fixture(scope="module")
def samples(workspace: Path) -> Samples:
    return iemocap_hubert(workspace)


def of(samples: Samples, video_id: str) -> Any:
    return samples[samples.reader.numbers[video_id]]


def test_a_sample_has_what_is_promised(samples: Samples) -> None:
    sample = of(samples, LONG)
    assert {
        name: (value.dtype, value.shape) for name, value in sample.items() if isinstance(value, np.generic | np.ndarray)
    } == {
        "wave": (np.float32, (48000,)),
        "wave_padded": (np.float32, (48000,)),
        **dict.fromkeys(("valid", "label", "speaker", "fold"), (np.int64, ())),
    }
    assert (sample["video_id"], sample["label_name"], sample["speaker_name"]) == (LONG, "hap", "Ses02F")
    assert sample["text"] == said(LONG)


def test_labels_speakers_and_folds_are_those_of_the_utterance(samples: Samples) -> None:
    assert {sample["video_id"] for sample in samples} == SPOKEN.keys() - {LEFT_OUT}
    for sample in samples:
        video_id = sample["video_id"]
        assert sample["label"] == CLASSES[SPOKEN[video_id]]
        assert LABELS[sample["label"]] == sample["label_name"]
        session, gender = int(video_id[4]), video_id[-4]
        assert sample["fold"] == session
        assert sample["speaker"] == 2 * (session - 1) + (gender == "M")
        assert SPEAKERS[sample["speaker"]] == sample["speaker_name"] == f"Ses0{session}{gender}"


def test_both_genders_speak_in_each_session(samples: Samples) -> None:
    assert len(SPEAKERS) == len({sample["speaker_name"] for sample in samples}) == 10


def test_a_wave_is_normalized_over_the_utterance_and_then_padded(samples: Samples) -> None:
    sample = of(samples, SHORT)
    assert sample["valid"] == 16000
    assert not sample["wave"][16000:].any()
    assert sample["wave"][:16000].mean() == pytest.approx(0, abs=1e-6)
    assert sample["wave"][:16000].std() == pytest.approx(1, abs=1e-4)


def test_the_original_is_normalized_over_the_padding_too(samples: Samples) -> None:
    sample = of(samples, SHORT)
    assert sample["wave_padded"].mean() == pytest.approx(0, abs=1e-6)
    assert sample["wave_padded"].std() == pytest.approx(1, abs=1e-4)
    louder = np.abs(sample["wave_padded"]).max() / np.abs(sample["wave"]).max()
    assert louder == pytest.approx(np.sqrt(3), rel=1e-3)


def test_the_first_three_seconds_of_a_longer_one_are_taken(samples: Samples) -> None:
    sample = of(samples, LONG)
    assert sample["valid"] == 48000
    np.testing.assert_array_equal(sample["wave"], sample["wave_padded"])
    heard = samples.reader.sound(samples.reader.numbers[LONG]).reshape(-1)
    assert heard.size == 90 * 640
    expected = heard[:48000] / 32768
    np.testing.assert_allclose(sample["wave"], (expected - expected.mean()) / expected.std(), atol=1e-4)


def test_silence_stays_silence(samples: Samples) -> None:
    sample = of(samples, SILENT)
    assert not sample["wave"].any()
    assert not sample["wave_padded"].any()


@pytest.mark.parametrize("session", range(1, 6))
def test_a_fold_leaves_out_a_session(workspace: Path, session: int) -> None:
    sides = folds(workspace, session)
    assert {side: people(samples) for side, samples in sides.items()} == {
        "train": {name for name in SPEAKERS if int(name[4]) != session},
        "test": {name for name in SPEAKERS if int(name[4]) == session},
    }
    assert sum(map(len, sides.values())) == len(SPOKEN) - 1


def people(samples: Samples) -> set[str]:
    return {footage.video.subject for footage in samples.reader.videos}


def test_another_session_is_set_aside_to_validate_on(workspace: Path) -> None:
    sides = folds(workspace, 5, 1, seed=7)
    assert {side: {int(name[4]) for name in people(samples)} for side, samples in sides.items()} == {
        "train": {2, 3, 4},
        "val": {1},
        "test": {5},
    }
    assert {samples.seed for samples in sides.values()} == {7}


@pytest.mark.parametrize("sessions", [(0,), (6,), (3, 3), (1, 7), (1, 0)])
def test_sessions_that_cannot_be_are_told(workspace: Path, sessions: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="Two different sessions of 1, 2, 3, 4, 5"):
        folds(workspace, *sessions)


@pytest.mark.skipif(not FOUR_CLASS_LABELS.is_file(), reason=f"the list of ids is not at {FOUR_CLASS_LABELS}")
def test_the_full_release_has_the_published_numbers(tmp_path: Path) -> None:
    """Nothing is read of the media, so there are none."""
    workspace = Workspace(tmp_path / "w")
    workspace.create()
    rows = merge([], iemocap.catalogue(release(tmp_path, full_release())), 120.0)
    write_catalogue(workspace.catalogue, rows)
    done = [
        {"video_id": row.video_id, "stage": "normalize", "outcome": "done", "digest": "", "frames": 100}
        | {"metrics": "{}", "accepted": False}
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(done), workspace.manifests_table)
    sizes = {session: len(folds(workspace.root, session)["test"]) for session in range(1, 6)}
    assert sizes == {1: 1085, 2: 1023, 3: 1151, 4: 1031, 5: 1241}
    found = iemocap_hubert(workspace.root).reader.videos
    assert Counter(footage.video.four_class for footage in found) == {
        "neu": 1708,
        "hap": 1636,
        "ang": 1103,
        "sad": 1084,
    }


def test_features_of_a_given_model_are_of_the_wave(samples: Samples, workspace: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    from tests.stages.models.tiny_wav2vec2 import write_model  # noqa: PLC0415  it needs PyTorch

    folder = write_model(tmp_path / "tiny")
    heard = of(iemocap_hubert(workspace, hubert=folder), LONG)
    assert heard["hubert"].shape == (149, 32)
    assert heard["hubert"].dtype == np.float16
    np.testing.assert_allclose(heard["hubert"], features(of(samples, LONG)["wave"], folder), atol=1e-2)
    assert "hubert" not in of(samples, LONG)


def test_a_folder_without_a_model_is_told_at_once(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match=r"no config.json of a model: give the folder of facebook/"):
        iemocap_hubert(workspace, hubert=tmp_path)


def test_it_goes_into_other_processes(samples: Samples) -> None:
    copy = pickle.loads(pickle.dumps(samples))
    np.testing.assert_array_equal(copy[1]["wave"], samples[1]["wave"])


def as_utterance(number: int, row: Video) -> Video:
    """A real clip under the name of an utterance's speaker."""
    labels = {"four_class": LABELS[number], "session": 1 + number, "fold": 1 + number}
    return row.model_copy(update={"corpus": "iemocap", "subject": SPEAKERS[2 * number], **labels})


def test_real_voices_are_normalized(clips_workspace: Path, tmp_path: Path) -> None:
    samples = iemocap_hubert(renamed(clips_workspace, tmp_path / "w", as_utterance))
    assert [int(sample["label"]) for sample in samples] == [0, 1, 2]
    for number, sample in enumerate(samples):
        assert sample["valid"] == 48000
        assert sample["wave"].std() == pytest.approx(1, abs=1e-3)
        pcm = samples.reader.sound(number, 0, 75).reshape(-1)
        assert np.corrcoef(pcm, sample["wave"])[0, 1] == pytest.approx(1, abs=1e-6)


def test_a_network_learns_from_it(workspace: Path) -> None:
    """Convolutions over the wave and a GRU over what they see, as HuBERT and the GRU behind it, small."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    from portrait_prep.views.reading.loader import Loader  # noqa: PLC0415  it needs PyTorch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.ears = nn.Sequential(
                nn.Conv1d(1, 24, 80, 40), nn.ReLU(), nn.AvgPool1d(8), nn.Conv1d(24, 24, 3, 2), nn.ReLU()
            )
            self.memory = nn.GRU(24, 16, batch_first=True)
            self.head = nn.Linear(16, len(LABELS))

        def forward(self, wave: Any) -> Any:
            return self.head(self.memory(self.ears(wave[:, None]).transpose(1, 2))[0].mean(dim=1))

    sides = folds(workspace, 5, accepted=True)
    batches = list(Loader(sides["train"], batch_size=14))
    labels = torch.cat([batch["label"] for batch in batches])
    shares = torch.bincount(labels) / len(labels)
    guessing = -(shares * shares.log()).sum().item()
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(15):
        losses = []
        for batch in batches:
            loss = nn.functional.cross_entropy(network(batch["wave"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert np.mean(losses) < 0.3 * guessing
    held_out = next(iter(Loader(sides["test"], batch_size=10)))
    with torch.no_grad():
        right = (network(held_out["wave"]).argmax(dim=1) == held_out["label"]).float().mean()
    assert right > 0.8
