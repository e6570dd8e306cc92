"""What the numbers of a picture mean as colours: what a video says of that, and what is assumed where it says nothing.

Code points are those of ITU-T H.273, 8; names are FFmpeg's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

PRIMARIES = {
    **{1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"},
    **{10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"},
}
TRANSFERS = {
    **{1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100", 10: "log316"},
    **{11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084"},
    **{17: "smpte428", 18: "arib-std-b67"},
}
MATRICES = {
    **{0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc"},
    **{10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp", 15: "ipt-c2"},
}
RANGES = {1: "tv", 2: "pc"}

HDR = ("smpte2084", "arib-std-b67")
"""PQ and HLG (ITU-R BT.2100): curves that reach beyond the white of SDR."""

WHITE = 203
"""Light of diffuse white in HLG and PQ, cd/m² (ITU-R BT.2408, 2.1). It becomes the white of SDR, so that a picture
which was made from SDR comes back; what is brighter is clipped to it."""

HD_WIDTH, SD_HEIGHT = 1280, 576
"""From that width on, or above that height, pictures without a tag are shown by BT.709, smaller ones by BT.601: so do
mpv, VLC and browsers."""

RGB, GREY, YUV = "rgb", "grey", "yuv"


@dataclass(frozen=True)
class Tags:
    """Four properties by FFmpeg's names, None where there is no tag."""

    primaries: str | None
    transfer: str | None
    matrix: str | None
    range: str | None


BT709 = Tags("bt709", "bt709", "bt709", "tv")
"""What every mp4 of a workspace is."""


@dataclass(frozen=True)
class Colours:
    """The `tags` of a video; `layout` is that of its pixels: RGB, GREY or YUV; `hd`: it is no smaller than HD."""

    tags: Tags
    layout: str
    hd: bool

    @cached_property
    def meaning(self) -> Tags:
        """The tags, those that are missing as players assume them; none of these is None.

        The pixels decide whether there is a matrix; HLG and PQ come with the primaries and the matrix of BT.2020.
        """
        tags = self.tags
        wide = tags.transfer in HDR or tags.primaries == "bt2020" or str(tags.matrix).startswith("bt2020")
        matrix = None if tags.matrix == "gbr" else tags.matrix
        by_size = "bt709" if self.hd else "smpte170m"
        return Tags(
            primaries=tags.primaries or ("bt2020" if wide else "bt709"),
            transfer=tags.transfer or "bt709",
            matrix={RGB: "gbr", GREY: "bt709"}.get(self.layout) or matrix or ("bt2020nc" if wide else by_size),
            range="pc" if self.layout == RGB else tags.range or "tv",
        )

    @property
    def assumed(self) -> dict[str, str]:
        """What was not tagged, and what it was taken for: property -> name."""
        tags = asdict(self.tags)
        return {name: value for name, value in asdict(self.meaning).items() if tags[name] is None}

    @property
    def hdr(self) -> bool:
        """Whether it is HLG or PQ."""
        return self.meaning.transfer in HDR


def colours_of(frame: VideoFrame, stream: VideoStream) -> Colours:
    """What a decoded frame says, else the parameters of its stream."""
    context = stream.codec_context
    tags = Tags(
        primaries=PRIMARIES.get(int(frame.color_primaries)) or PRIMARIES.get(int(context.color_primaries)),
        transfer=TRANSFERS.get(int(frame.color_trc)) or TRANSFERS.get(int(context.color_trc)),
        matrix=MATRICES.get(int(frame.colorspace)) or MATRICES.get(int(context.colorspace)),
        range=RANGES.get(int(frame.color_range)) or RANGES.get(int(context.color_range)),
    )
    if frame.format.name.startswith("yuvj"):
        tags = replace(tags, range="pc")
    return Colours(tags, _layout(frame), frame.width >= HD_WIDTH or frame.height > SD_HEIGHT)


def _layout(frame: VideoFrame) -> str:
    """RGB, also through a palette; GREY where there is luma alone; else YUV."""
    pixels = frame.format
    if pixels.is_rgb or pixels.has_palette:
        return RGB
    return GREY if pixels.name.startswith(("gray", "mono", "ya")) else YUV
