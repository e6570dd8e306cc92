"""All exports, by name: one line each."""

from collections.abc import Sequence
from typing import Any

from portrait_prep.views.exporting.export import Export
from portrait_prep.views.huggingface.export import DATASETS
from portrait_prep.views.live_link.export import LIVE_LINK
from portrait_prep.views.moda.export import MODA
from portrait_prep.views.webdataset import WEBDATASET

EXPORTS: Sequence[Export[Any]] = (
    MODA,
    LIVE_LINK,
    WEBDATASET,
    DATASETS,
)
