"""The end of a run: manifests and their table are brought up to date in one pass over all shards.

A shard of which nothing has changed is only judged anew; any other is surveyed.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from portrait_prep.manifests.catalogue import by_shard
from portrait_prep.manifests.manifest import write_quality
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.pruning import Pruning
from portrait_prep.pipeline.run.reduction import Reducer
from portrait_prep.pipeline.status.cache import Recalled, StatusCache, digest_of_verdicts
from portrait_prep.pipeline.status.counts import ShardCounts
from portrait_prep.pipeline.status.plan import Planner
from portrait_prep.pipeline.status.survey import VideoSummary, video_statuses, write_manifests
from portrait_prep.pipeline.status.table import CacheEntry, rows_of, with_verdicts, writing_table
from portrait_prep.pipeline.store.shard_state import ShardState

WRITERS = 4
"""Threads that write manifests: most of their time the file system's."""


def finalize(
    workspace: Workspace,
    planner: Planner,
    videos: Sequence[Video],
    cache: StatusCache,
    pruning: Pruning,
    reducer: Reducer,
) -> Iterator[Sequence[VideoSummary]]:
    """Yield the summaries of each shard once its manifests are written; the table is there when all are taken.

    They are added to the `reducer`.
    """
    with writing_table(workspace) as table:
        for shard, members in by_shard(videos).items():
            if recalled := cache.recall(shard, members):
                summaries, rows, entry = _judged_anew(workspace, planner, cache, recalled)
            else:
                summaries, rows, entry = _surveyed(workspace, planner, cache, members, pruning)
            table.add(shard, rows, entry)
            reducer.add(summaries)
            yield summaries
        table.note_bases(reducer.bases)


Result = tuple[Sequence[VideoSummary], pa.Table, CacheEntry]


def _judged_anew(workspace: Workspace, planner: Planner, cache: StatusCache, recalled: Recalled) -> Result:
    summaries, entry = recalled.summaries, recalled.entry
    anew = _entry(planner, cache, entry.facts, summaries)
    if anew.verdicts == entry.verdicts:
        return summaries, recalled.rows, replace(anew, manifests=entry.manifests)

    def write(summary: VideoSummary) -> None:
        write_quality(workspace.manifest(summary.video.video_id), summary.verdict)

    workspace.folder("manifests")
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(write, summaries))
    return summaries, with_verdicts(recalled.rows, summaries), _entry(planner, cache, entry.facts, summaries)


def _entry(planner: Planner, cache: StatusCache, facts: str, summaries: Sequence[VideoSummary]) -> CacheEntry:
    """To be made once the manifests are written."""
    videos = [summary.video for summary in summaries]
    counts = ShardCounts.of(planner.stages, summaries).model_dump(mode="json")
    return CacheEntry(facts, cache.manifests(videos), digest_of_verdicts(summaries), cache.judged(videos), counts)


def _surveyed(
    workspace: Workspace, planner: Planner, cache: StatusCache, members: Sequence[Video], pruning: Pruning
) -> Result:
    """What no manifest vouches for is verified first. Where work is left, that is not kept in mind."""
    shard = members[0].shard
    facts = cache.facts(shard, members)
    shard_state = ShardState.load(workspace, shard, members, pruning.stages)
    if pruning.prune_shard(shard_state):
        facts = cache.facts(shard, members, anew=True)
        shard_state = ShardState.load(workspace, shard, members, pruning.stages)
    shard_state.verify(planner.stages)
    found = video_statuses(planner, shard_state)
    write_manifests(workspace, found)
    settled = all(status.settled for video_status in found for status in video_status.statuses.values())
    return found, rows_of(found), _entry(planner, cache, facts if settled else "", found)
