"""The corpus `segments`: what was kept of long recordings, a video each."""

from collections import defaultdict

from portrait_prep.manifests.segments import Segment, Segments
from portrait_prep.manifests.splits import by_subject
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import counted, hours

CORPUS = "segments"

TOLD = 0.5
"""Seconds of which a summary tells, at least."""


def catalogue(segments: Segments) -> list[Video]:
    """The catalogue rows of the segments that are kept, in the order of the table.

    The split is by recording, 80 to 20: whoever is in one is on one side, also where one person counts as two.
    """
    return [_video(segment) for segment in segments if segment.kept]


def _video(segment: Segment) -> Video:
    return Video(
        video_id=segment.segment_id,
        corpus=CORPUS,
        subject=segment.subject or segment.recording,
        split=by_subject(segment.recording),
        source=segment.source,
        start=segment.start,
        end=segment.end,
        crop_x=segment.crop_x,
        crop_y=segment.crop_y,
        crop_w=segment.crop_w,
        crop_h=segment.crop_h,
        duration=segment.end - segment.start,
    )


def summary(segments: Segments) -> list[str]:
    """How much was kept, of how much, and why the rest is not; one line each."""
    seconds: dict[str, float] = defaultdict(float)
    for segment in segments:
        seconds[segment.reason or ""] += segment.end - segment.start
    kept = [segment for segment in segments if segment.kept]
    subjects = {segment.subject for segment in kept}
    whole = f"{counted(len(segments.made), 'recording')}, {hours(sum(seconds.values()))}"
    lines = [
        f"{whole}: {counted(len(kept), 'segment')} kept, {hours(seconds[''])}, of {counted(len(subjects), 'subject')}."
    ]
    longest = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    rest = [f"{reason} {hours(length)}" for reason, length in longest if reason and length >= TOLD]
    return [*lines, *([f"Not kept: {', '.join(rest)}."] if rest else [])]
