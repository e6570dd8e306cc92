"""Measures stages/face/mean_face.npz: `python -m benchmarks.measure_mean_face media/*.mp4`, on normalized videos.

Generalised Procrustes analysis (Gower, Psychometrika 40, 1975, 33) of the face mesh over real clips, each clip with the
same weight, aligned on the points over bone; then the mean is made mirror-symmetrical, and turned to zero pitch.
Zero pitch is where 3DDFA_V2 has it. On the face alone, the pose in which the eyes are as deep as the corners of the
mouth is near it, and can be had without that network; what is left between the two is a constant (see
`PITCH_OF_LEVEL_FACE`). This script makes data; it stands here because nothing at run time needs it.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from portrait_prep.media.frames import read_frames
from portrait_prep.stages.face import geometry, points
from portrait_prep.stages.face.points import COUNT
from portrait_prep.stages.models.mediapipe import face_mesh_tracker

Mesh = NDArray[np.float64]

PITCH_OF_LEVEL_FACE = 5.0
"""Degrees of pitch that 3DDFA_V2 gives to a mean face whose eyes are as deep as the corners of its mouth.

Measured on 12 real clips, one vote each, with the published mb05 weights: 5.0 +- 2.0 between clips. (With other
points for 'eyes' and 'mouth' another angle stands here, and the same face comes out.) Positive: such a face looks down.
Measured again with the stage's own crop and network, the face that this makes differs from the network by -0.1 +- 2.5
between those clips (standard error 0.7; with one clip left out -0.5 to 0.3), and by 0.1 on a person who was not among
them: nothing to correct. See `benchmarks.compare_pose`.
"""
MOUTH_CORNERS = np.array([61, 291])
MIDLINE = np.array([0, 1, 4, 5, 6, 10, 17, 152, 168, 195, 197])
MIRROR = np.array([-1.0, 1.0, 1.0])


def read_meshes(path: Path, every: int) -> Mesh:
    """Flipped-image landmarks [n, 478, 3] of each `every`-th frame of a video that shows a face."""
    mesh = face_mesh_tracker()
    mesh.reset()
    found = [faces[0] for image in read_frames(path) if len(faces := mesh(image))]
    return geometry.flip(np.reshape(found, (-1, COUNT, 3))[::every])


def generalised_procrustes(clips: list[Mesh], rounds: int = 50) -> Mesh:
    """Mean shape [478, 3] of clips of faces, each turned, shifted and scaled onto the mean by its rigid points."""
    mean: Mesh = clips[0][0]
    for _ in range(rounds):
        mean = np.asarray(np.mean([_aligned(clip, mean).mean(axis=0) for clip in clips], axis=0))
    return mean


def _aligned(clip: Mesh, mean: Mesh) -> Mesh:
    rigid, weights = points.RIGID, points.RIGID_WEIGHTS
    rotation, _ = geometry.fit_similarity(clip[:, rigid], mean[rigid], weights)
    centre = np.average(clip[:, rigid], axis=1, weights=weights)
    turned = (clip - centre[:, None]) @ np.swapaxes(rotation, -1, -2)
    size = np.sqrt(np.average((turned[:, rigid] ** 2).sum(axis=2), axis=1, weights=weights))
    return np.asarray(turned / size[:, None, None])


def symmetrised(mean: Mesh) -> Mesh:
    """The mean of a face and its mirror image, turned so that the plane of symmetry is x = 0."""
    partner = _mirror_partners(mean)
    face = mean - mean.mean(axis=0)
    reflection = _reflection(face, face[partner])
    half = (face + face[partner] @ reflection.T) / 2
    normal = np.linalg.eigh((reflection + reflection.T) / 2)[1][:, 0]
    across = normal * np.sign(normal[0])
    down = np.array([0.0, 1.0, 0.0]) - across[1] * across
    down /= np.linalg.norm(down)
    upright = half @ np.stack([across, down, np.cross(across, down)]).T
    return np.asarray((upright + upright[partner] * MIRROR) / 2)


def _reflection(face: Mesh, mirrored: Mesh) -> Mesh:
    """Orthogonal [3, 3] of determinant -1 that best takes `mirrored` onto `face`."""
    rotation, _ = geometry.fit_similarity((mirrored * MIRROR)[None], face, np.ones(len(face)))
    return np.asarray(rotation[0] * MIRROR)


def _mirror_partners(mean: Mesh) -> NDArray[np.intp]:
    """For each point of the mesh its mirror image, found by reflecting the mean across the plane of known pairs."""
    known = np.concatenate([points.EYE_PAIRS[:, 0], points.EYE_PAIRS[:, 1], MIDLINE])
    partner = np.concatenate([points.EYE_PAIRS[:, 1], points.EYE_PAIRS[:, 0], MIDLINE])
    face = mean - mean[known].mean(axis=0)
    reflected = face @ _reflection(face[known], face[partner]).T
    partners = linear_sum_assignment(np.linalg.norm(face[:, None] - reflected[None], axis=2))[1]
    if not np.array_equal(partners[partners], np.arange(COUNT)):
        raise ValueError("the mesh of this mean face has no consistent mirror image: use more clips")
    return np.asarray(partners)


def in_canonical_frame(mean: Mesh) -> Mesh:
    """Turn to zero pitch, scale to an eye distance of 120 and move to the canonical centre."""
    eyes = mean[points.EYE_PAIRS].mean(axis=(0, 1))
    _, down, depth = mean[MOUTH_CORNERS].mean(axis=0) - eyes
    level = -np.rad2deg(np.arctan2(depth, down))
    pitch = np.array([0.0, level + PITCH_OF_LEVEL_FACE, 0.0])
    turned = mean @ geometry.rotation_from_euler(pitch).T
    scaled = turned * geometry.EYE_DISTANCE / geometry.eye_distance(turned[None])
    return np.asarray(scaled - scaled[points.CENTRE].mean(axis=0) + geometry.CANONICAL_CENTRE)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure the mean face from normalized videos.")
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=5, help="use each n-th frame")
    parser.add_argument("--out", type=Path, default=Path(geometry.__file__).with_name("mean_face.npz"))
    arguments = parser.parse_args()
    clips = [meshes for path in sorted(arguments.videos) if len(meshes := read_meshes(path, arguments.every))]
    face = in_canonical_frame(symmetrised(generalised_procrustes(clips)))
    about = (
        f"Mean of {sum(map(len, clips))} frames of {len(clips)} clips, canonical frame, px; generalised Procrustes, "
        f"mirror-symmetrical, pitch of the level face {PITCH_OF_LEVEL_FACE} degrees; benchmarks/measure_mean_face.py"
    )
    np.savez_compressed(arguments.out, points=face.astype(np.float32), about=np.array(about))
    print(f"{arguments.out}: {about}")


if __name__ == "__main__":
    main()
