"""A video from its page, by yt-dlp as a library: at the height asked for, with its sound, whole or not at all.

All that yt-dlp writes lies in the hidden folder `.<name>.<digest of the address>.part` beside the video, under stable
names: a killed process leaves it to the next one, which goes on where it stopped.
"""

import hashlib
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from manifests.atomic import commit
from manifests.catalogue import ADDRESSES
from manifests.probe import NotAVideo, probe
from pipeline.stage import BadVideo
from stages import ffmpeg
from stages.fetch import http, room
from stages.fetch.session import cookies_of, proxies_of
from stages.fetch.terms import Terms
from stages.fetch.ytdlp_failure import damaged, failure, without_runtime

log = logging.getLogger(__name__)

BEST = "bv*+ba/b"
"""The best video and the best sound, joined; else the best of those that have both (or of which nobody says)."""


def fetch_video(address: str, folder: Path, name: str, terms: Terms, height: int | None = None) -> Path:
    """Bring the video that is shown at `address` to `folder/<name>.<ext>` and return that path.

    Of what is offered it takes the picture of `height` lines, else of the next above, else of the next below; without
    a height, the largest. A finished file of this name is returned without any request.

    Raises BadVideo when there is no such video or we may not have it, TransferFailed when it did not come and may
    another time, MissingPrerequisite when the disk has too little room or yt-dlp lacks what the page demands,
    BadSetting when the proxy or the cookies are unusable, and OSError when the bytes cannot be written.
    """
    if not address.startswith(ADDRESSES):
        raise BadVideo(f"{address} is not an address of http or https")
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    work = folder / f".{name}.{digest}.part"
    if found := _finished(folder, name):
        shutil.rmtree(work, ignore_errors=True)
        return found
    work.mkdir(parents=True, exist_ok=True)
    try:
        got = _Visit(address, work, terms, height).bring()
    finally:
        with suppress(OSError):
            work.rmdir()  # where nothing came
    target = folder / f"{name}{got.suffix}"
    commit(got, target)
    shutil.rmtree(work, ignore_errors=True)
    return target


def _finished(folder: Path, name: str) -> Path | None:
    return next((path for path in sorted(folder.glob(f"{name}.*")) if path.stem == name and path.is_file()), None)


class _Voice:
    """What yt-dlp says goes to the log; its warnings are kept, since a failure may be understood from them."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        log.debug("%s", message)

    def warning(self, message: str) -> None:
        log.info("%s", message)
        self.warnings.append(message)

    def error(self, message: str) -> None:
        log.info("%s", message)


class _Visit:
    """One visit to a page: see what is offered, choose, and bring it to the folder `work`."""

    def __init__(self, address: str, work: Path, terms: Terms, height: int | None) -> None:
        self._address, self._work, self._terms, self._height = address, work, terms, height
        self._voice = _Voice()
        self._begun: set[str] = set()

    def bring(self) -> Path:
        """The file that came, whole, under a name inside `work`."""
        from yt_dlp import YoutubeDL  # noqa: PLC0415  loads slowly, and only who fetches needs it
        from yt_dlp.globals import plugin_dirs  # noqa: PLC0415
        from yt_dlp.utils import YoutubeDLError  # noqa: PLC0415

        plugin_dirs.value = []
        try:
            with YoutubeDL(self._options()) as client:
                for cookie in cookies_of(Path(self._terms.cookies)) if self._terms.cookies else ():
                    client.cookiejar.set_cookie(cookie)
                video = client.extract_info(self._address, download=False)
                self._examine(video)
                client.process_info(video)
        except YoutubeDLError as error:
            if damaged(error):
                self._require(0)
                shutil.rmtree(self._work)
            raise failure(error, self._address, self._voice.warnings) from error
        except ValueError as error:
            raise BadVideo(f"{self._address} cannot be asked for: {error}") from error
        return self._proved(Path(video["filepath"]))

    def _options(self) -> dict[str, Any]:
        """Settings of yt-dlp (their meaning stands in the docstring of `yt_dlp.YoutubeDL`)."""
        terms = self._terms
        height = f"+height:{self._height}" if self._height else "res"
        return {
            "format": BEST,
            "format_sort": ["lang", height, "ext:mp4:m4a"],
            "merge_output_format": "mp4/mkv",
            "outtmpl": {"default": f"{str(self._work).replace('%', '%%')}/%(format_id)s.%(ext)s"},
            "ffmpeg_location": shutil.which(ffmpeg.executable()),
            "proxy": next(iter(proxies_of(terms).values()), None),
            "ratelimit": terms.rate * http.MB or None,
            "sleep_interval_requests": terms.pause,
            "sleep_interval": terms.pause,
            **dict.fromkeys(("retries", "fragment_retries", "extractor_retries"), terms.retries),
            "retry_sleep_functions": dict.fromkeys(("http", "fragment", "extractor"), _wait),
            "socket_timeout": terms.timeout,
            "skip_unavailable_fragments": False,  # a video with holes is none
            "noplaylist": True,
            "extract_flat": "in_playlist",
            "playlist_items": "1",
            "cachedir": False,
            "updatetime": False,
            "logger": self._voice,
            "progress_hooks": [self._at_progress],
            "quiet": True,
            "noprogress": True,
            "color": "never",
        }

    def _examine(self, video: Mapping[str, Any]) -> None:
        """Raise an error where what was chosen of the page is not to be brought."""
        if video.get("_type", "video") != "video":
            raise BadVideo(f"{self._address} shows a list of videos, not one: give the address of each")
        if video.get("is_live"):
            raise http.TransferFailed(f"{self._address} is still being broadcast: try again when it has ended")
        chosen = video.get("requested_formats") or [video]
        if all(part.get("vcodec") == "none" for part in chosen):
            raise BadVideo(f"{self._address} offers only sound, no picture")
        tallest = max((part.get("height") or 0 for part in chosen), default=0)
        if 0 < tallest < (self._height or 0) and (missing := without_runtime(self._address, self._voice.warnings)):
            raise missing
        self._require_room(chosen)

    def _require_room(self, chosen: Sequence[Mapping[str, Any]]) -> None:
        """Two parts that are joined lie on the disk twice: apart and together."""
        sizes = [part.get("filesize") or part.get("filesize_approx") or 0 for part in chosen]
        here = sum(path.stat().st_size for path in self._work.iterdir())
        self._require(int(sum(sizes)) * min(len(sizes), 2) - here)

    def _at_progress(self, status: Mapping[str, Any]) -> None:
        """Many pages do not say how large a file is; its server does when it begins to send."""
        name = status["filename"]
        if name not in self._begun and status["status"] == "downloading":
            self._begun.add(name)
            total = status.get("total_bytes") or status.get("total_bytes_estimate") or 0
            self._require(int(total) - int(status.get("downloaded_bytes") or 0))

    def _require(self, needed: int) -> None:
        room.require(self._work.parent, max(0, needed), self._terms.reserve)

    def _proved(self, path: Path) -> Path:
        """The file, where it is a video: many servers answer with a page of their own where they have none."""
        try:
            probe(path, end=math.inf)
        except NotAVideo as error:
            shutil.rmtree(self._work)
            raise BadVideo(f"what lies at {self._address} {error}") from error
        return path


def _wait(n: int) -> float:
    """Seconds to wait after `n` failures before."""
    return min(http.LONGEST_WAIT, http.FIRST_WAIT * 2.0 ** min(n, 16))
