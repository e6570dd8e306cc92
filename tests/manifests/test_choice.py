import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.choice import EVERYTHING, Choice, Filter
from portrait_prep.manifests.video import Video


def video(video_id: str, subject: str = "s", session: int | None = None) -> Video:
    return Video(video_id=video_id, corpus="folder", subject=subject, source=f"/{video_id}", session=session)


def ids(*values: str) -> Filter:
    return Filter("--only", "video_id", values)


ROWS = [video("a", "Ann", 1), video("b", "Bob", 1), video("c", "Ann", 2), video("d", "Cy", 2)]


@pytest.mark.parametrize(
    ("filters", "limit", "expected"),
    [
        ((), None, "abcd"),
        ((), 2, "ab"),
        ((), 9, "abcd"),
        ((ids("c", "a"),), None, "ac"),
        ((ids("a", "b", "c"), Filter("--subject", "subject", ["Ann"])), None, "ac"),
        ((Filter("--subject", "subject", ["Cy", "Bob"]),), None, "bd"),
        ((Filter("--session", "session", [2]), Filter("--subject", "subject", None)), None, "cd"),
        ((Filter("--session", "session", [2]),), 1, "c"),
    ],
)
def test_what_passes_every_filter_is_taken_in_order_and_a_limit_comes_last(
    filters: tuple[Filter, ...], limit: int | None, expected: str
) -> None:
    assert Choice(filters, limit).of(ROWS) == [row for row in ROWS if row.video_id in expected]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice((ids("a", "x", "y"),)), "None of the 4 videos .* video_id 'x': give values such as a, b, c as --only"),
        (Choice((Filter("--subject", "subject", ["ann"]),)), "subject 'ann': give values such as Ann, Bob, Cy as"),
        (Choice((Filter("--session", "session", [3]),)), "session '3'"),
        (Choice((ids(),)), "--only needs at least one value"),
        (Choice(limit=0), "--limit must be at least 1"),
        (Choice(limit=-1), "--limit must be at least 1"),
        (Choice((ids("a"), Filter("--session", "session", [2]))), r"all that was asked for \(--only, --session\)"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_sentence(choice: Choice, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        choice.of(ROWS)
    assert "\n" not in str(caught.value)


def test_a_value_that_the_user_did_not_name_may_be_of_no_row() -> None:
    assert Choice((Filter("--classes", "subject", ("Ann", "Eve"), named=False),)).of(ROWS) == [ROWS[0], ROWS[2]]


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_greater_limit_takes_the_same_and_more(one: int, other: int) -> None:
    rows = [video(f"v{number}") for number in range(12)]
    few, many = (Choice(limit=limit).of(rows) for limit in sorted((one, other)))
    assert many[: len(few)] == few
    assert EVERYTHING.of(rows) == rows
