"""The stages in the order in which a video passes through them. A new one is one file here and one line below."""

from typing import Any

from portrait_prep.pipeline.declare.section import Section
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages import download, headpose, landmarks, normalize, speech, stats, torso
from portrait_prep.stages.recordings import segments, voice

STAGES: tuple[Stage[Any], ...] = (
    download.STAGE,
    normalize.STAGE,
    landmarks.STAGE,
    headpose.STAGE,
    torso.STAGE,
    speech.STAGE,
    stats.STAGE,
)

RECORDING_STAGES: tuple[Stage[Any], ...] = (
    download.STAGE,
    voice.STAGE,
)
"""The same for a part of a recording."""

SECTIONS: tuple[Section, ...] = (
    *STAGES,
    *(stage for stage in RECORDING_STAGES if stage not in STAGES),
    segments.SECTION,
)
"""What has a section in `pipeline.toml`."""
