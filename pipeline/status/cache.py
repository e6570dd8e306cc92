"""What the last pass over a shard came to, and by what it is known whether that still holds.

Where nothing that the statuses of a shard are made from has changed, its rows of `manifests.parquet` are as true as
they were, and its records need not be read again: ten thousand videos are judged anew in seconds. An entry on each
shard lies in the table's footer. It says nothing that could not be found out again: without it, or where anything is
otherwise than it says, the shard is surveyed.
"""

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from portrait_prep.manifests.files import sha256_of_start
from portrait_prep.manifests.video import Video, anchored
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.counts import ShardCounts
from portrait_prep.pipeline.status.plan import Planner
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.pipeline.status.table import (
    KEY,
    MALFORMED,
    MOST_ROWS,
    TABLE,
    Basis,
    CacheEntry,
    digest_of_noted,
    from_rows,
)

FORM = 4
"""To be raised when, of the same shards, a manifest or the table would tell otherwise than before."""

FileStat = tuple[int, ...]
"""A file as the file system tells of it; the same twice: the same bytes. Empty: there is none."""


@dataclass(frozen=True)
class Recalled:
    """What the table tells of a shard: its entry, its rows, and what these come to by the rules and reviews of now."""

    entry: CacheEntry
    rows: pa.Table
    summaries: Sequence[VideoSummary]


class StatusCache:
    """Reads the entries of the table that lies in the workspace; none where it cannot be read or is of another form.

    Each file is looked at once: after work was done, another cache is needed.
    """

    def __init__(self, workspace: Workspace, planner: Planner) -> None:
        self._workspace, self._planner = workspace, planner
        self._facts: dict[str, str] = {}
        self._entries: dict[str, CacheEntry] = {}
        self._bases: dict[str, Basis] = {}
        self._held: dict[str, bool] = {}
        self._written = 0, ""
        """How many bytes the rows took when they were written, and the sha256 of these."""
        self._rows: dict[str, tuple[int, int]] = {}
        """Shard -> its first row, and how many it has."""
        self._group: tuple[int, pa.Table] | None = None
        try:
            self._size = regular(workspace.manifests_table).stat().st_size
            self._file = pq.ParquetFile(workspace.manifests_table, page_checksum_verification=True)
            digest, _, noted = self._file.metadata.metadata[KEY].decode().partition(" ")
            if digest != digest_of_noted(noted):
                raise ValueError("what is noted is not as it was written")
            content = from_json(noted)
            entries = content["shards"]
            if not all(isinstance(count, int) and count >= 0 for _, count, _ in entries):
                raise ValueError("a count of rows is none")
            ends = list(accumulate(count for _, count, _ in entries))
            if ends[-1:] == [self._file.metadata.num_rows] and self._file.schema_arrow.equals(TABLE):
                size, digest = content["rows"]
                self._written = int(size), str(digest)
                self._bases = {stage: (int(videos), str(basis)) for stage, (videos, basis) in content["bases"].items()}
                self._entries = {shard: CacheEntry(**entry) for shard, _, entry in entries}
                self._rows = {shard: (end - count, count) for (shard, count, _), end in zip(entries, ends, strict=True)}
        except (OSError, pa.ArrowException, *MALFORMED):
            pass

    @cached_property
    def _starts(self) -> list[int]:
        """The first row of each row group."""
        metadata = self._file.metadata
        counts = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        return list(accumulate(counts, initial=0))[:-1]

    def holds(self, shard: str, videos: Sequence[Video]) -> bool:
        """Whether all is as it was, and nothing was left to do then."""
        if shard not in self._held:
            entry = self._entries.get(shard)
            self._held[shard] = (
                entry is not None
                and entry.facts == self.facts(shard, videos)
                and entry.manifests == self.manifests(videos)
            )
        return self._held[shard]

    def basis(self, stage: str) -> Basis | None:
        """What the stage's reduction is to be made from, while all shards are as they were, and judged as they were."""
        return self._bases.get(stage)

    def is_whole(self, shards: Iterable[str]) -> bool:
        """Whether the table has rows of just these shards, in their order, and they are as they were written."""
        return list(self._entries) == list(shards) and self._rows_are_as_written

    @cached_property
    def _rows_are_as_written(self) -> bool:
        size, digest = self._written
        try:
            return digest == sha256_of_start(self._workspace.manifests_table, size)
        except OSError:
            return False

    def counts(self, shard: str, videos: Sequence[Video]) -> ShardCounts | None:
        """What there is to tell of a shard, if all is as it was, and judged as it was."""
        if not self.holds(shard, videos) or self._entries[shard].judged != self.judged(videos):
            return None
        try:
            known = ShardCounts(**self._entries[shard].counts)
        except (ValueError, TypeError):
            return None
        told = [sum(states.values()) for states in known.states.values()]
        same = list(known.states) == [stage.name for stage in self._planner.stages] and set(told) == {len(videos)}
        return known if same and known.videos == len(videos) else None

    def judged(self, videos: Iterable[Video]) -> str:
        """Digest of what these videos are judged by."""
        digest = hashlib.sha256(self._judges)
        for video in videos:
            if review := self._planner.reviews.get(video.video_id):
                digest.update(f"{video.video_id} {review.model_dump_json()}".encode())
        return digest.hexdigest()

    @cached_property
    def _judges(self) -> bytes:
        return self._planner.settings.quality.model_dump_json().encode()

    def recall(self, shard: str, videos: Sequence[Video]) -> Recalled | None:
        """What the table tells of a shard, if all is as it was."""
        if not self.holds(shard, videos) or not self._rows_are_as_written:
            return None
        first, count = self._rows[shard]
        if count != len(videos) * len(self._planner.stages):
            return None
        try:
            rows = self._read(first, count)
            return Recalled(self._entries[shard], rows, from_rows(self._planner, videos, rows))
        except (OSError, pa.ArrowException, *MALFORMED):
            return None

    def _read(self, first: int, count: int) -> pa.Table:
        """Some rows of one row group; the group is kept, since the shards after lie there, too."""
        number = bisect_right(self._starts, first) - 1
        if self._group is None or self._group[0] != number:
            if self._file.metadata.row_group(number).num_rows > MOST_ROWS:
                raise pa.ArrowInvalid("a row group claims more rows than are read")
            with bounded_table(self._size):
                self._group = number, self._file.read_row_group(number)
        return self._group[1].slice(first - self._starts[number], count)

    def facts(self, shard: str, videos: Sequence[Video], anew: bool = False) -> str:
        """Digest of all that the statuses of these videos are made from. Looked up once: before they are surveyed."""
        if anew or shard not in self._facts:
            digest = hashlib.sha256(self._constants)
            for stage in self._planner.stages:
                digest.update(repr(_stat(str(self._workspace.shard(stage.name, shard)))).encode())
            for video in videos:
                digest.update(repr((video.model_dump_json(), *self._surroundings(video))).encode())
            self._facts[shard] = digest.hexdigest()
        return self._facts[shard]

    def _surroundings(self, video: Video) -> Iterator[Any]:
        for stage, suffixes in self._media:
            if stage.outside:
                facts = stage.outside(anchored(video, self._workspace.root))
                yield facts and sorted(facts.items())
            for suffix in suffixes:
                yield _stat(self._workspace.media_file(video.video_id, suffix))

    @cached_property
    def _media(self) -> Sequence[tuple[Stage[Any], Sequence[str]]]:
        """The stages, and the suffixes of the files that each writes beside its shards."""
        params = self._planner.settings.params
        return [(stage, tuple(stage.media_under(params[stage.name]))) for stage in self._planner.stages]

    def manifests(self, videos: Iterable[Video]) -> str:
        """Digest of the stats of these videos' manifest files: to be taken once they are written."""
        stats = [_stat(self._workspace.manifest_file(video.video_id)) for video in videos]
        return hashlib.sha256(repr(stats).encode()).hexdigest()

    @cached_property
    def _constants(self) -> bytes:
        """Everything that is the same for all videos."""
        return json.dumps([FORM, version("portrait-prep"), self._planner.constants], sort_keys=True).encode()


def _stat(path: str) -> FileStat:
    try:
        stat = os.stat(path)  # noqa: PTH116 (very many are looked at)
    except OSError:
        return ()
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def digest_of_verdicts(summaries: Iterable[VideoSummary]) -> str:
    """One digest over the verdicts of a shard."""
    text = "\n".join(summary.verdict.model_dump_json() for summary in summaries)
    return hashlib.sha256(text.encode()).hexdigest()
