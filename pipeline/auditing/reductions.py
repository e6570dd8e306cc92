"""What joins the videos (statistics): its files are as they were written, and rest on the videos accepted now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portrait_prep.manifests.files import is_intact, sha256_of
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.auditing.scratch import scratch
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.reduction import Reducer, Reduction, read_reduction, reduction_path


class ReductionAudit:
    """Looks at one stage's reduction. `recompute`: join the rows again, in a scratch folder, and compare."""

    def __init__(self, workspace: Workspace, reducer: Reducer, recompute: bool) -> None:
        self._workspace, self._reducer, self._recompute = workspace, reducer, recompute

    def files(self, stage: Stage[Any]) -> Iterator[str]:
        """Every file that the reduction accounts for, relative to the workspace."""
        path = reduction_path(self._workspace, stage.name)
        yield self._workspace.relative(path)
        note = read_reduction(path)
        yield from (output.path for output in note.outputs) if note else ()

    def findings(self, stage: Stage[Any], work_is_left: bool) -> Iterator[Finding]:
        """All findings; while work is left to do, a run makes anew what is missing or outdated."""
        path = reduction_path(self._workspace, stage.name)
        name = self._workspace.relative(path)
        note = read_reduction(path)
        if note is None:
            if path.is_file() or not work_is_left:
                yield found("missing reduction", name)
            return
        damaged = list(self._damaged(note))
        yield from damaged
        if damaged or work_is_left:
            return
        if not self._reducer.current(stage):
            yield found("outdated reduction", name)
        elif self._recompute:
            yield from self._recomputed(stage, note)

    def _damaged(self, note: Reduction) -> Iterator[Finding]:
        for output in note.outputs:
            path = self._workspace.root / output.path
            if not is_intact(path, output.sha256):
                yield found("output" if path.is_file() else "missing output", output.path)

    def _recomputed(self, stage: Stage[Any], note: Reduction) -> Iterator[Finding]:
        with scratch(self._workspace) as folder:
            again = {path.name: sha256_of(path) for path in self._reducer.join(stage, folder)}
        told = {Path(output.path).name: output.sha256 for output in note.outputs}
        for file in sorted(again.keys() | told.keys()):
            if again.get(file) != told.get(file):
                path = self._workspace.root / stage.name / file
                yield found("recomputed output", self._workspace.relative(path))
