"""What joins the videos (statistics): its files are as they were written, and rest on the videos accepted now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portrait_prep.manifests.files import is_intact, sha256_of
from portrait_prep.pipeline.auditing.finding import Finding, found
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
        reduction = read_reduction(path)
        yield from (output.path for output in reduction.outputs) if reduction else ()

    def findings(self, stage: Stage[Any], work_is_left: bool) -> Iterator[Finding]:
        """All findings; while work is left to do, a run makes anew what is missing or outdated."""
        path = reduction_path(self._workspace, stage.name)
        name = self._workspace.relative(path)
        reduction = read_reduction(path)
        if reduction is None:
            if path.is_file() or not work_is_left:
                yield found("missing reduction", name)
            return
        damaged = list(self._damaged(reduction))
        yield from damaged
        if damaged or work_is_left:
            return
        if not self._reducer.current(stage):
            yield found("outdated reduction", name)
        elif self._recompute:
            yield from self._recomputed(stage, reduction)

    def _damaged(self, reduction: Reduction) -> Iterator[Finding]:
        for output in reduction.outputs:
            path = self._workspace.root / output.path
            if not is_intact(path, output.sha256):
                yield found("output" if path.is_file() else "missing output", output.path)

    def _recomputed(self, stage: Stage[Any], reduction: Reduction) -> Iterator[Finding]:
        with self._workspace.scratch() as folder:
            again = {path.name: sha256_of(path) for path in self._reducer.join(stage, folder)}
        recorded = {Path(output.path).name: output.sha256 for output in reduction.outputs}
        for file in sorted(again.keys() | recorded.keys()):
            if again.get(file) != recorded.get(file):
                path = self._workspace.root / stage.name / file
                yield found("recomputed output", self._workspace.relative(path))
