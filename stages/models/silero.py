"""Silero's voice activity detector (v6, 16 kHz): how probably somebody speaks, every 32 ms.

https://github.com/snakers4/silero-vad, MIT. ONNX Runtime runs it; no PyTorch. Its maker's package asks for that, so the
file comes from another one, which holds the same and of which nothing is imported.

Its state has no end of memory: over music or noise, what it was told half a minute ago still moves its answer by 0.5.
So it is reset at fixed moments of the recording, and what it says of a moment depends on the sound around that moment
and on nothing else: not on where a part of the recording begins.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.models.onnx import session
from portrait_prep.stages.models.registry import verified

MODEL = "silero_vad"

RATE = 16_000
"""Samples a second that it hears."""

STEP = 512
"""Samples of which it gives one probability."""

CONTEXT = 64
"""Samples before those, which it hears with them."""

BLOCK = 250
"""Steps (8 s) that are heard without a reset."""

LEAD = 62
"""Steps (2 s) heard before them, so that it knows where it is: with 1, 2 or 4 s, in blocks of 4 to 16 s, it finds as
much speech, in noise, music and whispers too, as without any reset, or more."""

SPAN = (LEAD + BLOCK) * STEP + CONTEXT
"""Samples that tell of a block: those of the lead, and the context of its first step, come before it."""

STATE = (2, 128)

SPEAKS = 0.5
"""Probability from which on somebody speaks: its maker's own."""


class VoiceDetector:
    """The network of the registered file."""

    def __init__(self) -> None:
        self._session = session(verified(MODEL).path)

    def __call__(self, spans: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability that somebody speaks in each step of n blocks: spans [n, SPAN], -1 to 1, to [n, BLOCK].

        Each begins afresh. One by one or at once they give the same to the last bits.
        """
        state = np.zeros((STATE[0], len(spans), STATE[1]), np.float32)
        found = np.empty((len(spans), LEAD + BLOCK), np.float32)
        rate = np.array(RATE, np.int64)
        for step in range(LEAD + BLOCK):
            heard = np.ascontiguousarray(spans[:, step * STEP : (step + 1) * STEP + CONTEXT])
            said, state = self._session.run(None, {"input": heard, "state": state, "sr": rate})
            found[:, step] = said[:, 0]
        return found[:, LEAD:]


@lru_cache(maxsize=1)
def voice_detector() -> VoiceDetector:
    """This process's detector. Raises MissingPrerequisite where its file is missing, or another."""
    return VoiceDetector()
