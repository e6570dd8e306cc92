"""On which side a dialog's speakers sit: what is looked at, how it votes, and what comes of people who talk in turn."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.video import Video
from portrait_prep.media.probe import probe
from portrait_prep.stages.speaker_side.dialogs import (
    LONGEST,
    SHORTEST,
    Agreement,
    Dialog,
    DialogCheck,
    Excerpt,
    Vote,
    check_dialog,
    claimed_side,
    dialogs,
)
from portrait_prep.stages.speaker_side.sides import Speaking
from tests.clips import SHARED
from tests.side_by_side import (
    TURNS,
    Person,
    drawn,
    filmed,
    nobody,
    recorded,
    rows,
    spoken,
    write_dialog,
    write_wav,
)

CLIPS = SHARED / "data/clips"
HERE = Path("/")


def utterance(name: str, start: float, end: float, source: str = "a.avi") -> Video:
    return Video(video_id=name, corpus="iemocap", subject=name[0], source=source, start=start, end=end)


def chosen(videos: list[Video], utterances: int = 6) -> list[tuple[str, float, float]]:
    (dialog,) = dialogs(videos, utterances)
    return [(part.video.video_id, round(part.start, 3), round(part.end, 3)) for part in dialog.excerpts]


def test_only_the_part_in_which_nobody_else_speaks_is_looked_at() -> None:
    videos = [utterance("F0", 0, 5), utterance("M0", 4, 8), utterance("F1", 7.5, 8.2), utterance("F2", 8.1, 9)]
    assert chosen(videos) == [("F0", 0.0, 4.0), ("M0", 5.0, 7.5)]


def test_of_a_long_utterance_the_middle_is_looked_at() -> None:
    assert chosen([utterance("F0", 10, 30)]) == [("F0", 18.0, 22.0)]


def test_the_longest_of_each_speaker_come_first_and_both_have_as_many() -> None:
    videos = [utterance(f"F{k}", 10 * k, 10 * k + 2 + k / 10) for k in range(8)]
    videos += [utterance(f"M{k}", 10 * k + 5, 10 * k + 6.5 + k / 10) for k in range(8)]
    assert [name for name, _, _ in chosen(videos, 4)] == ["F6", "M6", "F7", "M7"]
    assert [name for name, _, _ in chosen(videos[::-1], 3)] == ["F6", "F7", "M7"]


def test_a_speaker_with_little_to_say_leaves_room_to_the_other() -> None:
    videos = [utterance("M0", 90, 92), *(utterance(f"F{k}", 10 * k, 10 * k + 3) for k in range(8))]
    assert [name for name, _, _ in chosen(videos, 4)] == ["F0", "F1", "F2", "M0"]


def test_each_source_is_a_dialog_of_its_own() -> None:
    videos = [utterance("F0", 0, 3, "b.avi"), utterance("M0", 0, 3, "a.avi"), utterance("F1", 0, 0.9, "c.avi")]
    assert [(dialog.source, len(dialog.excerpts)) for dialog in dialogs(videos, 6)] == [
        ("a.avi", 1),
        ("b.avi", 1),
        ("c.avi", 0),
    ]


times = st.tuples(st.floats(0, 60), st.floats(0, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(st.tuples(st.sampled_from("FM"), times), max_size=12), st.integers(1, 8))
def test_what_is_looked_at_is_one_s_own(turns: list[tuple[str, tuple[float, float]]], utterances: int) -> None:
    videos = [utterance(f"{who}{number}", *turn) for number, (who, turn) in enumerate(turns)]
    for dialog in dialogs(videos, utterances):
        assert len(dialog.excerpts) <= utterances
        assert [part.start for part in dialog.excerpts] == sorted(part.start for part in dialog.excerpts)
        for part in dialog.excerpts:
            assert SHORTEST - 1e-6 <= part.end - part.start <= LONGEST + 1e-6
            assert (part.video.start or 0) - 1e-6 <= part.start
            assert part.end <= (part.video.end or 0) + 1e-6
            for other in videos:
                if other.subject != part.video.subject:
                    assert min(part.end, other.end or 0) - max(part.start, other.start or 0) <= 1e-6


def check_with(agree: int, disagree: int, undetermined: int) -> DialogCheck:
    excerpt = Excerpt(utterance("F0", 0, 2), 0, 2)
    votes = [Vote(excerpt, "left", Speaking(2.0, side="left"))] * agree
    votes += [Vote(excerpt, "left", Speaking(2.0, side="right"))] * disagree
    votes += [Vote(excerpt, "left", Speaking(2.0, why="…"))] * undetermined
    return DialogCheck("a.avi", tuple(votes))


@pytest.mark.parametrize(
    ("agree", "disagree", "undetermined", "agreement"),
    [
        (6, 0, 0, "agrees"),
        (0, 6, 0, "disagrees"),
        (4, 2, 0, "agrees"),
        (1, 2, 3, "disagrees"),
        (3, 3, 0, "undetermined"),
        (3, 2, 1, "undetermined"),
        (1, 0, 5, "undetermined"),
        (0, 2, 4, "disagrees"),
        (0, 1, 0, "disagrees"),
        (1, 0, 1, "agrees"),
        (0, 0, 6, "undetermined"),
        (0, 0, 0, "undetermined"),
    ],
)
def test_a_dialog_takes_a_clear_majority(agree: int, disagree: int, undetermined: int, agreement: Agreement) -> None:
    assert check_with(agree, disagree, undetermined).agreement == agreement


def test_a_row_that_claims_no_side_does_not_vote() -> None:
    assert Vote(Excerpt(utterance("F0", 0, 2), 0, 2), None, Speaking(2.0, side="left")).agreement == "undetermined"


def voices(folder: Path) -> list[Path | None]:
    return [write_wav(folder / f"voice{number}.wav", spoken(turn)) for number, turn in enumerate(TURNS)]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """F sits on the left, M on the right; they speak in turn, and move their heads all the time."""
    folder = tmp_path_factory.mktemp("people")
    return write_dialog(folder / "Ses01F_impro01.avi", drawn("astronaut", "F"), drawn("double", "M"))


def looked_at(videos: list[Video]) -> DialogCheck:
    (dialog,) = dialogs(videos, 6)
    return check_dialog(HERE, dialog)


def test_the_speaker_is_found_on_either_side(people: Path, tmp_path: Path) -> None:
    found = looked_at(rows(people, voices(tmp_path), left="F"))
    assert [vote.speaking.side for vote in found.votes] == ["left", "right"]
    assert (found.agreement, found.trouble) == ("agrees", None)


def test_a_wrong_claim_is_reported(people: Path, tmp_path: Path) -> None:
    found = looked_at(rows(people, voices(tmp_path), left="M"))
    assert [vote.agreement for vote in found.votes] == ["disagrees"] * 2
    assert found.agreement == "disagrees"


def test_looking_again_finds_the_same(people: Path, tmp_path: Path) -> None:
    videos = rows(people, voices(tmp_path))
    assert looked_at(videos) == looked_at(videos)


def alone(folder: Path, left: Person, right: Person) -> Vote:
    """What the first turn says."""
    path = write_dialog(folder / "Ses01F_impro01.avi", left, right, seconds=2.5)
    (vote,) = looked_at(rows(path, [write_wav(folder / "voice.wav", spoken(TURNS[0]))])).votes
    return vote


def test_two_who_move_alike_are_not_told_apart(tmp_path: Path) -> None:
    vote = alone(tmp_path, drawn("astronaut", "F"), drawn("double", "F"))
    assert vote.speaking.why == "neither mouth moves much more than the other"
    assert vote.agreement == "undetermined"


def test_whoever_sits_beside_nobody_is_not_taken_for_the_speaker(tmp_path: Path) -> None:
    vote = alone(tmp_path, drawn("astronaut", "F"), nobody)
    assert vote.speaking.why == "too little of a face is seen on the right"
    assert vote.speaking.faces == (1.0, 0.0)
    assert vote.agreement == "undetermined"


def test_without_sound_there_is_nothing_to_compare_with(people: Path) -> None:
    found = looked_at(rows(people, [None] * 2))
    assert {vote.speaking.why for vote in found.votes} == {"too little voice is heard"}
    assert found.agreement == "undetermined"


@pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no clips at {CLIPS}")
def test_real_people(tmp_path: Path) -> None:
    """Clips of two people who talk, each in its turns; the one who listens holds a picture of the clip, and sways."""
    clips = {"F": CLIPS / "WDA_AlexandriaOcasioCortez_000.mp4", "M": CLIPS / "WDA_KatieHill_000.mp4"}
    path = write_dialog(tmp_path / "Ses01F_impro02.avi", filmed(clips["F"], "F"), filmed(clips["M"], "M"))
    sounds: list[Path | None] = [
        write_wav(tmp_path / f"{number}.wav", recorded(clips[who], begin, end))
        for number, (begin, end, who) in enumerate(TURNS)
    ]
    found = looked_at(rows(path, sounds))
    assert [vote.speaking.side for vote in found.votes] == ["left", "right"]
    assert found.agreement == "agrees"
    assert looked_at(rows(path, sounds, left="M")).agreement == "disagrees"


@pytest.mark.parametrize(
    ("x", "w", "height", "side"),
    [
        (0, 360, 480, "left"),
        (360, 360, 480, "right"),
        (365, 350, None, "right"),
        (96, 96, 480, "left"),
        (200, 480, 960, "left"),
        (200, 150, 240, "right"),
        (0, 720, 480, None),
        (None, None, 480, None),
    ],
)
def test_a_crop_claims_the_half_that_its_middle_lies_in(
    people: Path, x: int | None, w: int | None, height: int | None, side: str | None
) -> None:
    row = rows(people, [None])[0].model_copy(update={"crop_x": x, "crop_w": w, "source_height": height})
    assert claimed_side(row, probe(people, None, 0.5)) == side


def test_a_file_that_cannot_be_looked_at_says_why(tmp_path: Path) -> None:
    excerpt = Excerpt(utterance("F0", 0, 2), 0, 2)
    (tmp_path / "text.avi").write_text("no video")
    absent = check_dialog(tmp_path, Dialog("none.avi", (excerpt,)))
    assert absent.trouble == "cannot be read (No such file or directory)"
    assert "is not a readable video" in str(check_dialog(tmp_path, Dialog("text.avi", (excerpt,))).trouble)
    assert "no utterance" in str(check_dialog(tmp_path, Dialog("text.avi", ())).trouble)
