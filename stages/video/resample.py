"""From the stored frames of a video to upright squares at 25 frames a second: a graph of ffmpeg's filters."""

from collections.abc import Iterable
from typing import Any

from portrait_prep.media.box import Box
from portrait_prep.media.picture import FPS, SIZE
from portrait_prep.media.probe import Orientation, Probe
from portrait_prep.stages.video.colours import called_bt709, to_bt709
from portrait_prep.stages.video.crop import stored


def upright_squares(
    source: Any, facts: Probe, box: Box, region: Box, fields: str | None = None, *, steady: bool = True
) -> Any:
    """The filters from stored frames to upright squares in BT.709, which show nothing outside of the region.

    A frame is shown from the middle between it and the one before: so each 1/25 s gets the frame nearest in time.
    That rule ends the last one half-way through its time on display, so a long one is held for the other half.
    `fields`, tff or bff, says which field comes first where that is not declared. A picture that is not `steady` is
    brought to its first size before all else. Cropping comes before scaling, turning after it: both then touch the
    fewest pixels.
    """
    stream = called_bt709(source[str(facts.index)], facts.colours)
    if not steady:
        stream = stream.filter("scale", facts.width, facts.height, flags="bicubic+accurate_rnd+bitexact")
    if fields:
        stream = stream.filter("yadif", mode="send_frame", deint="all", parity=fields)
    elif facts.interlaced:
        stream = stream.filter("yadif", mode="send_frame", deint="interlaced")
    stream = stream.filter("settb", "AVTB")
    stream = stream.filter("setpts", f"(PTS+if(isnan(PREV_INPTS),PTS,PREV_INPTS))/2-{facts.start:.9f}/TB")
    stream = stream.filter("fps", fps=FPS, start_time=0, round="up")
    held = (facts.end - float(facts.times[-1])) / 2
    if held * FPS > 1:
        stream = stream.filter("tpad", stop_mode="clone", stop_duration=f"{held:.6f}")
    stored_box, stored_region = (
        stored(part, facts.orientation, facts.display, (facts.width, facts.height)) for part in (box, region)
    )
    stream = _cropped(stream, stored_box, stored_region.within(Box(0, 0, facts.width, facts.height)), facts)
    stream = stream.filter("scale", SIZE, SIZE, flags="bicubic+accurate_rnd+bitexact", out_range="tv")
    stream = to_bt709(stream, facts.colours)
    for name, options in _turns(facts.orientation):
        stream = stream.filter(name, **options)
    return stream.filter("setsar", 1).filter("format", "yuv420p")


def _cropped(stream: Any, box: Box, region: Box, facts: Probe) -> Any:
    """Cut to a box of stored pixels; black where it reaches beyond the region."""
    seen = box.within(region)
    if (seen.w, seen.h) != (facts.width, facts.height):
        stream = stream.filter("crop", seen.w, seen.h, seen.x, seen.y, exact=1)
    if seen != box:
        side = {"w": box.w + box.w % 2, "h": box.h + box.h % 2}
        stream = stream.filter("pad", **side, x=seen.x - box.x, y=seen.y - box.y)
    return stream


def _turns(orientation: Orientation) -> Iterable[tuple[str, dict[str, str]]]:
    if orientation.transposed:
        yield "transpose", {"dir": "cclock_flip"}
    if orientation.flip_x:
        yield "hflip", {}
    if orientation.flip_y:
        yield "vflip", {}
