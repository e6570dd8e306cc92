"""The survey: what is true of every video now, read from the shards. Status, manifests and the report stand on it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.atomic import replacing
from manifests.catalogue import Video
from manifests.manifest import entry, flat_rows, manifest, write_manifest
from manifests.quality import Verdict, judge
from manifests.reviews import reviewed
from pipeline.ledger import Ledger
from pipeline.plan import Planner, Standing, State
from pipeline.seal import Seal
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Dossier:
    """One video: where it stands at each stage, the files that say so, and the verdict."""

    video: Video
    standings: Mapping[str, Standing]
    seals: Mapping[str, Seal]
    verdict: Verdict

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, as it should be."""
        entries = {
            stage: entry(standing.state, standing.reason, standing.record, self.seals.get(stage))
            for stage, standing in self.standings.items()
        }
        return manifest(self.video, entries, self.verdict)


def by_shard(videos: Iterable[Video]) -> dict[str, list[Video]]:
    """Shard -> its videos, in the order of the catalogue."""
    shards: dict[str, list[Video]] = {}
    for video in videos:
        shards.setdefault(video.shard, []).append(video)
    return shards


def dossiers(planner: Planner, ledger: Ledger) -> list[Dossier]:
    """One dossier a video of the shard, in the order of the catalogue."""
    standings = planner.standings(ledger.videos, ledger.records)
    found = []
    for video in ledger.videos:
        own = {stage: by_video[video.video_id] for stage, by_video in standings.items()}
        found.append(Dossier(video, own, ledger.seals, _verdict(planner, video, own)))
    return found


def _verdict(planner: Planner, video: Video, standings: Mapping[str, Standing]) -> Verdict:
    """Stages that join videos come after the verdict and have no say in it."""
    judged = [stage.name for stage in planner.stages if stage.reduce is None]
    unfinished = {name: _told(standings[name]) for name in judged if standings[name].state is not State.DONE}
    records = {name: standing.record for name, standing in standings.items() if standing.record}
    verdict = judge(records, unfinished, planner.settings.quality)
    return reviewed(verdict, planner.reviews.get(video.video_id), finished=not unfinished)


def _told(standing: Standing) -> str:
    error = standing.record.error if standing.record else None
    detail = error.message if error and standing.state is State.FAILED else standing.reason
    return f"{standing.state}: {detail}" if detail else str(standing.state)


def survey(
    workspace: Workspace, planner: Planner, videos: Sequence[Video], sealed: bool = False
) -> Iterator[list[Dossier]]:
    """Go through the shards one by one; memory is bounded by one shard.

    `sealed`: files that no manifest vouches for are verified first, and what is damaged counts as not there.
    """
    for shard, members in by_shard(videos).items():
        ledger = Ledger.load(workspace, shard, members, planner.stages)
        if sealed:
            ledger.seal(planner.stages)
        yield dossiers(planner, ledger)


TABLE = pa.schema(
    [
        *((name, pa.string()) for name in ("video_id", "corpus", "subject", "shard", "split")),
        ("fold", pa.int64()),
        *((name, pa.string()) for name in ("stage", "outcome", "reason")),
        ("attempts", pa.int64()),
        ("started", pa.string()),
        ("seconds", pa.float64()),
        ("worker", pa.string()),
        ("rows", pa.int64()),
        ("frames", pa.int64()),
        *((name, pa.string()) for name in ("fingerprint", "digest", "error_type", "error_message")),
        ("error_permanent", pa.bool_()),
        ("metrics", pa.string()),
        ("accepted", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("overruled", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("review", "review_why", "review_who", "review_when")),
    ]
)


def write_manifests(workspace: Workspace, found: Iterable[Dossier]) -> None:
    """Bring the manifests of these videos up to date."""
    for dossier in found:
        write_manifest(workspace.manifest(dossier.video.video_id), dossier.manifest)


def write_manifests_table(workspace: Workspace, surveyed: Iterable[list[Dossier]]) -> None:
    """Write `manifests.parquet`, one row a video x stage, as the shards come."""
    with replacing(workspace.manifests_table) as temporary, pq.ParquetWriter(temporary, TABLE) as writer:
        for found in surveyed:
            rows = [row for dossier in found for row in flat_rows(dossier.manifest)]
            writer.write_table(pa.Table.from_pylist(rows, schema=TABLE))
