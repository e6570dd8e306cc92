import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from portrait_prep.manifests.video import TAKEN, Video
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.stats import STAGE, StatsParams, file_names, reduce
from portrait_prep.stages.streaming.described import DESCRIBED
from tests.memory_job import MemoryJob, collect
from tests.stages.spoken import FRAMES, distances_of, fbank_of, landmarks_of, powers_of, speech

FRAME_SHAPES = {
    "headpose.canonical": (478, 3),
    "headpose.euler": (3,),
    "headpose.translation": (3,),
    "headpose.scale": (),
    "torso.billboard": (18, 3),
    "landmarks.landmarks": (478, 3),
}


def video(video_id: str, subject: str) -> Video:
    return Video(video_id=video_id, corpus="folder", subject=subject, source=video_id)


def columns_of(seed: int, frames: int, gaps: Iterable[int] = ()) -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    columns = {
        name: (generator.standard_normal((frames, *shape)) * 3 + 250 + seed).astype(np.float32)
        for name, shape in FRAME_SHAPES.items()
    }
    for values in columns.values():
        values[list(gaps)] = np.nan
    columns["speech.fbank"] = generator.standard_normal((frames, 2, 80)).astype(np.float32)
    return columns


def job_of(folder: Path, columns: dict[str, NDArray[np.float32]]) -> MemoryJob[StatsParams]:
    return MemoryJob(StatsParams(), folder, frames=len(columns["headpose.scale"]), columns=columns)


def row_of(folder: Path, columns: dict[str, NDArray[np.float32]]) -> Batch:
    return collect(STAGE, job_of(folder, columns))


def truth(videos: list[dict[str, NDArray[np.float32]]], name: str) -> NDArray[np.float64]:
    values = np.concatenate([columns[name] for columns in videos]).astype(np.float64)
    return values[np.isfinite(values).reshape(len(values), -1).all(axis=1)]


def table_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["subject"]: row for row in pq.read_table(folder / "subjects.parquet").to_pylist()}


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


CORPUS = {
    "a1": ("anna", columns_of(1, 300, gaps=(0, 17, 299))),
    "a2": ("anna", columns_of(2, 40)),
    "b1": ("ben", columns_of(3, 260)),
    "b2": ("ben", columns_of(4, 5, gaps=range(5))),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Video, Batch]]:
    folder = tmp_path_factory.mktemp("rows")
    return {name: (video(name, subject), row_of(folder, columns)) for name, (subject, columns) in CORPUS.items()}


def test_a_videos_row_holds_its_moments(rows: dict[str, tuple[Video, Batch]]) -> None:
    _, row = rows["a1"]
    for column in DESCRIBED:
        values = truth([CORPUS["a1"][1]], column.reads).reshape(-1, *column.shape)
        assert row[f"{column.name}_count"].tolist() == [297]
        np.testing.assert_allclose(row[f"{column.name}_mean"][0], values.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(row[f"{column.name}_m2"][0], values.var(axis=0) * 297, rtol=1e-9)


def test_a_video_of_gaps_only_counts_nothing(rows: dict[str, tuple[Video, Batch]]) -> None:
    _, row = rows["b2"]
    assert row["canonical_count"].tolist() == [0]
    assert np.isfinite(row["canonical_mean"]).all()


def test_metrics_tell_how_far_lips_and_voice_are_apart(tmp_path: Path) -> None:
    said, columns = speech(0), columns_of(1, FRAMES)
    columns["landmarks.landmarks"], columns["headpose.scale"] = landmarks_of(distances_of(said), 0)
    columns["speech.fbank"] = fbank_of(powers_of(np.roll(said, 6, axis=0)))
    job = job_of(tmp_path, columns)
    collect(STAGE, job)
    assert job.metrics["n_frames"] == FRAMES
    assert job.metrics["lag"] == -6
    assert job.metrics["lag_strength"] > 5


def test_a_lag_that_is_undetermined_is_null(tmp_path: Path) -> None:
    talking, short = job_of(tmp_path, CORPUS["a1"][1]), job_of(tmp_path, CORPUS["a2"][1])
    for job in (talking, short):
        collect(STAGE, job)
        assert job.metrics["lag"] is None
    assert talking.metrics["lag_strength"] < 3.5
    assert short.metrics["lag_strength"] is None


def test_statistics_equal_numpy_over_all_frames(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    files = reduce(rows.values(), tmp_path)
    assert files == [tmp_path / name for name in ("anna.npz", "ben.npz", "subjects.parquet")]
    table = table_of(tmp_path)
    assert list(table) == ["anna", "ben", "*"]
    members = {"anna": ["a1", "a2"], "ben": ["b1", "b2"], "*": ["a1", "a2", "b1", "b2"]}
    for subject, names in members.items():
        row = table[subject]
        assert row["videos"] == names
        assert row["n_videos"] == len(names)
        assert row["n_frames"] == len(truth([CORPUS[name][1] for name in names], "headpose.scale"))
        for column in DESCRIBED:
            values = truth([CORPUS[name][1] for name in names], column.reads).reshape(-1, *column.shape)
            np.testing.assert_allclose(row[f"{column.name}_mean"], values.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(row[f"{column.name}_std"], values.std(axis=0), rtol=1e-9)


def test_files_in_their_place_that_are_too_large_for_the_memory_are_replaced_unread(
    tmp_path: Path, rows: dict[str, tuple[Video, Batch]]
) -> None:
    files = reduce(rows.values(), tmp_path)
    contents = [path.read_bytes() for path in files]
    for path in files:
        os.truncate(path, 1 << 40)
    reduce(rows.values(), tmp_path)
    assert [path.read_bytes() for path in files] == contents


def test_tensors_are_nested_fixed_size_lists_of_doubles(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    reduce(rows.values(), tmp_path)
    schema = pq.read_schema(tmp_path / "subjects.parquet")
    for name in ("mean", "std"):
        assert schema.field(f"canonical_{name}").type == pa.list_(pa.list_(pa.float64(), 3), 478)
        assert schema.field(f"billboard_{name}").type == pa.list_(pa.list_(pa.float64(), 3), 18)
        assert schema.field(f"scale_{name}").type == pa.list_(pa.float64(), 1)
    assert schema.field("euler_mean").metadata[b"unit"] == b"degree"


def test_the_npz_of_a_subject_holds_the_arrays_of_its_row(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    reduce(rows.values(), tmp_path)
    row = table_of(tmp_path)["anna"]
    with np.load(tmp_path / "anna.npz", allow_pickle=False) as archive:
        assert str(archive["subject"]) == "anna"
        assert archive["videos"].tolist() == ["a1", "a2"]
        assert int(archive["n_frames"]) == row["n_frames"]
        for column in DESCRIBED:
            for name in (f"{column.name}_mean", f"{column.name}_std"):
                assert archive[name].dtype == np.float64
                np.testing.assert_array_equal(archive[name], np.array(row[name]))


def test_the_same_rows_leave_every_file_untouched(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    reduce(rows.values(), tmp_path)
    before = snapshot(tmp_path)
    reduce(iter(list(rows.values())), tmp_path)
    assert snapshot(tmp_path) == before


def test_a_new_video_touches_its_subject_and_the_table_only(
    tmp_path: Path, rows: dict[str, tuple[Video, Batch]]
) -> None:
    reduce([rows["a1"], rows["b1"]], tmp_path)
    before = snapshot(tmp_path)
    reduce([rows["a1"], rows["a2"], rows["b1"]], tmp_path)
    after = snapshot(tmp_path)
    assert [name for name in after if after[name] != before[name]] == ["anna.npz", "subjects.parquet"]


def test_bytes_do_not_depend_on_the_way_there(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    grown, fresh = tmp_path / "grown", tmp_path / "fresh"
    for count in range(1, len(rows) + 1):
        reduce(list(rows.values())[:count], grown)
    reduce(rows.values(), fresh)
    assert {p.name: p.read_bytes() for p in grown.iterdir()} == {p.name: p.read_bytes() for p in fresh.iterdir()}


def test_a_subject_without_videos_loses_its_file_and_nobody_else_does(
    tmp_path: Path, rows: dict[str, tuple[Video, Batch]]
) -> None:
    reduce(rows.values(), tmp_path)
    (tmp_path / "mine.npz").write_bytes(b"the user's own")
    (tmp_path / "folder-00000.parquet").write_bytes(b"a shard")
    reduce([rows["b1"]], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "ben.npz",
        "folder-00000.parquet",
        "mine.npz",
        "subjects.parquet",
    }


def test_a_table_that_names_files_elsewhere_removes_none(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    folder, outside = tmp_path / "stats", tmp_path / "keep.npz"
    folder.mkdir()
    outside.write_bytes(b"")
    (folder / "shard.parquet").write_bytes(b"")
    pq.write_table(pa.table({"file": ["../keep.npz", "shard.parquet", None]}), folder / "subjects.parquet")
    reduce([rows["b1"]], folder)
    assert outside.exists()
    assert (folder / "shard.parquet").exists()


def test_a_damaged_table_is_made_anew(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    (tmp_path / "subjects.parquet").write_bytes(b"cut short")
    reduce([rows["b1"]], tmp_path)
    assert list(table_of(tmp_path)) == ["ben", "*"]


def test_without_accepted_videos_the_corpus_has_no_values(tmp_path: Path) -> None:
    reduce([], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["subjects.parquet"]
    (row,) = table_of(tmp_path).values()
    assert (row["subject"], row["n_videos"], row["n_frames"], row["videos"]) == ("*", 0, 0, [])
    for column in DESCRIBED:
        assert np.shape(row[f"{column.name}_mean"]) == column.shape
        assert np.isnan(row[f"{column.name}_mean"]).all()
        assert np.isnan(row[f"{column.name}_std"]).all()


def test_every_subject_has_a_safe_file_of_its_own() -> None:
    spaced = "Anna B"
    (taken,) = file_names([spaced]).values()
    subjects = ["anna", "Anna/B", spaced, "Änna B", "..", taken.removesuffix(".npz")]
    names = file_names(subjects)
    assert names["anna"] == "anna.npz"
    assert names[taken.removesuffix(".npz")] == taken  # a safe name stays what it is
    assert len(set(names.values())) == len(subjects)
    assert all("/" not in name and not name.startswith(".") for name in names.values())
    assert file_names(reversed(subjects)) == names


def test_no_shard_can_have_the_name_of_a_table(tmp_path: Path, rows: dict[str, tuple[Video, Batch]]) -> None:
    assert {path.stem for path in reduce(rows.values(), tmp_path) if path.suffix == ".parquet"} == TAKEN


def test_invariants_find_broken_moments(rows: dict[str, tuple[Video, Batch]]) -> None:
    _, row = rows["a1"]
    broken = {name: values.copy() for name, values in row.items()}
    broken["canonical_count"][0] += 1
    broken["euler_m2"][0, 1] = -1
    for invariant in STAGE.invariants:
        assert invariant.holds(row).tolist() == [True]
        assert invariant.holds(broken).tolist() == [False]
