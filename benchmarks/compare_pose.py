"""Compares pose backends: `python -m benchmarks.compare_pose media/*.mp4`, on normalized videos.

Per video, and over all with one vote each: by how many degrees the angles of the default backend differ from those of
3DDFA_V2's network. What is left of their mean over many people in pitch is what `PITCH_OF_LEVEL_FACE` in
`benchmarks.measure_mean_face` is off by. The network's weights are looked for in PORTRAIT_PREP_MODELS.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.face import geometry
from portrait_prep.stages.headpose import BACKENDS, mean_face
from portrait_prep.stages.models import tddfa
from portrait_prep.stages.models.mediapipe import face_mesh_tracker

Angles = NDArray[np.float64]
"""Yaw, pitch, roll [..., 3] in degrees."""


def differences(path: Path, network: tddfa.PoseNetwork) -> Angles:
    """Default backend less network [n, 3], over the frames of a video that show a face."""
    mesh = face_mesh_tracker()
    mesh.reset()
    found, looks = [], []
    for image in read_frames(path):
        for face in mesh(image):
            found.append(face)
            looks.append(tddfa.crop(image, face))
    pose, _ = geometry.head_pose(np.stack(found), mean_face())
    return np.asarray(pose.euler - tddfa.euler(network(np.stack(looks))))


def summary(found: dict[str, Angles]) -> Iterator[tuple[str, Angles]]:
    """Lines over all videos, one vote each but for the percentile, which is over frames."""
    offsets = np.array([difference.mean(axis=0) for difference in found.values()])
    without = (offsets.sum(axis=0) - offsets) / (len(offsets) - 1)
    deviation = offsets.std(axis=0, ddof=1)
    distances = [np.abs(difference) for difference in found.values()]
    yield "mean difference, mean of videos", offsets.mean(axis=0)
    yield "  deviation between videos", deviation
    yield "  standard error of the mean", deviation / np.sqrt(len(offsets))
    yield "  with one video left out, least", without.min(axis=0)
    yield "  with one video left out, greatest", without.max(axis=0)
    yield "  the one left out against it, rms", np.sqrt(((offsets - without) ** 2).mean(axis=0))
    yield "mean |difference|, mean of videos", np.mean([distance.mean(axis=0) for distance in distances], axis=0)
    yield "|difference|, 95th percentile of frames", np.percentile(np.concatenate(distances), 95, axis=0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare pose backends on normalized videos.")
    parser.add_argument("videos", nargs="+", type=Path)
    networks = {name: backend.network for name, backend in BACKENDS.items() if backend.network}
    parser.add_argument("--backend", choices=sorted(networks), default="tddfa")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.environ.setdefault(WORKSPACE_VARIABLE, folder)
        network = networks[arguments.backend](False)
        found = {path.stem: differences(path, network) for path in sorted(arguments.videos)}
    print(f"{'degrees: yaw, pitch, roll':40} {'mean difference':>21} {'mean |difference|':>23}")
    for name, difference in found.items():
        print(f"{name:40} {in_columns(difference.mean(axis=0))}   {in_columns(np.abs(difference).mean(axis=0))}")
    for name, angles in summary(found):
        print(f"{name:40} {in_columns(angles)}")


def in_columns(angles: Angles) -> str:
    """Three numbers in columns."""
    return " ".join(f"{angle:6.2f}" for angle in angles)


if __name__ == "__main__":
    main()
