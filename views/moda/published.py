"""Faces in the units of MODA's released weights, whose canonical space is turned by another order of the same angles.

Its scripts compose yaw, pitch and roll as Rz(roll) Ry(yaw) Rx(pitch), scipy's extrinsic "xyz", though the angles are
those of Rx(pitch) Ry(yaw) Rz(roll), the intrinsic "XYZ" that everything else here uses:
https://github.com/taichuai/MODA, data_prepare/steps/step3-norm_face.py (`norm_verticies_via_headpose`), against
utils/pose.py of 3DDFA_V2. A face that is turned about one axis only comes out the same; one that is turned by 20, 10
and 10 degrees is left tilted by 5. Angles and translation stay as they are; face, shoulders and scale change, so that
its way back is exact.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.face.geometry import CANONICAL_CENTRE, eye_distance, flip, rotation_from_euler

Float64 = NDArray[np.float64]


def published_rotation(euler: NDArray[np.floating]) -> Float64:
    """Rz(roll) Ry(yaw) Rx(pitch), float64 [n, 3, 3], of yaw, pitch and roll [n, 3] in degrees."""
    return np.asarray(Rotation.from_euler("xyz", np.asarray(euler, np.float64)[:, [1, 0, 2]], degrees=True).as_matrix())


def published(batch: Batch) -> Batch:
    """Columns `headpose.*` and `torso.billboard` of n frames, all finite or NaN together -> float64, turned and scaled.

    The scale is again such that the eyes are 120 px apart (within what smoothing moves them).
    """
    canonical, euler = batch["headpose.canonical"], batch["headpose.euler"]
    there = np.asarray(np.isfinite(euler).all(axis=1))
    angles = np.where(there[:, np.newaxis], euler, 0.0)
    turn = np.swapaxes(published_rotation(angles) @ np.swapaxes(rotation_from_euler(angles), -1, -2), -1, -2)
    face, shoulders = ((batch[name] - CANONICAL_CENTRE) @ turn for name in ("headpose.canonical", "torso.billboard"))
    wider = eye_distance(canonical) / eye_distance(face)
    return batch | {
        "headpose.canonical": face * wider[:, np.newaxis, np.newaxis] + CANONICAL_CENTRE,
        "headpose.scale": batch["headpose.scale"] * wider,
        "torso.billboard": shoulders * wider[:, np.newaxis, np.newaxis] + CANONICAL_CENTRE,
    }


def published_to_image(points: NDArray[np.floating], euler: Float64, translation: Float64, scale: Float64) -> Float64:
    """The inverse, as its `denorm_verticies_via_headpose` has it: [n, k, 3] -> image px, z negative toward the camera.

    Its default for the centre is 3 px off in y, at (256, 235, 128); here it is (256, 232, 128), as when normalizing.
    """
    upright = (points - CANONICAL_CENTRE) / scale[:, np.newaxis, np.newaxis]
    return flip(upright @ published_rotation(euler) + translation[:, np.newaxis])
