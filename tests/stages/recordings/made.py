"""Columns of made recordings: what `scan` and `voice` would find in scenes that are written down here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.recordings.proportions import SPREAD
from portrait_prep.stages.recordings.segments import Recording
from portrait_prep.stages.sound.lip_sync import BANDS
from tests.stages.spoken import distances_of, powers_of, speech

RATE = 25
PICTURE = (1280, 720)
RECORDING = Recording("talk", "/recordings/talk.mp4", PICTURE)
MOST_FACES = 4


@dataclass(frozen=True)
class Face:
    """A face whose left edge is at `x`, `size` px large; it says what is heard from `begin` to `end` (s).

    `person` is whose: they differ in shape; somebody new each time where it is None. A `hidden` mouth is never
    seen. `alike`: its likeness to itself earlier, where not what is usual.
    """

    x: float = 500.0
    size: float = 160.0
    begin: float = 0.0
    end: float = 1e9
    still: bool = False
    person: int | None = None
    hidden: bool = False
    alike: float | None = None


@dataclass(frozen=True)
class Scene:
    """So many seconds of a shot (or of a `blend` of two), with a voice from `begin` to `end`, but for `pauses`."""

    seconds: float
    faces: tuple[Face, ...] = ()
    begin: float = 0.0
    end: float = 1e9
    pauses: tuple[tuple[float, float], ...] = ()
    blend: bool = False


def columns(*scenes: Scene, seed: int = 0) -> Batch:
    """All columns of a recording of these scenes, at 25 frames a second."""
    made = [_scene(scene, seed * 100 + number) for number, scene in enumerate(scenes)]
    batch = {name: np.concatenate([each[name] for each in made]) for name in made[0]}
    return {"time": np.arange(len(batch["cut"])) / RATE, **batch}


def _scene(scene: Scene, seed: int) -> Batch:
    count = round(scene.seconds * RATE)
    times, said = np.arange(count) / RATE, speech(seed, count)
    voiced = (times >= scene.begin) & (times < scene.end)
    for begin, end in scene.pauses:
        voiced &= (times < begin) | (times >= end)
    batch = {
        "cut": np.zeros(count, np.float32),
        "blend": np.full(count, scene.blend, np.float32),
        "track": np.full((count, MOST_FACES), -1, np.int32),
        "box": np.full((count, MOST_FACES, 4), np.nan, np.float32),
        "mouth": np.full((count, MOST_FACES, 3), np.nan, np.float32),
        "likeness": np.full((count, MOST_FACES), np.nan, np.float32),
        "shape": np.full((count, MOST_FACES, len(SPREAD)), np.nan, np.float32),
        "voice": np.where(voiced, 0.95, 0.05).astype(np.float32),
        "bands": np.where(voiced[:, None], powers_of(said, seed), np.full((1, BANDS), 1e-6)).astype(np.float32),
    }
    batch["cut"][:1] = not scene.blend
    for slot, face in enumerate(scene.faces):
        batch["track"][:, slot] = slot
        batch["box"][:, slot] = (face.x, 200.0, face.size, face.size)
        mine = voiced & (times >= face.begin) & (times < face.end)
        batch["likeness"][40::10, slot] = (face.alike or 0.9995) if face.still else face.alike or 0.96
        if not face.hidden:
            batch["mouth"][::2, slot] = _mouth(face, said, mine, seed + slot)[::2]
        batch["shape"][::2, slot] = 100 + SPREAD * (_shape(face, seed * MOST_FACES + slot) + 0.1 * said[::2, :1])
    return batch


def _shape(face: Face, number: int) -> NDArray[np.float64]:
    """Deviations from the usual shape, in units of SPREAD."""
    seed = 10_000 + number if face.person is None else face.person
    return np.asarray(10 * np.random.default_rng(seed).standard_normal(len(SPREAD)))


def _mouth(face: Face, said: NDArray[np.float64], talks: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    moved = distances_of(said, seed)
    moved = 60 + (moved - moved.mean(axis=0)) / (moved.std(axis=0) + 1e-9) * [6.0, 4.0, 3.5]
    rest = 60 + (0.02 if face.still else 0.25) * np.random.default_rng(seed).standard_normal(moved.shape)
    return np.asarray(np.where(talks[:, None] & ~np.array(face.still), moved, rest))


def parted(whole: Batch, borders: Iterable[int], seed: int = 0) -> Iterator[Batch]:
    """The rows in parts that end at these borders; in each one, tracks have other numbers and lie in other slots."""
    count, random = len(whole["time"]), np.random.default_rng(seed)
    edges = [0, *sorted(set(borders) - {0, count}), count]
    for number, (begin, end) in enumerate(pairwise(edges)):
        part = {name: values[begin:end].copy() for name, values in whole.items()}
        names = random.permutation(1000)
        part["track"] = np.where(part["track"] >= 0, names[part["track"]], -1).astype(np.int32)
        slots = random.permutation(MOST_FACES)
        part |= {name: part[name][:, slots] for name in ("track", "box", "mouth", "shape", "likeness")}
        yield part | {"part": np.full(end - begin, number)}


def chunks(batches: Iterable[Batch], length: int = 250) -> Iterator[Batch]:
    """Batches as shards give them."""
    for batch in batches:
        for first in range(0, len(batch["time"]), length):
            yield {name: values[first : first + length] for name, values in batch.items()}
