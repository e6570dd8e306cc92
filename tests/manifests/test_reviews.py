"""A person's decision: kept as written, refused when it cannot be read, and put over the verdict of the rules."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.verdict import Review, Reviewed, Verdict, read_reviews, reviewed, write_reviews

ACCEPT = Review(decision="accept", why="it is the same person", who="ann", when="2026-01-02T03:04:05+00:00")
REJECT = ACCEPT.model_copy(update={"decision": "reject", "why": "a poster behind her"})
GOOD, POOR = Verdict(accepted=True), Verdict(accepted=False, reasons=("the face jumped",))

printable = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.dictionaries(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), st.tuples(printable, printable)))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, told: dict[str, tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("reviews") / "reviews.jsonl"
    reviews = {name: ACCEPT.model_copy(update={"why": why, "who": who}) for name, (why, who) in told.items()}
    write_reviews(path, reviews)
    assert read_reviews(path) == reviews
    assert len(path.read_bytes().split(b"\n")) == len(reviews) + 1


def test_a_reason_in_bytes_that_are_no_text_is_kept_escaped(tmp_path: Path) -> None:
    review = Review(decision="reject", why="like \udcff", who="\udcfe", when="")
    write_reviews(tmp_path / "reviews.jsonl", {"a": review})
    assert read_reviews(tmp_path / "reviews.jsonl") == {"a": review}
    assert (review.why, review.who) == (r"like \udcff", r"\udcfe")


def test_no_file_is_no_review(tmp_path: Path) -> None:
    assert read_reviews(tmp_path / "reviews.jsonl") == {}


@pytest.mark.parametrize(
    "damaged",
    [
        '{"video_id": "a"}',
        '{"video_id": "a", "decision": "maybe", "why": "x", "who": "y", "when": "z"}',
        '{"video_id": "a", "decision": "accept", "why": " ", "who": "y", "when": "z"}',
        "half a li",
        '{"video_id": "../a", "decision": "accept", "why": "x", "who": "y", "when": "z"}',
        '{"video_id": "", "decision": "accept", "why": "x", "who": "y", "when": "z"}',
        '{"video_id": "b", "decision": "accept", "why": "twice", "who": "y", "when": "z"}',
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_no_review_is_named(tmp_path: Path, damaged: str | bytes) -> None:
    path = tmp_path / "reviews.jsonl"
    write_reviews(path, {"b": ACCEPT})
    path.write_bytes(path.read_bytes() + (damaged if isinstance(damaged, bytes) else f"{damaged}\n".encode()))
    with pytest.raises(BadInput, match="jsonl"):
        read_reviews(path)


def test_without_a_review_the_rules_stand() -> None:
    assert reviewed(POOR, None, finished=True) == POOR


def test_an_acceptance_overrules_the_rules_and_says_which() -> None:
    assert reviewed(POOR, ACCEPT, finished=True) == Reviewed(accepted=True, review=ACCEPT, overruled=POOR.reasons)


def test_an_acceptance_does_not_make_up_for_a_stage() -> None:
    unfinished = Verdict(accepted=False, reasons=("landmarks is failed: no face",))
    verdict = reviewed(unfinished, ACCEPT, finished=False)
    assert (verdict.accepted, verdict.reasons) == (False, unfinished.reasons)


def test_a_rejection_adds_its_reason() -> None:
    for verdict in (GOOD, POOR):
        found = reviewed(verdict, REJECT, finished=True)
        assert not found.accepted
        assert found.reasons == ("ann rejected it: a poster behind her", *verdict.reasons)
