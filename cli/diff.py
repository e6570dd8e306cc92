"""`diff`: what changed between two workspaces."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, say, say_json
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.diff import Difference, Spread, StageDifference, compare


def diff(first: Path, second: Path, *, json_: AsJson = False) -> int:
    """Say what is otherwise in the second workspace than in the first: two corpora, or copies of one from two runs.

    Told are rows of the catalogue, settings, how each stage's videos were made (stage versions, settings, models,
    inputs, sources: whatever makes another fingerprint), how far the values of each column are apart, and verdicts with
    their reasons. Not told: when, where and how fast. Values are read only where recorded digests differ.

    Exit code 0: the two are the same; 1: they differ; 2: one cannot be read.

    Parameters
    ----------
    first
        A workspace.
    second
        Another, or a later copy.
    """
    difference = compare(open_session(first), open_session(second))
    if json_:
        say_json(difference.to_json())
    else:
        for line in lines(difference):
            say(line)
    return 1 if difference.any else 0


def lines(difference: Difference) -> Iterator[str]:
    """One plain line a difference."""
    if not difference.any:
        yield "No difference."
    if difference.added:
        yield f"catalogue: only in the second: {a_few(difference.added)}"
    if difference.removed:
        yield f"catalogue: only in the first: {a_few(difference.removed)}"
    for name, videos in difference.changed.items():
        yield f"catalogue: {name} changed of {a_few(videos)}"
    for name, (before, after) in difference.settings.items():
        yield f"settings: {name}: {before} -> {after}"
    for name, stage in difference.stages.items():
        yield from (f"{name}{line}" for line in _stage_lines(stage))
    for path in difference.joined:
        yield f"{path}: differs"
    for video_id, (before, after) in difference.verdicts.items():
        yield f"verdict of {video_id}: {_verdict(before)} -> {_verdict(after)}"


def _stage_lines(stage: StageDifference) -> Iterator[str]:
    for kinds in (stage.made, stage.packages, stage.outcomes, stage.files):
        for kind, videos in kinds.items():
            yield f": {kind}: {a_few(videos)}"
    for name, spread in stage.columns.items():
        yield f".{name}: {_spread(spread)}: {a_few(spread.videos)}"


def _spread(spread: Spread) -> str:
    parts = [f"{spread.different} of {spread.values} values differ"]
    if spread.greatest:
        parts.append(f"by {spread.mean:.3g} on average, at most {spread.greatest:.3g}")
        parts.append(f"in frame {spread.frame} of {spread.video}")
    for side, count in (("first", spread.missing_first), ("second", spread.missing_second)):
        if count:
            parts.append(f"{count} are missing in the {side} alone")
    if spread.shapes:
        parts.append(f"other lengths or shapes in {a_few(spread.shapes)}")
    return ", ".join(parts)


def _verdict(quality: Mapping[str, Any] | None) -> str:
    if quality is None:
        return "not judged"
    why = [*quality["reasons"], *(f"against the rule: {reason}" for reason in quality.get("overruled", ()))]
    review = quality.get("review")
    if quality["accepted"]:
        decision = f"accepted by {review['who']} ({review['why']})" if review else "accepted"
    else:
        decision = "not accepted"
    return ": ".join(filter(None, (decision, "; ".join(why))))
