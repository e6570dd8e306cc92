"""Files derived from model files (exports in `cache/`): each has the digest in its name and is what its model gives."""

import re
from collections.abc import Iterator
from pathlib import Path

from portrait_prep.manifests.files import is_intact
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.declare.workspace import CACHE, Workspace
from portrait_prep.pipeline.session import Session

DIGEST = re.compile("-([0-9a-f]{64})$")
"""End of the name of a derived file: the sha256 of its bytes."""


def examine_derived(session: Session, deep: bool) -> Iterator[Finding]:
    """Check the files of the cache; `deep`: also derive again those that the stages use, and compare."""
    workspace = session.workspace
    folder = workspace.root / CACHE
    spoilt = {path for path in sorted(folder.glob("*")) if _is_spoilt(path)}
    for path in sorted(spoilt):
        yield found("derived", workspace.relative(path))
    for stage in session.stages if deep else ():
        for path in stage.altered_exports(session.settings.params[stage.name], folder) if stage.altered_exports else ():
            if path not in spoilt:
                yield found("exchanged export", workspace.relative(path), stage=stage.name)


def derived_files(workspace: Workspace) -> Iterator[str]:
    """Names of files that may be derived ones, relative to the workspace; nothing else is ever read in the folder."""
    yield from (workspace.relative(path) for path in (workspace.root / CACHE).glob("*") if DIGEST.search(path.stem))


def _is_spoilt(path: Path) -> bool:
    told = DIGEST.search(path.stem)
    return told is not None and not is_intact(path, told[1])
