"""Measures how far `stages.recordings.speaking` can be trusted: `… FOLDER`, of clips of one person each.

`python -m benchmarks.measure_speaking FOLDER` looks at the mouth of each clip and listens to its sound. Every mouth is
then judged with the sound of every clip in which somebody speaks: with its own, and with all others, in windows of 1.5,
3 and 6 s within the clip and over all of it. Clips that are silent lend their mouths only. Two people who are seen at
once are made of two clips and the sound of one.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.media.probe import probe
from portrait_prep.media.source_frames import frames_between
from portrait_prep.media.source_sound import read_samples
from portrait_prep.media.wav import FULL_SCALE, Pcm
from portrait_prep.stages.face.geometry import head_pose
from portrait_prep.stages.headpose import mean_face
from portrait_prep.stages.models.mediapipe import face_mesh_tracker
from portrait_prep.stages.recordings.hearing import hear
from portrait_prep.stages.recordings.speaking import STEP, Sound, Speaking, one_of, speaking, verdict
from portrait_prep.stages.sound.lip_sync import DISTANCES

Floats = NDArray[np.float64]

TALKS = 0.3
"""Share of a clip in which somebody must be heard for its person to count as one who talks."""

WINDOWS = (1.5, 3.0, 6.0)


@dataclass(frozen=True)
class Clip:
    """The looks [n] at a mouth (s), its distances [n, 3], and what is heard."""

    looks: Floats
    mouth: Floats
    sound: Sound

    @property
    def talks(self) -> bool:
        """Whether its person does."""
        return float((self.sound.voice > 0.5).mean()) >= TALKS


def read(path: Path, rate: float) -> Clip:
    """Look at a clip some `rate` times a second, and listen."""
    facts, mesh = probe(path), face_mesh_tracker()
    mesh.reset()
    looks, found = [], []
    for time, image in frames_between(path, facts, 0, facts.duration, rate):
        faces = mesh(image)
        looks.append(time)
        found.append(faces[0] if len(faces) else np.full((478, 3), np.nan, np.float32))
    landmarks = np.array(found)
    ends = landmarks[:, DISTANCES].astype(np.float64)
    scale = head_pose(landmarks, mean_face())[0].scale.astype(np.float64)
    mouth = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2) * scale[:, np.newaxis]

    def listen(start: float, seconds: float) -> Pcm:
        return np.asarray(read_samples(path, start, start + seconds) * (FULL_SCALE - 1), np.int16)

    heard = hear(listen, 0, looks[-1])
    times = np.arange(0, looks[-1], 1 / FPS)
    speaks, bands = (course.mean(times, times + 1 / FPS) for course in (heard.speaks, heard.bands))
    return Clip(np.array(looks), mouth, Sound(times, speaks, bands))


def verdicts(judged: Speaking, seconds: float | None) -> Iterator[bool | None]:
    """Those of windows so long, half as far apart, or the one of all."""
    probability = one_of([judged.odds])[0]
    length = len(probability) if seconds is None else round(seconds * FPS / STEP)
    for first in range(0, len(probability) - length + 1, max(length // 2, 1)):
        window = slice(first, first + length)
        yield verdict(probability[window], judged.voice[window])


def shares(found: Iterable[bool | None]) -> str:
    """How many say so, say not so, and cannot tell."""
    counted = Counter(found)
    total = max(counted.total(), 1)
    return f"{counted[True] / total:8.2f}{counted[False] / total:6.2f}{counted[None] / total:6.2f} of {total:5}"


def both_seen(clips: dict[str, Clip]) -> Iterator[bool | None]:
    """Whether of two people the one is found whose voice is heard: False where the other one is, None where neither."""
    for name, other in product(clips, clips):
        if name != other and clips[name].talks:
            people = [speaking(clips[who].looks, clips[who].mouth, clips[name].sound) for who in (name, other)]
            steps = min(len(person.odds) for person in people)
            found = one_of([person.odds[:steps] for person in people])
            first, second = (verdict(each, people[0].voice[:steps]) for each in found)
            yield True if first else False if second else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure who is taken for the one who speaks, on clips of one person.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=25.0, help="looks at a mouth a second")
    arguments = parser.parse_args()
    clips = {path.stem: read(path, arguments.rate) for path in sorted(arguments.folder.glob("*.mp4"))}
    heard = {name: clip.sound for name, clip in clips.items() if clip.talks}
    groups = {
        "own": [(name, name) for name in heard],
        "talks, another is heard": [(name, other) for name, other in product(heard, heard) if name != other],
        "is silent, another is heard": [(name, other) for name, other in product(clips, heard) if name not in heard],
    }
    print(f"{'who is seen':30}{'window':>8}{'speaks':>8}{'not':>6}{'?':>6}")
    for group, pairs in groups.items():
        judged = [speaking(clips[name].looks, clips[name].mouth, heard[other]) for name, other in pairs]
        for seconds in (*WINDOWS, None):
            found = [one for each in judged for one in verdicts(each, seconds)]
            print(f"{group:30}{f'{seconds} s' if seconds else 'all':>8}{shares(found)}")
    print(f"{'two, the right one is told':38}{shares(both_seen(clips))}")


if __name__ == "__main__":
    main()
