"""Measures the directions of `stages.sound.lip_sync`, and how far they can be trusted: `… WORKSPACE`, a finished one.

`python -m benchmarks.measure_lip_sync WORKSPACE` starts from the present directions: the clips whose lag they determine
are put in step and give new ones (canonical correlation with a ridge). Then every mouth is tried with every sound, with
directions to which neither has contributed: what such strangers reach is what a strength is worth; and every sound is
shifted. Prints all of it, and the directions as they stand in the source.
"""

import argparse
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.sound.lip_sync import (
    DETERMINED,
    SPEECH,
    Directions,
    LipLag,
    LipSync,
    Motion,
    lag_within,
    motion,
)
from portrait_prep.views.reading.reader import Reader

Floats = NDArray[np.float64]
Clips = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Video id -> its distances [n, 3] and powers [n, 8]."""
Moments = tuple[Floats, Floats, Floats]

READS = ("landmarks.landmarks", "headpose.scale", "speech.fbank")
RIDGE = 0.05
"""Share of the mean variance that is added to each: directions that the few clips hardly have are not trusted."""
PAIRS = 2
ROUNDS = 3
SHIFT = 8
"""Frames."""


def read(workspace: Path) -> Clips:
    """Mouth and sound of every video that has both."""
    clips = {}
    with Reader(workspace, READS, accepted=None) as reader:
        for number, footage in enumerate(reader.videos):
            heard = LipSync()
            for first in range(0, footage.frames, 250):
                batch = reader.read(number, first, min(250, footage.frames - first))
                heard.add(*(batch[name] for name in READS))
            clips[footage.video.video_id] = heard.taken()
    return clips


def moments(moved: Motion, lag: int) -> Moments:
    """Covariances of mouth with sound, of mouth and of sound, once they are put in step."""
    later = -lag
    mouth = moved.mouth[max(-later, 0) : len(moved.mouth) - max(later, 0)]
    sound = moved.sound[max(later, 0) : len(moved.sound) - max(-later, 0)]
    frames = len(mouth)
    return mouth.T @ sound / frames, mouth.T @ mouth / frames, sound.T @ sound / frames


def canonical_pairs(found: Collection[Moments]) -> Directions:
    """The first pairs of the clips' mean covariances; one of correlation r counts r / (1 - r^2)."""
    across, mouth, sound = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
    white_mouth, white_sound = _whitening(mouth), _whitening(sound)
    left, correlations, right = np.linalg.svd(white_mouth.T @ across @ white_sound)
    evidence = correlations[:PAIRS] / (1 - correlations[:PAIRS] ** 2)
    return Directions(
        white_mouth @ left[:, :PAIRS], white_sound @ right[:PAIRS].T, np.asarray(evidence / evidence.sum())
    )


def _whitening(covariance: Floats) -> Floats:
    size = len(covariance)
    values, vectors = np.linalg.eigh(covariance + RIDGE * np.trace(covariance) / size * np.eye(size))
    return np.asarray(vectors / np.sqrt(values))


def in_step(clips: Clips) -> dict[str, Moments]:
    """The clips whose lag is determined, put in step."""
    moved = {name: found for name, clip in clips.items() if (found := motion(*clip))}
    directions = SPEECH
    known: dict[str, Moments] = {}
    for _ in range(ROUNDS):
        lags = {name: lag_within(found, directions).frames for name, found in moved.items()}
        known = {name: moments(moved[name], lag) for name, lag in lags.items() if lag is not None}
        directions = canonical_pairs(known.values())
    return known


def tried(clips: Clips, known: Mapping[str, Moments]) -> Iterator[tuple[str, str, LipLag]]:
    """Mouth, sound and what is told of every two, cut to the shorter, along directions of the other clips."""
    for mouth, sound in product(clips, clips):
        directions = canonical_pairs([found for name, found in known.items() if name not in (mouth, sound)])
        yield mouth, sound, told(clips[mouth][0], clips[sound][1], directions)


def told(distances: NDArray[Any], powers: NDArray[Any], directions: Directions) -> LipLag:
    """The lag of a mouth behind a sound."""
    frames = min(len(distances), len(powers))
    moved = motion(distances[:frames], powers[:frames])
    return lag_within(moved, directions) if moved else LipLag(None, None)


def shifted(powers: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """The sound `by` frames later; silence before or after it."""
    moved = np.zeros_like(powers)
    moved[max(by, 0) : len(powers) + min(by, 0)] = powers[max(-by, 0) : len(powers) - max(by, 0)]
    return moved


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the lag between mouth and sound on a finished workspace.")
    parser.add_argument("workspace", type=Path)
    clips = read(parser.parse_args().workspace)
    known = in_step(clips)
    directions = canonical_pairs(known.values())
    alone, strangers = {}, []
    for mouth, sound, lag in tried(clips, known):
        if mouth == sound:
            alone[mouth] = lag
        elif lag.strength is not None:
            strangers.append(lag.strength)
    print(f"{'frames, strength':32}{'one left out':>16}{'present':>16}{'+8':>16}{'-8':>16}")
    for name, (distances, powers) in clips.items():
        columns = [alone[name], *(told(distances, shifted(powers, by), SPEECH) for by in (0, SHIFT, -SHIFT))]
        print(f"{name:32}" + "".join(f"{lag.frames!s:>9}{lag.strength or 0:7.2f}" for lag in columns))
    print(f"{len(strangers)} pairs of strangers: {np.mean(np.array(strangers) >= DETERMINED):.3f} determined")
    print(f"  percentiles 50, 90, 95, 99 of strength: {np.percentile(strangers, [50, 90, 95, 99]).round(2)}")
    with np.printoptions(precision=3, suppress=True, floatmode="fixed"):
        print(*(f"{name}={value!r}" for name, value in vars(directions).items()), sep="\n")


if __name__ == "__main__":
    main()
