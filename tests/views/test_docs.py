"""README and pages: what their lines import is there, the recipes run as they stand, and choose what they say."""

import ast
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.huggingface.export import DATASETS
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.webdataset import WEBDATASET
from tests.views.moving_faces import FRAMES

ROOT = Path(__file__).parents[2]
README, OTHER_TOOLS, READING = ROOT / "README.md", ROOT / "docs/interoperability.md", ROOT / "docs/views/reading.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
OURS = "portrait_prep."
TRAIN, REJECTED = ("ann-1", "cy-drawn"), "ann-2"
"""Of the moving faces: what is on the side `train` and accepted here, and what is on it and is not."""
FRAMES_OF_TRAIN = sum(FRAMES[video_id] for video_id in TRAIN)
RECIPES: Mapping[str, tuple[Path, tuple[str, ...]]] = {
    "reader": (README, ("Reader(",)),
    "pyarrow": (README, ("import pyarrow.parquet",)),
    "pandas": (README, ("import pyarrow.parquet", "import pandas")),
    "duckdb": (README, ("import duckdb",)),
    "duckdb of the page": (OTHER_TOOLS, ("CREATE VIEW",)),
    "polars": (OTHER_TOOLS, ("import polars",)),
}
"""Tool -> page, and words by which its blocks are found; what they print names the shape of `canonical`."""


def code(page: Path) -> list[str]:
    """The blocks of Python on a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_imports_is_there(page: Path) -> None:
    if page.parent.name == "views":
        assert code(page)
        pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    for block in code(page):
        for line in ast.walk(ast.parse(block)):
            if isinstance(line, ast.ImportFrom) and str(line.module).startswith(OURS):
                exec(ast.unparse(line), {})


@pytest.fixture(scope="module")
def sides(moving_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace `W` with accepted and rejected videos on the side `train`, and others elsewhere."""
    root = tmp_path_factory.mktemp("sides") / "W"
    shutil.copytree(moving_workspace, root)
    for name in ("catalogue.parquet", "manifests.parquet"):
        table = pq.read_table(root / name)
        rows = table.to_pylist()
        for row in rows:
            row["split"] = "train" if row["video_id"] in TRAIN else row["split"]
            if "accepted" in row:
                row["accepted"] = row["accepted"] and row["video_id"] != REJECTED
        pq.write_table(pa.Table.from_pylist(rows, table.schema), root / name)
    return root.parent


Run = Callable[[Path, Sequence[str]], dict[str, Any]]


@pytest.fixture
def run(sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the blocks of a page that have one of the words in them; what the last one prints and all names stay."""
    monkeypatch.chdir(sides)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))

    def run(page: Path, words: Sequence[str]) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for block in code(page):
            if any(word in block for word in words):
                for module in re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE):
                    pytest.importorskip(module, reason=f"{module} is not installed")
                capsys.readouterr()
                exec(compile(block, page.name, "exec"), names)
        return names

    return run


def expected(folder: Path) -> NDArray[np.float32]:
    """float32 [frames, 478, 3]: the canonical points of the accepted train split, by the reader."""
    reader = Reader(folder / "W", ["headpose.canonical"], video_id=TRAIN)
    return np.concatenate([reader.read(number)["headpose.canonical"] for number in range(len(reader))])


@pytest.mark.parametrize("tool", RECIPES)
def test_a_recipe_reads_the_accepted_train_split(
    run: Run, sides: Path, tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run(*RECIPES[tool])
    said = capsys.readouterr().out
    if tool == "polars":  # the block goes on to landmarks by pandas
        names["canonical"] = names["frames"]["canonical"].to_numpy()
        said = said.splitlines()[0]
    found, points = names["canonical"], expected(sides)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, points[-len(found) :])  # a loop leaves the last video
    assert sum(map(int, re.findall(r"\((\d+), 478, 3\)", said))) == FRAMES_OF_TRAIN


def test_the_recipe_for_pytorch_gives_batches_of_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    batch = run(README, ("Reader(", "DataLoader"))["batch"]
    assert str(batch["canonical"].dtype) == "torch.float32"
    said = capsys.readouterr().out
    windows = sum((FRAMES[video_id] - 50) // 25 + 1 for video_id in TRAIN)
    assert sum(map(int, re.findall(r"\[(\d+), 50, 478, 3\]", said))) == windows
    assert set(re.findall(r"'(\w+)'", said)) == {"ann", "cy"}


def test_the_recipe_for_datasets_reads_it_too(run: Run, sides: Path) -> None:
    frames = run(OTHER_TOOLS, ("cast_column(",))["frames"][:]
    assert frames["canonical"].dtype == np.float32
    np.testing.assert_array_equal(frames["canonical"], expected(sides))
    assert [*dict.fromkeys(frames["subject"])] == ["ann", "cy"]


def test_the_recipe_for_export_datasets_reads_it(run: Run, sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_export(DATASETS, sides / "W", sides / "frames", choice=Choice(split=("train",)))
    points = run(OTHER_TOOLS, ('load_dataset("frames")',))["splits"]["train"].with_format("numpy")[:]["landmarks"]
    reader = Reader(sides / "W", ["landmarks.landmarks"], video_id=TRAIN)
    found = [reader.read(number)["landmarks.landmarks"] for number in range(len(reader))]
    np.testing.assert_array_equal(points, np.concatenate(found))
    assert f"train ({FRAMES_OF_TRAIN}, 478, 3) float32 ann-1 ann None" in capsys.readouterr().out


def test_the_recipe_for_export_webdataset_reads_it(run: Run, sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_export(WEBDATASET, sides / "W", sides / "tars", choice=Choice(only=("cy-drawn",)))
    run(OTHER_TOOLS, ("import webdataset",))
    assert "cy-drawn cy None torch.Size([60, 478, 3]) (512, 512, 3) (38400,)" in capsys.readouterr().out


@pytest.mark.slow
def test_the_recipe_for_ray_data_reads_it_in_any_order(
    run: Run, sides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    try:
        rows = run(OTHER_TOOLS, ("import ray",))["frames"].take_all()
        rows.sort(key=lambda row: (row["video_id"], row["frame"]))
        points = np.stack([row["canonical"] for row in rows])  # a row lies in memory that goes with Ray
    finally:
        ray.shutdown()
    np.testing.assert_array_equal(points, expected(sides))
    assert sum(map(int, re.findall(r"\((\d+), 478, 3\) float32", capsys.readouterr().out))) == FRAMES_OF_TRAIN
    assert {row["video_id"]: row["subject"] for row in rows} == dict(zip(TRAIN, ("ann", "cy"), strict=True))


def test_the_page_about_reading_runs(
    moving_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    (tmp_path / "W").symlink_to(moving_workspace)
    monkeypatch.chdir(tmp_path)
    for block in code(READING):
        exec(compile(block, "page", "exec"), {})
    said = capsys.readouterr().out
    assert "(100, 640)" in said
    assert "(50,) (50, 640)" in said
