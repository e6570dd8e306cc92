"""`remove --recording`: what it does, and says."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.wording import a_few, counted
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.recordings import removing
from portrait_prep.stages.recordings.removing import Taken


def of_recordings(
    session: Session, names: Sequence[str], forget: bool, dry_run: bool, who: str, why: str
) -> Iterator[str]:
    """Take recordings out, or let them in again, or only say what would go."""
    if forget:
        yield f"Forgotten: {a_few(removing.forget(session, names))}. 'portrait-prep segment --source' brings them back."
    elif dry_run:
        yield from _told(removing.find(session, names), "To remove")
    else:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        yield from _told(taken := removing.remove(session, names, who, when, why), "Removed")
        if taken.names:
            yield "Their files were not touched. segment leaves them out from now on; --forget undoes that."


def _told(taken: Taken, done: str) -> Iterator[str]:
    """Which recordings, and what stays of them."""
    whole = f"{a_few(taken.names)}, with {counted(taken.segments, 'segment')}"
    yield f"{done}: {whole}." if taken.names else "Nothing to remove: it was removed before."
    if taken.copies:
        yield f"{done} with them, as copies of the same files: {a_few(taken.copies)}."
    if taken.videos:
        patterns = " ".join(shell_word(f"{name}-???-????????") for name in (*taken.names, *taken.copies))
        ids = a_few([video.video_id for video in taken.videos])
        yield f"Videos that were made of them stay: {ids}; to take them out, too: portrait-prep remove {patterns}"
