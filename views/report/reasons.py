"""Reasons of like kind under one heading: the numbers and names in them differ from video to video."""

import re
from pathlib import PurePath

from manifests.quality import RULES, QualitySettings

BLANK = "…"
REPEATS = "duplicate of "
"""Begins the defect of a row that only repeats another video."""
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w]|\.\d)%?")


class Blank:
    """Stands for any value in the reason of a rule."""

    def __format__(self, _: str) -> str:
        return BLANK

    def __getitem__(self, _: int) -> "Blank":
        return self


class Headings:
    """Finds the heading of a reason: a rule's with its thresholds, any other without what is the video's own."""

    def __init__(self, settings: QualitySettings) -> None:
        texts = dict.fromkeys(rule.reason.format(value=Blank(), limits=settings) for rule in RULES)
        self._rules = [(re.compile(".+?".join(map(re.escape, text.split(BLANK)))), text) for text in texts]

    def of(self, reason: str, video_id: str, source: str) -> str:
        """The heading. Of a reason that is no rule's: without the video's id, its file's name, and numbers."""
        for pattern, text in self._rules:
            if pattern.fullmatch(reason):
                return text
        if reason.startswith(REPEATS):
            return f"{REPEATS}{BLANK}"
        for own in sorted({video_id, source, PurePath(source).name} - {""}, key=len, reverse=True):
            reason = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", BLANK, reason)
        return NUMBER.sub(BLANK, reason)
