"""A video from its page, by yt-dlp: at the height asked for, with its sound, whole or not at all.

All that yt-dlp writes lies in the hidden folder `.<name>.<digest of the address>.part` beside the video, under stable
names: a killed process leaves it to the next one, which goes on where it stopped.
"""

import glob
import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from manifests.atomic import commit
from manifests.catalogue import ADDRESSES
from pipeline.stage import BadVideo
from stages.fetch.terms import Terms


def fetch_video(address: str, folder: Path, name: str, terms: Terms, height: int | None = None) -> Path:
    """Bring the video that is shown at `address` to `folder/<name>.<ext>` and return that path.

    Of what is offered it takes the picture of `height` lines, else of the next above, else of the next below; without
    a height (or 0), the largest. A finished file of this name is returned without any request.

    Raises BadVideo when there is no such video or we may not have it, TransferFailed when it did not come and may
    another time (the disk has too little room for it, or yt-dlp lacks what the page demands), MissingPrerequisite when
    the proxy needs a package that is not there, BadSetting when the proxy or the cookies are unusable, and OSError when
    the bytes cannot be written.
    """
    if not address.startswith(ADDRESSES):
        raise BadVideo(f"{address} is not an address of http or https")
    work = folder / f".{name}.{hashlib.sha256(address.encode()).hexdigest()[:8]}.part"
    found = _finished(folder, name)
    if found is None:
        got = _fetch(address, work, terms, height)
        found = folder / f"{name}{got.suffix}"
        commit(got, found)
    shutil.rmtree(work, ignore_errors=True)
    return found


def _finished(folder: Path, name: str) -> Path | None:
    return next(
        (path for path in sorted(folder.glob(f"{glob.escape(name)}.*")) if path.stem == name and path.is_file()), None
    )


def _fetch(address: str, work: Path, terms: Terms, height: int | None) -> Path:
    """The file, whole, in the folder `work`; of a failure stays there what can be taken up again."""
    from stages.fetch.ytdlp_visit import Visit  # noqa: PLC0415  yt-dlp is large, and only who fetches needs it

    work.mkdir(parents=True, exist_ok=True)
    try:
        return Visit(address, work, terms, height).bring()
    finally:
        with suppress(OSError):
            work.rmdir()  # where nothing came
