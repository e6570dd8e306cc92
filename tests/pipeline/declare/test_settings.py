"""`pipeline.toml`: complete, commented, and told plainly when wrong."""

import tomllib
from pathlib import Path

import pytest

from portrait_prep.errors import BadInput, BadSetting
from portrait_prep.pipeline.declare.quality import quality_settings
from portrait_prep.pipeline.declare.section import PlainSection
from portrait_prep.pipeline.declare.settings import RunSettings, read_settings, write_settings
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES
from tests.pipeline.toy import TOYS, ScaleParams


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.toml"
    write_settings(path, TOYS)
    return path


def test_every_setting_is_written_with_default_and_comment(path: Path) -> None:
    document = tomllib.loads(path.read_text())
    assert document["scale"] == {"factor": 2.0}
    assert "# what numbers are multiplied by (> 0)" in path.read_text()
    assert read_settings(path, TOYS).params["scale"] == ScaleParams()


def test_what_is_left_out_takes_its_default(path: Path) -> None:
    path.write_text("[scale]\nfactor = 5\n")
    settings = read_settings(path, TOYS)
    assert settings.params["scale"] == ScaleParams(factor=5)
    assert settings.run.shard_seconds == 120


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[scale]\nfactor = -1\n", r"\[scale\] factor = -1 is not allowed: must be greater than 0"),
        ("[scale]\nfactor = 'x'\n", r"\[scale\] factor = 'x' is not allowed: must be a valid number"),
        ("[scale]\nfactr = 1\n", r"\[scale\] has no setting 'factr'; allowed are factor"),
        ("[sclae]\n", r"no section \[sclae\]; allowed are run, count, scale, total, quality"),
        ("scale = 3\n", r"\[scale\]"),
        ("[run]\ngpu = 'on'\n", r"\[run\] gpu = 'on' is not allowed: must be 'auto', 'off', or a number >= 0\.$"),
        ("[run]\ngpu = -1\n", r"\[run\] gpu = -1 is not allowed"),
        ("[run]\ngpu = true\n", r"\[run\] gpu = True is not allowed"),
        ("[run]\ngpu = 1.0\n", r"\[run\] gpu = 1.0 is not allowed"),
        ("[scale\n", "not valid TOML"),
        (f"[scale]\nfactor = {'9' * 5000}\n", "not valid TOML"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(path: Path, text: str, told: str) -> None:
    path.write_text(text)
    with pytest.raises(BadSetting, match=told):
        read_settings(path, TOYS)


@pytest.mark.parametrize(("written", "read"), [("'auto'", "auto"), ("'off'", "off"), ("0", 0), ("2", 2)])
def test_gpus_are_a_word_or_a_number(path: Path, written: str, read: str | int) -> None:
    assert read_settings(path, TOYS).run.gpu == "auto"
    path.write_text(f"[run]\ngpu = {written}\n")
    assert read_settings(path, TOYS).run.gpu == read


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run 'portrait-prep init' first"):
        read_settings(tmp_path / "pipeline.toml", TOYS)


@pytest.mark.parametrize("name", ["run", *(stage.name for stage in STAGES)])
def test_no_setting_takes_a_number_that_fails_videos_one_by_one(path: Path, name: str) -> None:
    """Beyond what a system can wait for, or a network take; thresholds of `[quality]` are but compared with."""
    fields = {stage.name: stage.params for stage in STAGES}.get(name, RunSettings).model_fields
    for key, field in fields.items():
        if field.annotation not in (int, float):
            continue
        for value in (1e300, -1e300) if field.annotation is float else (10**18, -(10**18)):
            path.write_text(f"[{name}]\n{key} = {value}\n")
            with pytest.raises(BadSetting, match=rf"\[{name}\] {key} = .* is not allowed: must be "):
                read_settings(path, STAGES)


@pytest.mark.parametrize("value", ["9" * 400, f"-{'9' * 400}", "1e300"])
def test_no_threshold_takes_a_number_that_cannot_be_shown(path: Path, value: str) -> None:
    for key, field in quality_settings(STAGES).model_fields.items():
        if field.annotation is float or (field.annotation is int and "e" not in value):
            path.write_text(f"[quality]\n{key} = {value}\n")
            with pytest.raises(BadSetting, match=rf"\[quality\] {key} = .* is not allowed: must be "):
                read_settings(path, STAGES)


def test_a_rate_at_which_nothing_comes_is_refused(path: Path) -> None:
    path.write_text("[download]\nrate = 1e-300\n")
    with pytest.raises(BadSetting, match=r"\[download\] rate = 1e-300 is not allowed: must be 0, or 0.0001 at least"):
        read_settings(path, STAGES)


def test_a_session_reads_sections_beside_those_of_its_stages(tmp_path: Path) -> None:
    own = PlainSection("beside", ScaleParams)
    outer = Session(Workspace(tmp_path), TOYS[:1], (*TOYS, own))
    outer.write_settings()
    path = tmp_path / "pipeline.toml"
    inner = Session(Workspace(tmp_path / "inner", tmp_path), TOYS[:1], (*TOYS, own))
    assert inner.settings.params == outer.settings.params
    assert set(inner.settings.params) == {"count", "scale", "total", "beside"}
    path.write_text("[beside]\nfactor = -1\n")
    with pytest.raises(BadSetting, match=r"\[beside\] factor"):
        _ = inner.afresh().settings
    path.write_text("[elsewhere]\n")
    with pytest.raises(BadSetting, match="no section"):
        _ = outer.afresh().settings
