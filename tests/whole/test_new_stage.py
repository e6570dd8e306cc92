"""A stage with a metric is one file and one line; all that users see of it follows from its declaration."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from portrait_prep.pipeline.store.shards import FOOTER_KEY

ROOT = Path(__file__).parents[2]
ROOMS = ("cli", "demo", "manifests", "media", "pipeline", "stages", "views")

STAGE_FILE = '''"""Stage `light`: how bright each frame is."""

from collections.abc import Iterator

import numpy as np

from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.declare.metric import Metric, at_most
from portrait_prep.pipeline.declare.stage import Batch, Column, Job, Params, Stage


def process(job: Job[Params]) -> Iterator[Batch]:
    """Yield the mean of each frame."""
    total = 0.0
    for image in read_frames(job.media("mp4"), expected=job.frames):
        total += float(image.mean())
        yield {"mean": np.array([image.mean()], np.float32)}
    job.metrics["brightness"] = total / job.frames


STAGE = Stage(
    name="light",
    version=1,
    params=Params,
    columns=(Column("mean", "float32", unit="0..255", meaning="mean of all pixels"),),
    process=process,
    reads=("normalize.mp4",),
    metrics=(
        Metric(
            "brightness",
            "lx",
            "mean of all pixels of all frames",
            title="Light",
            decimals=1,
            bounds=(
                at_most("max_light", 250.0, "greatest light", "its light is {value:.0f}, above {limit:g}", ge=0),
            ),
            blind="what the light comes from",
        ),
    ),
)
'''


class Checkout:
    """The rooms with the new stage in them, and a workspace on which its command works."""

    def __init__(self, folder: Path) -> None:
        self.root, self.workspace = folder / "checkout", folder / "w"
        for room in ROOMS:
            shutil.copytree(ROOT / room, self.root / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "portrait_prep", self.root / "portrait_prep", symlinks=True)
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "stages" / "light.py").write_text(STAGE_FILE)
        order = self.root / "stages" / "order.py"
        text = order.read_text().replace("    landmarks,\n", "    landmarks,\n    light,\n")
        order.write_text(text.replace("    speech.STAGE,\n", "    speech.STAGE,\n    light.STAGE,\n"))

    def call(self, *words: str, status: int = 0) -> str:
        """What the command says."""
        done = subprocess.run(
            [sys.executable, "-m", "portrait_prep", *words, "-w", str(self.workspace)],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done.stdout

    def set(self, name: str, value: float) -> None:
        """Change a setting."""
        path = self.workspace / "pipeline.toml"
        path.write_text(re.sub(rf"^{name} = .*$", f"{name} = {value}", path.read_text(), flags=re.MULTILINE))

    def quality(self) -> dict[str, object]:
        """The verdict in the manifest."""
        (path,) = (self.workspace / "manifests").glob("*.json")
        return dict(json.loads(path.read_text())["quality"])


@pytest.fixture(scope="module")
def checkout(demo_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("new stage")
    (folder / "videos").mkdir()
    (clip,) = (path for path in demo_sources.glob("astronaut-24fps.*") if path.suffix != ".json")
    (folder / "videos" / clip.name).symlink_to(clip)
    made = Checkout(folder)
    made.call("init", "folder", "--source", str(folder / "videos"))
    made.call("run", "--workers", "0")
    return made


def test_it_is_in_the_settings_the_status_and_the_manifest(checkout: Checkout) -> None:
    settings = (checkout.workspace / "pipeline.toml").read_text()
    assert "# greatest light (>= 0)\nmax_light = 250.0" in settings
    assert json.loads(checkout.call("status", "--json"))["stages"]["light"]["videos"]["done"] == 1
    told = json.loads(checkout.call("manifest", "astronaut-24fps"))["stages"]["light"]
    assert 0 < told["metrics"]["brightness"] < 250


def test_its_rule_rejects_under_its_own_setting(checkout: Checkout) -> None:
    checkout.set("max_light", 1.0)
    assert "light 0" in checkout.call("run", "--workers", "0")
    quality = checkout.quality()
    assert (quality["accepted"], quality["rules"]) == (False, ["max_light"])
    assert re.fullmatch(r"its light is \d+, above 1", str(quality["reasons"][0]))  # type: ignore[index]
    table = pq.read_table(checkout.workspace / "manifests.parquet", columns=["rules"]).to_pylist()
    assert all(row["rules"] == ["max_light"] for row in table)
    checkout.set("max_light", 250.0)
    checkout.call("run", "--workers", "0")
    assert checkout.quality()["accepted"]


def test_it_is_on_the_report_and_the_page_of_measures(checkout: Checkout) -> None:
    checkout.call("report")
    page = (checkout.workspace / "report" / "index.html").read_text()
    assert '"key":"light.brightness","title":"Light","unit":"lx"' in page
    line = (
        "| `light.brightness` | lx | mean of all pixels of all frames | `max_light` ≤ 250 | what the light comes from |"
    )
    assert line in checkout.call("measures")


def test_the_audit_knows_what_its_records_must_hold(checkout: Checkout) -> None:
    checkout.call("audit", "--deep")
    (path,) = (checkout.workspace / "light").glob("*.parquet")
    whole = path.read_bytes()
    table = pq.read_table(path)
    footer = json.loads(pq.ParquetFile(path).metadata.metadata[FOOTER_KEY])
    footer["records"][0]["metrics"] = {"darkness": 1.0}
    pq.write_table(
        table.replace_schema_metadata((table.schema.metadata or {}) | {FOOTER_KEY: json.dumps(footer)}), path
    )
    told = checkout.call("audit", status=1)
    path.write_bytes(whole)
    assert "light measures no darkness" in told


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_it(checkout: Checkout) -> None:
    (checkout.root / ".venv").mkdir(exist_ok=True)
    (checkout.root / ".venv" / ".ready").touch()  # newer than what it is made of
    done = subprocess.run(
        ["make", "-n", "light", "W=x"], cwd=checkout.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'portrait-prep run light -w "x"' in " ".join(done.stdout.split())
