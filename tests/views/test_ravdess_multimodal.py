"""MultimodalEmotionRecognition's samples: whose face, which frames, which sound, which class."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.ravdess import catalogue as ravdess
from portrait_prep.manifests.corpora.ravdess.names import EMOTIONS, STATEMENTS
from portrait_prep.manifests.video import Video
from portrait_prep.stages.models.mediapipe import face_detector
from portrait_prep.views.ravdess_multimodal import IMAGENET_MEAN, IMAGENET_STD, face_squares, ravdess_multimodal, spread
from portrait_prep.views.reading.samples import Samples
from tests.ravdess_release import make_release
from tests.views.takes import COLOURS, Cast, centre, make, pitch, renamed

ACTORS = {1: "train", 18: "train", 20: "val", 23: "test"}
LONG, GAP, LOST = "01-01-03-01-02-02-01", "01-01-05-01-02-02-01", "01-01-06-01-02-02-01"
SONG = "01-02-03-01-01-01-01"
NAMES = [f"01-01-{emotion:02d}-01-01-01-{actor:02d}" for actor in ACTORS for emotion in range(1, 9)]


def emotion_of(video_id: str) -> int:
    return int(video_id[6:8]) - 1


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes of four actors: one is longer than three seconds, one has a gap, one has no face while it is heard."""
    folder = tmp_path_factory.mktemp("takes")
    names = [*NAMES, LONG, GAP, LOST, SONG]
    release = make_release(folder / "release", [f"Actor_{name[-2:]}/{name}.mp4" for name in names])
    cast = Cast(
        {name: emotion_of(name) for name in names} | {NAMES[0]: -1},
        {LONG: 140, GAP: 60, LOST: 100},
        {GAP: (0, 20), LOST: (0, 80)},
    )
    return make(folder / "w", ravdess.catalogue(release), cast)


@pytest.fixture(scope="module")
def samples(workspace: Path) -> Samples:
    return ravdess_multimodal(workspace)


def numbered(samples: Samples) -> dict[str, int]:
    """Video id -> number of the sample."""
    return {samples.reader.videos[window.video].video.video_id: each for each, window in enumerate(samples.items)}


def of(samples: Samples, video_id: str) -> Any:
    return samples[numbered(samples)[video_id]]


def pictures(video: NDArray[np.float32]) -> NDArray[np.float64]:
    """Undo ImageNet's normalization: [8, 112, 112, 3], of 0..255."""
    assert video.dtype == np.float32
    assert video.shape == (8, 3, 112, 112)
    return np.asarray(255 * (video.transpose(0, 2, 3, 1).astype(np.float64) * IMAGENET_STD + IMAGENET_MEAN))


def test_a_sample_has_what_is_promised(samples: Samples) -> None:
    sample = of(samples, NAMES[4])
    colours = pictures(sample["video"])
    np.testing.assert_allclose(colours, colours.round(), atol=2e-3)
    assert 0 <= colours.round().min() < colours.round().max() <= 255
    assert {name: (value.dtype, value.shape) for name, value in sample.items() if name not in ("video_id", "text")} == {
        "video": (np.float32, (8, 3, 112, 112)),
        "mel": (np.float32, (1, 64, 188)),
        "wave": (np.float32, (1, 48000)),
        "frames": (np.int64, (8,)),
        **dict.fromkeys(("label", "emotion", "intensity", "statement", "repetition", "actor"), (np.int64, ())),
    }


def test_codes_are_those_of_the_name(samples: Samples) -> None:
    for video_id, number in numbered(samples).items():
        sample = samples[number]
        fields = [sample[name] for name in ("emotion", "intensity", "statement", "repetition", "actor")]
        assert fields == [int(code) for code in video_id.split("-")[2:]]
        assert sample["video_id"] == video_id
        assert sample["text"] == STATEMENTS[sample["statement"] - 1]


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        ("emotion", {1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7}),
        ("four_class_merged", {1: 0, 2: 0, 3: 1, 4: 2, 5: 2, 6: 2, 7: 2, 8: 3}),
        ("four_class", {1: 0, 3: 1, 4: 2, 5: 3}),
    ],
)
def test_a_label_is_the_number_of_its_class(workspace: Path, label: Any, classes: dict[int, int]) -> None:
    chosen = ravdess_multimodal(workspace, label=label, subject="Actor_23")
    assert {int(sample["emotion"]): int(sample["label"]) for sample in chosen} == classes


def test_splits_are_by_actor_and_songs_are_left_out(workspace: Path) -> None:
    sides = {side: numbered(ravdess_multimodal(workspace, split=side)) for side in ("train", "val", "test")}
    assert {side: {int(name[-2:]) for name in names} for side, names in sides.items()} == {
        side: {actor for actor, its in ACTORS.items() if its == side} for side in sides
    }
    assert sum(map(len, sides.values())) == len(NAMES) + 2
    assert list(numbered(ravdess_multimodal(workspace, channel="song"))) == [SONG]


def test_the_published_split_is_taken_from_the_catalogue(workspace: Path, tmp_path: Path) -> None:
    stratified = {row.video_id: row.split for row in ravdess.catalogue(split="stratified")}
    root = renamed(workspace, tmp_path / "w", lambda _, row: row.model_copy(update={"split": stratified[row.video_id]}))
    for side in ("train", "val", "test"):
        chosen = numbered(ravdess_multimodal(root, split=side))
        assert chosen.keys() == {name for name in [*NAMES, LONG, GAP] if stratified[name] == side}


def test_frames_are_spread_over_what_is_heard(workspace: Path, samples: Samples) -> None:
    np.testing.assert_array_equal(of(samples, NAMES[2])["frames"], np.linspace(0, 29, 8).round())
    np.testing.assert_array_equal(of(samples, LONG)["frames"], np.linspace(0, 74, 8).round())
    np.testing.assert_array_equal(of(samples, GAP)["frames"], 20 + np.linspace(0, 39, 8).round())
    over_all = ravdess_multimodal(workspace, spread="clip")
    np.testing.assert_array_equal(of(over_all, LONG)["frames"], np.linspace(0, 139, 8).round())
    np.testing.assert_array_equal(of(over_all, LOST)["frames"], 80 + np.linspace(0, 19, 8).round())
    np.testing.assert_array_equal(of(over_all, LONG)["wave"], of(samples, LONG)["wave"])


def test_a_take_without_a_face_while_it_is_heard_is_left_out(workspace: Path, samples: Samples) -> None:
    assert LOST not in numbered(samples)
    assert len(samples) == len(samples.reader) - 1
    with pytest.raises(BadInput, match="No video"):
        ravdess_multimodal(workspace, subject="Actor_02")


def test_the_face_is_in_the_middle_of_each_picture(samples: Samples) -> None:
    """The disc has wandered by 148 px meanwhile."""
    colours = pictures(of(samples, LONG)["video"])
    disc = np.abs(colours - COLOURS[emotion_of(LONG)]).max(axis=-1) < 60
    y, x = np.mgrid[:112, :112]
    for found in disc:
        assert x[found].mean() == pytest.approx(55.5, abs=1)
        assert y[found].mean() == pytest.approx(55.5, abs=1)
        assert 2 * np.sqrt(found.sum() / np.pi) == pytest.approx(112 / 1.6, rel=0.05)
    assert [centre(frame)[0] for frame in (0, 74)] == [150, 298]


def test_the_sound_is_that_of_the_first_three_seconds(samples: Samples) -> None:
    wave = of(samples, LONG)["wave"]
    tone = 8000 / 32768 * np.sin(2 * np.pi * pitch(emotion_of(LONG)) * np.arange(48000) / 16000)
    np.testing.assert_allclose(wave[0], tone, atol=2 / 32768)
    short = of(samples, NAMES[2])["wave"]
    assert np.abs(short[0, : 30 * 640]).max() > 0.2
    assert not short[0, 30 * 640 :].any()


@pytest.mark.parametrize(("hop", "columns"), [(256, 188), (160, 301)])
def test_the_spectrogram_is_in_decibels(workspace: Path, hop: int, columns: int) -> None:
    samples = ravdess_multimodal(workspace, hop=hop)
    mel = of(samples, LONG)["mel"]
    assert mel.shape == (1, 64, columns)
    hertz = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66)[1:-1] / 2595) - 1)
    loudest = mel[0, :, 5:-5].argmax(axis=0)
    assert np.abs(hertz[loudest] - pitch(emotion_of(LONG))).max() < 60
    # A sine of amplitude a under a Hann window of 400: |X| = a * 400 / 4, in one bin or shared by two neighbours.
    assert mel.max() == pytest.approx(20 * np.log10(8000 / 32768 * 100), abs=3)
    assert (of(samples, NAMES[0])["mel"] == -100).all()
    assert (of(samples, NAMES[2])["mel"][..., -columns // 4 :] == -100).all()


def test_squares_have_one_side_and_their_face_in_the_middle() -> None:
    faces = np.full((3, 478, 3), 150, np.float32)
    faces[:, 0, :2], faces[:, 1, :2] = [[100, 100], [110, 100], [120, 90]], [[180, 200], [190, 200], [200, 210]]
    np.testing.assert_array_equal(face_squares(faces), [[60, 70, 160], [70, 70, 160], [80, 70, 160]])


def test_few_frames_are_taken_more_than_once() -> None:
    np.testing.assert_array_equal(spread(np.array([3, 4, 9]), 5), [3, 3, 4, 9, 9])
    np.testing.assert_array_equal(spread(np.array([7]), 3), [7, 7, 7])


def test_what_is_unknown_is_told(workspace: Path) -> None:
    with pytest.raises(BadInput, match="'mood' is not among emotion, four_class_merged, four_class"):
        ravdess_multimodal(workspace, label="mood")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="'all' is not among sound, clip"):
        ravdess_multimodal(workspace, spread="all")  # type: ignore[arg-type]


def test_it_goes_into_other_processes(samples: Samples) -> None:
    copy = pickle.loads(pickle.dumps(samples))
    np.testing.assert_array_equal(copy[1]["video"], samples[1]["video"])


def as_take(number: int, row: Video) -> Video:
    """A real clip under the name of a take."""
    labels = {"emotion": EMOTIONS[number], "intensity": "normal", "statement": STATEMENTS[0], "repetition": 1}
    return row.model_copy(update={"corpus": "ravdess", "subject": "Actor_01", "channel": "speech", **labels})


def test_real_faces_are_in_the_middle(clips_workspace: Path, tmp_path: Path) -> None:
    """Another network than the one that found the landmarks looks for them."""
    samples = ravdess_multimodal(renamed(clips_workspace, tmp_path / "w", as_take))
    assert len(samples) == 3
    for sample in samples:
        for picture in pictures(sample["video"]).round().astype(np.uint8):
            (face,) = face_detector()(picture)
            x, y, width, height = face[:4] / 112
            assert 0.25 < x + width / 2 < 0.75
            assert 0.25 < y + height / 2 < 0.75
            assert 0.4 < width < 0.9
        assert sample["mel"].max() > sample["mel"].min() + 30


def test_a_network_learns_from_it(workspace: Path) -> None:
    """A 3D convolution over faces and one over the spectrogram, joined: the classes are in both."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    from portrait_prep.views.reading.loader import Loader  # noqa: PLC0415  it needs PyTorch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.faces = nn.Sequential(
                nn.Conv3d(3, 8, (3, 7, 7), (2, 4, 4)), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()
            )
            self.voice = nn.Sequential(
                nn.Conv2d(1, 16, (5, 5), (1, 4)), nn.ReLU(), nn.AdaptiveAvgPool2d((16, 1)), nn.Flatten()
            )
            self.head = nn.Linear(8 + 16 * 16, 8)

        def forward(self, batch: dict[str, Any]) -> Any:
            faces = self.faces(batch["video"].transpose(1, 2))
            return self.head(torch.cat([faces, self.voice(batch["mel"] / 50 + 1)], dim=1))

    loader = Loader(ravdess_multimodal(workspace, split="train"), batch_size=9)
    batches = list(loader)
    labels = Counter(torch.cat([batch["label"] for batch in batches]).tolist())
    shares = np.array(list(labels.values())) / labels.total()
    guessing = -(shares * np.log(shares)).sum()
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(30):
        losses = []
        for batch in batches:
            loss = nn.functional.cross_entropy(network(batch), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert np.mean(losses) < 0.3 * guessing
    held_out = next(iter(Loader(ravdess_multimodal(workspace, split="test"), batch_size=8)))
    with torch.no_grad():
        right = (network(held_out).argmax(dim=1) == held_out["label"]).float().mean()
    assert right > 0.8
