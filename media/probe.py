"""What a video says of itself: read from its packets and its first frame, without decoding the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from portrait_prep.media.colours import Colours, colours_of
from portrait_prep.media.container import NotAVideo, has_decoder, opened
from portrait_prep.media.extent import SHORTFALL, check_extent, second_header
from portrait_prep.media.formats import MOST_PIXELS
from portrait_prep.media.probe_sound import AudioTrack, default_track, tracks_of, undecodable_tracks

STREAMED = "mpegts"
"""In a transport stream a packet is called corrupt for a gap in its counters; only decoding can tell."""

BROADCAST = ("mpegts", "mpeg")
"""Formats without an index, made to be joined anywhere: seeking lands anywhere, too, not on a keyframe."""

FALL = 0.3
"""Seconds by which the decoding times of a track may fall: they never should, but clocks of recorders stumble."""

REORDERED = 1.5
"""Seconds by which times of display may fall, where there are no others: packets lie in decoding order."""

UNTIMED = "tells no times of its frames: make a video of it first, by 'ffmpeg -i OLD NEW.mp4'"
"""Said of streams of H.264 and HEVC without a container: in which order their pictures are shown, decoding tells."""

HELD = 1.0
"""Seconds for which a last frame is shown at most, whatever it claims: some claim hours."""

LOOKAHEAD = 1.0
"""Seconds read beyond the end asked for: packets lie in the file in decoding order, not in display order."""

SAME_RATE = 0.001
"""Relative difference within which the declared rate stands for the measured one, which the file's clock blurs."""

PROGRESSIVE = 1
"""FFmpeg's AV_FIELD_PROGRESSIVE; 0 is unknown, all above are interlaced."""

BELIEVED = 360_000.0
"""Seconds, a hundred hours: what declares to last longer is counted."""

JITTER = 0.05
"""Intervals between frames may differ by this share of their median before the rate counts as variable."""


@dataclass(frozen=True)
class Orientation:
    """How stored pixels become displayed ones: first transpose (swap x and y), then mirror x, then mirror y.

    The eight lossless orientations of a QuickTime display matrix (ISO/IEC 14496-12, 8.2.2).
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether the picture is reflected, besides being turned."""
        return (self.transposed + self.flip_x + self.flip_y) % 2 == 1

    @property
    def rotation(self) -> int:
        """Clockwise turn for display in degrees: 0, 90, 180 or 270 (where mirrored: before x is mirrored)."""
        flip_x = self.flip_x != self.mirrored
        if self.transposed:
            return 90 if flip_x else 270
        return 180 if self.flip_y else 0


@dataclass(frozen=True)
class Probe:
    """What `probe` found. Times are seconds on the clock of the file; `width` and `height` are of stored pixels.

    `start` and `end` bound what is displayed: from the first frame to the end of the last, or the interval asked for
    cut to what is there. `last` is how long the last frame claims to be shown, within that interval; it is shown for
    `HELD` at most. `times` float64 [frames] are those of the frames inside, `keyframes` float64 [n] those where
    decoding can begin, `entries` float64 [n] when each keyframe is decoded: some formats are sought by one, some by the
    other. `origin` is what players call zero. `unkeyed` counts the packets before the first keyframe, which no decoder
    can make sense of. `indexed` is false where seeking lands anywhere, not on a keyframe. `fps` is the mean rate;
    `audio` the default track, else the first. `undecodable_tracks` counts those of sound that no decoder knows.
    """

    index: int
    codec: str
    width: int
    height: int
    sample_aspect: Fraction
    orientation: Orientation
    interlaced: bool
    colours: Colours
    origin: float
    start: float
    end: float
    last: float
    times: NDArray[np.float64]
    keyframes: NDArray[np.float64]
    entries: NDArray[np.float64]
    unkeyed: int
    indexed: bool
    fps: float
    variable_rate: bool
    tracks: tuple[AudioTrack, ...]
    undecodable_tracks: int

    @property
    def duration(self) -> float:
        """Seconds on display."""
        return self.end - self.start

    @property
    def audio(self) -> AudioTrack | None:
        """The default track, else the first; None when there is no sound."""
        return default_track(self.tracks) if self.tracks else None

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height in square pixels, before the picture is turned."""
        return max(round(self.width * self.sample_aspect), 1), self.height

    @property
    def display(self) -> tuple[int, int]:
        """Width and height as displayed: square pixels, turned."""
        width, height = self.upright
        return (height, width) if self.orientation.transposed else (width, height)


def probe(path: Path, start: float | None = None, end: float | None = None) -> Probe:
    """Read the packets (up to `end`, in seconds from what players call zero) and decode one frame.

    Raises NotAVideo when the file is no video, is cut short, or holds no frame there; OSError when it cannot be read.
    """
    with opened(path) as container:
        stream = _video_stream(container)
        check_extent(path, container, (stream, *container.streams.audio))
        origin = (container.start_time or 0) / av.time_base
        packets = _packets(container, stream, np.inf if end is None else origin + end)
        if end is None:
            _check_duration(container, packets)
            _check_one(path, packets, origin)
        begin, until, claimed = _interval(packets, origin, start, end)
        times = packets.times[(packets.times >= begin) & (packets.times < until)]
        if len(times) == 0:
            raise NotAVideo(_without_frames(start or 0.0, until - origin))
        frame = _first_frame(path, stream.index)
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        _check_aspect(frame, aspect)
        return Probe(
            index=stream.index,
            codec=stream.codec_context.codec.canonical_name,
            width=frame.width,
            height=frame.height,
            sample_aspect=aspect,
            orientation=_orientation(frame),
            interlaced=_interlaced(stream, frame),
            colours=colours_of(frame, stream),
            origin=origin,
            start=begin,
            end=until,
            last=claimed - float(times[-1]),
            times=times,
            keyframes=packets.keyframes,
            entries=packets.entries,
            unkeyed=packets.unkeyed,
            indexed=container.format.name not in BROADCAST,
            fps=_rate(packets.times, stream),
            variable_rate=_varies(times, float(stream.time_base or 0)),
            tracks=tracks_of(container),
            undecodable_tracks=undecodable_tracks(container),
        )


def _without_frames(begin: float, until: float) -> str:
    if begin < until:
        return f"has no video frame between {begin:.2f} s and {until:.2f} s"
    return f"has no video frame from {begin:.2f} s on: it ends at {until:.2f} s"


def _interval(packets: _Packets, origin: float, start: float | None, end: float | None) -> tuple[float, float, float]:
    """What is displayed of the interval asked for: from its start (or the first frame) to its end (or the last's).

    The third value is the end that the last frame claims.
    """
    steps = np.diff(packets.times)
    last = packets.last or (float(np.median(steps)) if len(steps) else 0.0)
    final = float(packets.times[-1])
    begin = float(packets.times[0]) if start is None else max(origin + start, float(packets.times[0]))
    asked = np.inf if end is None else origin + end
    return begin, min(asked, final + min(last, HELD)), min(asked, final + last)


def duration(path: Path) -> float | None:
    """Seconds that the header declares; counted from the packets where it is silent or boasts; None if it is no video.

    None, too, where the packets boast as well: nothing may hang on a figure that only damage makes.
    """
    try:
        declared = _declared(path)
        seconds = declared if 0 < declared <= BELIEVED else probe(path).duration
        return seconds if seconds <= BELIEVED else None
    except (NotAVideo, OSError):
        return None


def _declared(path: Path) -> float:
    """Seconds by the header of the track, else of the file; 0 where neither says."""
    with opened(path) as container:
        stream = _video_stream(container)
        own, whole = stream.duration or 0, container.duration or 0
        if own > 0 and stream.time_base:
            return float(own * stream.time_base)
        early = (container.start_time or 0) / av.time_base <= SHORTFALL
        return whole / av.time_base if whole > 0 and early else 0.0


@dataclass(frozen=True)
class _Packets:
    """The displayed packets of the video in display order, how far any track goes, and the last byte seen of any."""

    times: NDArray[np.float64]
    last: float
    keyframes: NDArray[np.float64]
    entries: NDArray[np.float64]
    unkeyed: int
    reached: float
    read: int


def _video_stream(container: InputContainer) -> VideoStream:
    """The default video track, else the first; cover pictures do not count."""
    covers = Disposition.attached_pic | Disposition.still_image
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        raise NotAVideo("has no video track" + (", only sound" if container.streams.audio else ""))
    streams = [stream for stream in streams if has_decoder(stream)]
    if not streams:
        raise NotAVideo("has a video track of a kind that no decoder knows")
    return min(streams, key=lambda stream: (not stream.disposition & Disposition.default, stream.index))


def _packets(container: InputContainer, stream: VideoStream, until: float) -> _Packets:
    """Read packets up to time `until`. Sound is read as well, so that its end is known.

    Raises NotAVideo also where the clock of a track starts again: what is shown twice at one time cannot be told apart.
    """
    origin = (container.start_time or 0) / av.time_base
    tracks = [stream, *container.streams.audio]
    clocks = {track.index: _Clock(Fraction(track.time_base or 0)) for track in tracks}
    shown: list[tuple[float, float]] = []
    keyframes: list[tuple[float, float]] = []
    unkeyed, reached, read, untimed = 0, -np.inf, 0, 0
    for packet in container.demux(tracks):
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            untimed += packet.stream_index == stream.index and packet.size > 0
            continue
        clock = clocks[packet.stream_index]
        begins, lasts = clock.seconds(stamp), clock.seconds(packet.duration or 0)
        if clock.fell(packet):
            _check_reached(shown, until, origin)
            break
        reached, read = max(reached, begins + lasts), max(read, packet.pos or 0)
        if packet.stream_index != stream.index:
            continue
        if begins > until + LOOKAHEAD:
            break
        if packet.is_corrupt and not container.format.name.startswith(STREAMED):
            raise NotAVideo(f"is cut short or damaged at {begins - origin:.2f} s")
        if packet.is_keyframe:
            keyframes.append((begins, begins if packet.dts is None else clock.seconds(packet.dts)))
        unkeyed += not keyframes
        if keyframes and not packet.is_discard:
            shown.append((begins, lasts))
    if not shown:
        raise NotAVideo(UNTIMED if untimed else "has no video frame")
    shown.sort()
    keys = np.array(sorted(keyframes))
    return _Packets(np.array(shown)[:, 0], shown[-1][1], keys[:, 0], keys[:, 1], unkeyed, reached, read)


def _check_reached(shown: list[tuple[float, float]], until: float, origin: float) -> None:
    """A clock that starts again does no harm behind what is asked for."""
    place = max((begin + length for begin, length in shown), default=origin)
    if place < until:
        raise NotAVideo(f"is several recordings joined: its clock starts again at {place - origin:.2f} s, cut it there")


class _Clock:
    """The times of one track's packets, in the order of the file, which count ticks of so many seconds."""

    def __init__(self, tick: Fraction) -> None:
        self._tick = tick.as_integer_ratio()  # a Fraction made for each packet would take longer than to read it
        self._decoded = self._shown = -np.inf

    def seconds(self, ticks: int) -> float:
        """So many ticks, correctly rounded."""
        seconds, each = self._tick
        return ticks * seconds / each

    def fell(self, packet: Packet[Any]) -> bool:
        """Take in the next packet: whether the clock falls by more than the order of decoding explains."""
        if packet.dts is not None:
            time, before = self.seconds(packet.dts), self._decoded
            self._decoded = time
            return time < before - FALL
        time = self.seconds(packet.pts or 0)
        before, self._shown = self._shown, max(self._shown, time)
        return time < before - REORDERED


def _check_one(path: Path, packets: _Packets, origin: float) -> None:
    """Raise NotAVideo where files were joined byte by byte: players, and FFmpeg, show the first one only."""
    if offset := second_header(path, packets.read):
        end = float(packets.times[-1]) + packets.last - origin
        raise NotAVideo(
            f"is several files joined: only the first is played, to {end:.2f} s, and the next begins at byte {offset}"
        )


def _check_duration(container: InputContainer, packets: _Packets) -> None:
    """Packets that end well before the declared duration prove a cut where the format has no index to tell.

    The duration of Matroska is the time of its end, whenever it starts.
    """
    start = 0 if container.format.name.startswith("matroska") else container.start_time or 0
    declared = (start + (container.duration or 0)) / av.time_base
    if container.duration and declared - max(packets.reached, packets.times[-1] + packets.last) > SHORTFALL:
        raise NotAVideo(f"is cut short: it ends at {packets.reached:.2f} s of the {declared:.2f} s that it declares")


def _first_frame(path: Path, index: int) -> VideoFrame:
    """The first frame that decodes: it alone tells the display matrix and whether it is interlaced.

    The file is opened afresh: in streams made for broadcast, seeking to the first keyframe can land behind it.
    """
    with opened(path) as container:
        keyed = False
        for packet in container.demux(container.streams[index]):
            keyed = keyed or packet.is_keyframe
            for frame in packet.decode() if keyed else ():
                return cast("VideoFrame", frame)
    raise NotAVideo("has no frame that can be decoded")


def _check_aspect(frame: VideoFrame, aspect: Fraction) -> None:
    """Raise NotAVideo where the declared shape of a pixel would make a picture larger than any that is decoded."""
    width = round(frame.width * aspect)
    if width * frame.height > MOST_PIXELS:
        raise NotAVideo(f"is damaged: its pixels of {aspect} to 1 would make a picture of {width} x {frame.height}")


def _orientation(frame: VideoFrame) -> Orientation:
    """Read the display matrix [[a, b, u], [c, d, v], [x, y, w]]: displayed x = a x + c y, displayed y = b x + d y."""
    for side_data in cast("Iterable[SideData]", frame.side_data):
        if side_data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(bytes(side_data), "<i4")[:5]
            transposed = bool(abs(b) > abs(a))
            return Orientation(transposed, bool((c if transposed else a) < 0), bool((b if transposed else d) < 0))
    return Orientation()


def _interlaced(stream: VideoStream, frame: VideoFrame) -> bool:
    """Whether the codec parameters or the frame say that its two fields were taken at different times."""
    return stream.codec_context.field_order > PROGRESSIVE or bool(frame.interlaced_frame)


def _varies(times: NDArray[np.float64], tick: float) -> bool:
    """Whether intervals differ by more than what rounding to the file's clock explains."""
    steps = np.diff(times)
    return len(steps) > 1 and float(np.ptp(steps)) > max(2.5 * tick, JITTER * float(np.median(steps)))


def _rate(times: NDArray[np.float64], stream: VideoStream) -> float:
    """Frames a second: measured, or the declared rate where that says the same more exactly."""
    span = float(times[-1] - times[0])
    declared, measured = float(stream.average_rate or 0), (len(times) - 1) / span if span > 0 else 0.0
    return declared if abs(declared - measured) <= SAME_RATE * declared or not measured else round(measured, 6)
