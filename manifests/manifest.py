"""The manifest: all records of one video joined with its catalogue row and its verdict; rebuilt at any time."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from portrait_prep.manifests.files import holds, temporary_beside
from portrait_prep.manifests.record import Output, Record
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.manifests.video import LABELS, Video
from portrait_prep.media.file import MOST_TEXT, regular

IDENTITY = ("video_id", "corpus", "subject", "shard", "split", "fold")
FROM_RECORD = (
    *("fingerprint", "digest", "attempts", "started", "seconds", "worker"),
    *("rows", "frames", "versions", "metrics", "error"),
)
"""What a manifest takes over of a stage's record as it is."""
FLAT = ("outcome", "reason", "attempts", "started", "seconds", "worker", "rows", "frames", "fingerprint", "digest")
"""What a row of `manifests.parquet` takes over of a manifest's stage as it is."""


def entry(outcome: str, reason: str, record: Record | None, shard_file: Output | None) -> dict[str, Any]:
    """What a manifest says of one stage. `outputs`: the shard file first, then the video's media files."""
    recorded: dict[str, Any] = dict.fromkeys(FROM_RECORD)
    params: dict[str, Any] = {}
    outputs: list[Output] = []
    if record is not None:
        dumped = record.model_dump(mode="json")
        recorded = {name: dumped[name] for name in FROM_RECORD}
        params = record.basis.params
        outputs = [*([shard_file] if shard_file else []), *record.media]
    dumped_outputs = [output.model_dump(mode="json") for output in outputs]
    return {"outcome": outcome, "reason": reason, **recorded, "params": params, "outputs": dumped_outputs}


def manifest(video: Video, entries: Mapping[str, dict[str, Any]], verdict: Verdict) -> dict[str, Any]:
    """The manifest of one video as JSON-ready data."""
    row = video.model_dump()
    return {
        **{name: row[name] for name in IDENTITY},
        "labels": {name: row[name] for name in LABELS},
        "source": {name: value for name, value in row.items() if name not in (*IDENTITY, *LABELS)},
        "stages": dict(entries),
        "quality": verdict.model_dump(mode="json"),
    }


def write_manifest(path: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest, unless it already says just this. Not flushed to disk: it can be rebuilt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, _text(content) + b"\n")


def write_quality(path: Path, verdict: Verdict) -> None:
    """Let a manifest that is as it should be but for its verdict, its last key, say this one. Raises OSError."""
    known = regular(path, MOST_TEXT).read_bytes()
    before, _, _ = known.rpartition(b'\n "quality": ')
    quality = _text({"quality": verdict.model_dump(mode="json")})
    _write(path, before + quality.removeprefix(b"{") + b"\n")


def _text(content: Mapping[str, Any]) -> bytes:
    """JSON, a key a line. (Python's own writer takes ten times as long over ten thousand manifests.)"""
    return to_json(content, indent=1, inf_nan_mode="constants")


def _write(path: Path, text: bytes) -> None:
    if holds(path, text):
        return
    temporary = temporary_beside(path)
    temporary.write_bytes(text)
    temporary.replace(path)


def flat_rows(content: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """One flat row a stage for `manifests.parquet`; metrics as JSON text."""
    shared = {name: content[name] for name in IDENTITY}
    verdict = flat_verdict(content["quality"])
    return [
        {
            **shared,
            "stage": stage,
            **{name: values[name] for name in FLAT},
            "error_type": (values["error"] or {}).get("type"),
            "error_message": (values["error"] or {}).get("message"),
            "error_permanent": (values["error"] or {}).get("permanent"),
            "metrics": json.dumps(values["metrics"] or {}),
            **verdict,
        }
        for stage, values in content["stages"].items()
    ]


ADDED = ("rules", "overruled_rules")
"""What a verdict did not tell before version 0.2: a manifest, or a row, without any of these is of that time."""


def as_of(quality: Any, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is expected of a verdict (or of a row with one), given what was written: of its time, or of now."""
    if isinstance(quality, dict) and not any(name in quality for name in ADDED):
        return {name: value for name, value in content.items() if name not in ADDED}
    return content


def flat_verdict(quality: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict as columns of `manifests.parquet`."""
    review = quality.get("review", {})
    return {
        "accepted": quality["accepted"],
        **{name: list(quality.get(name, ())) for name in ("reasons", "rules", "overruled", "overruled_rules")},
        "review": review.get("decision"),
        **{f"review_{name}": review.get(name) for name in ("why", "who", "when")},
    }
