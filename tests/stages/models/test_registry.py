import dataclasses
import hashlib
from importlib.metadata import version
from pathlib import Path

import pytest

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.models import registry

FOREIGN = registry.ModelFile(
    name="foreign",
    file="foreign.bin",
    sha256=hashlib.sha256(b"weights").hexdigest(),
    licence="MIT",
    address="https://example.org/foreign.bin",
)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> registry.ModelFile:
    monkeypatch.setattr(registry, "MODELS", {FOREIGN.name: FOREIGN})
    monkeypatch.delenv(registry.FOLDERS_VARIABLE, raising=False)
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    return FOREIGN


@pytest.mark.parametrize("name", sorted(name for name, model in registry.MODELS.items() if model.package))
def test_bundled_models_are_there_and_intact(name: str) -> None:
    found = registry.verified(name)
    assert found.where == "bundled"
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == registry.digests(name)[name]
    assert found.model.licence
    assert found.model.address


def test_the_pinned_mediapipe_is_the_one_whose_models_are_registered() -> None:
    assert version("mediapipe") == "0.10.14"


def test_missing_file_is_one_sentence_with_the_command_and_the_address(
    foreign: registry.ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        MissingPrerequisite,
        match=r"^[^\n]*foreign\.bin is missing: run 'portrait-prep models fetch foreign', or get it from https://[^\n]*\.$",
    ):
        registry.locate("foreign")
    monkeypatch.setenv(WORKSPACE_VARIABLE, "/my data")
    with pytest.raises(MissingPrerequisite, match="run 'portrait-prep models fetch foreign -w '/my data'', or"):
        registry.locate("foreign")


def test_found_in_the_workspace_then_sooner_where_the_variable_says(
    foreign: registry.ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, elsewhere = tmp_path / "w", tmp_path / "elsewhere"
    for folder in (workspace / "models", elsewhere):
        folder.mkdir(parents=True)
        (folder / foreign.file).write_bytes(b"weights")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace))
    assert registry.verified("foreign") == registry.Found(foreign, workspace / "models" / foreign.file, "workspace")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(elsewhere))
    assert registry.verified("foreign").where == "environment variable"


def test_another_file_under_that_name_is_refused(
    foreign: registry.ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    (tmp_path / foreign.file).write_bytes(b"weight")
    with pytest.raises(MissingPrerequisite, match="not the registered foreign"):
        registry.digests("foreign")


def test_a_file_that_is_replaced_is_hashed_again(
    foreign: registry.ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    (tmp_path / foreign.file).write_bytes(b"weights")
    assert registry.digests("foreign") == {"foreign": foreign.sha256}
    (tmp_path / foreign.file).write_bytes(b"other weights")
    with pytest.raises(MissingPrerequisite):
        registry.digests("foreign")


def test_a_package_that_is_gone_is_told(foreign: registry.ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dataclasses.replace(foreign, package="no_such_package")
    monkeypatch.setattr(registry, "MODELS", {"foreign": gone})
    with pytest.raises(MissingPrerequisite, match="whose package 'no_such_package'"):
        registry.locate("foreign")
