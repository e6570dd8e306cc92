import json
import math
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_catalogue, write_catalogue
from portrait_prep.manifests.choice import Choice
from portrait_prep.manifests.corpora.iemocap.catalogue import OTHER, Side, catalogue, half, of_classes, summary
from portrait_prep.manifests.corpora.iemocap.evaluations import HOW_TO_OBTAIN, read_evaluations, votes_of, votes_text
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from tests.clips import make, steady, write_clip
from tests.iemocap_release import (
    FOUR_CLASS_LABELS,
    HEADER,
    PUBLISHED,
    block,
    evaluation_file,
    full_release,
    release,
)
from tests.iemocap_release import said as said_in

real = pytest.mark.skipif(not FOUR_CLASS_LABELS.is_file(), reason=f"the list of ids is not at {FOUR_CLASS_LABELS}")

PER_SPEAKER = {
    "Ses01F": (147, 132, 171, 78),
    "Ses01M": (82, 146, 213, 116),
    "Ses02F": (67, 166, 135, 113),
    "Ses02M": (70, 161, 227, 84),
    "Ses03F": (92, 128, 130, 172),
    "Ses03M": (148, 158, 190, 133),
    "Ses04F": (205, 185, 76, 62),
    "Ses04M": (122, 118, 182, 81),
    "Ses05F": (78, 159, 221, 132),
    "Ses05M": (92, 283, 163, 113),
}
"""Published numbers of ang, hap (with exc), neu and sad."""

SUFFIXED = ("Ses03M_impro05a", "Ses03M_impro05b", "Ses03M_impro08a", "Ses03M_impro08b", "Ses05M_script01_1b")

EXAMPLE = """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;\t()
C-E4:\tNeutral; Frustration;\t()
C-F1:\tNeutral;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  3;\t(mildly aggravated but staying polite, attitude)
A-F1:\tval 3; act 2; dom  1;\t()

"""


def tiny_video(path: Path, width: int = 72, height: int = 48) -> Path:
    image = np.zeros((height, width, 3), np.uint8)
    return write_clip(path, steady(25, 0.2), image, codec="mpeg4", clock=Fraction(1, 25))


def rows_of(root: Path) -> Mapping[str, Video]:
    return {row.video_id: row for row in catalogue(root)}


def written(root: Path, text: bytes | str, dialog: str = "Ses01F_impro01") -> Path:
    """A release with one more evaluation file."""
    evaluation_file(root, dialog).write_bytes(text if isinstance(text, bytes) else text.encode("latin-1"))
    return root


def crop_of(row: Video) -> tuple[int | None, ...]:
    return row.crop_x, row.crop_y, row.crop_w, row.crop_h


@pytest.fixture(scope="module")
def labelled() -> Mapping[str, str]:
    return full_release()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, labelled: Mapping[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("iemocap")
    sound = folder / "sentence.wav"
    sound.write_bytes(b"RIFF")
    return release(folder, labelled, tiny_video(folder / "dialog.avi", 720, 480), sound)


@pytest.fixture(scope="module")
def rows(full: Path) -> Mapping[str, Video]:
    return rows_of(full)


@real
def test_the_full_release_has_the_published_numbers(rows: Mapping[str, Video], labelled: Mapping[str, str]) -> None:
    assert len(rows) == 10039
    assert {name: row.emotion for name, row in rows.items()} == labelled
    for session, counts in PUBLISHED.items():
        assert Counter(row.emotion for row in rows.values() if row.session == session) == Counter(counts)
    four = Counter(row.session for row in rows.values() if row.four_class)
    assert four == {1: 1085, 2: 1023, 3: 1151, 4: 1031, 5: 1241}
    assert Counter(row.four_class for row in rows.values()) == {
        "ang": 1103,
        "hap": 1636,
        "neu": 1708,
        "sad": 1084,
        None: 10039 - 5531,
    }


@real
def test_every_speaker_has_the_published_numbers(rows: Mapping[str, Video]) -> None:
    assert {row.subject for row in rows.values()} == set(PER_SPEAKER)
    for speaker, counts in PER_SPEAKER.items():
        found = Counter(row.four_class for row in rows.values() if row.subject == speaker)
        assert tuple(found[name] for name in ("ang", "hap", "neu", "sad")) == counts


@real
def test_scenes_with_longer_names_have_the_right_speaker_and_half(rows: Mapping[str, Video]) -> None:
    found = {name: row for name, row in rows.items() if name.rpartition("_")[0] in SUFFIXED}
    assert len({name.rpartition("_")[0] for name in found}) == len(SUFFIXED)
    for name, row in found.items():
        speaker = name[-4]
        assert row.subject == f"Ses0{name[4]}{speaker}"
        assert crop_of(row) == (0 if speaker == "M" else 360, 0, 360, 480)  # M wears the markers in all five


@real
def test_half_of_the_utterances_are_not_of_who_wears_the_markers(rows: Mapping[str, Video]) -> None:
    listener = [row for row in rows.values() if row.four_class and row.subject[5] != row.video_id[5]]
    assert len(listener) == 2750
    assert {row.crop_x for row in listener} == {360}


@real
def test_folds_leave_one_session_out_and_the_last_one_is_tested_on(full: Path, rows: Mapping[str, Video]) -> None:
    assert all(row.fold == row.session == int(row.video_id[4]) for row in rows.values())
    assert {(row.session, row.split) for row in rows.values()} == {(s, "train") for s in (1, 2, 3, 4)} | {(5, "test")}
    second = catalogue(full, test_session=2)
    assert {row.session for row in second if row.split == "test"} == {2}


@real
def test_of_a_full_release_only_its_numbers_are_told(full: Path, rows: Mapping[str, Video]) -> None:
    lines = summary(list(rows.values()), full)
    assert len(lines) == 5
    assert lines[0] == f"10039 labelled utterances of 151 dialogs are in {full}."
    assert lines[1].startswith("By session: 1: 1819, 2: 1811")
    assert "exc: 1041" in lines[2]
    assert "5531 (ang: 1103, hap: 1636, neu: 1708, sad: 1084)" in lines[3]
    assert lines[4] == "The text of 10039 of 10039 utterances is known."
    assert all(row.text == said_in(name) for name, row in rows.items())


@real
def test_four_classes_are_those_of_the_published_subset(rows: Mapping[str, Video]) -> None:
    assert len(Choice((of_classes("four"),)).of(list(rows.values()))) == 5531
    assert len(Choice((of_classes("all"),)).of(list(rows.values()))) == 10039


def test_classes_of_which_there_are_none_are_no_slip(tmp_path: Path) -> None:
    found = catalogue(release(tmp_path, {"Ses01F_impro01_F000": "sad", "Ses01F_impro01_F001": "fru"}))
    assert [row.emotion for row in Choice((of_classes("four"),)).of(found)] == ["sad"]
    with pytest.raises(BadInput, match="use all, four"):
        of_classes("five")  # type: ignore[arg-type]


@real
def test_rows_are_in_order_of_time_inside_a_dialog(rows: Mapping[str, Video]) -> None:
    order = [(row.session, name.rpartition("_")[0], row.start) for name, row in rows.items()]
    assert order == sorted(order, key=lambda place: (place[0], place[1], place[2] or 0))
    speakers = "".join(name[-4] for name in rows if name.startswith("Ses01F_impro01_"))
    assert "MF" in speakers  # the file has all of F before all of M


def test_a_row_has_what_the_release_says_of_the_utterance(tmp_path: Path) -> None:
    root = tmp_path / "IEMOCAP_full_release"
    sentences = root / "Session1/sentences/wav/Ses01F_impro01"
    videos = root / "Session1/dialog/avi/DivX"
    for folder in (sentences, videos):
        folder.mkdir(parents=True)
    (sentences / "Ses01F_impro01_F000.wav").touch()
    tiny_video(videos / "Ses01F_impro01.avi", 720, 480)
    (row,) = catalogue(written(root, EXAMPLE))
    assert row.model_dump(exclude_none=True, exclude={"licence"}) == {
        "video_id": "Ses01F_impro01_F000",
        "corpus": "iemocap",
        "subject": "Ses01F",
        "shard": "",
        "split": "train",
        "fold": 1,
        "source": str(videos / "Ses01F_impro01.avi"),
        "sound": str(sentences / "Ses01F_impro01_F000.wav"),
        "start": 6.2901,
        "end": 8.2357,
        "crop_x": 0,
        "crop_y": 0,
        "crop_w": 360,
        "crop_h": 480,
        "source_height": 480,
        "duration": pytest.approx(1.9456),
        "emotion": "neu",
        "four_class": "neu",
        "session": 1,
        "valence": 2.5,
        "activation": 2.5,
        "dominance": 2.5,
        "votes": '{"E2": ["Neutral"], "E3": ["Neutral"], "E4": ["Neutral", "Frustration"], "F1": ["Neutral"]}',
    }
    assert row.licence
    (utterance,) = read_evaluations(root).utterances
    assert utterance.ratings == {"E3": (3, 2, 2), "E4": (2, 3, 3), "F1": (3, 2, 1)}


@pytest.mark.parametrize(("wearer", "speaker", "marker_side"), [*product("FM", "FM", ("left", "right"))])
def test_the_wearer_of_the_markers_has_one_half_and_the_other_actor_the_other(
    tmp_path: Path, wearer: str, speaker: str, marker_side: Side
) -> None:
    utterance = f"Ses02{wearer}_script01_1_{speaker}003"
    root = release(tmp_path, {utterance: "sad"}, tiny_video(tmp_path / "dialog.avi"))
    (row,) = catalogue(root, marker_side=marker_side)
    assert row.subject == f"Ses02{speaker}"
    side = marker_side if wearer == speaker else OTHER[marker_side]
    assert crop_of(row) == ((0 if side == "left" else 36), 0, 36, 48)


@given(st.integers(4, 4000), st.integers(4, 4000))
@example(960, 480)
@example(961, 480)
def test_halves_do_not_meet_lie_inside_and_are_never_square(width: int, height: int) -> None:
    left, right = half((width, height), "left"), half((width, height), "right")
    assert left[0] == 0
    assert right[0] + right[2] == width
    assert left[2] <= right[0]
    for _, y, w, h in (left, right):
        assert (y, h) == (0, height)
        assert w != h
        assert width / 2 - 1.5 <= w <= width / 2


def test_each_dialog_is_halved_at_its_own_size(tmp_path: Path) -> None:
    root = release(tmp_path, {"Ses01F_impro01_M000": "ang", "Ses01F_impro02_M000": "ang", "Ses01F_impro03_M000": "ang"})
    videos = root / "Session1/dialog/avi/DivX"
    videos.mkdir(parents=True)
    tiny_video(videos / "Ses01F_impro01.avi", 640, 360)
    make("-i", tiny_video(tmp_path / "dialog.mp4", 720, 480), "-c", "copy", "-aspect", "4:3", tmp_path / "narrow.mov")
    (tmp_path / "narrow.mov").rename(videos / "Ses01F_impro02.avi")  # pixels that are not square
    found = [(*crop_of(row), row.source_height) for row in catalogue(root)]
    assert found == [(320, 0, 320, 360, 360), (320, 0, 320, 480, 480), (360, 0, 360, 480, 480)]


def test_an_utterance_whose_files_are_not_there_is_kept_and_told(tmp_path: Path) -> None:
    labelled = {"Ses01F_impro01_F000": "ang", "Ses01F_impro01_F001": "ang", "Ses01M_impro01_F000": "exc"}
    (sound := tmp_path / "sentence.wav").touch()
    root = release(tmp_path, labelled, tiny_video(tmp_path / "dialog.avi"), sound)
    (root / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav").unlink()
    (root / "Session1/dialog/avi/DivX/Ses01M_impro01.avi").unlink()
    found = rows_of(root)
    assert {name: (row.sound is None, row.defect) for name, row in found.items()} == {
        "Ses01F_impro01_F000": (False, None),
        "Ses01F_impro01_F001": (True, "no sentence wav"),
        "Ses01M_impro01_F000": (False, None),
    }
    away = found["Ses01M_impro01_F000"]
    assert away.source == str(root / "Session1/dialog/avi/DivX/Ses01M_impro01.avi")
    assert crop_of(away) == (360, 0, 360, 480)
    lines = summary(list(found.values()), root)
    assert any(line.startswith("Utterances with no sentence wav: 1 (Ses01F_impro01_F001)") for line in lines)
    assert any(line.startswith("Dialogs without their video: 1 (Ses01M_impro01.avi)") for line in lines)
    assert any("session 1 has 3 (3 of the four classes), not 1819 (1085)" in line for line in lines)


def test_junk_beside_the_evaluation_files_is_no_utterance(tmp_path: Path) -> None:
    root = release(tmp_path, {"Ses01F_impro01_F000": "neu"})
    evaluations = evaluation_file(root, "Ses01F_impro01").parent
    (evaluations / "._Ses01F_impro01.txt").write_bytes(bytes(range(256)))
    (evaluations / "Ses01F_impro01.anvil").write_text("<annotation/>")
    for name in ("Attribute", "Categorical", "Self-evaluation"):
        (evaluations / name).mkdir()
        (evaluations / name / "Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F007 :Neutral state; ()")
    assert list(rows_of(root)) == ["Ses01F_impro01_F000"]
    assert read_evaluations(root).oddities == ()


evaluators = st.from_regex(r"[EFM][1-9]", fullmatch=True)
emotions = st.sampled_from(("Neutral", "Frustration", "Neutral state", "Other", "Disgust"))
said = st.dictionaries(evaluators, st.lists(emotions, min_size=1, max_size=3, unique=True))
given_ratings = st.dictionaries(evaluators, st.tuples(*[st.integers(1, 5)] * 3))
latin_1 = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)


@given(
    st.lists(st.tuples(st.sampled_from("FM"), said, given_ratings, latin_1), min_size=1, max_size=6),
    st.sampled_from(("\n", "\r\n", "\r")),
    st.integers(0, 3),
    st.booleans(),
)
def test_what_is_written_by_the_grammar_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    utterances: list[tuple[str, dict[str, list[str]], dict[str, tuple[int, int, int]], str]],
    ending: str,
    blank: int,
    header: bool,
) -> None:
    blocks, expected = [], {}
    for number, (speaker, votes, ratings, comment) in enumerate(utterances):
        name = f"Ses04M_script03_2_{speaker}{number:03d}"
        blocks.append(block(name, "fru", number + 0.5, number + 1.75, votes, ratings, comment))
        expected[name] = (votes, ratings)
    text = (HEADER if header else "") + ("\n" * blank).join(blocks)
    root = written(tmp_path_factory.mktemp("release"), text.replace("\n", ending), "Ses04M_script03_2")
    evaluations = read_evaluations(root)
    assert evaluations.oddities == ()
    assert {
        found.utterance: ({name: list(votes) for name, votes in found.votes.items()}, found.ratings)
        for found in evaluations.utterances
    } == expected
    assert [found.start for found in evaluations.utterances] == [number + 0.5 for number in range(len(utterances))]
    for found in evaluations.utterances:
        outside = [rating for name, rating in expected[found.utterance][1].items() if name[0] == "E"] or [(3, 3, 3)]
        means = [sum(column) / len(column) for column in zip(*outside, strict=True)]
        assert all(map(lambda one, other: math.isclose(one, other, abs_tol=1e-4), found.means, means))


@given(said)
def test_votes_are_json_in_order_and_come_back(votes: dict[str, list[str]]) -> None:
    text = votes_text(votes)
    assert votes_of(text) == {name: tuple(given) for name, given in votes.items()}
    assert (text is None) == (not votes)
    assert text is None or list(json.loads(text)) == sorted(votes)


def test_votes_outlive_the_catalogue(tmp_path: Path) -> None:
    rows = merge([], catalogue(written(tmp_path, EXAMPLE)), 120.0)
    write_catalogue(tmp_path / "catalogue.parquet", rows)
    assert list(read_catalogue(tmp_path / "catalogue.parquet")) == rows


def test_an_utterance_that_cannot_be_read_is_told_by_file_and_line_and_its_votes_are_nobody_s(tmp_path: Path) -> None:
    spoilt = (
        "[9.0 - 9.9]\tSes01F_impro01_F001\tneu",
        "[9.9 - 9.0]\tSes01F_impro01_F001\tneu\t[1.0, 1.0, 1.0]",
        "[9.0 - 9.9]\tSes01F_impro01_FXX1\tneu\t[1.0, 1.0, 1.0]",
        "[nine - 9.9]\tSes01F_impro01_F001\tneu\t[1.0, 1.0, 1.0]",
    )
    for line in spoilt:
        root = written(tmp_path, f"{EXAMPLE}{line}\nC-E9:\tAnger;\t()\n")
        evaluations = read_evaluations(root)
        assert [found.utterance for found in evaluations.utterances] == ["Ses01F_impro01_F000"]
        assert "E9" not in evaluations.utterances[0].votes
        assert evaluations.oddities == ("Lines of no readable utterance: 1 (Ses01F_impro01.txt:12), left out.",)
        assert evaluations.oddities[0] in summary(catalogue(root), root)


def test_votes_that_cannot_be_read_cost_nothing_else_and_are_counted(tmp_path: Path) -> None:
    lines = ("C-E5 Anger; ()", "C-E6:\t\t()", "A-E7:\tval three; act 2; dom 1;\t()", "what is this")
    root = written(tmp_path, EXAMPLE.rstrip() + "".join(f"\n{line}" for line in lines) + "\nC-E8:\tAnger;\t()\n")
    evaluations = read_evaluations(root)
    (found,) = evaluations.utterances
    assert list(found.votes) == ["E2", "E3", "E4", "F1", "E8"]
    (line,) = evaluations.oddities
    assert line.startswith("Lines of no readable vote or rating: 4 (Ses01F_impro01.txt:11, Ses01F_impro01.txt:12")


def test_ratings_may_lack_a_value(tmp_path: Path) -> None:
    root = written(tmp_path, EXAMPLE.replace("val 2; act 3; dom  3", "val 2; act 3; dom  "))
    evaluations = read_evaluations(root)
    assert evaluations.utterances[0].ratings["E4"] == (2, 3, None)
    assert evaluations.oddities == (
        "Utterances whose means are not those of their ratings: 1 (Ses01F_impro01_F000), taken as written.",
    )


def test_an_utterance_in_the_wrong_file_is_taken_by_its_id(tmp_path: Path) -> None:
    labelled = {"Ses01F_impro01_F000": "neu", "Ses02M_impro03_F000": "sad"}
    root = release(tmp_path, labelled)
    text = block("Ses02M_impro03_M000", "ang", 1, 2) + block("Ses02M_impro03_F000", "hap", 1, 2)
    written(root, text, "Ses01F_impro01")
    found = rows_of(root)
    assert found["Ses02M_impro03_M000"].source.endswith("Session2/dialog/avi/DivX/Ses02M_impro03.avi")
    assert found["Ses02M_impro03_M000"].subject == "Ses02M"
    assert found["Ses02M_impro03_F000"].emotion == "hap"
    oddities = "\n".join(read_evaluations(root).oddities)
    assert "Ses02M_impro03_M000 in Ses01F_impro01.txt:1" in oddities
    assert "there twice: 1 (Ses02M_impro03_F000)" in oddities


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "no_utterance"])
def test_what_is_no_release_is_refused_with_how_to_obtain_one(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "IEMOCAP"
    if kind == "file":
        source.touch()
    elif kind != "missing":
        source.mkdir()
    if kind == "no_utterance":
        written(source, HEADER)
    with pytest.raises(BadInput) as refused:
        catalogue(source)
    message = str(refused.value)
    assert "\n" not in message
    if kind != "no_utterance":
        assert HOW_TO_OBTAIN in message
        assert "https://sail.usc.edu/iemocap/" in message


def test_the_folder_around_the_release_will_do(tmp_path: Path) -> None:
    root = release(tmp_path, {"Ses05M_impro08_M001": "dis"})
    assert catalogue(tmp_path) == catalogue(root)


def test_what_is_no_side_and_no_session_is_refused(tmp_path: Path) -> None:
    root = release(tmp_path, {"Ses01F_impro01_F000": "xxx"})
    for options, word in (
        ({"marker_side": "top"}, "use left, right"),
        ({"test_session": 6}, "use 1, 2, 3, 4, 5"),
    ):
        with pytest.raises(BadInput, match=word):
            catalogue(root, **options)
