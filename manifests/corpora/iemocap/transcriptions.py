"""The transcriptions of IEMOCAP, `Session*/dialog/transcriptions/<dialog>.txt`: what is said in each utterance.

    UTTERANCE  [START-END]: TEXT      Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.

Some lines belong to no labelled utterance: of those that nobody rated the number begins with `XX`
(`Ses03F_impro05_MXX0`), and what falls between turns has no more than the speaker (`M: Yeah.`). Laughter and the like
stand in brackets and capitals (`[LAUGHTER]`), and are part of the text.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from portrait_prep.media.file import MOST_TEXT, regular

TRANSCRIPTIONS = "dialog/transcriptions"

LINE = re.compile(r"(\w+)\s*(?:\[[\d.\s-]*\]\s*:?|:)\s*(.*)", re.DOTALL)
"""The utterance, its times where they are there, and the text, which may have colons and brackets of its own."""


def read_transcription(path: Path) -> Mapping[str, str]:
    """First field of each line -> its text, the first that is not empty; nothing where the file cannot be read."""
    texts: dict[str, str] = {}
    try:
        lines = regular(path, MOST_TEXT).read_bytes().splitlines()
    except OSError:
        return texts
    for line in lines:
        match = LINE.fullmatch(_decoded(line).strip())
        if match and match[2]:
            texts.setdefault(match[1], match[2])
    return texts


def _decoded(line: bytes) -> str:
    """As UTF-8 where it is that, else as Windows wrote it: Latin-1 with quotes and dashes among the control codes."""
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")
