"""Ids of videos: safe as names of files, stable, and different where the videos are."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.ids import MAX_ID, ids_in, safe_id, with_digest

names = st.text(max_size=200) | st.binary(max_size=120).map(os.fsdecode)


@given(names, names)
def test_ids_are_safe_whatever_the_name(text: str, salt: str) -> None:
    for made in (safe_id(text, salt), with_digest(text, salt)):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", made)
        assert not made.startswith((".", "-"))
        assert len(made) <= MAX_ID
        assert made not in ("", ".", "..")


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}", fullmatch=True))
def test_a_safe_name_stays_as_it_is(text: str) -> None:
    assert safe_id(text, "any") == text


@pytest.mark.parametrize("name", ["-rf", "--help", "-_-x", "-", "--"])
def test_no_id_looks_like_an_option(name: str) -> None:
    assert not safe_id(name, name).startswith("-")
    assert safe_id(name, name) == with_digest(name, name)


@given(names)
def test_the_same_name_always_gets_the_same_id_and_other_salts_another(text: str) -> None:
    assert with_digest(text, "a") == with_digest(text, "a")
    assert with_digest(text, "a") != with_digest(text, "b")


@pytest.mark.parametrize("link", ["clip.1.mp4", "clip.1.sound.wav", "clip.1", "clip.1.sound"])
def test_a_link_is_of_the_whole_id_that_it_is_called_after(link: str) -> None:
    assert "clip.1" in ids_in(link)


def test_a_link_is_of_no_id_that_is_only_the_beginning_of_its_own() -> None:
    assert "clip" not in ids_in("clip.1.mp4") | ids_in("clip.1.sound.wav")
