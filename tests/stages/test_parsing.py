"""The parsing stage, through BiSeNet with random weights and through drawn maps; and torso, which reuses it."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Basis, Record
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import SIZE, Image
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter
from portrait_prep.stages import parsing, torso
from portrait_prep.stages.parsing import STAGE, ParsingParams
from portrait_prep.stages.shoulders.outlines import outlines_of
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.models.random_bisenet import publish
from tests.stages.models.test_bisenet import BISENET, LEVELS, reference, write
from tests.stages.shoulders.drawn_labels import Labels, person
from tests.stages.test_torso import faces, job_of

pytest.importorskip("torch")

ON = ParsingParams(backend="bisenet")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield publish(tmp_path_factory.mktemp("published"), patch)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for the network: the frames are the maps. Returns how many it was given at a time."""
    given: list[int] = []

    def parse(frames: Sequence[Image], gpu: bool = False) -> Labels:
        given.append(len(frames))
        return (np.stack(frames)[..., 1] / LEVELS).round().astype(np.uint8)

    backend = dataclasses.replace(parsing.BACKENDS["bisenet"], parse=parse, provider=lambda _: "drawn")
    monkeypatch.setattr(parsing, "BACKENDS", {**parsing.BACKENDS, "bisenet": backend})
    other = dataclasses.replace(torso.BACKENDS["bisenet"], begin=lambda _: parse, provider=lambda _: "drawn")
    monkeypatch.setattr(torso, "BACKENDS", {**torso.BACKENDS, "bisenet": other})
    return given


def parsed(path: Path, frames: int, params: ParsingParams = ON) -> Batch:
    columns = collect(STAGE, MemoryJob(params, path.parent, frames=frames, files={"mp4": path}))
    assert claims_hold(STAGE, columns)
    return columns


def bits(outlines: NDArray[np.uint32]) -> NDArray[np.integer[Any]]:
    """[n, 2, 512, 512], by what the column says of itself."""
    x = np.arange(SIZE)
    return outlines[..., x // 32] >> (x % 32).astype(np.uint32) & 1


def test_classes_and_outlines_are_those_of_pytorchs_own_run(weights: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    path = write(tmp_path / "v.mp4", list(rng.integers(0, 20, (2, 8, 8), np.uint8).repeat(32, 1).repeat(32, 2)))
    columns = parsed(path, 2)
    expected = reference(weights, list(read_frames(path))).argmax(axis=1)
    assert len(np.unique(expected)) > 3
    assert (columns["classes"] == expected[:, ::4, ::4]).mean() > 0.9999
    for plane, where in enumerate((expected != 0, expected == 16)):
        assert (bits(columns["outlines"])[:, plane] == where).mean() > 0.9999


@pytest.mark.parametrize("frames", [1, 4, 30])
def test_any_number_of_frames_in_batches_of_any_size(frames: int, tmp_path: Path, looked: list[int]) -> None:
    drawn = person()
    maps = [np.roll(drawn, k, axis=1) for k in range(frames)]
    path = write(tmp_path / "v.mp4", maps)
    columns = parsed(path, frames)
    np.testing.assert_array_equal(columns["classes"], np.stack(maps)[:, ::2, ::2])
    assert looked == [4] * (frames // 4) + [frames % 4] * (frames % 4 > 0)
    looked.clear()
    other = parsed(path, frames, ON.model_copy(update={"batch_size": 100}))
    assert all(np.array_equal(other[name], columns[name]) for name in columns)
    assert looked[0] == min(frames, 100)


def test_no_more_frames_are_in_memory_than_are_looked_at_together(tmp_path: Path, looked: list[int]) -> None:
    path = write(tmp_path / "v.mp4", [person()] * 12)
    batches = STAGE.process(MemoryJob(ON, tmp_path, frames=12, files={"mp4": path}))
    for number, batch in enumerate(batches, 1):
        assert len(batch["classes"]) == len(batch["outlines"]) == 4
        assert looked == [4] * number


@pytest.mark.parametrize("side", [16, 100, 192, 256])
def test_the_side_and_the_outlines_are_settings(side: int, tmp_path: Path, looked: list[int]) -> None:
    path = write(tmp_path / "v.mp4", [person()] * 2)
    columns = parsed(path, 2, ON.model_copy(update={"side": side, "outlines": False}))
    whole = person().repeat(2, 0).repeat(2, 1)
    kept = [int(k * 512 / side) for k in range(side)]
    assert columns.keys() == {"classes"}
    np.testing.assert_array_equal(columns["classes"], np.stack([whole[kept][:, kept]] * 2))


def test_a_video_of_other_frames_than_it_was_written_with_is_damaged(tmp_path: Path, looked: list[int]) -> None:
    with pytest.raises(Damaged):
        parsed(write(tmp_path / "v.mp4", [person()] * 3), 4)


def test_what_is_no_class_and_clothes_without_a_person_are_claims_that_fail() -> None:
    classes, outlines = np.zeros((1, 128, 128), np.uint8), np.zeros((1, 2, 512, 16), np.uint32)
    assert claims_hold(STAGE, {"classes": classes, "outlines": outlines})
    outlines[0, 1, 9, 3] = 4
    assert not claims_hold(STAGE, {"outlines": outlines})
    classes[0, 5, 6] = 19
    assert not claims_hold(STAGE, {"classes": classes})


@pytest.mark.parametrize("gap", [[], [0, 7, 8, 29]])
def test_torso_gives_the_same_without_a_look(gap: list[int], tmp_path: Path, looked: list[int]) -> None:
    drawn = person()
    path = write(tmp_path / "v.mp4", [np.roll(drawn, k % 3, axis=1) for k in range(30)])
    landmarks = faces(30)
    landmarks[gap] = np.nan
    outlines = parsed(path, 30)["outlines"]
    alone = job_of(path, landmarks, BISENET)
    expected = collect(torso.STAGE, alone)
    looked.clear()

    reusing = reusing_job(alone, outlines, {"provider": "drawn"})
    found = collect(torso.STAGE, reusing)
    assert looked == []
    assert expected["visible"].any()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert reusing.metrics == alone.metrics


def reusing_job(alone: MemoryJob[Any], outlines: NDArray[np.uint32], metrics: dict[str, Any]) -> MemoryJob[Any]:
    basis = Basis(version=1)
    record = Record(video_id="v", stage="parsing", outcome="done", fingerprint="", basis=basis, metrics=metrics)
    columns = {**alone._columns, "parsing.outlines": outlines}
    return MemoryJob(BISENET, alone._folder, frames=alone.frames, columns=columns, records={"parsing": record})


def test_torso_does_not_fail_where_a_record_does_not_tell_what_the_network_ran_on(
    tmp_path: Path, looked: list[int]
) -> None:
    path = write(tmp_path / "v.mp4", [person()] * 2)
    reusing = reusing_job(job_of(path, faces(2), BISENET), parsed(path, 2)["outlines"], {})
    assert collect(torso.STAGE, reusing)["visible"].shape == (2, 2)
    assert reusing.metrics["provider"] == "unknown"
    assert looked == [2], "by parsing alone"


def test_a_frame_of_a_shard_has_well_under_a_kilobyte(tmp_path: Path) -> None:
    """Of somebody who is drawn, and whose outline wanders up to 2 px to either side in another way in each frame."""
    rng, whole = np.random.default_rng(0), person().repeat(2, 0).repeat(2, 1)

    def drawn() -> Iterator[Batch]:
        for _ in range(260):
            drift = np.interp(np.arange(SIZE), np.arange(0, SIZE + 1, 16), rng.uniform(-2, 2, 33)).round().astype(int)
            labels = whole[np.arange(SIZE)[:, None], (np.arange(SIZE) - drift[:, None]) % SIZE][np.newaxis]
            yield {"classes": labels[:, ::4, ::4], "outlines": outlines_of(labels)}

    path = tmp_path / "shard.parquet"
    with ShardWriter(path, STAGE, ON) as writer:
        writer.rows("v", drawn())
    with ShardReader(path) as reader:
        group = reader.file.metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
    sizes = {column.path_in_schema.partition(".")[0]: column.total_compressed_size / 250 for column in columns}
    assert sizes["classes"] < 350
    assert sizes["classes"] + sizes["outlines"] < 1000
