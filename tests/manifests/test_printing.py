"""Text of foreign origin acts on nothing: not on a terminal, not on a log, not on a shell."""

import json
import logging
import os
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.printing import (
    PrintableFormatter,
    print_logs_safely,
    printable,
    printable_json,
    shell_word,
)

HOSTILE = [
    "a\nportrait-prep: all is well",
    "a\r\x1b[2Kgone",
    "\x1b]0;title\x07",
    "\x9b31mC1",
    "\x7f",
    "\u202egpj.exe\u2066\u2069",
    "zero\u200bwidth\ufeff",
    "line\u2028separator\u2029",
    "\udcff",
    "\U000e0001tag",
    "tab\there",
    "",
    "plain",
    "it's \\ $HOME `id` $(id) \x1b",
    "7 after\x011",
]


@given(st.text() | st.sampled_from(HOSTILE))
def test_shown_text_is_one_line_that_acts_on_nothing(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


values = st.recursive(
    st.text(max_size=5) | st.sampled_from(HOSTILE) | st.integers(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=8,
)


@given(values)
def test_json_stays_what_it_says(value: Any) -> None:
    shown = printable_json(value)
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == value


def test_json_keeps_names_that_can_be_read() -> None:
    assert printable_json({"a": "Jürgen 陈"}) == '{\n "a": "Jürgen 陈"\n}'


def test_a_word_of_a_command_is_the_same_to_the_shell() -> None:
    command = " ".join(["printf", "'%s\\0'", *map(shell_word, HOSTILE)])
    assert command.isprintable()
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(text) for text in HOSTILE]


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isprintable()])
def test_a_word_that_prints_is_quoted_as_ever(text: str) -> None:
    assert shell_word(text) == (text or "''")


def test_no_line_of_a_log_is_forged() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 1, "%s failed: %s", ("a\nb failed", "\x1b[2J\r"), None)
    assert PrintableFormatter().format(record) == "a\n    b failed failed: \\x1b[2J\\r"


def test_what_goes_to_standard_error_for_want_of_a_handler_is_formatted_so() -> None:
    print_logs_safely()
    assert logging.lastResort is not None
    assert isinstance(logging.lastResort.formatter, PrintableFormatter)
