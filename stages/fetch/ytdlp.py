"""A video from its page, by yt-dlp: at the height asked for, with its sound, whole or not at all.

All that yt-dlp writes lies in the hidden folder `.<name>.<digest of the address>.part` beside the video, under stable
names: a killed process leaves it to the next one, which goes on where it stopped.
"""

import glob
import logging
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from yt_dlp.globals import plugin_dirs
from yt_dlp.utils import YoutubeDLError

from portrait_prep.errors import TransferFailed
from portrait_prep.manifests.files import flush_and_rename
from portrait_prep.manifests.ids import part_of
from portrait_prep.manifests.video import ADDRESSES
from portrait_prep.media import ffmpeg
from portrait_prep.media.container import NotAVideo
from portrait_prep.media.probe import probe
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import disk
from portrait_prep.stages.fetch.session import MB, Interrupted, Pace, cookies_of, proxies_of, with_retries
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.fetch.ytdlp_client import Client, drop_unproved
from portrait_prep.stages.fetch.ytdlp_errors import diagnose, without_runtime

log = logging.getLogger(__name__)

BEST = "bv*+ba/b"
"""The best video and the best sound, joined; else the best of those that have both (or of which nobody says)."""


def fetch_video(address: str, folder: Path, name: str, params: DownloadParams, height: int | None = None) -> Path:
    """Bring the video that is shown at `address` to `folder/<name>.<ext>` and return that path.

    Of what is offered it takes the picture of `height` lines, else of the next above, else of the next below; without
    a height (or 0), the largest. A finished file of this name is returned without any request.

    Raises BadVideo when there is no such video or we may not have it, TransferFailed when it did not come and may
    another time (the disk has too little space for it, or yt-dlp lacks what the page demands), MissingPrerequisite when
    the proxy needs a package that is not there, BadSetting when the proxy or the cookies are unusable, and OSError when
    the bytes cannot be written.
    """
    if not address.startswith(ADDRESSES):
        raise BadVideo(f"{address} is not an address of http or https")
    work = folder / part_of(name, address)
    target = _finished(folder, name)
    if target is None:
        video = _fetch(address, work, params, height)
        target = folder / f"{name}{video.suffix}"
        flush_and_rename(video, target)
    shutil.rmtree(work, ignore_errors=True)
    return target


def _finished(folder: Path, name: str) -> Path | None:
    return next(
        (path for path in sorted(folder.glob(f"{glob.escape(name)}.*")) if path.stem == name and path.is_file()), None
    )


def _fetch(address: str, work: Path, params: DownloadParams, height: int | None) -> Path:
    """The file, whole, in the folder `work`; of a failure stays there what can be taken up again."""
    if work.is_symlink():
        work.unlink()
    work.mkdir(parents=True, exist_ok=True)
    try:
        return _PageDownload(address, work, params, height).complete()
    finally:
        with suppress(OSError):
            work.rmdir()  # where nothing came


class _PageDownload:
    """Tries to get what the page at `address` shows, until it lies in the folder `work`."""

    def __init__(self, address: str, work: Path, params: DownloadParams, height: int | None) -> None:
        self._address, self._work, self._params, self._height = address, work, params, height
        self._log = YtdlpLog()
        self._begun: set[str] = set()
        self._pace, self._bytes, self._seconds = Pace(address, params), 0, 0.0

    def complete(self) -> Path:
        """The file that came, whole. Each try sees the page anew, since the addresses that it gives run out.

        Raises as `fetch_video` does.
        """
        plugin_dirs.value = []
        drop_unproved(self._work)
        try:
            return with_retries(self._attempt, self._received, self._params.retries)
        except Interrupted as interrupted:
            raise TransferFailed(str(interrupted)) from interrupted

    def _attempt(self) -> Path:
        """One try. Raises Interrupted where another may be worth it at once."""
        try:
            return self._proved(self._download())
        except YoutubeDLError as error:
            diagnosis = diagnose(error, self._address, self._log.warnings)
            if diagnosis.spoilt:
                self._require_space(0)  # what a full disk spoilt stays
                shutil.rmtree(self._work)
            raise diagnosis.error from error
        except ValueError as error:
            raise BadVideo(f"{self._address} cannot be asked for: {' '.join(str(error).split())}") from error

    def _download(self) -> Path:
        self._begun.clear()
        proxies_of(self._params, self._address)  # raises where the proxy cannot be used
        with Client(self._options()) as client:
            for cookie in cookies_of(Path(self._params.cookies)) if self._params.cookies else ():
                client.cookiejar.set_cookie(cookie)  # a file named in the options would be written to
            time.sleep(self._params.pause)
            video = client.extract_info(self._address, download=False)
            self._check_choice(video)
            client.process_info(video)
        return Path(video["filepath"])

    def _options(self) -> dict[str, Any]:
        """Settings of yt-dlp; their meaning stands in the docstring of `yt_dlp.YoutubeDL`."""
        params = self._params
        height = f"+height:{self._height}" if self._height else "res"
        return {
            "format": BEST,
            "format_sort": ["lang", height, "ext:mp4:m4a"],
            "outtmpl": {"default": f"{str(self._work).replace('%', '%%')}/%(format_id)s.%(ext)s"},
            "ffmpeg_location": shutil.which(ffmpeg.executable()),
            "proxy": params.proxy or None,  # None: the environment's
            "ratelimit": params.rate * MB or None,
            "sleep_interval_requests": params.pause,
            "socket_timeout": params.timeout,
            "extractor_retries": 0,
            "skip_unavailable_fragments": False,  # a video with holes is none
            "noplaylist": True,
            "extract_flat": "in_playlist",
            "playlist_items": "1",
            "cachedir": False,
            "logger": self._log,
            "progress_hooks": [self._at_progress],
            "noprogress": True,
        }

    def _check_choice(self, video: Mapping[str, Any]) -> None:
        """Raise an error where what was chosen of the page is not to be brought."""
        if video.get("_type", "video") != "video":
            raise BadVideo(f"{self._address} shows a list of videos, not one: give the address of each")
        if video.get("is_live"):
            raise TransferFailed(f"{self._address} is still being broadcast: try again when it has ended")
        chosen = video.get("requested_formats") or [video]
        if all(part.get("vcodec") == "none" for part in chosen):
            raise BadVideo(f"{self._address} offers only sound, no picture")
        tallest = max(part.get("height") or 0 for part in chosen)
        if 0 < tallest < (self._height or 0) and (missing := without_runtime(self._address, self._log.warnings)):
            raise missing
        self._require_space(_size_on_disk(chosen) - self._received())

    def _at_progress(self, status: Mapping[str, Any]) -> None:
        """Many pages do not say how large a file is; its server does when it begins to send."""
        name = status["filename"]
        bytes_before, before = self._bytes, self._seconds
        self._bytes, self._seconds = int(status.get("downloaded_bytes") or 0), time.monotonic()
        if name in self._begun:
            self._pace.add(abs(self._bytes - bytes_before), self._seconds - before)
        if name not in self._begun and status["status"] == "downloading":
            self._begun.add(name)
            total = status.get("total_bytes") or status.get("total_bytes_estimate") or 0
            self._require_space(int(total) - int(status.get("downloaded_bytes") or 0))

    def _require_space(self, needed: int) -> None:
        disk.require_space(self._work.parent, max(0, needed), self._params.reserve)

    def _received(self) -> int:
        """Bytes that came so far."""
        return sum(path.stat().st_size for path in self._work.iterdir())

    def _proved(self, path: Path) -> Path:
        """The file, where it is a video: many servers answer with a page of their own where they have none."""
        try:
            probe(path, end=math.inf)
        except NotAVideo as error:
            shutil.rmtree(self._work)
            raise BadVideo(f"what lies at {self._address} {error}") from error
        return path


def _size_on_disk(chosen: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of the formats chosen; two that are joined lie on the disk twice: apart and together."""
    sizes = [part.get("filesize") or part.get("filesize_approx") or 0 for part in chosen]
    return int(sum(sizes)) * min(len(sizes), 2)


class YtdlpLog:
    """What yt-dlp says goes to the log; its warnings are kept, since a failure may be understood from them."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """Take what it does, step by step."""
        log.debug("%s", message)

    def warning(self, message: str) -> None:
        """Take what it finds wanting."""
        log.info("%s", message)
        self.warnings.append(message)

    def error(self, message: str) -> None:
        """Take what it will raise at once."""
        log.debug("%s", message)
