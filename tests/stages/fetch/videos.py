"""Pages and videos for tests of fetching by yt-dlp."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yt_dlp

from portrait_prep.errors import TransferFailed
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.fetch.ytdlp import fetch_video
from tests.stages.fetch.server import Server, Turn

PLAIN = Turn()
NO_RUNTIME = "No supported JavaScript runtime could be found. Only deno is enabled by default"
"""What yt-dlp warns of before it shows less than there is."""


def params(**settings: Any) -> DownloadParams:
    return DownloadParams.model_validate({"reserve": 0.0, "timeout": 5.0, "retries": 0, **settings})


def show(server: Server, film: Mapping[str, bytes], **first: Turn) -> str:
    """Serve the film; `first` says how the first request for a file (by its stem) is answered."""
    for path, part in film.items():
        server.put(path, part, *([first[Path(path).stem]] if Path(path).stem in first else []))
    return f"{server.address}/film/film.m3u8"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def parts(folder: Path) -> list[Path]:
    """What waits to be taken up again, without the notes on where it is from."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent != folder]
    return [path for path in files if path.suffix != ".json"]


def leave_half(folder: Path, server: Server, content: bytes, **how: Any) -> int:
    """Break the transfer of a clip off after half of it; return how many bytes stay."""
    address = server.put("/clip.mp4", content, PLAIN, Turn(stop_after=len(content) // 2), **how)
    with pytest.raises(TransferFailed):
        fetch_video(address, folder, "v", params())
    (part,) = parts(folder)
    return part.stat().st_size


class Chosen(Exception):
    """Ends a download when it has chosen."""


def offer(monkeypatch: pytest.MonkeyPatch, *formats: Mapping[str, Any]) -> None:
    """All pages show one video in these formats, described as yt-dlp's extractors do."""

    def extract(self: Any, _: str, download: bool) -> Any:
        video = {"id": "1", "title": "1", "extractor": "x", "formats": [dict(each) for each in formats]}
        return self.process_video_result(video, download=download)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
