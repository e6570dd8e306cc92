"""All exports, by name: one line each."""

from collections.abc import Sequence
from typing import Any

from portrait_prep.views.crops.latentsync_export import LATENTSYNC
from portrait_prep.views.dh_live.audio_export import DH_LIVE_AUDIO
from portrait_prep.views.dh_live.export import DH_LIVE
from portrait_prep.views.exporting.export import Export
from portrait_prep.views.huggingface.export import DATASETS
from portrait_prep.views.iemocap_hubert.export import IEMOCAP_HUBERT
from portrait_prep.views.live_link.export import LIVE_LINK
from portrait_prep.views.moda.export import MODA
from portrait_prep.views.webdataset import WEBDATASET

EXPORTS: Sequence[Export[Any]] = (
    MODA,
    DH_LIVE,
    DH_LIVE_AUDIO,
    IEMOCAP_HUBERT,
    LATENTSYNC,
    LIVE_LINK,
    WEBDATASET,
    DATASETS,
)
