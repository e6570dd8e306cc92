"""What lies on disk of one shard: the records of its videos at every stage, and the checksums of their files.

A shard's own digest cannot stand inside it; it stands in the manifests of its videos.
"""

import hashlib
import logging
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from portrait_prep.errors import Damaged
from portrait_prep.manifests.files import is_intact, sha256_of
from portrait_prep.manifests.record import Output, Record
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.shards import ShardReader, verify

log = logging.getLogger(__name__)


class Checksum(Output):
    """Path, size and sha256 of a shard file, and the sha256 of the records in its footer, which is quick to check."""

    footer: str


def footer_digest(reader: ShardReader) -> str:
    """sha256 of the records as they lie in the footer; they name every column digest and the time of computing."""
    return hashlib.sha256(reader.footer.encode()).hexdigest()


def checksum_of(reader: ShardReader, path: str) -> Checksum:
    """The checksum of the file that `reader` reads, under the name `path`."""
    size = reader.path.stat().st_size
    return Checksum(path=path, bytes=size, sha256=sha256_of(reader.path), footer=footer_digest(reader))


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


class ShardState:
    """What lies on disk of one shard. `load` reads footers only; `verify` makes sure that rows are as recorded."""

    def __init__(self, workspace: Workspace, shard: str, videos: Sequence[Video]) -> None:
        self.workspace, self.shard, self.videos = workspace, shard, tuple(videos)
        self.records: dict[str, dict[str, Record]] = {}
        self.checksums: dict[str, Checksum] = {}
        self.damaged: dict[str, str] = {}
        """Stage -> why its file could not be read."""

    @property
    def strangers(self) -> set[str]:
        """Videos that the files hold and that are not of this shard."""
        return {name for records in self.records.values() for name in records} - {v.video_id for v in self.videos}

    @classmethod
    def load(
        cls, workspace: Workspace, shard: str, videos: Sequence[Video], stages: Iterable[Stage[Any]]
    ) -> "ShardState":
        """Read the footers of the shard's files and the checksums that the manifests hold of them."""
        shard_state = cls(workspace, shard, videos)
        known = _known_checksums(workspace, videos)
        for stage in stages:
            try:
                with ShardReader(workspace.shard(stage.name, shard)) as reader:
                    shard_state.records[stage.name] = reader.records
                    checksum = known.get(stage.name)
                    if (
                        checksum
                        and checksum.footer == footer_digest(reader)
                        and checksum.bytes == reader.path.stat().st_size
                        and checksum.path == workspace.relative(reader.path)
                    ):
                        shard_state.checksums[stage.name] = checksum
            except FileNotFoundError:
                continue
            except Damaged as error:
                shard_state.damaged[stage.name] = str(error)
        return shard_state

    def verify(self, stages: Iterable[Stage[Any]]) -> bool:
        """Take the checksums of the files that no manifest knows, once their rows are verified; whether any was taken.

        A file with damaged rows gets no checksum, and the records of these rows are forgotten: they are computed again.
        """
        before = len(self.checksums)
        for stage in stages:
            if stage.name in self.checksums or stage.name not in self.records:
                continue
            path = self.workspace.shard(stage.name, self.shard)
            with ShardReader(path) as reader:
                damaged = find_damaged(reader, stage, self.records[stage.name])
                if not damaged:
                    self.checksums[stage.name] = checksum_of(reader, self.workspace.relative(path))
            for video_id in damaged:
                del self.records[stage.name][video_id]
        return len(self.checksums) > before

    def reverify(self, stages: Iterable[Stage[Any]], damaged_inputs: Container[str] = ()) -> bool:
        """Verify rows and media of these stages anew and forget what is damaged; whether anything was.

        Of the videos in `damaged_inputs`, what was fetched is proved again, too.
        """
        before = sum(len(records) for records in self.records.values())
        for stage in stages:
            self.checksums.pop(stage.name, None)
            for video in self.videos:
                record = self.records.get(stage.name, {}).get(video.video_id)
                if (
                    video.video_id in damaged_inputs
                    and record
                    and record.done
                    and refuted(self.workspace, stage, video, record)
                ):
                    del self.records[stage.name][video.video_id]
            for video_id, record in list(self.records.get(stage.name, {}).items()):
                if not all(is_intact(self.workspace.root / output.path, output.sha256) for output in record.media):
                    log.warning("%s: the media of %s are damaged", stage.name, video_id)
                    del self.records[stage.name][video_id]
            self.verify([stage])
        return sum(len(records) for records in self.records.values()) < before


def refuted(workspace: Workspace, stage: Stage[Any], video: Video, record: Record) -> bool:
    """Whether what the stage fetched is no longer as recorded; what is wrong is logged."""
    if stage.proof is None or stage.fetches is None:
        return False
    problems = [problem for problem, _ in stage.proof(workspace, video, record)]
    for problem in problems:
        log.warning("%s of %s: %s", stage.name, video.video_id, problem)
    return bool(problems)


def _known_checksums(workspace: Workspace, videos: Sequence[Video]) -> dict[str, Checksum]:
    """Stage -> checksum of its shard file, from the first readable manifest among the shard's videos."""
    for video in videos:
        checksums = _checksums_in(workspace.manifest(video.video_id))
        if checksums:
            return checksums
    return {}


def _checksums_in(path: Path) -> dict[str, Checksum]:
    try:
        stages = from_json(regular(path, MOST_TEXT).read_bytes())["stages"]
        return {name: Checksum(**entry["outputs"][0]) for name, entry in stages.items() if entry.get("outputs")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
