"""A scratch folder inside the workspace."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait_prep.manifests.files import temporary_beside
from portrait_prep.pipeline.declare.workspace import Workspace


@contextmanager
def scratch(workspace: Workspace) -> Iterator[Path]:
    """A folder that is gone at the end. Hold the workspace meanwhile; the next run sweeps it away after a kill."""
    folder = temporary_beside(workspace.root / "audit")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
