"""What a worker says of itself: facts, access to folders, and for which runs it carries out tasks."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from distributed.protocol.pickle import dumps

from portrait_prep.pipeline.run import examiner
from portrait_prep.pipeline.run.examiner import MODULE, code_digest, examine, fact, perform


@pytest.fixture
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was never examined."""
    monkeypatch.delitem(sys.modules, MODULE, raising=False)


@pytest.mark.usefixtures("_afresh")
def test_it_passes_for_one_run_who_is_as_expected_and_answers(tmp_path: Path) -> None:
    expected = {name: fact(name) for name in ("Python", "portrait_prep", "numpy")}
    process, facts, trouble = examine(expected, note(tmp_path, "something"), "this run")
    assert (facts, trouble) == (expected, "")
    assert (tmp_path / f"note.{process}").read_text() == "something"
    assert perform("this run", dumps((max, (1, 2)))) == 2
    with pytest.raises(KeyError, match=MODULE):
        perform("another run", dumps((max, (1, 2))))


def note(folder: Path, content: str, name: str = "note") -> Sequence[tuple[str, str]]:
    (folder / name).write_text(content)
    return [(str(folder / name), content)]


@pytest.mark.usefixtures("_afresh")
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("note", "another", "does not see"), ("away/note", "", "does not see"), ("n" * 240, "this", "may not write to")],
)
def test_what_it_cannot_do_with_the_folders_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, words: str
) -> None:
    monkeypatch.setattr(examiner, "VISIBLE_AFTER", 0.1)
    if content:
        note(tmp_path, "this", name)
    _, _, trouble = examine({}, [(str(tmp_path / name), content)], "this run")
    assert words in trouble
    with pytest.raises(KeyError, match=MODULE):
        perform("this run", dumps((max, (1, 2))))


@pytest.mark.usefixtures("_afresh")
def test_what_a_process_has_loaded_stays_when_the_files_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(examiner.FACTS, "portrait_prep", lambda: "older")
    assert examine({"portrait_prep": "older"}, [], "first run")[1] == {"portrait_prep": "older"}
    monkeypatch.setitem(examiner.FACTS, "portrait_prep", lambda: "newer")
    assert examine({"portrait_prep": "newer"}, [], "second run")[1] == {"portrait_prep": "older"}


def test_code_is_known_by_names_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    room = tmp_path / "some_package" / "room"
    room.mkdir(parents=True)
    digests = [code_digest("some_package")]
    for name, text in (("a.py", "1"), ("a.py", "2"), ("table.json", "{}"), ("points.npz", "")):
        (room / name).write_text(text)
        digests.append(code_digest("some_package"))
    (room / "a.py").rename(room / "b.py")
    digests.append(code_digest("some_package"))
    assert len(set(digests)) == len(digests)
    (room / "b.cpython-311.pyc").write_text("compiled")
    (room / "notes.txt").write_text("none of ours")
    assert code_digest("some_package") == digests[-1]
    assert code_digest("no_package_at_all") == "none"


def test_the_build_for_gpus_is_the_same_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = fact("onnxruntime")
    monkeypatch.setitem(examiner.BUILDS, "onnxruntime", ("onnxruntime-none", "onnxruntime"))
    assert fact("onnxruntime") == here != "none"
    assert fact("no-such-package") == "none"
