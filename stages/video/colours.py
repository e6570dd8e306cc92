"""From the colours of a source to those of every mp4: BT.709 of limited range. Two steps of a graph of filters.

`scale` changes the layout of pixels and their range, but neither curves nor primaries, and refuses rare tags: so it is
told that all is BT.709 already. Where that is not true, `zscale` converts what comes out of it.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from portrait_prep.media.colours import BT709, HDR, RGB, WHITE, Colours, Tags
from portrait_prep.pipeline.declare.metric import Metric

BY_LIGHT = (*HDR, "linear", "log100", "log316")
"""Transfers that are converted. All others are of SDR: players show them on the same screen by the same curve."""

PLANAR_RGB = "|".join(f"gbrp{depth}" for depth in ("", 10, 12, 14, 16))
PLANAR_YUV = "|".join(f"yuv{chroma}p{depth}" for chroma in (420, 422, 444) for depth in ("", 10, 12, 16))
"""Pixel formats that zscale is given: without alpha, not packed."""


METRICS = (
    Metric(
        "color_converted",
        "",
        "what of the source's colours was not BT.709 of limited range and was converted, with the name of what it was",
        kind="text",
        blind="tags that are wrong; the light of HLG and PQ above diffuse white (203 cd/m²) is clipped; Dolby Vision "
        "without a base layer of its own",
    ),
    Metric(
        "color_assumed",
        "",
        "what the source does not tag, and what it was taken for: BT.709 and limited range, but the matrix of BT.601 "
        "in pictures less than 1280 px wide and at most 576 high, as players do",
        kind="text",
    ),
)


def metrics(colours: Colours) -> dict[str, str]:
    """What the record tells of them."""
    return {"color_converted": _listed(converted(colours)), "color_assumed": _listed(colours.assumed)}


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in names.items()) or "none"


def converted(colours: Colours) -> dict[str, str]:
    """What is not BT.709 of limited range, and therefore converted: property -> the name of what it was."""
    return {name: value for name, value in asdict(_convertible(colours)).items() if value != getattr(BT709, name)}


def called_bt709(stream: Any, colours: Colours) -> Any:
    """The stored frames, called BT.709 whatever they are; RGB has no matrix and always its full range."""
    tags = {"color_primaries": BT709.primaries, "color_trc": BT709.transfer}
    if colours.layout != RGB:
        tags |= {"colorspace": BT709.matrix, "range": colours.meaning.range}
    return stream.filter("setparams", **tags)


def to_bt709(stream: Any, colours: Colours) -> Any:
    """What `scale` made of them: of limited range, unless it is RGB."""
    meant = _convertible(colours)
    if replace(meant, range=BT709.range) == BT709:
        return stream
    told = {"min": meant.matrix, "pin": meant.primaries, "tin": meant.transfer}
    told["rin"] = "pc" if colours.layout == RGB else "tv"
    wanted = {"m": BT709.matrix, "p": BT709.primaries, "t": BT709.transfer, "r": BT709.range}
    planar = stream.filter("format", PLANAR_RGB if colours.layout == RGB else PLANAR_YUV)
    return planar.filter("zscale", **told, **wanted, npl=WHITE)


def _convertible(colours: Colours) -> Tags:
    """What they mean, in terms that zscale can convert: combinations that no standard has are tagged by mistake."""
    meant = colours.meaning
    transfer = meant.transfer if meant.transfer in BY_LIGHT else BT709.transfer
    matrix = meant.matrix
    if (matrix == "ictcp" and not (colours.hdr and meant.primaries == "bt2020")) or matrix in ("smpte2085", "ipt-c2"):
        matrix = "bt2020nc"
    if matrix == "bt2020c" and transfer != BT709.transfer:
        matrix = "bt2020nc"
    return replace(meant, transfer=transfer, matrix=matrix)
