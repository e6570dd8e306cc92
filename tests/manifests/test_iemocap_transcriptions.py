from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.corpora.iemocap.catalogue import catalogue, summary
from portrait_prep.manifests.corpora.iemocap.transcriptions import read_transcription
from tests.iemocap_release import release, transcription_file

DIALOG = "Ses01F_impro01"
FIRST, SECOND = f"{DIALOG}_F000", f"{DIALOG}_M000"

AS_RELEASED = b"""\
Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M000 [007.5712-010.4750]: [LAUGHTER] Wait: [BREATHING] is it caf\xe9, or caf\xe9s?
Ses01F_impro01_MXX0 [010.5000-011.0000]: [LAUGHTER], That's what they say.
M: Yeah.
Ses01F_impro01_F001: Without a time.
Ses01F_impro01_M001 [012.0000-013.0000]:
Ses01F_impro01_F002 [014.0000-015.0000]: It\x92s the first \x85
Ses01F_impro01_F002 [014.0000-015.0000]: that counts.
"""


def texts_of(content: bytes) -> dict[str, str]:
    with TemporaryDirectory() as folder:
        (path := Path(folder) / f"{DIALOG}.txt").write_bytes(content)
        return dict(read_transcription(path))


def test_each_utterance_has_its_text_as_it_stands() -> None:
    found = texts_of(AS_RELEASED)
    assert {name: found[name] for name in found if name.startswith(DIALOG)} == {
        FIRST: "Excuse me.",
        SECOND: "[LAUGHTER] Wait: [BREATHING] is it café, or cafés?",
        f"{DIALOG}_MXX0": "[LAUGHTER], That's what they say.",
        f"{DIALOG}_F001": "Without a time.",
        f"{DIALOG}_F002": "It’s the first …",
    }


utterances = st.from_regex(r"Ses0[1-5][FM]_(impro0[1-8][ab]?|script0[1-3]_[1-3]b?)_[FM](XX)?[0-9]{1,3}", fullmatch=True)
words = st.text("aZ0[]-.,:'éü", min_size=1, max_size=9)
sentences = st.lists(words, min_size=1, max_size=5).map(" ".join).filter(lambda text: text[0] != ":")
betweens = st.sampled_from((" [006.2901-008.2357]: ", " [6.2-8.2] : ", "\t[006.2901 - 008.2357]:", ": ", " [1.0-2.0] "))


@given(
    st.dictionaries(utterances, st.tuples(betweens, sentences), max_size=8),
    st.sampled_from(("\n", "\r\n", "\r", "\n\n")),
    st.sampled_from(("utf-8", "utf-8-sig", "latin-1")),
)
def test_what_was_written_is_read_whatever_stands_between_and_at_the_end(
    written: dict[str, tuple[str, str]], end: str, encoding: str
) -> None:
    content = "".join(f"{name}{between}{text}{end}M: Yeah.{end}" for name, (between, text) in written.items())
    found = texts_of(content.encode(encoding))
    assert found == {name: text for name, (_, text) in written.items()} | ({"M": "Yeah."} if written else {})


@given(st.binary(max_size=300))
def test_damage_is_no_text_and_no_failure(content: bytes) -> None:
    assert all(text.strip() for text in texts_of(content).values())


@pytest.mark.parametrize("kind", ["missing", "folder", "bytes"])
def test_what_cannot_be_read_costs_the_text_alone_and_is_told(tmp_path: Path, kind: str) -> None:
    root = release(tmp_path, {FIRST: "neu", SECOND: "ang", "Ses01F_impro02_F000": "sad"})
    path = transcription_file(root, DIALOG)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "bytes":
        path.write_bytes(bytes(range(256)))
    found = catalogue(root)
    assert [row.text is None for row in found] == [True, True, False]
    assert (
        "The text of 1 of 3 utterances is known; Session*/dialog/transcriptions lacks "
        f"2 ({FIRST}, {SECOND})." in summary(found, root)
    )
