"""HDR and wide gamuts as SDR would show them: near enough to look at, where exact colours are a matter of encoding."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.colours import HDR, WHITE
from portrait_prep.media.picture import Image

Floats = NDArray[np.float32]

PQ, HLG = HDR
HLG_PEAK, HLG_GAMMA = 1000.0, 1.2
"""The display that HLG is graded for (ITU-R BT.2100, table 5)."""

SDR_GAMMA = 2.4
"""Of displays of SDR (ITU-R BT.1886)."""

LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Shares of BT.2020's primaries in luminance."""

FROM_BT2020 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
FROM_P3 = ((1.2249, -0.2249, 0.0), (-0.0421, 1.0421, 0.0), (-0.0196, -0.0786, 1.0983))
TO_BT709 = {"bt2020": FROM_BT2020, "smpte431": FROM_P3, "smpte432": FROM_P3}
"""Wide primaries -> the matrix that takes their linear light to BT.709's."""

STEPS = 4096


def as_sdr(image: Image, transfer: str | None, primaries: str | None) -> Image:
    """A picture of that transfer and primaries (FFmpeg's names) in BT.709: RGB uint8 [height, width, 3], as it came in
    where it is of SDR and no wide gamut. What is brighter than diffuse white is clipped."""
    wide = TO_BT709.get(primaries or ("bt2020" if transfer in HDR else ""))
    if transfer not in (*HDR, "linear") and wide is None:
        return image
    light = _light(transfer)[image]
    if transfer == HLG:
        light *= ((light @ LUMA) ** np.float32(HLG_GAMMA - 1))[..., None] * np.float32(HLG_PEAK / WHITE)
    if wide is not None:
        light = light @ np.array(wide, np.float32).T
    return np.asarray(_shown()[(np.clip(light, 0, 1) * (STEPS - 1)).astype(np.uint16)])


@lru_cache
def _light(transfer: str | None) -> Floats:
    """Of each level, float32 [256]: of HLG that of the scene, else of the display, diffuse white being 1."""
    level = np.arange(256) / 255
    if transfer == PQ:  # ITU-R BT.2100, table 4
        root = level ** (32 / 2523)
        light = (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305) * 10000 / WHITE
    elif transfer == HLG:  # table 5
        light = np.where(level <= 0.5, level**2 / 3, (np.exp((level - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    else:
        light = level if transfer == "linear" else level**SDR_GAMMA
    return np.asarray(light, np.float32)


@lru_cache
def _shown() -> Image:
    """The level of each of STEPS steps of light, uint8 [STEPS]."""
    return np.asarray(np.rint(255 * (np.arange(STEPS) / (STEPS - 1)) ** (1 / SDR_GAMMA)), np.uint8)
