"""`demo`: the whole pipeline on a corpus that it makes itself."""

from pathlib import Path

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.run import carry_out
from portrait_prep.cli.terminal import Workers, WorkspaceOption, say
from portrait_prep.demo import corpus, verdict
from portrait_prep.manifests.corpora import demo as demo_corpus
from portrait_prep.pipeline.add_videos import add_videos
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.run.process import CORES, quietly
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoStatus
from portrait_prep.views.visual.report import write_report


def demo(*, workspace: WorkspaceOption = Path(), workers: Workers = CORES) -> int:
    """Make the demo corpus, run every stage, audit, write the report, and check that all ended as it must.

    Two of its videos are unfit on purpose: one is truncated, one shows no face.
    """
    session = open_session(workspace)
    session.workspace.create()
    release = session.workspace.folder("sources", "demo")
    say(f"Making the demo corpus in {release}")
    with quietly(session.workspace.log("demo.log")):
        corpus.make(release)
    say(add_videos(session, lambda _: demo_corpus.find(release)).line())
    carry_out(session, session.select((), (), retry_failed=False), workers)
    findings = [finding.line() for finding in Audit(session).findings()]
    findings += verdict.check(
        {name: result for statuses in session.video_statuses() for name, result in map(_result, statuses)}
    )
    report = write_report(session)
    for line in findings:
        say(line)
    _say_where(session, report)
    return 1 if findings else 0


def _result(video_status: VideoStatus) -> tuple[str, verdict.ClipResult]:
    for stage, status in video_status.statuses.items():
        if status.state is State.FAILED and status.record and status.record.error:
            result = verdict.ClipResult(accepted=False, failed_at=stage, message=status.record.error.message)
            return video_status.video.video_id, result
    reasons = "; ".join(video_status.verdict.reasons)
    return video_status.video.video_id, verdict.ClipResult(accepted=video_status.verdict.accepted, message=reasons)


def _say_where(session: Session, report: Path) -> None:
    root = session.workspace.root
    places = {
        "Shards": f"{root}/<stage>/*.parquet",
        "Media": root / "media",
        "Statistics": root / "stats",
        "Manifests": f"{root}/manifests/*.json and {session.workspace.manifests_table}",
        "Report": report,
    }
    for name, place in places.items():
        say(f"{name + ':':<12} {place}")
