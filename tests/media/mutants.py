"""Broken files for the tests of the front door: small videos and sounds in many containers, and ways to spoil them."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.clips import make

TITLE = "TITLETITLETITLE"

PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=0.6", "-f", "lavfi", "-i", "sine=440:r=16000:d=0.6")
MPEG2 = ("-c:v", "mpeg2video", "-c:a", "mp2")
H264 = ("-c:v", "libx264", "-g", "5", "-c:a", "aac")
SEEDS: Mapping[str, Sequence[str]] = {
    "a.mp4": (*H264, "-movflags", "+faststart"),
    "fragments.mp4": (*H264, "-movflags", "+frag_keyframe+empty_moov"),
    "a.mov": ("-c:v", "mjpeg", "-c:a", "pcm_s16le"),
    "a.3gp": ("-c:v", "mpeg4", "-c:a", "aac"),
    "a.mkv": (*H264,),
    "a.webm": ("-c:v", "libvpx", "-c:a", "libvorbis"),
    "a.avi": ("-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "a.ts": (*H264,),
    "a.flv": ("-c:v", "flv1", "-c:a", "aac"),
    "a.mpg": MPEG2,
    "a.ogg": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "a.wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
    "a.mxf": ("-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000"),
    "a.wav": ("-vn",),
    "a.m4a": ("-vn",),
    "a.mp3": ("-vn",),
    "a.flac": ("-vn",),
}
"""Name -> how ffmpeg makes it of a test picture and a tone."""

NAMES = (
    *(
        b"moov",
        b"mvhd",
        b"trak",
        b"tkhd",
        b"mdhd",
        b"hdlr",
        b"stsd",
        b"stts",
        b"ctts",
        b"stsc",
        b"stsz",
        b"stco",
        b"elst",
    ),
    *(
        b"avc1",
        b"mp4a",
        b"mp4v",
        b"jpeg",
        b"sowt",
        b"moof",
        b"traf",
        b"trun",
        b"tfhd",
        b"tfdt",
        b"udta",
        b"avcC",
        b"esds",
    ),
    *(b"\x16\x54\xae\x6b", b"\x15\x49\xa9\x66", b"\x2a\xd7\xb1", b"\x44\x89", b"\x1f\x43\xb6\x75", b"V_", b"A_"),
    *(b"avih", b"strh", b"strf", b"vids", b"auds", b"idx1", b"fmt ", b"data", b"LIST", b"onMetaData", b"OggS", b"fLaC"),
    *(b"\x00\x00\x01\xb3", b"\x00\x00\x01\xba", b"\x47\x40", b"\x06\x0e\x2b\x34", b"ID3", b"Xing", b"Info", b"ftyp"),
)
"""Where the structure of these containers is told: boxes, elements, chunks, descriptors, start codes."""

EXTREME = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 0x01000000)

Spoil = Callable[[bytearray, np.random.Generator], None]


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    """Some bytes anywhere."""
    for at in rng.integers(0, len(data), rng.integers(1, 40)):
        data[at] = rng.integers(256)


def _flip_head(data: bytearray, rng: np.random.Generator) -> None:
    """Some bytes of the first kilobyte."""
    for at in rng.integers(0, min(len(data), 1024), rng.integers(1, 12)):
        data[at] = rng.integers(256)


def _structure(data: bytearray, rng: np.random.Generator) -> None:
    """A number beside one of the names, before it (a size) or behind it (a field), made extreme."""
    places = [at for name in NAMES for at in _places(data, name)]
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.choice(places)) + int(rng.choice([-4, *range(2, 48)])) if places else 8
        value = int(rng.choice(EXTREME))
        data[max(at, 0) : max(at, 0) + 4] = struct.pack(rng.choice([">I", "<I"]), value)


def _tags(data: bytearray, rng: np.random.Generator) -> None:
    """Titles of any bytes."""
    for at in _places(data, TITLE.encode()) or [int(rng.integers(len(data)))]:
        data[at : at + len(TITLE)] = rng.integers(128, 256, len(TITLE)).astype(np.uint8).tobytes()


def _tracks(data: bytearray, rng: np.random.Generator) -> None:
    """The name of a codec or a kind of track becomes one that nobody knows, or another."""
    names = (
        b"avc1",
        b"mp4a",
        b"mp4v",
        b"jpeg",
        b"sowt",
        b"vide",
        b"soun",
        b"FMP4",
        b"V_MPEG4",
        b"A_AAC",
        b"V_VP8",
        b"A_VORBIS",
        b"vids",
        b"auds",
        b"theora",
        b"vorbis",
        b"WMV2",
        b"fmt ",
        b"samr",
        b"wmv2",
    )
    places = [(at, len(name)) for name in names for at in _places(data, name)]
    for at, length in places:
        if rng.random() < 0.6:
            data[at : at + length] = bytes(rng.choice([b"apac", b"XXXX", b"mp4a", b"avc1"])).ljust(length, b"X")[
                :length
            ]


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    """The end is missing, or a piece in the middle."""
    start = int(rng.integers(1, len(data)))
    del data[start : len(data) if rng.random() < 0.5 else start + int(rng.integers(1, 400))]


def _insert(data: bytearray, rng: np.random.Generator) -> None:
    """Junk, zeros, or a piece of the file itself once more."""
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 300))
    own = bytes(data[int(rng.integers(len(data))) :][:size])
    data[at:at] = own if rng.random() < 0.5 else bytes(size) if rng.random() < 0.5 else rng.bytes(size)


WAYS: Sequence[Spoil] = (_flip, _flip_head, _structure, _structure, _tags, _tracks, _cut, _insert)


def _places(data: bytearray, name: bytes) -> list[int]:
    places: list[int] = []
    at = data.find(name)
    while at >= 0 and len(places) < 64:
        places.append(at)
        at = data.find(name, at + 1)
    return places


def write_seeds(folder: Path) -> list[Path]:
    """Make the sound files that are spoilt, each once."""
    for name, options in SEEDS.items():
        make(*PICTURE, "-metadata", f"title={TITLE}", *options, "-shortest", folder / name)
    return [folder / name for name in SEEDS]


def mutants(seed: Path, count: int) -> Iterator[bytes]:
    """Spoilt copies of a file, the same ones each time."""
    original = seed.read_bytes()
    for number in range(count):
        rng = np.random.default_rng([number, *seed.name.encode()])
        data = bytearray(original)
        for way in (WAYS[number % len(WAYS)], *([WAYS[int(rng.integers(len(WAYS)))]] if rng.random() < 0.3 else [])):
            if data:
                way(data, rng)
        yield bytes(data)
