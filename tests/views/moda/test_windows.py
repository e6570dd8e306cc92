"""MODA's view: windows of sound, face, head and shoulders that mean what its contract says, and that can be learnt."""

import pickle
import shutil
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from portrait_prep.errors import BadInput
from portrait_prep.views.moda.published import published_rotation
from portrait_prep.views.moda.windows import EYE, LIP, PUBLISHED, Targets, as_published, composer, moda
from portrait_prep.views.reading.samples import Draw
from tests.views import moving_faces
from tests.views.moving_faces import GAP, STILL
from tests.whole.runs import SHARED

CATHY = SHARED / "data" / "moda" / "cathy_repr.npz"
EYES = (
    *(474, 475, 476, 477, 249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466),
    *(276, 282, 283, 285, 293, 295, 296, 300, 334, 336, 469, 470, 471, 472, 7, 33, 133, 144, 145, 153),
    *(154, 155, 157, 158, 159, 160, 161, 163, 173, 246, 46, 52, 53, 55, 63, 65, 66, 70, 105, 107),
)
LIPS = (
    *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181),
    *(185, 191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
)
WINDOW = {
    "audio": ((600, 640), "float32"),
    "mesh": ((600, 1434), "float32"),
    "headmotion": ((600, 7), "float32"),
    "torso": ((600, 54), "float32"),
    "mask": ((600,), "bool"),
    "torso_visible": ((600, 2), "bool"),
    "reference": ((478, 3), "float32"),
    "headmotion_mean": ((7,), "float32"),
    "torso_mean": ((18, 3), "float32"),
    "eye": ((60,), "int64"),
    "lip": ((40,), "int64"),
    "torso_mask": ((), "bool"),
    "frames": ((), "int64"),
    "first": ((), "int64"),
}
Values = NDArray[np.float64]


@pytest.fixture
def workspace(moving_workspace: Path) -> Path:
    return moving_workspace


def kinds(sample: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], str]]:
    arrays = {name: np.asarray(value) for name, value in sample.items() if name != "video_id"}
    return {name: (value.shape, value.dtype.name) for name, value in arrays.items()}


def standard_sound(root: Path, video_id: str) -> Values:
    """Of the whole clip, by the standard library and the definition, [n, 640]."""
    with wave.open(str(root / "media" / f"{video_id}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    return np.asarray(((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).reshape(-1, 640))


def column(root: Path, name: str, video_id: str) -> Values:
    """A column of a video, read by PyArrow alone."""
    stage, _, name = name.partition(".")
    table = pq.read_table(sorted((root / stage).glob("*-*.parquet")), filters=[("video_id", "=", video_id)])
    values, shape = table[name].combine_chunks(), [len(table)]
    while pa.types.is_fixed_size_list(values.type):
        shape.append(values.type.list_size)
        values = values.flatten()
    return np.asarray(values.to_numpy(zero_copy_only=False), float).reshape(shape)


def motion(root: Path, video_id: str) -> tuple[Values, Values, Values]:
    """What the targets are made of: canonical, the seven numbers of the head, billboard."""
    canonical, *head = (
        column(root, f"headpose.{name}", video_id) for name in ("canonical", "euler", "translation", "scale")
    )
    return canonical, np.column_stack(head), column(root, "torso.billboard", video_id)


def to_image(sample: Mapping[str, Any], order: str) -> Values:
    """The contract's way back, from a window to image px: R^-1((c - centre) / scale) + translation, z negated."""
    std = {name: sample.get(f"{name}_std", np.ones(1)).reshape(-1) for name in ("mesh", "headmotion")}
    face = (sample["mesh"].astype(float) * std["mesh"]).reshape(-1, 478, 3) + sample["reference"]
    head = sample["headmotion"].astype(float) * std["headmotion"] + sample["headmotion_mean"]
    turn = Rotation.from_euler(order, head[:, [1, 0, 2]], degrees=True).as_matrix()
    upright = (face - (256, 232, 128)) / head[:, 6, None, None]
    return np.asarray((upright @ turn + head[:, None, 3:6]) * (1, 1, -1))


def test_points_are_those_of_the_contract() -> None:
    assert tuple(EYE.tolist()) == EYES
    assert tuple(LIP.tolist()) == LIPS


@pytest.mark.skipif(not CATHY.is_file(), reason=f"the published person is not here ({CATHY})")
def test_points_are_those_of_the_published_person() -> None:
    with np.load(CATHY, allow_pickle=False) as known:
        np.testing.assert_array_equal(known["templete"][EYE], known["eye"])
        np.testing.assert_array_equal(known["templete"][LIP], known["lip"])


def test_windows_are_as_the_contract_has_them(workspace: Path) -> None:
    samples = moda(workspace)
    assert kinds(samples[0]) == WINDOW
    found = [(samples.reader.videos[item.video].video.video_id, item.first) for item in samples.items]
    expected = {"ann-1": (0, 200), "bob-gap": (0, 200, 830, 1030), "train.txt": (0, 200), "test.txt": (0, 200, 400)}
    assert found == [(video_id, first) for video_id, firsts in expected.items() for first in firsts]
    assert len(samples) == len(found)
    for number in (0, 4, 10):
        sample = samples[number]
        assert (sample["video_id"], sample["first"], sample["frames"]) == (*found[number], 600)
        assert sample["mask"].all()
        assert all(np.isfinite(sample[name]).all() for name in ("audio", "mesh", "headmotion", "torso"))
    assert len(moda(workspace, split="train", length=100, stride=50)) == 17 + 4
    with pytest.raises(BadInput, match="No video"):
        moda(workspace, split="none")


def test_a_row_of_sound_is_the_640_samples_of_its_frame(workspace: Path) -> None:
    whole = standard_sound(workspace, "ann-1")
    samples = moda(workspace, length=300, stride=137, video_id="ann-1")
    for number in range(len(samples)):
        sample = samples[number]
        np.testing.assert_allclose(sample["audio"], whole[sample["first"] :][:300], atol=1e-5)
    joined = moda(workspace, length=915, video_id="ann-1")[0]["audio"].astype(float)
    assert abs(joined.mean()) < 1e-5
    assert joined.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("standardize", [False, True])
def test_targets_are_told_relative_to_the_person(workspace: Path, standardize: bool) -> None:
    """Mean and deviation over both videos of ann."""
    videos = {video_id: motion(workspace, video_id) for video_id in ("ann-1", "ann-2")}
    samples = moda(workspace, length=200, stride=200, subject="ann", targets=Targets(standardize=standardize))
    assert len(samples) == 5
    means = {"mesh": "reference", "headmotion": "headmotion_mean", "torso": "torso_mean"}
    for place, (name, mean_name) in enumerate(means.items()):
        every = np.concatenate([values[place] for values in videos.values()])
        for number in (1, 4):
            sample = samples[number]
            np.testing.assert_allclose(sample[mean_name], every.mean(axis=0), rtol=1e-5, atol=1e-4)
            expected = videos[sample["video_id"]][place][sample["first"] :][:200] - every.mean(axis=0)
            if standardize:
                deviation = np.maximum(every.std(axis=0), 1e-6)
                np.testing.assert_allclose(sample[f"{name}_std"], deviation, rtol=1e-4, atol=1e-4)
                moves = deviation > 1e-2
                expected = np.where(moves, expected / deviation, 0)
                sample[name].reshape(expected.shape)[:, ~moves] = 0
            assert f"{name}_std" in sample or not standardize
            np.testing.assert_allclose(sample[name], expected.reshape(200, -1), atol=2e-3)


def test_the_reference_is_a_face_in_canonical_units(workspace: Path) -> None:
    """Eyes 120 px apart around (256, 232, 128), as MODA's released weights have them."""
    for targets in (Targets(), PUBLISHED):
        reference = moda(workspace, video_id="train.txt", targets=targets)[0]["reference"]
        np.testing.assert_allclose(reference[[50, 280, 168]].mean(axis=0), [256, 232, 128], atol=0.05)
        left, right = reference[list(EYES[4:20]), 0], reference[list(EYES[34:50]), 0]
        assert np.abs(left - right).mean() == pytest.approx(120, abs=0.3)
        # x to the right, y down, z toward the camera.
        assert reference[263, 0] > reference[33, 0]
        assert reference[152, 1] > reference[10, 1]
        assert reference[1, 2] > reference[234, 2]


@pytest.mark.parametrize("targets", [Targets(), Targets(centre="clip"), Targets(standardize=True), PUBLISHED])
def test_a_window_leads_back_to_the_image(workspace: Path, targets: Targets) -> None:
    exact = Targets(targets.centre, targets.standardize, targets.order, unsmoothed=True)
    first = 100
    truth = moving_faces.landmarks("ann-1")[first : first + 300]
    for told, furthest in ((exact, 0.01), (targets, 6.0)):
        sample = moda(workspace, length=300, stride=first, targets=told, video_id="ann-1")[1]
        assert sample["first"] == first
        image = to_image(sample, told.order)
        assert np.abs(image - truth).max() < furthest
        np.testing.assert_allclose(told.to_landmarks(sample), image, atol=1e-3)


def test_real_windows_lead_back_to_the_landmarks(clips_workspace: Path) -> None:
    for targets in (Targets("clip", unsmoothed=True), Targets("clip", order="xyz", unsmoothed=True)):
        samples = moda(clips_workspace, targets=targets, short=True, accepted=None)
        assert {item.frames for item in samples.items} >= {600, 175}
        for sample in samples:
            landmarks = column(clips_workspace, "landmarks.landmarks", sample["video_id"])
            there = landmarks[sample["first"] :][: sample["frames"]]
            assert np.abs(to_image(sample, targets.order)[: sample["frames"]] - there).max() < 0.5


def test_smoothed_faces_stay_with_the_landmarks(clips_workspace: Path) -> None:
    for sample in moda(clips_workspace, short=True, targets=Targets("clip"), accepted=None):
        landmarks = column(clips_workspace, "landmarks.landmarks", sample["video_id"])
        there = landmarks[sample["first"] :][: sample["frames"]]
        away = np.linalg.norm((to_image(sample, "XYZ")[: sample["frames"]] - there)[..., :2], axis=2)
        assert away.mean() < 2
        # Nothing leads and nothing lags: any other frame is further away.
        for lag in (-2, 2):
            shifted = np.linalg.norm((np.roll(to_image(sample, "XYZ")[: len(there)], lag, 0) - there)[..., :2], axis=2)
            assert away[5:-5].mean() < 0.8 * shifted[5:-5].mean()


@pytest.mark.parametrize(
    ("euler", "tilt"),
    [((25, 0, 0), 0.0), ((10, 10, 5), 2.1), ((20, 10, 10), 5.2), ((30, 15, 10), 9.6), ((30, 20, 20), 15.9)],
)
def test_the_published_order_leaves_a_tilt(euler: tuple[int, int, int], tilt: float) -> None:
    """By as much as was found in the original."""
    yaw, pitch, roll = euler
    head = Rotation.from_euler("XYZ", [pitch, yaw, roll], degrees=True).inv().as_matrix()
    left = Rotation.from_matrix(published_rotation(np.array([euler], float))[0] @ head)
    assert np.rad2deg(left.magnitude()) == pytest.approx(tilt, abs=0.06)


def test_the_published_units_are_the_contracts(workspace: Path) -> None:
    """Of a clip's own landmarks: q = R(p - t) by scipy's "xyz", eyes 120 px apart, means over frames with a face."""
    targets = Targets("clip", order="xyz", unsmoothed=True)
    sample = moda(workspace, length=300, stride=400, targets=targets, video_id="bob-gap")[1]
    points = moving_faces.landmarks("bob-gap") * (1.0, 1, -1)
    centre = points[:, [50, 280, 168]].mean(axis=1, keepdims=True)
    euler = column(workspace, "headpose.euler", "bob-gap")
    there = np.isfinite(euler[:, 0])
    turn = Rotation.from_euler("xyz", np.where(there[:, None], euler, 0)[:, [1, 0, 2]], degrees=True).as_matrix()
    upright = (points - centre) @ turn.swapaxes(1, 2)
    scale = 120 / np.abs(upright[:, EYES[4:20], 0] - upright[:, EYES[34:50], 0]).mean(axis=1)
    mesh = scale[:, None, None] * upright + (256, 232, 128)
    head = np.column_stack([euler, centre[:, 0], scale])
    np.testing.assert_allclose(sample["reference"], mesh[there].mean(axis=0), atol=0.01)
    np.testing.assert_allclose(sample["headmotion_mean"], head[there].mean(axis=0), atol=0.01)
    found = sample["mesh"].reshape(300, 478, 3) + sample["reference"]
    np.testing.assert_allclose(found, mesh[400:700], atol=0.01)
    np.testing.assert_allclose(sample["headmotion"] + sample["headmotion_mean"], head[400:700], atol=0.01)


def test_means_of_a_clip_are_over_its_frames_with_a_face(workspace: Path) -> None:
    sample = moda(workspace, length=300, targets=Targets(centre="clip"), video_id="bob-gap")[0]
    canonical, head, billboard = motion(workspace, "bob-gap")
    assert np.isnan(canonical).any()
    np.testing.assert_allclose(sample["reference"], np.nanmean(canonical, axis=0), atol=1e-3)
    np.testing.assert_allclose(sample["headmotion_mean"], np.nanmean(head, axis=0), atol=1e-3)
    np.testing.assert_allclose(sample["torso_mean"], np.nanmean(billboard, axis=0), atol=1e-3)


def test_short_videos_are_padded_on_request(workspace: Path) -> None:
    assert len(moda(workspace, subject="ann")) == 2
    samples = moda(workspace, subject="ann", short=True)
    assert len(samples) == 3
    sample = samples[2]
    assert kinds(sample) == WINDOW
    assert (sample["video_id"], sample["frames"], sample["mask"].sum()) == ("ann-2", 250, 250)
    assert sample["mask"][:250].all()
    for name in ("audio", "mesh", "headmotion", "torso", "torso_visible"):
        assert not sample[name][250:].any()
        assert sample[name][:250].any()
    np.testing.assert_allclose(sample["audio"][:250], standard_sound(workspace, "ann-2"), atol=1e-5)


def test_shoulders_that_stand_still_or_were_not_seen_are_masked(workspace: Path) -> None:
    """By the deviation of the clip, in px, whose mean of all 54 must be above 0.5; and by the share of frames."""
    told = dict[str, bool]()
    for sample in moda(workspace, length=60, stride=500, short=True):
        billboard = column(workspace, "torso.billboard", sample["video_id"])
        deviation = np.nanstd(billboard.reshape(-1, 54), axis=0).mean()
        seen = column(workspace, "torso.visible", sample["video_id"])[sample["first"] :][: sample["frames"]]
        assert sample["torso_mask"] == (deviation > 0.5 and bool((seen.mean(axis=0) >= 0.9).all()))
        told[sample["video_id"]] = sample["torso_mask"]
        visible = column(workspace, "torso.visible", sample["video_id"])
        np.testing.assert_array_equal(sample["torso_visible"], visible[sample["first"] :][:60])
    assert not told[STILL]
    assert told["ann-1"]


def test_starts_drawn_by_lot_stay_between_gaps(workspace: Path) -> None:
    samples = moda(workspace, length=750, stride=200, jitter=99, video_id="bob-gap", seed=4)
    starts = {(number, samples[Draw(number, epoch)]["first"]) for number in (0, 1) for epoch in range(12)}
    assert len(starts) > 12
    for number, first in starts:
        low = (0, 830)[number]
        assert low <= first <= low + 99
        assert first + 750 <= (GAP[0], 1650)[number]
    again = samples[Draw(1, 3)]
    assert again["first"] == samples[Draw(1, 3)]["first"]
    np.testing.assert_allclose(again["audio"], standard_sound(workspace, "bob-gap")[again["first"] :][:750], atol=1e-5)


def test_the_composer_gets_lips_and_eyes_and_is_to_tell_the_face(workspace: Path) -> None:
    sample, whole = composer(workspace)[3], moda(workspace)[3]
    assert kinds(sample) == {
        "lip": ((600, 120), "float32"),
        "eye": ((600, 180), "float32"),
        "mesh": ((600, 1434), "float32"),
        "reference": ((1434,), "float32"),
        **{name: WINDOW[name] for name in ("mask", "frames", "first")},
    }
    np.testing.assert_array_equal(sample["mesh"], whole["mesh"])
    np.testing.assert_array_equal(sample["reference"], whole["reference"].reshape(-1))
    mesh = sample["mesh"].reshape(600, 478, 3)
    np.testing.assert_array_equal(sample["lip"].reshape(600, 40, 3), mesh[:, LIPS])
    np.testing.assert_array_equal(sample["eye"].reshape(600, 60, 3), mesh[:, EYES])
    assert np.concatenate([sample[name] for name in ("lip", "eye", "mesh")], axis=1).shape == (600, 1734)
    assert set(composer(workspace, targets=Targets(standardize=True))[0]) == {*sample, "mesh_std"}


def test_its_own_training_loop_gets_its_seven_things(workspace: Path) -> None:
    sample = moda(workspace, targets=PUBLISHED)[0]
    audio, mesh, head, torso, torso_mask, torso_mean, meta = as_published(sample)
    assert [each.shape for each in (audio, mesh, head, torso, torso_mean)] == [
        *((384000,), (600, 1434), (600, 7), (600, 54), (18, 3)),
    ]
    assert isinstance(torso_mask, bool)
    assert (tuple(meta["Eye"]), tuple(meta["Lip"])) == (EYES, LIPS)
    assert (meta["Reference"].shape, meta["MeanHeadmotion"].shape) == ((478, 3), (7, 1))
    np.testing.assert_array_equal(audio[640 * 7 : 640 * 8], sample["audio"][7])


def test_samples_are_the_callers_own_and_travel_as_paths(workspace: Path) -> None:
    for make in (moda, composer):
        samples = make(workspace, length=50, stride=50, targets=Targets(standardize=True))
        first = samples[2]
        kept = {name: np.copy(value) for name, value in first.items()}
        for value in first.values():
            if isinstance(value, np.ndarray):
                value[:] = 7
        copied = pickle.loads(pickle.dumps(samples))
        assert len(pickle.dumps(samples)) < 100_000
        for sample in (samples[2], copied[2]):
            assert all(np.array_equal(sample[name], kept[name]) for name in kept)


def test_tensors_share_the_memory_of_a_sample(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = pytest.importorskip("portrait_prep.views.reading.loader", reason="PyTorch is not installed")
    samples = moda(workspace)
    sample = samples[0]
    monkeypatch.setattr(type(samples), "__getitem__", lambda *_: sample)
    tensors = loading.TorchSamples(samples)[0]
    for name, value in sample.items():
        if isinstance(value, np.ndarray):
            assert np.shares_memory(tensors[name].numpy(), value), name


def test_what_targets_cannot_be_told_of_is_known_before_training(workspace: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(workspace, tmp_path / "w"))
    known = pq.read_table(root / "stats" / "subjects.parquet")
    pq.write_table(known.filter(pc.not_equal(known["subject"], "cy")), root / "stats" / "subjects.parquet")
    for view in (moda, composer):
        with pytest.raises(BadInput, match=r"no statistics of cy: .*Targets\(centre='clip'\)"):
            view(root, length=50)
        assert len(view(root, length=50, subject="cy", targets=Targets(centre="clip"))) == 1
    table = pq.read_table(root / "manifests.parquet")
    of_ann = pc.and_(pc.equal(table["video_id"], "ann-2"), pc.equal(table["stage"], "stats"))
    pending = pc.if_else(of_ann, "pending", table["outcome"])
    place = table.schema.get_field_index("outcome")
    pq.write_table(table.set_column(place, "outcome", pending), root / "manifests.parquet")
    assert {footage.video.video_id for footage in moda(root, subject="ann", length=50).reader.videos} == {"ann-1"}
    with pytest.raises(BadInput, match=r"1 not done at .*stats"):
        composer(root, video_id="ann-2", length=50)
    assert len(moda(root, video_id="ann-2", length=50, targets=PUBLISHED)) == 2


def test_units_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="centre must be 'clip'"):
        Targets(order="xyz")
    for wrong in ({"centre": "frame"}, {"order": "zyx"}):
        with pytest.raises(ValueError, match="centre is 'subject' or 'clip'"):
            Targets(**wrong)  # type: ignore[arg-type]


def learn(samples: Any, steps: int) -> tuple[float, float]:
    """MODA's loss of a small network of its kind after some steps, and that of predicting the mean."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    loading = pytest.importorskip("portrait_prep.views.reading.loader")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    batch = next(iter(loading.Loader(samples, batch_size=4)))
    assert batch["audio"].shape[1:] == (samples.make.length, 640)
    assert batch["torso_mask"].dtype == torch.bool
    hear = torch.nn.Sequential(torch.nn.Conv1d(1, 24, 160, 160), torch.nn.ReLU(), torch.nn.Conv1d(24, 48, 4, 4))
    know = torch.nn.Linear(1434, 48)
    think = torch.nn.GRU(48, 48, batch_first=True, bidirectional=True)
    tell = torch.nn.ModuleDict({"lip": torch.nn.Linear(96, 120), "headmotion": torch.nn.Linear(96, 7)})
    parts = torch.nn.ModuleList([hear, know, think, tell])
    optimizer = torch.optim.Adam(parts.parameters(), 4e-3)
    mesh = batch["mesh"].reshape(*batch["mesh"].shape[:2], 478, 3)
    truth = {"lip": mesh[:, :, batch["lip"][0]].flatten(2), "headmotion": batch["headmotion"]}
    truth = {name: (each - each.mean((0, 1))) / each.std((0, 1)).clamp_min(0.1) for name, each in truth.items()}
    for _ in range(steps):
        heard = hear(batch["audio"].flatten(1)[:, None]).transpose(1, 2)
        thought = think(torch.relu(heard + know((batch["reference"].flatten(1) - 200) / 100)[:, None]))[0]
        losses = {name: ((tell[name](thought) - each) ** 2)[batch["mask"]].mean() for name, each in truth.items()}
        loss = 5 * losses["lip"] + losses["headmotion"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses["lip"].item(), truth["lip"].square().mean().item()


def test_a_small_network_learns_the_lips_from_the_sound(workspace: Path) -> None:
    loss, of_mean = learn(moda(workspace, length=100, stride=100, video_id="ann-1"), 25)
    assert loss < 0.4 * of_mean


def test_a_small_network_learns_real_lips(clips_workspace: Path) -> None:
    samples = moda(
        clips_workspace, length=100, stride=25, targets=Targets("clip"), accepted=None, video_id="WDA_KatieHill_000"
    )
    loss, of_mean = learn(samples, 45)
    assert loss < 0.5 * of_mean
