"""What is derived from model files is known by its bytes, and an exchanged file is named."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from portrait_prep.pipeline.session import Session
from tests.pipeline.damage import audited, keys_of
from tests.pipeline.toy import COUNT, add_videos, numbers, toy_session

DERIVED = b"weights"
NAME = f"net-0123456789abcdef-1-{hashlib.sha256(DERIVED).hexdigest()}.onnx"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    session = add_videos(tmp_path / "w", {"a1": numbers(30)})
    session.run(session.select((), (), False), workers=0)
    folder = tmp_path / "w/cache"
    folder.mkdir()
    (folder / NAME).write_bytes(DERIVED)
    return folder


def opened(cache: Path, altered_exports: list[Path]) -> Session:
    """A session whose stage finds these files altered when it derives them again."""
    session = toy_session(cache.parent)
    stage = dataclasses.replace(COUNT, altered_exports=lambda _, folder: altered_exports if folder == cache else [])
    return Session(session.workspace, (stage, *session.stages[1:]))


def test_what_is_as_it_was_made_is_passed_over(cache: Path) -> None:
    assert audited(toy_session(cache.parent)) == audited(toy_session(cache.parent), deep=True) == []


def test_a_file_that_is_not_what_its_name_says(cache: Path) -> None:
    (cache / NAME).write_bytes(b"other weights")
    findings = audited(opened(cache, [cache / NAME]), deep=True)
    assert keys_of(findings) == {("derived", f"cache/{NAME}", "")}
    assert findings[0].to_json(cache.parent)["commands"][0] == f"rm {cache / NAME}"


def test_a_file_that_its_model_does_not_come_to(cache: Path) -> None:
    assert audited(opened(cache, [cache / NAME])) == []
    (finding,) = audited(opened(cache, [cache / NAME]), deep=True)
    assert (finding.kind, finding.path) == ("exchanged export", f"cache/{NAME}")
    assert "count" in finding.line()


def test_what_no_name_of_a_derived_file_has(cache: Path) -> None:
    """It is never read: of a version before, or somebody's own."""
    strays = {"cache/net-0123456789abcdef-1.onnx", "cache/mine.txt", f"cache/in/{NAME}"}
    (cache / "in").mkdir()
    for name in strays:
        (cache.parent / name).write_bytes(DERIVED)
    assert keys_of(audited(toy_session(cache.parent))) == {("orphan", name, "") for name in strays}
