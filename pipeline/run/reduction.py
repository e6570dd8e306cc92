"""Reductions: files that join many videos (statistics), made anew when the accepted videos or their columns change."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from sys import intern
from typing import Any

from pydantic_core import from_json

from portrait_prep.manifests.catalogue import by_shard
from portrait_prep.manifests.files import replacing, sha256_of
from portrait_prep.manifests.record import Model, Output
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.pipeline.declare.stage import Batch, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.pipeline.status.table import Basis
from portrait_prep.pipeline.store.arrow import digest_of
from portrait_prep.pipeline.store.shards import ShardReader, verify


class Reduction(Model):
    """What a reduction was made from, and its files. Lies beside them as `reduction.json`."""

    basis: str
    videos: int
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """An accepted video, in few bytes, and the sha256 (32 bytes) of its columns."""

    video_id: str
    shard: str
    subject: str
    digest: bytes

    @classmethod
    def of(cls, video: Video, digest: str) -> "Member":
        """Names of shards and subjects are interned: many videos share them."""
        return cls(video.video_id, intern(video.shard), intern(video.subject), bytes.fromhex(digest))


Members = Mapping[str, Sequence[Member]]
"""Stage with a reduction -> its accepted videos."""


def members_of(stages: Iterable[Stage[Any]], shard: Iterable[VideoSummary]) -> Members:
    """The accepted videos of a shard."""
    accepted = [summary for summary in shard if summary.verdict.accepted]
    return {
        stage.name: [Member.of(one.video, one.digests[stage.name]) for one in accepted if stage.name in one.digests]
        for stage in stages
        if stage.reduce
    }


class Reducer:
    """Collects the accepted videos for every stage with a reduction, and makes it; takes some 300 bytes a video."""

    def __init__(self, workspace: Workspace, stages: Sequence[Stage[Any]], videos: Iterable[Video]) -> None:
        """`videos`: all rows of the catalogue."""
        self._workspace, self._shards = workspace, by_shard(videos)
        self._stages = [stage for stage in stages if stage.reduce]
        self._members: dict[str, list[Member]] = {stage.name: [] for stage in self._stages}

    def add(self, shard: Sequence[VideoSummary]) -> None:
        """Take in the videos of one shard."""
        self.take(members_of(self._stages, shard))

    def take(self, members: Members) -> None:
        """Take in the accepted videos of one shard."""
        for stage, own in members.items():
            self._members[stage].extend(own)

    @property
    def bases(self) -> dict[str, Basis]:
        """Stage with a reduction -> what it is to be made from."""
        return {stage.name: _basis(stage, self._accepted(stage)) for stage in self._stages}

    def reduce(self, wanted: frozenset[str]) -> None:
        """Make what is not current."""
        for stage in self._stages:
            if stage.name in wanted and not self.current(stage):
                self._make(stage)

    def current(self, stage: Stage[Any]) -> bool:
        """Whether the files are there and were made from just the videos that are accepted now."""
        return is_made_from(self._workspace, stage.name, _basis(stage, self._accepted(stage)))

    def _accepted(self, stage: Stage[Any]) -> list[Member]:
        """In order of video_id."""
        return sorted(self._members[stage.name], key=lambda member: member.video_id)

    def _make(self, stage: Stage[Any]) -> None:
        members = self._accepted(stage)
        folder = self._workspace.folder(stage.name)
        files = self.join(stage, folder)
        outputs = tuple(
            Output(path=self._workspace.relative(path), bytes=path.stat().st_size, sha256=sha256_of(path))
            for path in files
        )
        videos, digest = _basis(stage, members)
        made = Reduction(basis=digest, videos=videos, outputs=outputs)
        with replacing(reduction_path(self._workspace, stage.name)) as temporary:
            temporary.write_text(made.model_dump_json(indent=1) + "\n", "utf-8")

    def join(self, stage: Stage[Any], folder: Path) -> Sequence[Path]:
        """Join the accepted videos' rows into files in `folder`; returns them."""
        return stage.reduce(self._rows(stage, self._accepted(stage)), folder) if stage.reduce else ()

    def _rows(self, stage: Stage[Any], members: Sequence[Member]) -> Iterator[tuple[Video, Batch]]:
        """The one row of each video, once it is verified; those of a shard are read together."""
        for shard, own in groupby(members, key=lambda member: member.shard):
            with ShardReader(self._workspace.shard(stage.name, shard)) as reader:
                columns = [column.name for column in reader.columns(stage)]
                by_id = {video.video_id: video for video in self._shards[shard]}
                videos = [by_id[member.video_id] for member in own]
                rows = reader.single_rows([video.video_id for video in videos], columns)
                for video, row in zip(videos, rows, strict=True):
                    verify(reader, stage, reader.records[video.video_id], [row])
                    yield video, row


def reduction_path(workspace: Workspace, stage: str) -> Path:
    """Where the note of a reduction lies."""
    return workspace.root / stage / "reduction.json"


def read_reduction(path: Path) -> Reduction | None:
    """The note, or None when there is none that can be read, or it claims files outside its folder."""
    try:
        made = Reduction(**from_json(regular(path, MOST_TEXT).read_bytes()))
        return made if all(str(Path(output.path).parent) == path.parent.name for output in made.outputs) else None
    except (OSError, ValueError, TypeError):
        return None


def is_made_from(workspace: Workspace, stage: str, basis: Basis | None) -> bool:
    """Whether the files of a stage's reduction are there, and were made from this basis."""
    known = read_reduction(reduction_path(workspace, stage))
    return (
        known is not None
        and (known.videos, known.basis) == basis
        and all(_is_there(workspace.root / output.path, output.bytes) for output in known.outputs)
    )


def _basis(stage: Stage[Any], members: Sequence[Member]) -> Basis:
    rows = ((member.video_id, json.dumps([member.subject, member.digest.hex()])) for member in members)
    return len(members), digest_of(chain([("stage", f"{stage.name} {stage.version}")], rows))


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
