"""What a stage sees of one video, over the shards of a workspace."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic

from manifests.atomic import temporary_beside
from manifests.catalogue import Video
from manifests.digest import is_intact
from manifests.errors import Damaged
from manifests.record import Record
from pipeline.shards import ShardReader, by_stage, joined
from pipeline.stage import Batch, Column, P, Stage
from pipeline.tables import Digests
from pipeline.workspace import Workspace


class VideoJob(Generic[P]):
    """The Job of `pipeline.stage` for one video of a workspace; close it to let go of the files."""

    def __init__(
        self,
        workspace: Workspace,
        stage: Stage[P],
        params: P,
        video: Video,
        columns: Mapping[str, Column],
        gpu: bool = False,
    ) -> None:
        self.video = video
        self.params = params
        self.gpu = gpu
        self.metrics: dict[str, Any] = {}
        self.outputs: dict[str, Path] = {}
        self._workspace, self._stage, self._columns = workspace, stage, columns
        self._reads = stage.reads_under(params)
        self._readers = {name: ShardReader(workspace.shard(name, video.shard)) for name in stage.upstream}
        self.frames = max((self.record(name).frames for name in stage.upstream), default=0)

    def close(self) -> None:
        """Close the shards and remove what was written but not taken."""
        for reader in self._readers.values():
            reader.close()
        for path in self.outputs.values():
            path.unlink(missing_ok=True)

    @property
    def source(self) -> Path:
        """The file this video comes from."""
        return self._workspace.root / self.video.path

    @property
    def sources(self) -> Path:
        """The workspace's downloads."""
        return self._workspace.sources

    def record(self, stage: str) -> Record:
        """The record of an upstream stage."""
        return self._readers[stage].records[self.video.video_id]

    def media(self, suffix: str) -> Path:
        """A committed media file, checked against its digest. Raises Damaged."""
        path = self._workspace.media(self.video.video_id, suffix)
        (maker,) = (name for name in self._stage.upstream if f"{name}.{suffix}" in self._reads)
        if not is_intact(path, self.record(maker).digests[suffix]):
            raise Damaged(f"{path} is not what was recorded: delete it and run again.")
        return path

    def output(self, suffix: str) -> Path:
        """A temporary file that becomes `media/<video_id>.<suffix>`."""
        if suffix not in self._stage.media:
            raise KeyError(f"stage {self._stage.name} does not declare media {suffix}")
        final = self._workspace.media(self.video.video_id, suffix)
        final.parent.mkdir(exist_ok=True)
        return self.outputs.setdefault(suffix, temporary_beside(final))

    def read(self, *columns: str) -> Iterator[Batch]:
        """Stream upstream columns, checked on the way against their digests: damage is never passed on."""
        undeclared = set(columns) - set(self._reads)
        if undeclared:
            raise KeyError(f"stage {self._stage.name} does not declare that it reads {sorted(undeclared)}")
        yield from joined([self._checked(stage, names) for stage, names in by_stage(columns).items()])

    def _checked(self, stage: str, names: list[str]) -> Iterator[Batch]:
        digests = Digests([self._columns[f"{stage}.{name}"] for name in names])
        for batch in self._readers[stage].batches(self.video.video_id, names):
            digests.update(batch)
            yield batch
        recorded = self.record(stage).digests
        for name, digest in digests.results().items():
            if recorded[name] != digest:
                path = self._readers[stage].path
                raise Damaged(f"{path} does not hold what was recorded: delete it and run again.")
