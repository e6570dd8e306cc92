"""What a video or sound file says of its sound: read from its packets, without decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream

from portrait_prep.media.container import NotAVideo, has_decoder, opened
from portrait_prep.media.extent import SHORTFALL, check_extent

ESTIMATED = ("mp3", "aac")
"""Formats without a header: their duration is a guess from the size."""

HIGHEST_RATE = 6_000_000
"""Samples a second of the fastest sound there is (DSD128); a damaged header may claim what takes hours to resample."""


LOSSLESS = 1 << 2
"""FFmpeg's AV_CODEC_PROP_LOSSLESS."""


@dataclass(frozen=True)
class AudioTrack:
    """One audio track; `index` is its stream index in the file, `start` the time of its first sample in seconds.

    `bits` that its samples have: 24 where it stores more than 16, else 16. Lossy formats store none.
    """

    index: int
    codec: str
    rate: int
    channels: int
    start: float | None
    default: bool
    bits: int = 16


def default_track(tracks: Iterable[AudioTrack]) -> AudioTrack:
    """The default one, else the first. Raises ValueError when there is none."""
    return min(tracks, key=lambda track: (not track.default, track.index))


@dataclass(frozen=True)
class SoundProbe:
    """The sound of a file: its tracks; `origin` is what players call zero. There a track begins that does not say."""

    origin: float
    tracks: tuple[AudioTrack, ...]


def probe_sound(path: Path) -> SoundProbe:
    """Read the packets of the default audio track; there is one at least.

    Raises NotAVideo when the file is cut short or holds no sound; OSError when it cannot be read.
    """
    with opened(path, "sound file") as container:
        tracks = tracks_of(container)
        if not tracks:
            raise NotAVideo("holds no sound")
        check_extent(path, container, container.streams.audio)
        _check_sound(container, container.streams[default_track(tracks).index])
        return _with_origin(container, tracks)


def read_tracks(path: Path) -> SoundProbe:
    """What the header says, without a look at the packets; of a file without sound there are no tracks.

    Raises NotAVideo when the file cannot be opened; OSError when it cannot be read.
    """
    with opened(path) as container:
        return _with_origin(container, tracks_of(container))


def _with_origin(container: InputContainer, tracks: tuple[AudioTrack, ...]) -> SoundProbe:
    origin = (container.start_time or 0) / av.time_base
    return SoundProbe(origin, tuple(replace(t, start=origin if t.start is None else t.start) for t in tracks))


def _check_sound(container: InputContainer, stream: Stream) -> None:
    """A track without packets is no sound; one that ends well before its declared duration was cut."""
    reached = None
    for packet in container.demux(stream):
        if packet.size:
            begins = packet.dts if packet.pts is None else packet.pts
            reached = (begins or 0) + (packet.duration or 0) - (stream.start_time or 0)
    if reached is None:
        raise NotAVideo("holds no sound: its track is empty")
    declared = 0 if container.format.name in ESTIMATED else stream.duration or 0
    if (declared - reached) * (stream.time_base or 0) > SHORTFALL:
        raise NotAVideo("is cut short: its sound ends before its declared duration")


def tracks_of(container: InputContainer) -> tuple[AudioTrack, ...]:
    """The audio tracks that can be decoded, in order."""
    return tuple(
        AudioTrack(
            index=stream.index,
            codec=stream.codec_context.codec.canonical_name,
            rate=stream.sample_rate or 0,
            channels=stream.channels,
            start=None if stream.start_time is None else float(stream.start_time * (stream.time_base or 0)),
            default=bool(stream.disposition & Disposition.default),
            bits=_bits(stream),
        )
        for stream in container.streams.audio
        if is_decodable(stream)
    )


def _bits(stream: AudioStream) -> int:
    """Where a codec has ways with and without loss, all count as without."""
    context = stream.codec_context
    return 24 if context.codec.properties & LOSSLESS and getattr(context.format, "bits", 0) > 16 else 16


def undecodable_tracks(container: InputContainer) -> int:
    """How many audio tracks there are besides those."""
    return sum(not is_decodable(stream) for stream in container.streams.audio)


def is_decodable(stream: AudioStream) -> bool:
    """Whether a decoder knows an audio track, and its channels and its rate are such as sound has."""
    return has_decoder(stream) and bool(stream.channels) and 0 < (stream.sample_rate or 0) <= HIGHEST_RATE


def sound_channels(path: Path) -> int | None:
    """Channels of a file's first sound track; 0 where it has none; None where the file cannot be read."""
    try:
        with opened(path) as container:
            return max((track.channels for track in tracks_of(container)[:1]), default=0)
    except (NotAVideo, OSError):
        return None


def sound_digest(path: Path) -> str | None:
    """sha256 of what a sound track says, whatever else is in the file; None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with opened(path) as container:
            if not container.streams.audio:
                return None
            for packet in container.demux(container.streams.audio[0]):
                digest.update(bytes(packet))
    except (NotAVideo, OSError):
        return None
    return digest.hexdigest()


def sound_seconds(path: Path) -> float | None:
    """Seconds that the header of a file with sound declares; None where it has no sound, or does not say."""
    try:
        with opened(path, "sound file") as container:
            return container.duration / av.time_base if container.duration and tracks_of(container) else None
    except (NotAVideo, OSError):
        return None
