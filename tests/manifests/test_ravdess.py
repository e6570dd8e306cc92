from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.choice import Choice, Filter
from portrait_prep.manifests.corpora.ravdess.catalogue import catalogue
from portrait_prep.manifests.corpora.ravdess.names import Take, takes
from portrait_prep.manifests.corpora.ravdess.summary import summary
from portrait_prep.manifests.ids import SAFE_ID
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from tests.ravdess_release import STEREO, make_release, release_names, write_sound

ONE = "Actor_12/{}-01-06-01-02-01-12.{}"
FULL, SILENT, WAV = ONE.format("01", "mp4"), ONE.format("02", "mp4"), ONE.format("03", "wav")
TWINS = ("01-01-03-01-02-01-07", "01-01-03-01-02-02-07")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 7356 files. Not to be written to."""
    return make_release(tmp_path_factory.mktemp("ravdess") / "release")


@pytest.fixture(scope="module")
def rows(release: Path) -> list[Video]:
    return catalogue(release)


def only(rows: list[Video]) -> Video:
    (row,) = rows
    return row


def test_the_grammar_has_the_names_of_the_release_and_no_other() -> None:
    names = [f"{take.folder}/{take.file(modality)}" for take in takes() for modality in (1, 2, 3)]
    assert len(release_names()) == 7356
    assert sorted(names) == sorted(release_names())
    counts = Counter((Path(name).suffix, Path(name).name[:5]) for name in names)
    assert counts == {
        **{(".mp4", f"0{modality}-01"): 1440 for modality in (1, 2)},
        **{(".mp4", f"0{modality}-02"): 1012 for modality in (1, 2)},
        (".wav", "03-01"): 1440,
        (".wav", "03-02"): 1012,
    }


def test_a_take_is_one_row_whatever_number_of_files_it_has(release: Path, rows: list[Video]) -> None:
    assert len({row.video_id for row in rows}) == len(rows) == 1440 + 1012
    assert Counter((row.channel, row.emotion) for row in rows) == {
        ("speech", "neutral"): 96,
        **{("speech", word): 192 for word in ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")},
        ("song", "neutral"): 92,
        **{("song", word): 184 for word in ("calm", "happy", "sad", "angry", "fearful")},
    }
    actors = Counter((row.subject, row.channel) for row in rows)
    assert set(Counter(row.subject for row in rows).values()) == {104, 60}
    assert rows == sorted(rows, key=lambda row: (row.subject, row.video_id))
    assert actors["Actor_18", "song"] == 0
    assert actors["Actor_18", "speech"] == 60
    assert all(SAFE_ID.fullmatch(row.video_id) for row in rows)


def test_the_picture_is_of_the_full_file_and_the_sound_of_the_clean_one(release: Path, rows: list[Video]) -> None:
    for row in rows:
        assert row.path == release / row.subject / f"{row.video_id}.mp4"
        assert row.sound == (None if row.video_id in TWINS else str(row.path.with_name(f"03{row.video_id[2:]}.wav")))
    assert {row.duration for row in rows} == {0.4}


def test_a_row_says_all_that_its_name_says(rows: list[Video]) -> None:
    row = next(row for row in rows if row.video_id == "01-01-06-01-02-01-12")
    assert (row.corpus, row.subject, row.licence, row.defect) == ("ravdess", "Actor_12", "CC BY-NC-SA 4.0", None)
    assert (row.emotion, row.intensity, row.channel, row.repetition) == ("fearful", "normal", "speech", 1)
    assert row.text == row.statement == "Dogs are sitting by the door"
    row = next(row for row in rows if row.video_id == "01-02-05-02-01-02-03")
    assert (row.emotion, row.intensity, row.channel, row.repetition) == ("angry", "strong", "song", 2)
    assert row.text == row.statement == "Kids are talking by the door"


def test_both_mappings_to_four_classes_have_their_published_counts(rows: list[Video]) -> None:
    speech = [row for row in rows if row.channel == "speech"]
    assert Counter(row.four_class for row in speech) == {"neu": 96, "hap": 192, "sad": 192, "ang": 192, None: 768}
    merged = Counter(row.four_class_merged for row in speech)
    assert merged == {"neutral": 288, "happy": 192, "negative": 768, "surprised": 192}
    assert {(row.emotion, row.four_class) for row in rows if row.four_class} == {
        ("neutral", "neu"),
        ("happy", "hap"),
        ("sad", "sad"),
        ("angry", "ang"),
    }


def test_without_files_every_take_has_its_place_in_an_archive() -> None:
    rows = {row.video_id: row for row in catalogue()}
    record = "https://zenodo.org/records/1188976/files"
    assert len(rows) == 2452
    speech, song = rows["01-01-06-01-02-01-12"], rows["01-02-06-01-02-01-12"]
    assert speech.source == f"{record}/Video_Speech_Actor_12.zip#Actor_12/01-01-06-01-02-01-12.mp4"
    assert speech.sound == f"{record}/Audio_Speech_Actors_01-24.zip#Actor_12/03-01-06-01-02-01-12.wav"
    assert song.source == f"{record}/Video_Song_Actor_12.zip#Actor_12/01-02-06-01-02-01-12.mp4"
    assert song.sound == f"{record}/Audio_Song_Actors_01-24.zip#Actor_12/03-02-06-01-02-01-12.wav"
    assert all(row.remote for row in rows.values())
    archives = {str(address).partition("#")[0] for row in rows.values() for address in (row.source, row.sound)}
    assert len(archives - {"None"}) == 24 + 23 + 2
    assert (speech.duration, song.duration) == (3.7, 4.6)
    assert any("estimates" in line for line in summary(list(rows.values())))


def test_a_shard_needs_few_archives() -> None:
    archives: dict[str, set[str]] = {}
    for row in merge([], catalogue(), 120):
        archives.setdefault(row.shard, set()).add(row.source.partition("#")[0])
    assert len(archives) > 80
    assert max(map(len, archives.values())) <= 2


def test_the_same_rows_come_with_files_as_without(rows: list[Video]) -> None:
    place = {"source": "", "sound": None, "duration": None}
    assert [row.model_copy(update=place) for row in rows] == [row.model_copy(update=place) for row in catalogue()]


@pytest.mark.parametrize(
    ("names", "picture", "sound"),
    [
        ((FULL, SILENT, WAV), FULL, WAV),
        ((SILENT, WAV), SILENT, WAV),
        ((FULL, SILENT), FULL, None),
        ((FULL,), FULL, None),
        ((SILENT,), SILENT, None),
    ],
)
def test_the_files_of_a_take_are_joined(
    tmp_path: Path, names: tuple[str, ...], picture: str, sound: str | None
) -> None:
    source = make_release(tmp_path / "some", names)
    row = only(catalogue(source))
    assert row.video_id == "01-01-06-01-02-01-12"
    assert row.source == str(source / picture)
    assert row.sound == (sound and str(source / sound))
    silent = [line for line in summary([row], source) if "without sound" in line]
    assert bool(silent) == (names == (SILENT,))


def test_a_take_that_is_only_heard_is_told_and_no_row(tmp_path: Path) -> None:
    source = make_release(tmp_path / "some", [FULL, WAV, WAV.replace("-02-01-12", "-02-02-12")])
    rows = catalogue(source)
    assert only(rows).video_id == "01-01-06-01-02-01-12"
    assert "1 take has only a sound file: left out." in summary(rows, source)


def test_files_are_found_by_name_wherever_they_lie_and_once(tmp_path: Path) -> None:
    source = make_release(tmp_path / "some", [f"b/nested/{FULL}", f"a/{FULL}", f"a/{WAV}", f"c/{WAV}"])
    shouted = source / "a" / FULL.replace("-02-01-12.mp4", "-02-02-12.MP4")
    shouted.hardlink_to(source / "a" / FULL)
    rows = catalogue(source)
    assert [row.source for row in rows] == [str(source / "a" / FULL), str(shouted)]
    assert rows[0].sound == str(source / "a" / WAV)
    assert "2 files are there again: the first by path is taken." in summary(rows, source)


def test_what_is_not_of_the_release_is_told_and_left_out(tmp_path: Path) -> None:
    source = make_release(
        tmp_path / "some",
        [FULL, "__MACOSX/Actor_12/01-01-06-01-01-01-12.mp4", "Actor_12/._01-01-06-01-02-02-12.mp4"],
    )
    strange = ("01-01-09-01-01-01-01.mp4", "01-02-01-01-01-01-18.mp4", "01-01-01-02-01-01-01.mp4", FULL[9:-3] + "wav")
    for name in (*strange, "holiday.mp4", "readme.txt"):
        (source / name).write_bytes(b"")
    rows = catalogue(source)
    lines = summary(rows, source)
    assert only(rows).source == str(source / FULL)
    assert any(line.startswith("4 (01-01-01-02-01-01-01.mp4, ") and "named as no file" in line for line in lines)
    assert "2 (holiday.mp4, readme.txt) not of RAVDESS: left out." in lines


def test_what_misses_is_told_by_modality_and_channel(tmp_path: Path, release: Path, rows: list[Video]) -> None:
    assert not [line for line in summary(rows, release) if "not there" in line]
    source = make_release(tmp_path / "some", [FULL, WAV])
    assert [line for line in summary(catalogue(source), source) if "not there" in line] == [
        "1439 full-AV speech files of the release are not there.",
        "1012 full-AV song files of the release are not there.",
        "1440 video-only speech files of the release are not there.",
        "1012 video-only song files of the release are not there.",
        "1439 audio-only speech files of the release are not there.",
        "1012 audio-only song files of the release are not there.",
    ]


def test_what_was_not_asked_for_is_not_missed(tmp_path: Path) -> None:
    heard = WAV.replace("-02-01-12", "-02-02-12")
    source = make_release(tmp_path / "some", [FULL, WAV, heard])

    def missed(choice: Choice) -> list[str]:
        lines = summary(choice.of(catalogue(source)), source, choice)
        return [line for line in lines if "not there" in line or "only a sound" in line]

    sung = Filter("--channel", "channel", ["song"])
    spoken = Filter("--channel", "channel", ["speech"])
    actor = Filter("--actor", "subject", ["Actor_12"])
    assert missed(Choice((spoken, actor))) == [
        "59 full-AV speech files of the release are not there.",
        "60 video-only speech files of the release are not there.",
        "58 audio-only speech files of the release are not there.",
        "1 take has only a sound file: left out.",
    ]
    assert missed(Choice((actor,), limit=1)) == ["1 video-only speech file of the release is not there."]
    with pytest.raises(BadInput, match="song"):
        missed(Choice((sung,)))


def test_the_archives_may_lie_in_a_mirror() -> None:
    (row, *_) = catalogue(record="http://127.0.0.1:8000/mirror")
    files = "http://127.0.0.1:8000/mirror/files"
    assert row.source == f"{files}/Video_Speech_Actor_01.zip#Actor_01/01-01-01-01-01-01-01.mp4"
    assert row.sound == f"{files}/Audio_Speech_Actors_01-24.zip#Actor_01/03-01-01-01-01-01-01.wav"


def test_known_defects_are_named(release: Path, rows: list[Video]) -> None:
    assert {row.video_id: row.defect for row in rows if row.defect} == {
        **{f"01{name[2:]}": "stereo sound" for name in STEREO},
        TWINS[0]: f"same sound file as {TWINS[1]}",
        TWINS[1]: f"same sound file as {TWINS[0]}",
    }
    assert all(row.worked_on for row in rows)
    lines = summary(rows, release)
    assert any(line.startswith("6 x stereo sound: ") for line in lines)
    assert any(line.startswith("2 x same sound file as another take: ") for line in lines)
    assert not [line for line in lines if "not as published" in line]


MEDIA = (("01", "mp4"), ("03", "wav"))
TWIN = "Actor_07/{}-01-03-01-02-0{}-07.{}"


def test_a_take_with_another_s_sound_file_has_its_video_s_sound(tmp_path: Path) -> None:
    names = [TWIN.format("01", 1, "mp4"), TWIN.format("02", 2, "mp4"), *(TWIN.format("03", n, "wav") for n in (1, 2))]
    one, two = catalogue(make_release(tmp_path / "some", names))
    assert (one.video_id, two.video_id) == TWINS
    assert one.sound is None
    assert two.sound == str(tmp_path / "some" / names[3])  # there is no other
    assert [row.sound for row in catalogue() if row.video_id in TWINS] == [None, None]


def test_a_full_file_without_sound_is_no_reason_to_do_without(tmp_path: Path) -> None:
    source = make_release(tmp_path / "some", [TWIN.format("02", 1, "mp4"), TWIN.format("03", 1, "wav")])
    (source / TWIN.format("02", 1, "mp4")).rename(source / TWIN.format("01", 1, "mp4"))
    assert only(catalogue(source)).sound == str(source / TWIN.format("03", 1, "wav"))


def test_defects_that_are_not_there_after_all_are_told(tmp_path: Path) -> None:
    stereo = "Actor_01/{}-01-02-01-01-02-01.{}"
    source = make_release(
        tmp_path / "some",
        [stereo.format("01", "mp4"), *(TWIN.format(kind, n, end) for kind, end in MEDIA for n in (1, 2))],
    )
    write_sound(source / stereo.format("03", "wav"), np.zeros((4800, 1), np.int16))
    other = source / TWIN.format("03", 2, "wav")
    other.unlink()
    write_sound(other, np.zeros((4800, 1), np.int16))
    lines = [line for line in summary(catalogue(source), source) if "not as published" in line]
    assert len(lines) == 2
    assert lines[0].startswith("1 (03-01-02-01-01-02-01.wav) mono")
    assert lines[1].startswith("2 (03-01-03-01-02-01-07.wav, 03-01-03-01-02-02-07.wav) differ")


def test_a_split_that_leaks_is_told() -> None:
    lines = summary(catalogue(split="stratified"))
    assert any(line.startswith("24 actors are on more than one side") for line in lines)
    assert "1012 songs have no split: the published one is of speech." in lines
    assert not [line for line in summary(catalogue()) if "split" in line]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"record": "zenodo.org/records/1188976"}, "no address of a record"),
        ({"split": "fair"}, "actor, stratified"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        catalogue(**options)
    assert "\n" not in str(caught.value)


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        catalogue(tmp_path / "gone")
    with pytest.raises(BadInput, match=r"such as 01-01-01-01-01-01-01\.mp4"):
        catalogue(make_release(tmp_path / "heard", [WAV]))


def test_a_file_that_is_no_video_is_listed_for_the_stages_to_judge(tmp_path: Path) -> None:
    path = tmp_path / "files" / FULL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no video")
    row = only(catalogue(tmp_path / "files"))
    assert (row.source, row.duration) == (str(path), None)


def test_files_come_to_rows_that_had_only_addresses(tmp_path: Path) -> None:
    source = make_release(tmp_path / "some", [SILENT, WAV])
    known = merge([], [row for row in catalogue() if row.subject == "Actor_12"], 120)
    merged = {row.video_id: row for row in merge(known, catalogue(source), 120)}
    assert len(merged) == len(known)
    before = {row.video_id: row for row in known}["01-01-06-01-02-01-12"]
    after = merged["01-01-06-01-02-01-12"]
    assert (after.source, after.sound, after.duration) == (str(source / SILENT), str(source / WAV), 0.4)
    assert after.shard == before.shard
    again = {row.video_id: row for row in merge(list(merged.values()), catalogue(), 120)}
    assert again["01-01-06-01-02-01-12"] == after


def test_a_sound_file_that_comes_later_is_the_row_s_sound(tmp_path: Path) -> None:
    known = merge([], catalogue(make_release(tmp_path / "one", [FULL])), 120)
    row = only(merge(known, catalogue(make_release(tmp_path / "two", [FULL, WAV])), 120))
    assert (only(known).sound, row.sound) == (None, str(tmp_path / "two" / WAV))


@given(st.sampled_from(takes()), st.sampled_from((1, 2, 3)))
def test_a_name_tells_its_fields_apart(take: Take, modality: int) -> None:
    stem, _, suffix = take.file(modality).partition(".")
    assert [int(field) for field in stem.split("-")] == [modality, *vars(take).values()]
    assert suffix == ("wav" if modality == 3 else "mp4")
