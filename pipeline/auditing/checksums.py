"""Shard files as a whole: each is the very file that the manifests of its videos were made from."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.store.shard_state import Checksum

IDENTITY = ("fingerprint", "attempts", "started", "seconds", "worker")
"""What tells one computation from another: a record that differs in these was computed after the manifest."""


def examine_checksums(evidence: Evidence) -> Iterator[Finding]:
    """Bytes that no record accounts for, and the records themselves, are as they were when the manifests were made.

    Where a video was computed since (the driver died before it wrote manifests), or where any manifest knows the file
    as it is, the manifests are at fault, and `auditing.manifests` says so.
    """
    for stage, checksum in evidence.checksums.items():
        known = list(_in_manifests(evidence, stage))
        if not known or checksum in known or any(name == stage for name, _ in evidence.doubted):
            continue
        same_records = all(other.footer == checksum.footer for other in known)
        if same_records or not _is_computed_since(evidence, stage):
            evidence.doubt(stage)
            yield found("checksum", evidence.path(stage))


def _in_manifests(evidence: Evidence, stage: str) -> Iterator[Checksum]:
    """The file's checksum in each manifest that has one."""
    for manifest in evidence.written.values():
        try:
            yield Checksum(**manifest["stages"][stage]["outputs"][0])
        except (KeyError, IndexError, TypeError, ValidationError):
            continue


def _is_computed_since(evidence: Evidence, stage: str) -> bool:
    for video_id, record in evidence.shard_state.records[stage].items():
        entry = _entry(evidence.written.get(video_id, {}), stage)
        if entry and any(entry.get(name) != getattr(record, name) for name in IDENTITY):
            return True
    return False


def _entry(manifest: Mapping[str, Any], stage: str) -> Mapping[str, Any]:
    """What a manifest says of a stage, whatever a person made of the file."""
    stages = manifest.get("stages")
    entry = stages.get(stage) if isinstance(stages, dict) else None
    return entry if isinstance(entry, dict) else {}
