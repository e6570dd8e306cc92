"""The conclusion of a run: manifests and their table are brought up to date in one pass over all shards.

A shard of which nothing has changed is only judged anew; any other is surveyed.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from portrait_prep.manifests.catalogue import Video
from portrait_prep.manifests.manifest import write_quality
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.cache import Memory, Note, digest_of_verdicts, recalled, with_verdicts, writing_table
from portrait_prep.pipeline.status.plan import Planner
from portrait_prep.pipeline.status.survey import Account, by_shard, dossiers, rows_of, write_manifests
from portrait_prep.pipeline.store.shard_state import Ledger

WRITERS = 4
"""Threads that write manifests: most of their time the file system's."""


def conclude(
    workspace: Workspace, planner: Planner, videos: Sequence[Video], memory: Memory
) -> Iterator[Sequence[Account]]:
    """Yield the accounts of each shard once its manifests are written; the table is there when all are taken."""
    with writing_table(workspace) as table:
        for shard, members in by_shard(videos).items():
            if known := memory.recall(shard, members):
                accounts, rows, note = _judged_anew(workspace, planner, memory, members, *known)
            else:
                accounts, rows, note = _surveyed(workspace, planner, memory, members)
            table.add(shard, rows, note)
            yield accounts


Result = tuple[Sequence[Account], pa.Table, Note]


def _judged_anew(
    workspace: Workspace, planner: Planner, memory: Memory, members: Sequence[Video], note: Note, rows: pa.Table
) -> Result:
    accounts = recalled(planner, members, rows)
    verdicts = digest_of_verdicts(accounts)
    if verdicts == note.verdicts:
        return accounts, rows, note

    def write(account: Account) -> None:
        write_quality(workspace.manifest(account.video.video_id), account.verdict)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(write, accounts))
    return accounts, with_verdicts(rows, accounts), Note(note.facts, memory.manifests(members), verdicts)


def _surveyed(workspace: Workspace, planner: Planner, memory: Memory, members: Sequence[Video]) -> Result:
    """What no manifest vouches for is verified first. Where work is left, that is not kept in mind."""
    shard = members[0].shard
    facts = memory.facts(shard, members)
    ledger = Ledger.load(workspace, shard, members, planner.stages)
    ledger.seal(planner.stages)
    found = dossiers(planner, ledger)
    write_manifests(workspace, found)
    settled = all(standing.settled for dossier in found for standing in dossier.standings.values())
    note = Note(facts if settled else "", memory.manifests(members), digest_of_verdicts(found))
    return found, rows_of(found), note
