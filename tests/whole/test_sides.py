"""`sides` as a user runs it: in which dialogs of IEMOCAP the speakers sit otherwise than the catalogue says."""

import json
from pathlib import Path

import pytest

from portrait_prep.cli.sides import sides as check_sides
from portrait_prep.cli.sides import summary
from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.video import Video
from tests.side_by_side import TURNS, drawn, rows, spoken, write_dialog, write_wav
from tests.whole.runs import portrait_prep

STRANGER = Video(video_id="x", corpus="folder", subject="x", shard="folder-00000", source="/nowhere/x.mp4")


@pytest.fixture(scope="module")
def dialog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two turns: F on the left speaks, then M on the right."""
    folder = tmp_path_factory.mktemp("release")
    for number, turn in enumerate(TURNS):
        write_wav(folder / f"{number}.wav", spoken(turn))
    return write_dialog(folder / "Ses01F_impro01.avi", drawn("astronaut", "F"), drawn("double", "M"))


def rows_of(dialog: Path, left: str) -> list[Video]:
    return rows(dialog, [dialog.with_name(f"{number}.wav") for number in (0, 1)], left)


def with_catalogue(root: Path, videos: list[Video]) -> Path:
    root.mkdir()
    write_catalogue(root / "catalogue.parquet", videos)
    return root


def test_a_catalogue_that_is_the_wrong_way_round(tmp_path: Path, dialog: Path) -> None:
    root = with_catalogue(tmp_path / "w", rows_of(dialog, "M"))
    done = portrait_prep("sides", "-w", root, "--workers", "0")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Ses01F_impro01.avi: disagrees (0 of 2 utterances for the catalogue, 2 against)"
    assert lines[1] == "Dialogs: 0 agree with the catalogue, 1 disagree, 0 undetermined."
    assert "init iemocap" in lines[2]
    assert "--marker-side right" in lines[2]


def test_a_catalogue_that_is_right(tmp_path: Path, dialog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of other corpora are left out; a dialog that is not there is told."""
    away = [
        video.model_copy(update={"source": "/nowhere/b.avi", "video_id": video.video_id.replace("impro01", "impro02")})
        for video in rows_of(dialog, "M")
    ]
    root = with_catalogue(tmp_path / "w", [*rows_of(dialog, "F"), *away, STRANGER])
    assert check_sides(workspace=root, workers=0) == 0
    assert capsys.readouterr().out.splitlines() == [
        "b.avi: undetermined; it cannot be read (No such file or directory)",
        "Ses01F_impro01.avi: agrees (2 of 2 utterances for the catalogue, 0 against)",
        "Dialogs: 1 agree with the catalogue, 0 disagree, 1 undetermined.",
    ]


def test_the_numbers_behind_it(tmp_path: Path, dialog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = dialog.with_name("Ses01F_impro02.avi")
    broken.write_bytes(dialog.read_bytes()[:100])
    root = with_catalogue(tmp_path / "w", [*rows_of(dialog, "M"), *rows_of(broken, "F")])
    assert check_sides(utterances=1, workspace=root, workers=0, json_=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["totals"] == {"agrees": 0, "disagrees": 1, "undetermined": 1}
    whole, cut = told["dialogs"]
    assert (whole["source"], whole["verdict"], whole["trouble"]) == (str(dialog), "disagrees", None)
    assert (cut["verdict"], cut["utterances"]) == ("undetermined", [])
    assert cut["trouble"]
    (vote,) = whole["utterances"]
    assert (vote["video_id"], vote["claimed"], vote["speaks"]) == ("Ses01F_impro01_F000", "right", "left")
    assert (vote["start"], vote["end"], vote["verdict"], vote["why"]) == (0.0, 2.5, "disagrees", None)
    assert vote["faces"] == [1.0, 1.0]
    assert vote["activity"][0] > 3 * vote["activity"][1]
    assert 1 < vote["voice"] < 2.5


def test_where_only_some_disagree_those_are_to_be_looked_at() -> None:
    assert "--marker-side" in list(summary(1, 9, 0))[1]
    assert "Look at" in list(summary(5, 2, 1))[1]
    assert "Nothing could be told" in list(summary(0, 0, 3))[1]
    assert len(list(summary(7, 0, 3))) == 1


def test_what_cannot_be_checked(tmp_path: Path, dialog: Path) -> None:
    catalogue = tmp_path / "catalogue.parquet"
    with pytest.raises(BadInput, match="no catalogue"):
        check_sides(workspace=tmp_path)
    write_catalogue(catalogue, [STRANGER])
    with pytest.raises(BadInput, match="init iemocap"):
        check_sides(workspace=tmp_path)
    write_catalogue(catalogue, [rows_of(dialog, "F")[0].model_copy(update={"source": "/nowhere/b.avi"})])
    with pytest.raises(BadInput, match="bring them back"):
        check_sides(workspace=tmp_path)
    with pytest.raises(BadInput, match="--utterances"):
        check_sides(utterances=0, workspace=tmp_path)
