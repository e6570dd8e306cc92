"""The stages through which a part of a recording passes, in order; and what has a section in `pipeline.toml`."""

from typing import Any

from portrait_prep.pipeline.declare.section import Section
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages import download
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.recordings import identity, scan, segments, voice

RECORDING_STAGES: tuple[Stage[Any], ...] = (
    download.STAGE,
    scan.STAGE,
    voice.STAGE,
    identity.STAGE,
)

SECTIONS: tuple[Section, ...] = (*STAGES, scan.STAGE, voice.STAGE, segments.SECTION)
"""The same for videos and their recordings; `download` and `identity` are of both."""
