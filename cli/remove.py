"""`remove`: takes videos out of a workspace, for good or until that is forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.removing_recordings import of_recordings
from portrait_prep.cli.terminal import Flag, Many, Who, WorkspaceOption, say, user_name
from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline import removing
from portrait_prep.pipeline.removing import Found, Wish, ids
from portrait_prep.pipeline.session import Session

REPORT = "report/index.html"


def remove(  # noqa: PLR0913 (one for each option)
    *videos: str,
    subject: Annotated[tuple[str, ...] | None, Many] = None,
    recording: Annotated[tuple[str, ...] | None, Many] = None,
    missing: Annotated[bool, Flag] = False,
    forget: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    why: str = "",
    who: Who = None,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take videos out of catalogue, shards, media, manifests and statistics; `init` does not bring them back.

    Their neighbours are copied, not computed. Sources are not touched; what was downloaded for these videos alone is
    deleted. Copies of the same file go with it.

    Parameters
    ----------
    videos
        Ids, as in the catalogue, or patterns ('ann_*').
    subject
        All videos of these subjects, those that are added later included.
    recording
        These long recordings (names or patterns) and what was found in them; videos that were made of them stay.
    missing
        Those whose source file is gone. Where all sources of a folder are gone, its disk is taken to be unmounted.
    forget
        Let these videos (or subjects) come in again, with the next init.
    dry_run
        Say what would go, and do nothing.
    why
        The reason, for those who come after; it is kept in removed.jsonl.
    """
    session, wish = open_session(workspace), Wish(tuple(dict.fromkeys(videos)), tuple(subject or ()), missing)
    who = who or user_name()
    if recording:
        if wish != Wish() or (forget and dry_run):
            raise BadInput("--recording stands alone, or with --forget or --dry-run.")
        lines = of_recordings(session, recording, forget, dry_run, who, why)
    else:
        _require_sense(session, wish, forget, dry_run)
        lines = _of_videos(session, wish, forget, dry_run, who, why)
    for line in lines:
        say(line)
    return 0


def _of_videos(session: Session, wish: Wish, forget: bool, dry_run: bool, who: str, why: str) -> Iterator[str]:
    if forget:
        return _forgotten(session, wish)
    return _told(removing.find(session, wish), "To remove") if dry_run else _removed(session, wish, who, why)


def _require_sense(session: Session, wish: Wish, forget: bool, dry_run: bool) -> None:
    named = bool(wish.videos or wish.subjects)
    if named == wish.missing or (forget and (dry_run or wish.missing)):
        raise BadInput(
            "Name videos, or give --subject, or --missing alone; with --forget, videos or --subject. "
            f"({removing.told(session.removals).capitalize()}.)"
        )


def _forgotten(session: Session, wish: Wish) -> Iterator[str]:
    forgotten = removing.forget(session, wish)
    yield f"Forgotten: {forgotten}. 'portrait-prep init' with their source brings them back."


def _removed(session: Session, wish: Wish, who: str, why: str) -> Iterator[str]:
    had_report = (session.workspace.root / REPORT).exists()
    found, status_counts = removing.remove(
        session, wish, who, when=datetime.now(UTC).isoformat(timespec="seconds"), why=why
    )
    yield from _told(found, "Removed")
    if found.meant:
        yield "Their sources were not touched. init leaves them out from now on; --forget undoes that."
    if any("#" in video.source for video in found.meant if video.remote):
        yield "The archives in sources/ that they came from are kept, and hold them still."
    if had_report and not (session.workspace.root / REPORT).exists():
        yield f"{REPORT}, which showed them, was deleted: 'portrait-prep report' makes it anew."
    yield status_counts.verdicts


def _told(found: Found, done: str) -> Iterator[str]:
    """Which videos, why these, and which not."""
    gone = f": {a_few(found.named)} removed before" if found.named else ""
    yield f"{done}: {a_few(ids(found.meant))}." if found.meant else f"Nothing to remove{gone}."
    if found.copies:
        yield f"{done} with them, as copies of the same files: {a_few(ids(found.copies))}."
    if found.away:
        yield (
            f"Kept, though their sources are not there: {a_few(ids(found.away))}; nor is any other source in their "
            "folder, which may be on a disk that is not mounted. Name them to remove them."
        )
