"""A release of RAVDESS with all its 7356 names and the smallest media that will do, named from its published table."""

import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.clips import portrait, steady, write_clip

STEREO = (
    *("03-01-02-01-01-02-01", "03-01-08-01-02-02-01", "03-01-02-01-02-02-05"),
    *("03-01-03-01-02-01-20", "03-01-06-01-01-02-20", "03-02-01-01-01-01-24"),
)
SECONDS = 0.4


def release_names() -> list[str]:
    """Paths of all files where the archives are unpacked: `Actor_01/01-01-01-01-01-01-01.mp4` …"""
    return [
        f"Actor_{actor:02d}/0{modality}-0{channel}-0{emotion}-0{intensity}-0{statement}-0{repetition}-{actor:02d}"
        f".{'wav' if modality == 3 else 'mp4'}"
        for actor in range(1, 25)
        for modality in (1, 2, 3)
        for channel in (1, 2)
        for emotion in range(1, 9 if channel == 1 else 7)
        for intensity in (1, 2)
        for statement in (1, 2)
        for repetition in (1, 2)
        if not (emotion == 1 and intensity == 2) and not (actor == 18 and channel == 2)
    ]


def make_release(folder: Path, names: Iterable[str] = ()) -> Path:
    """Make the files `names` (none: all) below `folder`: hard links to four, of picture and sound, either, or stereo.

    The full-AV ones have sound, the video-only ones none, and six sound files two channels, as published.
    """
    originals = folder.parent / f"{folder.name}-originals"
    originals.mkdir(parents=True)
    tone = (8000 * np.sin(np.arange(round(48000 * SECONDS)) / 20)).astype(np.int16)
    image = portrait(64, 64)
    media = {
        "01": write_clip(originals / "full.mp4", steady(25, SECONDS), image, sound=tone[:, None]),
        "02": write_clip(originals / "silent.mp4", steady(25, SECONDS), image),
        "03": write_sound(originals / "mono.wav", np.stack([tone], 1)),
    }
    stereo = write_sound(originals / "stereo.wav", np.stack([tone, tone], 1))
    for name in names or release_names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(stereo if path.stem in STEREO else media[path.name.removeprefix("._")[:2]])
    return folder


def write_sound(path: Path, samples: np.ndarray[tuple[int, int], np.dtype[np.int16]]) -> Path:
    """A WAV file of int16 `samples` [samples, channels] at 48 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.tobytes())
    return path
