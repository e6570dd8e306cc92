"""Damage of each kind is named; an intact workspace is passed over in silence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.audit import Audit
from tests.pipeline.toy import enrol, numbers, toy_session

SHARD = "scale/toy-00000.parquet"


def flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    path.write_bytes(bytes(data))


def edit_manifest(root: Path) -> None:
    path = root / "manifests" / "a1.json"
    told = json.loads(path.read_text())
    told["stages"]["count"]["metrics"]["seconds"] = 99
    path.write_text(json.dumps(told))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte in a shard": (lambda root: flip(root / SHARD, 0.2), SHARD),
    "a flipped byte in a media file": (lambda root: flip(root / "media/a1.txt", 0.5), "media/a1.txt"),
    "a media file deleted": (lambda root: (root / "media/a1.txt").unlink(), "media/a1.txt"),
    "a shard deleted": (lambda root: (root / SHARD).unlink(), SHARD),
    "a shard cut short": (lambda root: (root / SHARD).write_bytes((root / SHARD).read_bytes()[:-9]), SHARD),
    "shards swapped": (lambda root: shutil.copy(root / "scale/toy-00001.parquet", root / SHARD), SHARD),
    "a manifest edited": (edit_manifest, "manifests/a1.json"),
    "a manifest deleted": (lambda root: (root / "manifests/a1.json").unlink(), "manifests/a1.json"),
    "an orphan": (lambda root: (root / "media/zz.txt").touch(), "media/zz.txt"),
    "a stray temporary file": (lambda root: (root / "scale/.tmp-1-x").touch(), "scale/.tmp-1-x"),
    "a reduction edited": (lambda root: flip(root / "total/all.parquet", 0.5), "total/all.parquet"),
    "the table deleted": (lambda root: (root / "manifests.parquet").unlink(), "manifests.parquet"),
    "a setting changed": (
        lambda root: (root / "pipeline.toml").write_text("[scale]\nfactor = 9\n"),
        SHARD,
    ),
}


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("audit") / "w"
    session = enrol(root, {"a1": numbers(300), "a2": numbers(30), "b1": numbers(40, 3)})
    session.run(session.select((), (), False), workers=0)
    return root


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(intact: Path, tmp_path: Path, damage: str) -> None:
    root = tmp_path / "w"
    shutil.copytree(intact, root)
    assert list(Audit(toy_session(root)).findings()) == []
    harm, path = DAMAGES[damage]
    harm(root)
    assert path in {finding.path for finding in Audit(toy_session(root)).findings()}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_a_finding_says_mends_it(intact: Path, tmp_path: Path, damage: str) -> None:
    root = tmp_path / "w"
    shutil.copytree(intact, root)
    DAMAGES[damage][0](root)
    for finding in Audit(toy_session(root)).findings():
        if "delete" in finding.mend:
            (root / finding.path).unlink(missing_ok=True)
    session = toy_session(root)
    session.run(session.select((), (), False), workers=0)
    assert list(Audit(toy_session(root), deep=True).findings()) == []
