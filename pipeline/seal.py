"""Seals: how a file as a whole is known again, so that damage is found and not blessed.

A shard's own digest cannot stand inside it; it stands in the manifests of its videos.
"""

import hashlib
import logging
from collections.abc import Iterable
from typing import Any

from manifests.digest import sha256_of
from manifests.errors import Damaged
from manifests.record import Output
from pipeline.shards import ShardReader, verify
from pipeline.stage import Stage

log = logging.getLogger(__name__)


class Seal(Output):
    """Path, size and sha256 of a shard file, and the sha256 of the records in its footer, which is quick to check."""

    footer: str


def footer_digest(reader: ShardReader) -> str:
    """sha256 of the records as they lie in the footer; they name every column digest and the time of computing."""
    return hashlib.sha256(reader.footer.encode()).hexdigest()


def seal_of(reader: ShardReader, path: str) -> Seal:
    """Seal the file that `reader` reads, under the name `path`."""
    size = reader.path.stat().st_size
    return Seal(path=path, bytes=size, sha256=sha256_of(reader.path), footer=footer_digest(reader))


def find_damaged(reader: ShardReader, stage: Stage[Any], videos: Iterable[str]) -> set[str]:
    """The videos whose rows are not what their record says; each is logged."""
    damaged = set()
    for video_id in videos:
        record = reader.records.get(video_id)
        if record is None:
            continue
        try:
            verify(reader, stage, record)
        except Damaged as error:
            log.warning("%s", error)
            damaged.add(video_id)
    return damaged
