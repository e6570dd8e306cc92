"""The settings of fetching: how fast, how often, through what, and how much disk space to leave."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from portrait_prep.pipeline.declare.stage import Params

SLOWEST = 0.0001
"""MB a second: one block at a slower rate would take minutes, or longer than a system can wait."""


def _rate(rate: float) -> float:
    if 0 < rate < SLOWEST:
        raise PydanticCustomError("rate", f"must be 0, or {SLOWEST:g} at least")
    return rate


class DownloadParams(Params):
    """Settings of fetching. None of them changes what is fetched, so none is part of a fingerprint."""

    incidental: ClassVar[frozenset[str]] = frozenset(
        ("at_once", "rate", "pause", "retries", "timeout", "proxy", "cookies", "reserve")
    )

    at_once: int = Field(2, ge=1, le=64, description="sources fetched at the same time")
    rate: Annotated[float, AfterValidator(_rate)] = Field(
        0.0, ge=0, le=100_000, description="fastest transfer of each, in MB a second; 0: as fast as it goes"
    )
    pause: float = Field(0.0, ge=0, le=86_400, description="seconds to wait before each request of a video page")
    retries: int = Field(5, ge=0, le=100, description="how often a transfer that broke off is taken up again")
    timeout: float = Field(
        30.0, gt=0, le=86_400, description="seconds without a byte after which a connection counts as stalled"
    )
    proxy: str = Field("", description="address of a proxy (http://…, socks5://…); empty: the environment's, if any")
    cookies: str = Field("", description="path of a cookies.txt (Netscape format) to show to the server; empty: none")
    reserve: float = Field(
        2.0, ge=0, le=1e9, description="GB that must stay free on the disk; checked before a transfer starts"
    )
