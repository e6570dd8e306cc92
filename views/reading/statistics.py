"""Means and deviations, as the stats stage left them for each subject and for the whole corpus."""

import zlib
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.media.file import regular
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.arrow import to_numpy
from portrait_prep.stages.streaming.described import CORPUS, DESCRIBED, NAME, TABLE

Statistics = Mapping[str, NDArray[np.float64]]
"""`<column>_mean` and `_std` of canonical [478, 3], euler [3], translation [3], scale [1] and billboard [18, 3]."""

NAMES = tuple(f"{column.name}_{kind}" for column in DESCRIBED for kind in ("mean", "std"))
AT_A_TIME = 64
"""Rows of the table in memory: some 50 kB each."""


def subject_files(workspace: Workspace) -> dict[str, str | None]:
    """Subject -> its file in the folder `stats`, None for the corpus. Raises BadInput when there are no statistics."""
    try:
        table = pq.read_table(regular(workspace.root / NAME / TABLE), columns=["subject", "file"])
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"{workspace.root} has no statistics: run 'portrait-prep run stats' first.") from error
    return dict(zip(table["subject"].to_pylist(), table["file"].to_pylist(), strict=True))


def read_statistics(workspace: Workspace, subject: str, files: Mapping[str, str | None]) -> Statistics:
    """The statistics of one subject, or of the corpus (`*`). Raises BadInput when there are none."""
    if subject not in files:
        raise BadInput(f"There are no statistics of {subject}: no video of this subject is accepted.")
    file = files[subject]
    if file is None:
        return _corpus_row(workspace)
    try:
        with np.load(regular(workspace.root / NAME / file), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in NAMES}
    except (OSError, ValueError, KeyError, BadZipFile, zlib.error, EOFError) as error:
        raise BadInput(f"The statistics of {subject} cannot be read: run 'portrait-prep run stats' again.") from error


def _corpus_row(workspace: Workspace) -> Statistics:
    """Found without holding the rows of all subjects."""
    with pq.ParquetFile(regular(workspace.root / NAME / TABLE)) as table:
        for batch in table.iter_batches(AT_A_TIME, columns=["subject", *NAMES], use_threads=False):
            found: Any = pa.Table.from_batches([batch]).filter(pc.equal(batch["subject"], CORPUS))
            if found.num_rows:
                return {name: to_numpy(found.column(name))[0] for name in NAMES}
    raise BadInput(f"{workspace.root} has no statistics of the corpus: run 'portrait-prep run stats' again.")
