"""What it means that yt-dlp failed: whether it may pass, and one sentence that says why."""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import ContentTooShortError, PostProcessingError

from portrait_prep.errors import FULL_DISK, TransferFailed
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch.http import PASSING
from portrait_prep.stages.fetch.session import Interrupted


@dataclass(frozen=True)
class ErrorPattern:
    """A failure whose message matches `expression`: whether it may pass, and what the user can do about it."""

    expression: str
    passes: bool
    advice: str = ""

    def matches(self, message: str) -> bool:
        """Whether it is found anywhere in the message, in letters of either case."""
        return re.search(self.expression, message, re.IGNORECASE) is not None


UPDATE = "update yt-dlp ('pip install --upgrade yt-dlp'), since pages change, and run again"

PATTERNS = (
    ErrorPattern(r"not a bot|captcha", True, "name a browser's cookies in 'cookies'"),
    ErrorPattern(r"rate.?limit|try again later|HTTP Error 429", True, "set a longer 'pause'"),
    ErrorPattern(
        r"connect to (?:the )?proxy|ProxyError", True, "mend or empty 'proxy', or HTTP_PROXY of the environment"
    ),
    ErrorPattern(r"premieres? in|will begin in|will premiere", True),
    ErrorPattern(r"(?:video data|Got error): HTTP Error 40[03]|(?:API page|JSON[\w ]*): HTTP Error 400", True, UPDATE),
    ErrorPattern(r"unable to extract|needs to be reloaded|please report this issue", True, UPDATE),
    ErrorPattern(r"in your country|your location|geo.?restrict", False, "a 'proxy' elsewhere may be let in"),
    ErrorPattern(
        r"\b(?:private|sign in|log.?in|members|registered users|age.?restricted)\b",
        False,
        "if you have access, name your browser's cookies in 'cookies'",
    ),
)
"""In the words of yt-dlp and of the pages that it quotes; the first that matches counts."""

STATUS = re.compile(r"HTTP Error (\d{3})")
BROKEN = (TransportError, ContentTooShortError, OSError)
BROKEN_OFF = re.compile(r"Got error:|Did not get any data", re.IGNORECASE)
"""Said of a transfer that broke off: by then yt-dlp has let go of the exception."""
ADDRESS = re.compile(r"https?://\S+")

NO_RUNTIME = "JavaScript runtime"
NO_FORMAT = re.compile(r"Requested format is not available|No video formats|only images", re.IGNORECASE)

FULL_DISK_MESSAGE = re.compile("|".join(re.escape(os.strerror(code)) for code in FULL_DISK))

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
FRAME = re.compile(
    r"^(?:ERROR:|\[download\]|Got error:|\s)+(?:\[[^]\s]+\] (?:[^\s:]+: )?)?|\(caused by .*\)", re.DOTALL
)
"""What yt-dlp puts around a reason: who found it, over which video, and from what exception."""
STOP = re.compile(r"\.?\s*\n\s*|\.\s+(?=[A-Z])")
"""What stands between two sentences."""
FOR_DEVELOPERS = re.compile(
    r"[\s;.:,]*(?:please report this|confirm you are on the latest|use\s+--|add\s+--|also see\s|see\s+https?:|"
    r"for more (?:information|details)|it is recommended to use|you might want to use|review any warnings).*",
    re.IGNORECASE | re.DOTALL,
)
"""Advice for those who use yt-dlp from a command line, or develop it."""


@dataclass(frozen=True)
class Diagnosis:
    """The exception to raise, and whether what came is `spoilt`."""

    error: Exception
    spoilt: bool = False


def diagnose(error: BaseException, address: str, warnings: Sequence[str] = ()) -> Diagnosis:
    """What it means that yt-dlp raised `error` over `address`, after it had given `warnings`.

    OSError (ENOSPC) for a full disk, Interrupted for what broke off and is worth another try at once, TransferFailed
    for what may pass later (a page that wants us to wait, or that only a newer yt-dlp or a JavaScript runtime can
    read), BadVideo for what will not. Bytes of which ffmpeg could make no video are spoilt.
    """
    message, causes = COLOUR.sub("", str(error)), list(_causes(error))
    if FULL_DISK_MESSAGE.search(message) or any(getattr(cause, "errno", None) in FULL_DISK for cause in causes):
        return Diagnosis(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    if NO_FORMAT.search(message) and (missing := without_runtime(address, warnings)):
        return Diagnosis(missing)
    sentence = f"{address} cannot be fetched: {_reason(message)}"
    plain = ADDRESS.sub("", message)
    if known := next((pattern for pattern in PATTERNS if pattern.matches(plain)), None):
        sentence += f"; {known.advice}" if known.advice else ""
        return Diagnosis(TransferFailed(sentence) if known.passes else BadVideo(sentence))
    if any(isinstance(cause, PostProcessingError) for cause in causes):
        return Diagnosis(TransferFailed(sentence), spoilt=True)
    return Diagnosis(Interrupted(sentence) if _passes(message, causes) else BadVideo(sentence))


def without_runtime(address: str, warnings: Iterable[str]) -> TransferFailed | None:
    """The error for a page of which yt-dlp warned that it cannot be read in full without a JavaScript runtime."""
    if not any(NO_RUNTIME in warning for warning in warnings):
        return None
    return TransferFailed(
        f"{address} is not offered as it should be: yt-dlp needs a JavaScript runtime for it, so install "
        "'yt-dlp[default,deno]' and run again."
    )


def _passes(message: str, causes: Sequence[BaseException]) -> bool:
    """By the server's status where there is one, else by what broke."""
    if status := STATUS.search(message):
        return int(status[1]) in PASSING or int(status[1]) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return bool(BROKEN_OFF.search(message)) or any(isinstance(cause, BROKEN) for cause in causes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it, as Python and as yt-dlp keep it (`exc_info`, `cause`)."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and not any(cause is other for other in seen):
            seen.append(cause)
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "cause", None)]
            waiting += (getattr(cause, "exc_info", None) or ())[1:2]


def _reason(message: str) -> str:
    """The reason alone, on one line."""
    plain = FOR_DEVELOPERS.sub("", FRAME.sub("", message)).strip()
    return " ".join(STOP.sub("; ", plain).split()).strip(" .;:") or "yt-dlp gives no reason"
