"""A target is filled whole or not at all, by one at a time, and gone on with after any way of breaking off."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.views.exporting.filling import UNFINISHED, Filling, Target, filling

PARTS = ("b", "a/x", "train.txt", "0.yaml")


class Cut(BaseException):
    """The process dies."""


def fill(target: Target, plan: str = "plan", parts: Sequence[str] = PARTS, written: list[str] | None = None) -> None:
    """Write what is missing of the parts; a file closes the list. Parts `b` are folders."""
    written = [] if written is None else written
    with filling(target, plan) as place:
        for name in parts:
            if not place.has(name):
                place.write(name, lambda path: _made(path, plan))
                written.append(name)
        if not place.complete:
            (place.done / "all.txt").write_text("\n".join(parts))


def _made(path: Path, content: str) -> None:
    if path.name == "b":
        path.mkdir()
        path = path / "inner"
    path.write_text(content)


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


WHOLE = {"b/inner": "plan", "a/x": "plan", "train.txt": "plan", "0.yaml": "plan", "all.txt": "\n".join(PARTS)}


def test_a_folder_is_filled_by_one_at_a_time(tmp_path: Path) -> None:
    target = Target(tmp_path / "out")
    with filling(target, "plan") as place:
        place.write("clip", Path.mkdir)
        with pytest.raises(BadInput, match="Another process is filling"):
            fill(target)
        assert [path.name for path in target.path.iterdir()] == [UNFINISHED]
    assert [path.name for path in target.path.iterdir()] == ["clip"]


def test_lists_come_after_what_they_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, moved, rename = tmp_path / "out", list[Path](), Path.rename

    def noted(path: Path, target: Path) -> Path:
        moved.append(Path(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", noted)
    fill(Target(out))
    assert [path.name for path in moved if path.parent == out] == [
        "a",
        "b",
        "0.yaml",
        "all.txt",
        "train.txt",
    ]


def test_what_cannot_be_filled_stays_as_it_was(tmp_path: Path) -> None:
    target = Target(tmp_path / "out")

    def broken() -> None:
        with filling(target, "plan"):
            raise OSError("lost")

    for present in (False, True):
        if present:
            target.path.mkdir()
        with pytest.raises(OSError, match="lost"):
            broken()
        assert target.path.exists() == present
    (target.path / "theirs").mkdir()
    with pytest.raises(BadInput, match="is not empty"):
        fill(target)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_a_place_that_was_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    target = Target(tmp_path / "out")
    target.path.mkdir()

    def theirs(path: Path) -> None:
        (target.path / "train.txt").write_text("theirs")
        _made(path, "plan")

    def taken() -> None:
        with filling(target, "plan") as place:
            for name in PARTS:
                place.write(name, theirs)

    with pytest.raises(BadInput, match=r"train\.txt came there while"):
        taken()
    assert tree(target.path)["train.txt"] == "theirs"
    assert {path.name for path in target.path.iterdir()} == {"train.txt", UNFINISHED}
    (target.path / "train.txt").unlink()
    fill(target)
    assert tree(target.path) == WHOLE


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 24), max_size=4), is_file=st.booleans())
@example(cuts=[5, 21, 4], is_file=False)  # the second and the third while names are given
def test_broken_off_anywhere_any_number_of_times_it_ends_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], is_file: bool
) -> None:
    """Each cut is after so many changes of the file system; from then on not even what is tidied up is."""
    root = tmp_path_factory.mktemp("cut")
    target, parts = Target(root / "out", is_file), ("x",) if is_file else PARTS
    for cut in [*cuts, 10_000]:
        with pytest.MonkeyPatch.context() as patched, suppress(Cut):
            _die_after(patched, cut)
            _filled(target, parts)
            break
    if is_file:
        assert tree(root) == {"out": "plan"}
    else:
        assert tree(target.path) == WHOLE


def _filled(target: Target, parts: Sequence[str]) -> None:
    if not target.is_file:
        return fill(target, parts=parts)
    with filling(target, "plan") as place:
        if not place.has("x"):
            place.write("x", lambda path: _made(path, "plan"))
    return None


def _die_after(patched: pytest.MonkeyPatch, changes: int) -> None:
    """Let so many renames, removals and new folders happen, and none after."""
    left = [changes]

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def guard(*arguments: Any, **options: Any) -> Any:
            if left[0] == 0:
                raise Cut
            left[0] -= 1
            return call(*arguments, **options)

        return guard

    for module, name in ((Path, "rename"), (Path, "replace"), (Path, "mkdir"), (Path, "rmdir"), (shutil, "rmtree")):
        patched.setattr(module, name, guarded(getattr(module, name)))
    patched.setattr(os, "fsync", lambda _: None)


def test_another_plan_begins_anew(tmp_path: Path) -> None:
    target = Target(tmp_path / "out")
    broken_off(target, "one")
    written = list[str]()
    fill(target, "two", written=written)
    assert written == list(PARTS)
    assert set(tree(target.path).values()) == {"two", "\n".join(PARTS)}


def test_the_same_plan_writes_only_what_is_missing(tmp_path: Path) -> None:
    target = Target(tmp_path / "out")
    broken_off(target, "plan")
    written = list[str]()
    fill(target, written=written)
    assert written == list(PARTS[1:])
    assert tree(target.path) == WHOLE


def broken_off(target: Target, plan: str) -> None:
    """When one part is whole and another has begun."""

    def half(path: Path) -> None:
        path.write_text("half")
        raise Cut

    def write(place: Filling) -> None:
        place.write(PARTS[0], lambda path: _made(path, plan))
        place.write(PARTS[1], half)

    with pytest.raises(Cut), filling(target, plan) as place:
        write(place)
    assert [path.name for path in target.path.iterdir()] == [UNFINISHED]


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "there.pkl").write_text("mine")
    with pytest.raises(BadInput, match="is there already"), filling(Target(tmp_path / "there.pkl", is_file=True), ""):
        pass
    assert tree(tmp_path) == {"there.pkl": "mine"}
