"""`models fetch`, `verify` and `list`, against a server on this machine."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portrait_prep.cli.models import models
from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.fetch import session
from portrait_prep.stages.models import registry
from portrait_prep.stages.models.fetching import fetch_model
from portrait_prep.stages.models.registry import ModelFile
from tests.stages.fetch.server import Server, Turn

WEIGHTS = bytes(range(256)) * 400
NET = ModelFile("net", "net.task", hashlib.sha256(WEIGHTS).hexdigest(), "MIT", "")
BUNDLED = dataclasses.replace(registry.MODELS["mean_face"], name="bundled")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Serves the file of the model `net` at `/net`; `bundled` comes with a package, `away` is nowhere."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(session, "FIRST_WAIT", 0.01)
    monkeypatch.delenv(registry.FOLDERS_VARIABLE, raising=False)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    with Server() as running:
        net = dataclasses.replace(NET, address=running.put("/net", WEIGHTS, etag='"1"'))
        away = dataclasses.replace(NET, name="away", file="away.task", address=f"{running.address}/away")
        known = {model.name: model for model in (BUNDLED, away, net)}
        monkeypatch.setattr(registry, "MODELS", known)
        yield running


def files(root: Path) -> set[str]:
    """Names in the folder of the models, but for the locks: who fetches holds one, and leaves it there."""
    found = (root / "models").iterdir() if (root / "models").is_dir() else ()
    return {path.name for path in found if path.suffix != ".lock"}


def test_a_fetched_model_is_found_and_fetched_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models("fetch", "net", workspace=tmp_path) == 0
    assert registry.verified("net").path == tmp_path / "models" / "net.task"
    assert files(tmp_path) == {"net.task"}
    output = capsys.readouterr().out
    assert str(tmp_path / "models" / "net.task") in output
    assert models("fetch", "net", workspace=tmp_path) == 0
    assert "already" in capsys.readouterr().out
    assert len(server.of("/net")) == 1


@pytest.mark.parametrize("wrong", [b"", WEIGHTS[:-1] + b"x"], ids=["empty", "another"])
def test_a_file_with_another_digest_never_appears(server: Server, tmp_path: Path, wrong: bytes) -> None:
    address = server.put("/net", wrong)
    with pytest.raises(MissingPrerequisite, match="is not the registered net") as refused:
        models("fetch", "net", workspace=tmp_path)
    assert address in str(refused.value)
    assert files(tmp_path) == set()


def test_a_transfer_that_broke_off_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.put("/net", WEIGHTS, Turn(stop_after=50_000), Turn(status=404), etag='"1"')
    with pytest.raises(MissingPrerequisite, match=r"net\.task did not come .*404"):
        fetch_model("net", tmp_path / "models")
    assert "net.task" not in files(tmp_path)
    assert fetch_model("net", tmp_path / "models").read_bytes() == WEIGHTS
    assert server.sent("/net") == len(WEIGHTS)
    assert files(tmp_path) == {"net.task"}


def test_two_that_fetch_at_once_do_not_mix_their_bytes(server: Server, tmp_path: Path) -> None:
    server.put("/net", WEIGHTS, always=Turn(drip=0.01, block=5000))
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fetch_model, "net", tmp_path / "models") for _ in range(2)]
        assert [each.result() for each in both] == [tmp_path / "models" / "net.task"] * 2
    assert registry.verified("net").path == tmp_path / "models" / "net.task"
    assert server.sent("/net") == len(WEIGHTS)


def test_one_killed_before_the_last_step_is_finished_without_asking_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ".net.task.unproved").write_bytes(WEIGHTS)
    assert fetch_model("net", tmp_path / "models").read_bytes() == WEIGHTS
    assert not server.log


def test_a_wrong_file_of_that_name_is_told_and_replaced(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.task").write_bytes(b"wrong")
    assert models("verify", workspace=tmp_path) == 1
    assert f"net.task (workspace), sha256 WRONG, not {NET.sha256}" in capsys.readouterr().out
    assert models("fetch", "net", workspace=tmp_path) == 0
    assert models("verify", workspace=tmp_path) == 0


def test_one_that_does_not_come_keeps_none_back(server: Server, tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match=r"^The model file away\.task did not come [^\n]*404[^\n]*\.$"):
        models("fetch", workspace=tmp_path)
    assert files(tmp_path) == {"net.task"}


def test_a_wrong_file_where_the_variable_says_is_told_since_it_comes_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "net.task").write_bytes(b"wrong")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path / "elsewhere"))
    with pytest.raises(MissingPrerequisite, match=r"elsewhere/net\.task is not the registered net"):
        models("fetch", "net", workspace=tmp_path)
    assert (tmp_path / "elsewhere" / "net.task").read_bytes() == b"wrong"


def test_an_unknown_name_and_a_lost_bundled_file_are_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="no model 'ney'; the models are bundled, away, net"):
        models("fetch", "ney", workspace=tmp_path)
    lost = dataclasses.replace(BUNDLED, file="lost.npz")
    monkeypatch.setattr(registry, "MODELS", {"bundled": lost})
    with pytest.raises(MissingPrerequisite, match=r"whose package 'portrait_prep\.stages\.face'"):
        models("fetch", "bundled", workspace=tmp_path)
    assert models("verify", workspace=tmp_path) == 1


def test_the_list_says_what_is_where(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert models(workspace=tmp_path) == 0
    bundled, _, net = capsys.readouterr().out.splitlines()
    assert f"mean_face.npz (bundled), sha256 ok: {BUNDLED.sha256}, Apache-2.0" in bundled
    command = f"'portrait-prep models fetch net -w {tmp_path}'"
    assert net == f"net: net.task not here, {command} gets it, sha256 {NET.sha256}, MIT, {server.address}/net"
    models("fetch", "net", workspace=tmp_path)
    capsys.readouterr()
    assert models("list", "net", workspace=tmp_path, json_=True) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {
        "name": "net",
        "file": "net.task",
        "path": str(tmp_path / "models" / "net.task"),
        "where": "workspace",
        "intact": True,
        "ok": True,
        "sha256": NET.sha256,
        "licence": "MIT",
        "address": f"{server.address}/net",
    }
