"""The stages in the order in which a video passes through them. A new one is one file here and one line below."""

from typing import Any

from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages import (
    download,
    features,
    headpose,
    identity,
    landmarks,
    normalize,
    parsing,
    speech,
    stats,
    torso,
)

STAGES: tuple[Stage[Any], ...] = (
    download.STAGE,
    normalize.STAGE,
    landmarks.STAGE,
    headpose.STAGE,
    parsing.STAGE,
    torso.STAGE,
    speech.STAGE,
    features.STAGE,
    identity.STAGE,
    stats.STAGE,
)
