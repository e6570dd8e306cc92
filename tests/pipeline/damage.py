"""Ways to break a workspace, and to do what an audit says mends it."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from portrait_prep.manifests.catalogue import read_rows, write_catalogue
from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.record import Basis, Output, Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing.audit import Audit, Finding
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.arrow import digest_of
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter

Change = Callable[[Batch], Batch]
Key = tuple[str, str, str]
"""Kind, path and video of a finding."""


def flip(path: Path, at: float = 0.5) -> None:
    """Turn one byte around."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    path.write_bytes(bytes(data))


def exchange(one: Path, other: Path) -> None:
    """Give each the other's name."""
    aside = one.with_suffix(".aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file in place."""
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content, indent=1), "utf-8")


def edit_row(root: Path, row_of: str, /, **fields: object) -> None:
    """Change a row of the catalogue."""
    path = root / "catalogue.parquet"
    rows = read_rows(path)
    write_catalogue(path, [row.model_copy(update=fields) if row.video_id == row_of else row for row in rows])


def repeat_row(root: Path, video_id: str) -> None:
    """Say it twice."""
    rows = read_rows(root / "catalogue.parquet")
    write_catalogue(root / "catalogue.parquet", [*rows, *(row for row in rows if row.video_id == video_id)])


def leave_one(root: Path, video_id: str) -> None:
    """Of the rows of a video, the first."""
    rows = list(read_rows(root / "catalogue.parquet"))
    (first, *_) = [row for row in rows if row.video_id == video_id]
    write_catalogue(root / "catalogue.parquet", [row for row in rows if row.video_id != video_id or row is first])


def drop_row(root: Path, video_id: str) -> None:
    """Forget a video."""
    rows = read_rows(root / "catalogue.parquet")
    write_catalogue(root / "catalogue.parquet", [row for row in rows if row.video_id != video_id])


def as_is(batch: Batch) -> Batch:
    """No change."""
    return batch


def forge(
    session: Session,
    stage: str,
    video_id: str,
    change: Change = as_is,
    update: Mapping[str, object] | None = None,
    redo_digests: bool = True,
    media: Path | None = None,
) -> None:
    """Write a shard anew, with other values (or another record) for one video; its digests fit unless asked otherwise.

    `media`: one of the video's media files, recorded as it is now.

    The records of the stages below are given the new digests too, so that nothing is stale.
    """
    shard = _shard_of(session, video_id)

    def changed(writer: ShardWriter, reader: ShardReader, record: Record) -> Record:
        names = [column.name for column in reader.columns(_stage(session, stage))]
        rows, digests = writer.rows(video_id, map(change, reader.batches(video_id, names)))
        if redo_digests:
            outputs = [
                _output(session, media) if media and Path(known.path).name == media.name else known
                for known in record.media
            ]
            known = record.digests | digests | {Path(output.path).suffix[1:]: output.sha256 for output in outputs}
            redone = {"rows": rows, "digests": known, "digest": digest_of(known.items()), "media": tuple(outputs)}
            record = record.model_copy(update=redone)
        return record.model_copy(update=dict(update or {}))

    digests = _rewrite(session, stage, shard, video_id, changed).digests
    below = [other for other in session.stages if stage in other.upstream]
    for other in below if redo_digests else ():
        _pass_on(session, other.name, shard, video_id, {f"{stage}.{name}": value for name, value in digests.items()})


def _output(session: Session, path: Path) -> Output:
    return Output(path=session.workspace.relative(path), bytes=path.stat().st_size, sha256=sha256_of(path))


def _pass_on(session: Session, stage: str, shard: str, video_id: str, inputs: Mapping[str, str]) -> None:
    def changed(writer: ShardWriter, reader: ShardReader, record: Record) -> Record:
        if record.rows:
            writer.rows(video_id, reader.batches(video_id, list(record.digests)))
        read = {name: inputs.get(name, value) for name, value in record.basis.inputs.items()}
        basis = Basis(**record.basis.model_dump() | {"inputs": read})
        return record.model_copy(update={"basis": basis, "fingerprint": fingerprint(stage, basis)})

    if session.workspace.shard(stage, shard).exists():
        _rewrite(session, stage, shard, video_id, changed)


def _rewrite(
    session: Session,
    stage: str,
    shard: str,
    video_id: str,
    changed: Callable[[ShardWriter, ShardReader, Record], Record],
) -> Record:
    path = session.workspace.shard(stage, shard)
    fresh, made = path.with_suffix(".fresh"), []
    with (
        ShardReader(path) as reader,
        ShardWriter(fresh, _stage(session, stage), session.settings.params[stage]) as writer,
    ):
        for name, record in reader.records.items():
            if name == video_id:
                made.append(changed(writer, reader, record))
                writer.record(made[0])
            else:
                writer.copy(reader, record)
    fresh.rename(path)
    return made[0]


def _stage(session: Session, name: str) -> Any:
    return next(stage for stage in session.stages if stage.name == name)


def _shard_of(session: Session, video_id: str) -> str:
    return next(video.shard for video in session.videos if video.video_id == video_id)


def rewrite_manifests(session: Session) -> None:
    """Write the manifests anew, so that they, too, say what was forged."""
    for path in (session.workspace.root / "manifests").iterdir():
        path.unlink()
    afresh = Session(session.workspace, session.stages)
    with afresh.held():
        afresh.finalize()


def keys_of(findings: Iterable[Finding]) -> set[Key]:
    """What is the same in whatever words."""
    return {(finding.kind, finding.path, finding.video_id) for finding in findings}


def audited(session: Session, deep: bool = False) -> list[Finding]:
    """What an audit of the workspace finds, opened afresh."""
    return list(Audit(Session(session.workspace, session.stages), deep).findings())


def obey(session: Session, findings: Sequence[Finding]) -> None:
    """Give the commands that the findings name, what is to be deleted first; the run happens in this process."""
    commands = [command for finding in findings for command in finding.to_json(session.workspace.root)["commands"]]
    for command in dict.fromkeys(command for command in commands if command.startswith("rm ")):
        subprocess.run(shlex.split(command), check=True)
    if any(command == f"portrait-prep run -w {session.workspace.root}" for command in commands):
        afresh = Session(session.workspace, session.stages)
        afresh.run(afresh.select((), (), retry_failed=False), workers=0)


def videos(root: Path) -> dict[str, Video]:
    """The catalogue by id."""
    return {video.video_id: video for video in read_rows(root / "catalogue.parquet")}
