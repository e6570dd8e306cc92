"""The stages in the order in which a video passes through them. A new one is one file here and one line below."""

from typing import Any

from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages import download, headpose, identity, landmarks, normalize, speech, stats, torso

STAGES: tuple[Stage[Any], ...] = (
    download.STAGE,
    normalize.STAGE,
    landmarks.STAGE,
    headpose.STAGE,
    torso.STAGE,
    speech.STAGE,
    identity.STAGE,
    stats.STAGE,
)
