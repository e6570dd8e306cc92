"""What an audit knows of one shard while it looks at it, so that one damage makes one finding."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic_core import from_json

from portrait_prep.manifests.record import Record
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.survey import VideoStatus, video_statuses
from portrait_prep.pipeline.store.shard_state import Checksum, ShardState


@dataclass
class Evidence:
    """The files of one shard as they lie there now.

    `doubted` (stage, video) is accounted for by a finding, and so are the `gone`, videos without a row.
    """

    session: Session
    shard_state: ShardState
    gone: Collection[str] = ()
    doubted: set[tuple[str, str]] = field(default_factory=set)
    written: dict[str, Any] = field(default_factory=dict)
    """Video id -> its manifest, where that can be read."""

    @property
    def checksums(self) -> dict[str, Checksum]:
        """Stage -> checksum of the file that lies there now, once it was looked at."""
        return self.shard_state.checksums

    @cached_property
    def video_statuses(self) -> list[VideoStatus]:
        """Where each video stands, by the records."""
        return video_statuses(self.session.planner, self.shard_state)

    @property
    def stages(self) -> tuple[Stage[Any], ...]:
        """All stages, in order."""
        return self.session.stages

    @cached_property
    def ids(self) -> list[str]:
        """The shard's videos."""
        return [video.video_id for video in self.shard_state.videos]

    def path(self, stage: str) -> str:
        """The shard's file of a stage, as findings name it."""
        workspace = self.session.workspace
        return workspace.relative(workspace.shard(stage, self.shard_state.shard))

    def doubt(self, stage: str, *video_ids: str) -> None:
        """Note that a finding accounts for what is wrong with these; without any, for all of the shard."""
        self.doubted |= {(stage, video_id) for video_id in video_ids or self.ids}

    def doubts(self, video_id: str) -> bool:
        """Whether anything was found about a video."""
        return any(doubtful == video_id for _, doubtful in self.doubted)

    def sound(self, video_status: VideoStatus) -> Iterator[tuple[Stage[Any], Record]]:
        """The stages at which a video is done and nothing was found about it, with its records."""
        for stage in self.stages:
            status = video_status.statuses[stage.name]
            record = status.record
            if record and record.done and status.settled and not self.is_doubted(stage.name, video_status):
                yield stage, record

    def is_doubted(self, stage: str, video_status: VideoStatus) -> bool:
        """Whether a finding accounts for this stage of a video."""
        return (stage, video_status.video.video_id) in self.doubted

    def read_manifests(self) -> None:
        """Read the manifests of the shard."""
        for video_id in self.ids:
            try:
                manifest = from_json(regular(self.session.workspace.manifest(video_id), MOST_TEXT).read_bytes())
            except (OSError, ValueError):
                continue
            if isinstance(manifest, dict):
                self.written[video_id] = manifest
