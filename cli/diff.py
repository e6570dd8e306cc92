"""`diff`: what changed between two workspaces."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, say
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
    found = compare(open_session(first), open_session(second))
    for line in [json.dumps(found.to_json(), indent=1)] if json_ else lines(found):
        say(line)
    return 1 if found.any else 0


def lines(found: Difference) -> Iterator[str]:
    """One plain line a difference."""
    if not found.any:
        yield "No difference."
    if found.added:
        yield f"catalogue: only in the second: {a_few(found.added)}"
    if found.removed:
        yield f"catalogue: only in the first: {a_few(found.removed)}"
    for name, videos in found.changed.items():
        yield f"catalogue: {name} changed of {a_few(videos)}"
    for name, (before, after) in found.settings.items():
        yield f"settings: {name}: {before} -> {after}"
    for name, stage in found.stages.items():
        yield from (f"{name}{line}" for line in _stage_lines(stage))
    for path in found.joined:
        yield f"{path}: differs"
    for video_id, (before, after) in found.verdicts.items():
        yield f"verdict of {video_id}: {_verdict(before)} -> {_verdict(after)}"


def _stage_lines(stage: StageDifference) -> Iterator[str]:
    for kinds in (stage.made, stage.packages, stage.outcomes, stage.files):
        for told, videos in kinds.items():
            yield f": {told}: {a_few(videos)}"
    for name, spread in stage.columns.items():
        yield f".{name}: {_spread(spread)}: {a_few(spread.videos)}"


def _spread(spread: Spread) -> str:
    told = [f"{spread.different} of {spread.values} values differ"]
    if spread.greatest:
        told.append(f"by {spread.mean:.3g} on average, at most {spread.greatest:.3g}")
        told.append(f"in frame {spread.frame} of {spread.video}")
    for side, count in (("first", spread.missing_first), ("second", spread.missing_second)):
        if count:
            told.append(f"{count} are missing in the {side} alone")
    if spread.shapes:
        told.append(f"other lengths or shapes in {a_few(spread.shapes)}")
    return ", ".join(told)


def _verdict(quality: Mapping[str, Any] | None) -> str:
    if quality is None:
        return "not judged"
    why = [*quality["reasons"], *(f"against the rule: {reason}" for reason in quality.get("overruled", ()))]
    review = quality.get("review")
    if quality["accepted"]:
        told = f"accepted by {review['who']} ({review['why']})" if review else "accepted"
    else:
        told = "not accepted"
    return ": ".join(filter(None, (told, "; ".join(why))))
