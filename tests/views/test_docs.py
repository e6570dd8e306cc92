"""The pages of the views: what their lines import is there, and what stands about reading runs as it stands."""

import ast
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
OURS = ("views", "stages", "pipeline", "manifests")


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


def test_the_page_about_reading_runs(
    moving_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    (tmp_path / "W").symlink_to(moving_workspace)
    monkeypatch.chdir(tmp_path)
    for block in code(PAGES[[page.stem for page in PAGES].index("reading")]):
        exec(compile(block, "page", "exec"), {})
    said = capsys.readouterr().out
    assert "(100, 640)" in said
    assert "(50,) (50, 640)" in said
