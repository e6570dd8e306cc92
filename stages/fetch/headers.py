"""What the header fields of an HTTP answer say (RFC 9110)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SPAN = re.compile(r"bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,18}")


@dataclass(frozen=True)
class Span:
    """A Content-Range: where the part begins (None: there is no part) and how long the whole is, where that is said."""

    first: int | None
    total: int | None


def content_range(text: str | None) -> Span | None:
    """Read a Content-Range (RFC 9110, 14.4); None when it is absent or malformed."""
    match = SPAN.fullmatch((text or "").strip())
    if not match:
        return None
    first, last, total = (int(group) if group and group != "*" else None for group in match.groups())
    if first is not None and last is not None and (last < first or (total is not None and total <= last)):
        return None
    return Span(first, total)


def content_length(headers: Mapping[str, str]) -> int | None:
    """How many bytes the body has, where that is said."""
    text = headers.get("Content-Length", "").strip()
    return int(text) if NUMBER.fullmatch(text) and "Transfer-Encoding" not in headers else None


def validator(headers: Mapping[str, str]) -> str | None:
    """What may stand in If-Range (RFC 9110, 13.1.5): a strong entity tag, else the date of the last change."""
    tag = headers.get("ETag", "").strip()
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait as a Retry-After says (RFC 9110, 10.2.3: a number or a date); None when it does not."""
    text = (text or "").strip()
    if NUMBER.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
