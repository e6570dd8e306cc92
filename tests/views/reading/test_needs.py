"""What the page says must be installed is enough, and what it does not name is not loaded."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "views" / "reading.md"
MODULES = {"opencv-python-headless": "cv2"}
"""Package -> what it is imported as, where that is another name."""
PARTIES = (
    *("numpy", "pyarrow", "pydantic", "scipy", "av", "cv2", "torch", "tqdm", "threadpoolctl", "onnxruntime"),
    *("mediapipe", "dask", "distributed", "ffmpeg", "tomlkit", "requests", "yt_dlp", "cyclopts"),
)
"""What the project needs in all; any other that is loaded came with one of these."""
ROWS = re.findall(r"^\| (`portrait_prep[^|]*) \| ([^|]*) \| [^|]*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
CASES = {
    re.sub(r"^\.", "portrait_prep.views.reading.", name): {MODULES.get(each, each) for each in packages.split(", ")}
    for names, packages in ROWS
    for name in re.findall(r"`([^`]*)`", names)
}
"""Module -> what it is said to need."""
WITHOUT = """
import sys
missing = set(sys.argv[2].split(","))
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""
READ = """
from portrait_prep.views.reading.reader import Reader
reader = Reader(sys.argv[1], ["headpose.canonical", "landmarks.landmarks"])
print(reader.read(0, 3, 2)["landmarks.landmarks"].shape, reader.sound(0, 0, 2).shape, len(reader.statistics()))
"""


def run(code: str, argument: str, missing: set[str]) -> str:
    command = [sys.executable, "-c", WITHOUT + code, argument, ",".join(sorted(missing))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", CASES)
def test_a_module_loads_with_what_the_page_names(module: str) -> None:
    if "torch" in CASES[module]:
        pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    run("import importlib; importlib.import_module(sys.argv[1])", module, {*PARTIES} - CASES[module])


def test_columns_sound_and_statistics_are_read_with_three_packages(moving_workspace: Path) -> None:
    assert run(READ, str(moving_workspace), {*PARTIES} - {"numpy", "pyarrow", "pydantic"}) == "(2, 478, 3) (2, 640) 10"
