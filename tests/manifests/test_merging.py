"""How videos enter a catalogue: which shard they get, and what a known row keeps."""

from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video


def video(video_id: str, seconds: float | None = 10.0, corpus: str = "folder", source: str = "/v") -> Video:
    return Video(video_id=video_id, corpus=corpus, subject="s", source=source, duration=seconds)


durations = st.lists(st.none() | st.floats(0, 300, allow_nan=False), max_size=30)


@given(durations, st.integers(0, 30))
def test_adding_videos_later_never_moves_the_earlier_ones(seconds: list[float | None], cut: int) -> None:
    videos = [video(f"v{number}", length) for number, length in enumerate(seconds)]
    before = merge([], videos[:cut], 120)
    after = merge(before, videos, 120)
    assert after[: len(before)] == before
    assert [row.video_id for row in after] == [row.video_id for row in videos]


@given(durations)
def test_a_shard_holds_what_fits_and_only_a_longer_video_exceeds_it(seconds: list[float | None]) -> None:
    shards: dict[str, list[float]] = {}
    for row in merge([], [video(f"v{number}", length) for number, length in enumerate(seconds)], 120):
        shards.setdefault(row.shard, []).append(row.duration or 0.0)
    assert all(sum(held) <= 120 + 1e-6 or len([length for length in held if length]) == 1 for held in shards.values())
    assert list(shards) == [f"folder-{number:05d}" for number in range(len(shards))]


def test_a_shard_is_filled_to_its_very_end() -> None:
    rows = merge([], [video("a", 60.0), video("b", 60.0), video("c", 0.5)], 120)
    assert [row.shard for row in rows] == ["folder-00000", "folder-00000", "folder-00001"]


def test_the_last_shard_is_filled_up_though_an_earlier_one_is_fuller() -> None:
    before = merge([], [video("a", 100.0), video("b", 30.0)], 120)
    assert [row.shard for row in before] == ["folder-00000", "folder-00001"]
    assert merge(before, [video("c", 10.0)], 120)[-1].shard == "folder-00001"


def test_each_corpus_counts_its_own_shards() -> None:
    rows = merge([], [video("a"), video("b", corpus="hdtf"), video("c")], 120)
    assert [row.shard for row in rows] == ["folder-00000", "hdtf-00000", "folder-00000"]


def test_of_equal_ids_the_first_counts() -> None:
    (row,) = merge([], [video("a", source="/1"), video("a", source="/2")], 120)
    assert row.source == "/1"


def test_a_known_video_keeps_its_side_and_takes_over_what_the_corpus_corrects() -> None:
    before = video("a", 10.0, source="/old/a.mp4").model_copy(
        update={
            "shard": "folder-00003",
            "split": "train",
            "fold": 1,
            "sound_shift": -0.2,
            "emotion": "neu",
            "defect": "no crop",
        }
    )
    now = video("a", 99.0, source="/new/a.mp4").model_copy(
        update={"subject": "t", "split": "test", "fold": 2, "emotion": "ang", "votes": "{}", "licence": "CC BY 4.0"}
    )
    fixed = {"shard": "folder-00003", "subject": "s", "split": "train", "fold": 1, "sound_shift": -0.2}
    assert merge([before], [now], 120) == [now.model_copy(update=fixed)]


def test_what_is_no_longer_listed_is_kept() -> None:
    before = merge([], [video("a"), video("b")], 120)
    assert merge(before, [video("b"), video("c")], 120)[:2] == before


def test_of_equal_ids_the_first_counts_for_a_known_video_too() -> None:
    before = merge([], [video("a", source="/0")], 120)
    (row,) = merge(before, [video("a", source="/1"), video("a", source="/2")], 120)
    assert row.source == "/1"


def test_a_file_comes_in_place_of_an_address_with_what_is_taken_of_it_and_is_not_given_up_again() -> None:
    there = video("a", 30.0, source="https://www.youtube.com/watch?v=x").model_copy(
        update={"start": 10.0, "end": 40.0, "crop_w": 400, "source_height": 720}
    )
    here = video("a", 8.0, source="/a.mp4").model_copy(update={"split": "test"})
    (before,) = merge([], [there], 120)
    (after,) = merge([before], [here], 120)
    assert after == here.model_copy(update={"split": None, "shard": before.shard})
    assert merge([after], [there], 120) == [after]
    assert (before.remote, after.remote) == (True, False)


def test_labels_come_to_a_file_that_is_kept() -> None:
    here = video("a", 8.0, source="/a.mp4").model_copy(update={"shard": "folder-00000", "defect": "no crop"})
    there = video("a", 30.0, source="https://x.org/a").model_copy(update={"start": 1.0, "defect": "odd height"})
    assert merge([here], [there], 120) == [here.model_copy(update={"defect": "odd height"})]


def test_a_shard_that_a_person_named_is_left_as_it_is() -> None:
    known = [video("a").model_copy(update={"shard": "mine"}), video("b").model_copy(update={"shard": "folder-x"})]
    assert [row.shard for row in merge(known, [video("c")], 120)] == ["mine", "folder-x", "folder-00000"]


def rows_with(*facts: tuple[str, str, str | None, str | None]) -> list[Video]:
    return [
        video(name, 10).model_copy(update={"subject": subject, "split": split, "split_by": by})
        for name, subject, split, by in facts
    ]


def split_of(known: list[Video], new: list[Video]) -> dict[str, tuple[str | None, str | None]]:
    merged = merge(merge([], known, 120), new, 120)
    return {row.video_id: (row.split, row.split_by) for row in merged[len(known) :]}


def test_a_new_video_of_a_known_subject_is_on_its_side() -> None:
    known = rows_with(("a1", "ann", "test", "subject"), ("b1", "bob", "train", "subject"))
    new = rows_with(("a2", "ann", None, None), ("b2", "bob", "val", "take"))
    assert split_of(known, new) == {"a2": ("test", "subject"), "b2": ("train", "subject")}


def test_a_new_video_keeps_a_fold_that_its_subject_was_given() -> None:
    known = [row.model_copy(update={"fold": 0}) for row in rows_with(("a1", "ann", None, None))]
    new = [row.model_copy(update={"fold": 4}) for row in rows_with(("a2", "ann", None, None))]
    assert merge(merge([], known, 120), new, 120)[1].fold == 0


def test_where_people_are_on_several_sides_on_purpose_new_videos_have_their_own() -> None:
    known = rows_with(("a1", "ann", "test", "take"))
    assert split_of(known, rows_with(("a2", "ann", "train", "take"))) == {"a2": ("train", "take")}


def test_a_corpus_that_was_split_anew_gives_unknown_subjects_no_split() -> None:
    new = rows_with(("c1", "cat", "train", None))
    assert split_of(rows_with(("a1", "ann", "test", "subject")), new) == {"c1": (None, None)}
    assert split_of(rows_with(("a1", "ann", "test", None)), new) == {"c1": ("train", None)}
    assert split_of(rows_with(("a1", "ann", "test", "subject"), ("b1", "bob", "train", None)), new) == {
        "c1": ("train", None)
    }


def test_a_duplicate_says_nothing_of_its_subject() -> None:
    known = [row.model_copy(update={"defect": "duplicate of x"}) for row in rows_with(("a1", "ann", "test", None))]
    assert split_of(known, rows_with(("a2", "ann", "train", None))) == {"a2": ("train", None)}
