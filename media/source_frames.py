"""Pictures out of the user's own videos, of whatever format: a few spread over one, some in a row, or a single one.

What does not decode is passed over: what is wrong with a file is found where it is probed and encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from portrait_prep.media.colours import PRIMARIES, TRANSFERS
from portrait_prep.media.container import NotAVideo, guarded, has_decoder, opened
from portrait_prep.media.picture import Image
from portrait_prep.media.probe import Probe
from portrait_prep.media.sdr import as_sdr

EARLY = 1e-3
"""Seconds by which a frame may come before the time asked for: clocks of files are coarse."""

RUN_UPS = (0.0, 4.0, 16.0, 64.0)
"""Seconds before a moment that are sought, until a frame at or before it is met."""

AHEAD = 2.0
"""Seconds to the next moment from which on that is sought: as a rule there is a keyframe between."""

FARTHEST = 300
"""Frames decoded at most from the key frame on, for a single picture."""


@dataclass(frozen=True)
class SourceFrame:
    """A decoded frame of a probed video, which can be had at several sizes. Raises NotAVideo where it cannot."""

    frame: VideoFrame
    probe: Probe
    path: Path
    reformatters: dict[tuple[int, int], VideoReformatter] = field(default_factory=dict, compare=False)
    """By size; frames that share them cost less, since each sets up its conversion once."""

    @property
    def luma(self) -> NDArray[np.uint8]:
        """Its grey levels as stored, uint8 [height, width]."""
        return self.frame.to_ndarray(format="gray").astype(np.uint8, copy=False)

    def image(self, scale: float = 1.0) -> Image:
        """It as displayed, in square pixels and turned, so many times as large: RGB uint8 [height, width, 3]."""
        width, height = (max(round(length * scale), 1) for length in self.probe.upright)
        return self._displayed(width, height)

    def thumbnail(self, width: int, height: int) -> Image:
        """It as displayed, squeezed into that size by means of areas: RGB uint8 [height, width, 3]."""
        if self.probe.orientation.transposed:
            width, height = height, width
        return self._displayed(width, height, Interpolation.AREA)

    def _displayed(self, width: int, height: int, interpolation: Interpolation | None = None) -> Image:
        """Scaled to that size, then turned."""
        reformatter = self.reformatters.setdefault((width, height), VideoReformatter())
        with guarded(self.path):
            image = _rgb(self.frame, width, height, reformatter, interpolation)
        orientation = self.probe.orientation
        image = image.swapaxes(0, 1) if orientation.transposed else image
        image = image[:, ::-1] if orientation.flip_x else image
        return np.ascontiguousarray(image[::-1] if orientation.flip_y else image)


def _rgb(
    frame: VideoFrame,
    width: int,
    height: int,
    reformatter: VideoReformatter | None = None,
    interpolation: Interpolation | None = None,
) -> Image:
    """A frame scaled to that size: RGB uint8 [height, width, 3]; of HDR and wide gamuts as SDR would show it.

    Of colours that FFmpeg's swscale does not know (ICtCp, YCgCo) there is only the luma.
    """
    convert = partial(
        (reformatter or VideoReformatter()).reformat, width=width, height=height, interpolation=interpolation
    )
    transfer, primaries = TRANSFERS.get(int(frame.color_trc)), PRIMARIES.get(int(frame.color_primaries))
    try:
        image = convert(frame, format="rgb24").to_ndarray().astype(np.uint8, copy=False)
    except OSError:
        known = Colorspace.ITU709
        luma = convert(frame, format="gray", src_colorspace=known, dst_colorspace=known)
        image = np.repeat(luma.to_ndarray().astype(np.uint8, copy=False)[:, :, None], 3, axis=2)
    return as_sdr(image, transfer, primaries)


def sample_frames(path: Path, probe: Probe, count: int) -> Iterator[SourceFrame]:
    """Decode up to `count` frames, evenly spread over what the probe bounds.

    Seeks where a keyframe lies between two of them and takes that keyframe where it is near enough, so that the cost
    does not grow with the length of the video. Only frames that others are predicted from are decoded.
    """
    try:
        with opened(path) as container:
            stream = _stream(container, probe)
            stream.codec_context.options |= {"skip_loop_filter": "all"}
            stream.codec_context.skip_frame = "NONREF"
            for frame in _at(container, stream, probe, _targets(probe, count)):
                yield SourceFrame(frame, probe, path)
    except NotAVideo:
        return


def _stream(container: InputContainer, probe: Probe) -> VideoStream:
    stream = next(stream for stream in container.streams.video if stream.index == probe.index)
    stream.thread_type = "NONE"
    return stream


def _targets(probe: Probe, count: int) -> NDArray[np.float64]:
    """The times to look at, each moved to the nearest keyframe when that is in its own stretch of the video."""
    stretch = probe.duration / count
    wanted = probe.start + (np.arange(count) + 0.5) * stretch
    nearest = probe.keyframes[np.abs(probe.keyframes[:, None] - wanted).argmin(axis=0)]
    return np.where(np.abs(nearest - wanted) <= stretch / 2, nearest, wanted)


def _at(
    container: InputContainer, stream: VideoStream, probe: Probe, times: NDArray[np.float64]
) -> Iterator[VideoFrame]:
    """The first frame at or after each of the times, in order."""
    frames, reached = container.decode(stream), float(probe.keyframes[0])
    for time in times:
        number = max(int(np.searchsorted(probe.keyframes, time, "right")) - 1, 0)
        if probe.keyframes[number] > reached:
            frames = _from_keyframe(container, stream, probe.keyframes[number], probe.entries[number])
        for frame in frames:
            reached = reached if frame.time is None else frame.time
            if reached >= max(time, probe.start) - EARLY:
                yield frame
                break


def _from_keyframe(
    container: InputContainer, stream: VideoStream, shown: float, decoded: float
) -> Iterator[VideoFrame]:
    """Decode from the keyframe that is displayed and decoded at these times.

    Most formats are sought by the time of display. Broadcast streams go by that of decoding and land anywhere: where
    the first packet is not the keyframe, they are sought anew.
    """
    first, packets = _sought(container, stream, shown)
    if not first.is_keyframe or first.pts is None or first.pts * first.time_base > shown + EARLY:
        first, packets = _sought(container, stream, decoded)
    for packet in chain((first,), packets):
        yield from packet.decode()


def _sought(container: InputContainer, stream: VideoStream, time: float) -> tuple[Packet[Any], Iterator[Packet[Any]]]:
    container.seek(round(time / (stream.time_base or 1)), stream=stream)
    packets = container.demux(stream)
    return next(packets), packets


def frames_between(path: Path, probe: Probe, start: float, end: float, rate: float) -> Iterator[tuple[float, Image]]:
    """Times and pictures between two moments, in seconds from what players call zero; not turned, in square pixels.

    Of a fast video every second or third, so that at least `rate` pictures a second are left. Decodes from the nearest
    keyframe on.
    """
    width, height = probe.upright
    reformatter, every = VideoReformatter(), max(int(probe.fps // rate), 1)
    try:
        with opened(path) as container:
            stream = _stream(container, probe)
            container.seek(int((probe.origin + start) / (stream.time_base or 1)), stream=stream)
            number = 0
            for frame in container.decode(stream):
                time = (frame.time or 0.0) - probe.origin
                if time >= end - EARLY:
                    return
                if time >= start - EARLY:
                    if number % every == 0:
                        yield time, _rgb(frame, width, height, reformatter)
                    number += 1
    except NotAVideo:
        return


def all_frames_between(path: Path, probe: Probe, start: float, end: float) -> Iterator[tuple[float, SourceFrame]]:
    """Times and frames between two moments, in seconds from what players call zero, each later than the one before.

    Decodes from a keyframe near by on, so that it costs as much wherever they lie.
    """
    reached, reformatters = start - EARLY, dict[tuple[int, int], VideoReformatter]()
    try:
        for frame in _reaching(path, probe, probe.origin + start):
            time = (frame.time or 0.0) - probe.origin
            if time >= end - EARLY:
                return
            if time >= reached:
                yield time, SourceFrame(frame, probe, path, reformatters)
                reached = float(np.nextafter(time, np.inf))
    except NotAVideo:
        return


def frames_shown_at(path: Path, probe: Probe, seconds: Iterable[float]) -> Iterator[tuple[float, SourceFrame]]:
    """The frames shown at just these moments, ascending, in seconds from what players call zero: those that there are.

    Seeks where that leads farther than decoding on. Where it did not, keyframes are that far apart, and it is tried
    again for moments farther apart only: what is decoded never comes to much more than what lies between the moments.
    """
    frames, reached, far = iter(tuple[VideoFrame]()), -np.inf, AHEAD
    try:
        for second in seconds:
            wanted = probe.origin + second
            if wanted - reached > far:
                frames, before = _reaching(path, probe, wanted), reached
                frame = next(frames)
                reached = frame.time or 0.0
                far = max(far, wanted - reached) if reached <= before else far
            while reached < wanted - EARLY:
                frame = next(frames)
                reached = frame.time or 0.0
            if reached <= wanted + EARLY:
                yield second, SourceFrame(frame, probe, path)
    except (NotAVideo, StopIteration):
        return


def _reaching(path: Path, probe: Probe, time: float) -> Iterator[VideoFrame]:
    """Frames from one at or before a time on.

    Broadcast streams are sought by the time of decoding, and some files lack keyframes where they are said to be: what
    is met may be later than what was sought.
    """
    for sought in (*(time - run_up for run_up in RUN_UPS), -np.inf):
        with opened(path) as container:
            stream = _stream(container, probe)
            from_start = sought <= probe.start
            if not from_start:
                container.seek(round(sought / (stream.time_base or 1)), stream=stream)
            frames = _decodable(container, stream)
            first = next(frames, None)
            if first is not None and (from_start or (first.time or 0.0) <= time + EARLY):
                yield from chain((first,), frames)
                return


def _decodable(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """What decodes, from the next keyframe on."""
    begun = False
    for packet in container.demux(stream):
        begun = begun or packet.is_keyframe
        try:
            frames = packet.decode() if begun else []
        except MemoryError:
            raise  # that says nothing of the packet
        except av.FFmpegError:
            continue
        yield from (frame for frame in frames if isinstance(frame, VideoFrame) and frame.time is not None)


def picture_at(path: Path, second: float, size: tuple[int, int]) -> Image | None:
    """The picture shown `second` seconds from what players call zero, or an earlier one where that is far.

    RGB uint8 [height, width, 3] of `size` = (width, height), not turned; None where it cannot be read.
    """
    try:
        with opened(path) as container:
            stream = next(filter(has_decoder, container.streams.video))
            stream.thread_type = "NONE"
            frame = _first_from(container, stream, second)
            return _rgb(frame, *size)
    except (NotAVideo, OSError):
        return None


def frames_at(path: Path, probe: Probe, seconds: Iterable[float]) -> Iterator[SourceFrame | None]:
    """The same of many moments, as frames that can be had as displayed; `probe` tells their format."""
    left = iter(seconds)
    for second in left:
        try:
            with opened(path) as container:
                stream = _stream(container, probe)
                for moment in chain((second,), left):
                    yield SourceFrame(_first_from(container, stream, moment), probe, path)
        except (NotAVideo, OSError, StopIteration):
            yield None


def _first_from(container: InputContainer, stream: VideoStream, second: float) -> VideoFrame:
    """The first frame at or after that moment, or the farthest that is decoded. Raises StopIteration without any."""
    begin = (container.start_time or 0) / av.time_base + second
    if second:
        container.seek(round(begin * av.time_base))
    frames = container.decode(stream)
    frame = next(frames)
    for later in islice(frames, FARTHEST):
        if frame.time is None or frame.time >= begin:
            break
        frame = later
    return frame


@dataclass(frozen=True)
class Shape:
    """The format of a picture from `second` on, as players count: `width` and `height` are of stored pixels."""

    second: float
    width: int
    height: int


def shapes(path: Path, probe: Probe) -> list[Shape]:
    """Where the stored size changes on the way, and the first one. Decodes everything."""
    found: list[Shape] = []
    for frame in _decoded(path, probe):
        if isinstance(frame, VideoFrame) and (
            not found or (found[-1].width, found[-1].height) != (frame.width, frame.height)
        ):
            found.append(Shape((frame.time or probe.start) - probe.origin, frame.width, frame.height))
    return found


def first_damage(path: Path, probe: Probe) -> float | None:
    """The second, as players count, of the first frame that does not decode; None where all do. Decodes up to there."""
    for frame in _decoded(path, probe):
        time = frame if isinstance(frame, float) else frame.time or probe.start
        if isinstance(frame, float) or frame.is_corrupt:
            return time - probe.origin
    return None


def _decoded(path: Path, probe: Probe) -> Iterator[VideoFrame | float]:
    """The frames within what the probe bounds, from the first keyframe on; of what does not decode the time alone."""
    try:
        with opened(path) as container:
            stream = _stream(container, probe)
            if probe.codec == "hevc":
                stream.codec_context.options |= {"err_detect": "explode"}
            begun = False
            for packet in container.demux(stream):
                begun = begun or packet.is_keyframe
                time = probe.start if packet.pts is None else float(packet.pts * packet.time_base)
                if not begun or time >= probe.end + 1:
                    continue
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    yield time
                    continue
                yield from (
                    frame for frame in frames if isinstance(frame, VideoFrame) and (frame.time or 0.0) < probe.end
                )
    except NotAVideo:
        return
