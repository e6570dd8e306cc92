"""DH_live's view: crops, lines and references of the renderer, sound with the look of the mouth for the LSTM."""

import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from portrait_prep.cli.export import mouth_pca
from portrait_prep.errors import BadInput
from portrait_prep.stages.face.geometry import Pose
from portrait_prep.views.dh_live.drawing import FaceSquare, hint_of_lips, lines, without_jaw
from portrait_prep.views.dh_live.face_range import FaceRange, FaceRanges
from portrait_prep.views.dh_live.mouth_pca import COLUMNS, MouthPca, mouth_pictures
from portrait_prep.views.dh_live.points import BRIDGE, JAW, LIPS, LOWER_LIP, OVAL, PLACES, POINTS, UNDER_NOSE, UPPER_LIP
from portrait_prep.views.dh_live.samples import (
    LOOK_AHEAD,
    MARGIN,
    DhLiveRenderer,
    dh_live_audio,
    dh_live_renderer,
    references,
    to_crop,
)
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Draw
from tests.whole.runs import CLIPS, portrait_prep


@pytest.fixture(scope="module")
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real clips; where they are not here, two of the demo's."""
    if CLIPS.is_dir():
        found: Path = request.getfixturevalue("clips_workspace")
        return found
    sources, root = request.getfixturevalue("demo_sources"), tmp_path_factory.mktemp("demo") / "w"
    names = ("astronaut-25fps-rotated", "double-30fps-square")
    for line in (("init", "folder", "--source", sources, "--only", *names), ("run", "--workers", "0")):
        done = portrait_prep(*line, "-w", root)
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def pca(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pca") / "mouth.npz"
    done = portrait_prep("export", "mouth-pca", file, "-w", workspace, "--frames", "500")
    assert done.returncode == 0, done.stderr
    assert "6 numbers hold" in done.stdout
    return file


def test_points_are_those_of_the_original() -> None:
    counts = {name: place.stop - place.start for name, place in PLACES.items()}
    expected = {"left_brow": 10, "right_brow": 10, "nose_edge": 11, "nose_mid": 5, "lips_inner": 20, "lips_outer": 20}
    assert counts == expected | {"left_eye": 16, "right_eye": 16, "oval": 21, "muscle": 12}
    assert len(set(POINTS.tolist())) == len(POINTS) == 141
    assert [POINTS[place] for place in (UNDER_NOSE, BRIDGE, UPPER_LIP, LOWER_LIP)] == [2, 195, 13, 14]
    assert (BRIDGE, OVAL[0], OVAL[-1], LIPS[0], LIPS[-1], len(JAW)) == (33, 108, 128, 36, 75, 17)
    assert POINTS[OVAL[10]] == 152
    assert len(MARGIN) == 21
    assert MARGIN.argmax() == 10


def test_a_crop_is_a_square_from_the_bridge_of_the_nose_down() -> None:
    points = np.full((141, 3), 200.0)
    points[JAW, 0] = np.linspace(300, 100, 17)
    points[JAW, 1] = 150 + 100 * np.sin(np.linspace(0, np.pi, 17))
    points[BRIDGE, 1] = 110.0
    crop = FaceSquare.around(points)
    assert crop == FaceSquare(80, 60, 240)
    assert FaceSquare.around(points, (2, -1)) == FaceSquare(82, 59, 240)
    corners, expected = np.array([[80.0, 60, -24], [320, 300, 0]]), np.array([[0, 0, -25.6], [256, 256, 0]])
    np.testing.assert_allclose(crop.points(corners), expected)
    # At a border it stays square: what lies beyond is black.
    beyond = crop.of(np.full((200, 512, 3), (10, 20, 30), np.uint8))
    rows = (beyond == (30, 20, 10)).all(axis=(1, 2))
    assert rows.sum() == pytest.approx(140 / 240 * 256, abs=2)
    assert not beyond[-90:].any()


def test_lines_are_of_their_colours() -> None:
    points = np.random.default_rng(0).uniform(20, 236, (141, 2))
    drawn = lines(points)
    assert {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()} == {
        (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255),
    }  # fmt: skip
    only_nose = lines(points, ("nose_edge",))
    for x, y in points[PLACES["nose_edge"]].astype(int).tolist():
        assert only_nose[y, x].tolist() == [0, 255, 0]
    assert not only_nose[..., [0, 2]].any()


def test_a_sample_of_the_renderer(workspace: Path) -> None:
    samples = dh_live_renderer(workspace, stride=41, seed=3)
    sample = samples[2]
    assert {name: (value.shape, value.dtype.name) for name, value in sample.items() if name != "video_id"} == {
        "source": ((6, 256, 256), "float32"),
        "ref": ((30, 256, 256), "float32"),
        "target": ((3, 256, 256), "float32"),
        "keypoints": ((141, 3), "float32"),
        "ref_keypoints": ((5, 141, 3), "float32"),
        "matrix": ((4, 4), "float64"),
        "frame": ((), "int64"),
        "ref_frames": ((5,), "int64"),
    }
    for name in ("source", "ref", "target"):
        assert sample[name].min() >= 0
        assert sample[name].max() <= 1
    again, later = samples[2], samples[Draw(2, 1)]
    assert all(np.array_equal(sample[name], again[name]) for name in sample)
    assert not np.array_equal(sample["ref_frames"], later["ref_frames"])
    copied = pickle.loads(pickle.dumps(samples))
    np.testing.assert_array_equal(copied[2]["ref"], sample["ref"])


def test_what_the_renderer_sees_is_the_face(workspace: Path) -> None:
    samples = dh_live_renderer(workspace, stride=41, augment=False)
    reader = samples.reader
    for number in (0, len(samples) - 1):
        sample, window = samples[number], samples.items[number]
        found = reader.read(*window)
        points = sample["keypoints"]
        # Points go with the picture: both are the same part of the frame, and blue comes first.
        crop = FaceSquare.around(found["landmarks.landmarks"][0, POINTS].astype(float))
        whole = reader.images(*window)[0]
        for x, y, _ in points[LIPS].tolist():
            across, down = x / crop.scale + crop.left, y / crop.scale + crop.top
            patch = cv2.getRectSubPix(whole, (1, 1), (across - 0.5, down - 0.5))[0, 0, ::-1]
            assert np.abs(sample["target"][:, int(y), int(x)] * 255 - patch).max() < 60
        assert sample["keypoints"][JAW, :2].min() > -40
        # The lower face is gone, the rest is as it was.
        blank, target = sample["source"][:3], sample["target"]
        gone = (blank == 0).all(axis=0)
        mouth = points[LIPS, :2].astype(int)
        assert gone[mouth[:, 1], mouth[:, 0]].all()
        assert gone[np.clip(points[OVAL[10], 1].astype(int), 0, 255), points[OVAL[10], 0].astype(int)]
        np.testing.assert_array_equal(blank[:, ~gone], target[:, ~gone])
        assert 0.15 < gone.mean() < 0.6
        # The hint is grey, and lies on the mouth; its lines are green.
        hint = sample["source"][3:] * 255
        green = (hint == np.array([0, 255, 0])[:, None, None]).all(axis=0)
        grey = (np.ptp(hint, axis=0) == 0) & (hint[0] > 0)
        assert green.any()
        assert (green | grey | (hint == 0).all(axis=0)).all()
        ys, xs = np.nonzero(grey)
        (left, top), (right, bottom) = (xs.min(), ys.min()), (xs.max(), ys.max())
        covered = (left <= mouth[:, 0]) & (mouth[:, 0] <= right) & (top <= mouth[:, 1]) & (mouth[:, 1] <= bottom)
        assert covered.mean() > 0.7
        assert (right - left) * (bottom - top) < 0.2 * 256**2
        # The matrix takes the canonical face to the crop.
        canonical = np.column_stack([found["headpose.canonical"][0, POINTS].astype(float), np.ones(141)])
        mapped = (canonical @ sample["matrix"].T)[:, :3]
        assert np.abs(mapped - points).mean() < 2
        np.testing.assert_array_equal(sample["matrix"][3], [0, 0, 0, 1])


def test_references_are_other_frames_with_an_open_mouth(workspace: Path) -> None:
    samples = dh_live_renderer(workspace, stride=60, augment=False)
    for number in range(0, len(samples), 3):
        sample, window = samples[number], samples.items[number]
        opening = FaceRanges().of(samples.reader, window.video).opening
        assert len(set(sample["ref_frames"].tolist()) | {int(sample["frame"])}) == 6
        assert opening[sample["ref_frames"]].min() >= np.quantile(opening, 0.33)
        # Each is the picture of its own frame, then its lines.
        for place, frame in enumerate(sample["ref_frames"].tolist()):
            points = samples.reader.read(window.video, frame, 1, ("landmarks.landmarks",))["landmarks.landmarks"][0]
            crop = FaceSquare.around(points[POINTS].astype(float))
            picture = crop.of(samples.reader.images(window.video, frame, 1)[0])
            shown = sample["ref"][6 * place : 6 * place + 6]
            np.testing.assert_allclose(shown[:3], picture.transpose(2, 0, 1) / 255, atol=1e-6)
            drawn = lines(sample["ref_keypoints"][place].astype(float)).transpose(2, 0, 1)
            np.testing.assert_allclose(shown[3:], drawn / 255, atol=1e-6)


def test_a_face_is_measured_once_whoever_reads_it(workspace: Path) -> None:
    """A make may serve another choice of videos, to train and to validate: the first of each is another video."""
    ranges, alone = FaceRanges(), dict[str, FaceRange]()
    whole = Reader(workspace, COLUMNS)
    for footage in whole.videos:
        name = footage.video.video_id
        alone[name] = ranges.of(Reader(workspace, COLUMNS, video_id=name), 0)
        assert len(alone[name].opening) == footage.frames
    assert all(ranges.of(whole, whole.numbers[name]) is face for name, face in alone.items())


def test_training_shifts_tints_and_makes_noise(workspace: Path) -> None:
    plain = dh_live_renderer(workspace, stride=60, augment=False)
    noisy = dh_live_renderer(workspace, stride=60)
    shifts = {tuple((noisy[n]["keypoints"] - plain[n]["keypoints"])[0, :2].round(3).tolist()) for n in range(5)}
    assert len(shifts) > 1
    assert np.abs(np.array(list(shifts))).max() <= 2 * 256 / 60
    tints = noisy[0]["ref"].reshape(5, 6, -1)[:, :3].mean(axis=2) - plain[0]["ref"].reshape(5, 6, -1)[:, :3].mean(
        axis=2
    )
    assert 0 < np.abs(tints).max() <= 25 / 255
    assert isinstance(plain.make, DhLiveRenderer)
    assert plain[0]["ref_frames"].tolist() == plain[0]["ref_frames"].tolist()


def test_few_frames_give_five_references() -> None:
    rng = np.random.default_rng(0)
    assert references(of_openings(1, np.nan, 3, 2), 2, rng).tolist() == [3] * 5
    assert references(of_openings(1), 0, rng).tolist() == [0] * 5


def of_openings(*openings: float) -> FaceRange:
    return FaceRange(np.array(openings, np.float32), np.zeros(4), 0.0, np.zeros(2), np.zeros((141, 3)), np.zeros(21))


def test_the_blank_jaw_does_not_tell_how_far_the_mouth_is_open() -> None:
    points = np.zeros((141, 2))
    points[JAW] = np.column_stack([np.linspace(220, 40, 17), 60 + 90 * np.sin(np.linspace(0, np.pi, 17))])
    points[PLACES["nose_edge"]] = np.column_stack([np.linspace(150, 110, 11), np.full(11, 60.0)])
    opened = points.copy()
    opened[JAW, 1] += 20 * np.sin(np.linspace(0, np.pi, 17))
    picture, deepest = np.full((256, 256, 3), 99, np.uint8), opened[JAW, 1] + 5
    first, second = (without_jaw(picture, shape, deepest) for shape in (points, opened))
    np.testing.assert_array_equal(first, second)
    assert picture.all()


def test_a_hint_beyond_the_picture_is_none() -> None:
    picture, points = np.full((256, 256, 3), 99, np.uint8), np.full((141, 2), 400.0)
    assert not hint_of_lips(picture, points, np.array([60.0, 30.0]), None).any()


def test_canonical_points_are_carried_into_a_crop() -> None:
    pose = Pose(np.zeros((1, 3), np.float32), np.array([[256, 200, 0]], np.float32), np.array([2], np.float32))
    matrix = to_crop(FaceSquare(100, 50, 128), pose)
    np.testing.assert_allclose(matrix @ [256, 232, 128, 1], [2 * 156, 2 * 150, 0, 1])
    # Canonical z is toward the camera, the image's away from it; half the size, twice enlarged.
    np.testing.assert_allclose(matrix @ [257, 233, 129, 1], [313, 301, -1, 1])


def test_windows_of_sound_are_those_of_the_speech_stage(workspace: Path) -> None:
    samples = dh_live_audio(workspace, None)
    assert [item.frames for item in samples.items] == [26] * len(samples)
    sample = samples[1]
    assert (sample["audio"].shape, sample["audio"].dtype.name, int(sample["first"])) == ((52, 80), "float32", 13)
    assert "target" not in sample
    whole = Reader(workspace, ("speech.fbank",)).read(samples.items[1].video)["speech.fbank"].reshape(-1, 80)
    np.testing.assert_array_equal(sample["audio"], whole[26:78])


def test_targets_are_projections_onto_the_fitted_pca(workspace: Path, pca: Path) -> None:
    samples, fitted = dh_live_audio(workspace, pca, stride=26), MouthPca.load(pca)
    assert (fitted.mean.shape, fitted.components.shape, fitted.variance.shape) == ((1350,), (7, 1350), (7,))
    np.testing.assert_allclose(fitted.components @ fitted.components.T, np.eye(7), atol=1e-9)
    assert (np.diff(fitted.variance) <= 0).all()
    assert 0.3 < fitted.ratio.sum() < 1
    made = [samples[number] for number in range(len(samples))]
    targets = np.concatenate([sample["target"] for sample in made])
    assert made[0]["target"].shape == (26, 6)
    assert targets.dtype == np.float32
    deviations = np.sqrt(fitted.variance[:6])
    np.testing.assert_allclose(targets.std(axis=0), deviations, rtol=0.35)
    assert (np.abs(targets) < 8 * deviations).all()
    # They tell how far the mouth is open, and give back its picture.
    reader, ranges = Reader(workspace, COLUMNS), FaceRanges()
    opening = np.concatenate([ranges.of(reader, item.video).opening[item.first :][:26] for item in samples.items])
    video = np.repeat([item.video for item in samples.items], 26)
    opening = opening - np.array([opening[video == number].mean() for number in range(video.max() + 1)])[video]
    explained = np.linalg.lstsq(targets, opening, rcond=None)[0]
    assert np.corrcoef(targets @ explained, opening)[0, 1] > 0.7
    window, sample = samples.items[0], made[0]
    pictures = mouth_pictures(reader, window, ranges.of(reader, window.video))
    assert pictures.shape == (26, 15, 30, 3)
    told = fitted.picture(sample["target"], sample["video_id"])
    mean = fitted.of(sample["video_id"]).reshape(15, 30, 3)
    assert ((told - pictures) ** 2).mean() < 0.7 * ((pictures - mean) ** 2).mean()


def test_the_same_videos_give_the_same_file(workspace: Path, pca: Path, tmp_path: Path) -> None:
    assert mouth_pca(tmp_path / "again", frames=500, workspace=workspace) == 0
    assert (tmp_path / "again").read_bytes() == pca.read_bytes()
    assert list(tmp_path.iterdir()) == [tmp_path / "again"]


def test_a_pca_that_does_not_fit_is_told_of(workspace: Path, pca: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'portrait-prep export mouth-pca .* -w WORKSPACE' makes it"):
        dh_live_audio(workspace, tmp_path / "none.npz")
    for content in (b"", b"no archive", pca.read_bytes()[:5000]):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(BadInput, match="is no mouth PCA"):
            dh_live_audio(workspace, tmp_path / "broken.npz")
    fitted = MouthPca.load(pca)
    strange = MouthPca(**{**vars(fitted), "videos": np.array(["other"] * len(fitted.videos))})
    strange.save(tmp_path / "strange.npz")
    with pytest.raises(BadInput, match="fitted without"):
        dh_live_audio(workspace, tmp_path / "strange.npz")[0]


@pytest.mark.parametrize(
    ("name", "frames", "told"),
    [
        ("new.npz", 0, "--frames must be positive"),
        ("", 9, "is a folder: name a file"),
        ("clip.npz", 9, "is there already and no mouth PCA: name another file"),
        ("reviews.jsonl", 9, "is kept for the workspace's own files"),
        ("media/a.wav", 9, "is kept for the workspace's own files"),
        ("new.npz", 9, "run 'portrait-prep run' to its end first"),
    ],
)
def test_a_file_that_is_no_analysis_stays(tmp_path: Path, name: str, frames: int, told: str) -> None:
    (tmp_path / "clip.npz").write_bytes(b"a film")
    with pytest.raises(BadInput, match=told):
        mouth_pca(tmp_path / name, frames=frames, workspace=tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"a film"]


def halves(number: int) -> tuple[list[int], list[int]]:
    """Items to learn from, and those between them."""
    return list(range(0, number, 2)), list(range(1, number, 2))


def test_a_small_lstm_learns_the_mouth_from_the_sound(workspace: Path, pca: Path) -> None:
    """Also where it hears again, at other moments of a window, what it has learnt: windows overlap by half."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    samples = dh_live_audio(workspace, pca)
    made = [samples[number] for number in range(min(len(samples), 40))]
    audio = torch.from_numpy(np.stack([sample["audio"] for sample in made])).reshape(len(made), 26, 160)
    target = torch.from_numpy(np.stack([sample["target"] for sample in made]))
    seen, other = halves(len(made))
    audio = (audio - audio[seen].mean((0, 1))) / (audio[seen].std((0, 1)) + 1)
    target = (target - target[seen, :-LOOK_AHEAD].mean((0, 1))) / target[seen].std((0, 1))
    network, tell = torch.nn.LSTM(160, 64, batch_first=True), torch.nn.Linear(64, 6)
    optimizer = torch.optim.Adam([*network.parameters(), *tell.parameters()], 1e-2)

    def error(chosen: list[int]) -> Any:
        return (tell(network(audio[chosen])[0])[:, LOOK_AHEAD:] - target[chosen, :-LOOK_AHEAD]).square().mean()

    for _ in range(60):
        loss = error(seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    of_mean = target[:, :-LOOK_AHEAD].square()
    assert error(seen).item() < 0.3 * of_mean[seen].mean().item()
    assert error(other).item() < 0.7 * of_mean[other].mean().item()


def test_a_small_renderer_learns_to_fill_in_the_jaw(workspace: Path) -> None:
    """In frames that it has not seen, too: eyes and nose, the hint and five other frames tell of it."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    samples = dh_live_renderer(workspace, stride=40)
    made = [samples[number] for number in range(min(len(samples), 32))]
    pictures = {name: torch.from_numpy(np.stack([sample[name] for sample in made])) for name in ("source", "ref")}
    black = (pictures["source"][:, :3].sum(dim=1, keepdim=True) == 0).float()
    source, ref, blank, target = (
        torch.nn.functional.avg_pool2d(values, 16)
        for values in (*pictures.values(), black, torch.from_numpy(np.stack([sample["target"] for sample in made])))
    )
    given, jaw = torch.cat([source, ref], dim=1), (blank == 1).expand_as(target)
    seen, other = halves(len(made))
    mean = (target[seen] * jaw[seen]).sum((0, 2, 3), keepdim=True) / jaw[seen].sum((0, 2, 3), keepdim=True)
    layers = torch.nn.Sequential(
        *(torch.nn.Conv2d(36, 16, 3, padding=1), torch.nn.LeakyReLU(), torch.nn.Conv2d(16, 16, 3, padding=1)),
        *(torch.nn.LeakyReLU(), torch.nn.Conv2d(16, 3, 3, padding=1)),
    )
    optimizer = torch.optim.Adam(layers.parameters(), 5e-3)

    def error(chosen: list[int], filled: Any) -> Any:
        return (filled + mean - target[chosen])[jaw[chosen]].square().mean()

    for _ in range(150):
        loss = error(seen, layers(given[seen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 * error(seen, 0).item()
    assert error(other, layers(given[other])).item() < 0.6 * error(other, 0).item()
