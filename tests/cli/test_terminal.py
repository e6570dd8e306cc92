"""What the commands print of foreign names is inert."""

import json
import os
from pathlib import Path

import pytest

from portrait_prep.cli import audit, init, inspect, main, review
from portrait_prep.cli.terminal import say, say_json
from portrait_prep.manifests.catalogue import read_catalogue
from tests.manifests.test_printing import HOSTILE

NAME = "clip\nall is well\x1b[2J\x07\u202e.mp4"


@pytest.mark.parametrize("text", HOSTILE)
def test_one_line_said_is_one_line_shown(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    out = capsys.readouterr().out
    assert out[:-1].isprintable()
    say_json([text])
    assert json.loads(capsys.readouterr().out) == [text]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_refusal_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main._refuse(f"{text}: not there.")
    err = capsys.readouterr().err
    assert err.startswith("portrait-prep: ")
    assert err[:-1].isprintable()


def test_a_hostile_file_name_is_shown_escaped_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORTRAIT_PREP_WORKSPACE", raising=False)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / NAME).write_bytes(b"no video")
    root = tmp_path / "w"
    assert init.folder(source=tmp_path / "videos", workspace=root) == 0
    (root / f"stranger\x1b[31m{os.linesep}").touch()
    (video,) = read_catalogue(root / "catalogue.parquet")
    inspect.status(workspace=root)
    audit.audit(workspace=root)
    audit.audit(workspace=root, json_=True)
    inspect.manifest(video.video_id, workspace=root)
    review.list_(workspace=root)
    out = capsys.readouterr().out
    assert "clip\\nall is well\\x1b[2J\\x07\\u202e.mp4" in out
    assert out.replace("\n", "").isprintable()
    assert not any(line.startswith("all is well") for line in out.splitlines())
