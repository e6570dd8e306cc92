"""Rotations, the fit of a head's pose, and the canonical transform with its inverse: nobody else writes a rotation.

Image points are pixels of the frame, x right, y down, z on the scale of x and negative toward the camera. All rotations
act on the *flipped image*: the same with z negated, which is a left-handed frame. Angles are yaw, pitch, roll in
degrees: yaw > 0, the nose points to image left; pitch > 0, nose down; roll > 0, the top of the head tilts to image
left. The rotation that takes flipped image to canonical is the intrinsic R = Rx(pitch) Ry(yaw) Rz(roll), scipy's
`Rotation.from_euler("XYZ", [pitch, yaw, roll], degrees=True)`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.face.points import CENTRE, EYE_PAIRS, RIGID, RIGID_WEIGHTS

Floats = NDArray[np.floating[Any]]

CANONICAL_CENTRE = np.array([256.0, 232.0, 128.0])
"""Where the mean of points 50, 280 and 168 lies in canonical space, in px."""
EYE_DISTANCE = 120.0
"""Canonical px: mean |x_left - x_right| over the 16 pairs of eye points."""

_FLIP = np.array([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Pose:
    """Pose of the head in n frames, float32, as it is stored.

    `euler` [n, 3] yaw, pitch, roll in degrees; `translation` [n, 3] the mean of points 50, 280, 168 in the flipped
    image, px; `scale` [n] canonical px per image px. A frame without a face is NaN in all three.
    """

    euler: NDArray[np.float32]
    translation: NDArray[np.float32]
    scale: NDArray[np.float32]


def flip(points: Floats) -> NDArray[np.float64]:
    """Image to flipped image, and back: z negated; [..., 3]."""
    return np.asarray(points * _FLIP)


def rotation_from_euler(euler: Floats) -> NDArray[np.float64]:
    """Rotation matrices [..., 3, 3] of yaw, pitch, roll [..., 3] in degrees."""
    yaw, pitch, roll = np.moveaxis(np.deg2rad(np.asarray(euler, np.float64)), -1, 0)
    (sy, sp, sr), (cy, cp, cr) = np.sin([yaw, pitch, roll]), np.cos([yaw, pitch, roll])
    rows = [
        [cy * cr, -cy * sr, sy],
        [cp * sr + sp * sy * cr, cp * cr - sp * sy * sr, -sp * cy],
        [sp * sr - cp * sy * cr, sp * cr + cp * sy * sr, cp * cy],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def euler_from_rotation(rotation: Floats) -> NDArray[np.float64]:
    """Yaw (-90..90), pitch and roll (-180..180) in degrees [..., 3] of rotation matrices [..., 3, 3]."""
    yaw = np.arcsin(np.clip(rotation[..., 0, 2], -1.0, 1.0))
    pitch = np.arctan2(-rotation[..., 1, 2], rotation[..., 2, 2])
    roll = np.arctan2(-rotation[..., 0, 1], rotation[..., 0, 0])
    return np.asarray(np.rad2deg(np.stack([yaw, pitch, roll], axis=-1)))


def fit_similarity(points: Floats, model: Floats, weights: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best rotations of point sets onto a model, and what the fit leaves over: weighted Procrustes.

    `points` [n, k, 3] finite, `model` [k, 3], `weights` [k] not negative. Returns rotations [n, 3, 3], proper, that
    minimise the weighted squares of `scale * R (p - mean) - (model - mean)`, and residuals [n]: the weighted rms
    distance in units of `points` after the best rotation, shift and scale. The rotation is Kabsch's (Acta Cryst. A32,
    1976, 922), the scale Umeyama's (IEEE PAMI 13, 1991, 376), for all n in one decomposition.
    """
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    source = np.asarray(points, np.float64)
    source = source - np.einsum("k,nkd->nd", shares, source)[:, None]
    target = model - shares @ model
    u, spread, vt = np.linalg.svd(np.einsum("k,nki,kj->nij", shares, source, target))
    handedness = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    spread[:, 2] *= handedness
    vt[:, 2] *= handedness[:, None]
    return np.swapaxes(u @ vt, -1, -2), _left_over(source, target, shares, spread.sum(-1))


def similarity_residual(points: Floats, model: Floats, weights: Floats, rotation: Floats) -> NDArray[np.float64]:
    """What the best shift and scale leave over under given rotations [n, 3, 3]; as in `fit_similarity`, float64 [n]."""
    shares = np.asarray(weights, np.float64) / np.sum(weights)
    source = np.asarray(points, np.float64)
    source = source - np.einsum("k,nkd->nd", shares, source)[:, None]
    target = model - shares @ model
    common = np.einsum("k,nkj,nij,ki->n", shares, source, rotation, target, optimize=True)
    return _left_over(source, target, shares, np.maximum(common, 0.0))


def _left_over(source: Floats, target: Floats, shares: Floats, common: Floats) -> NDArray[np.float64]:
    size = np.einsum("k,nkd->n", shares, source**2)
    explained = common**2 / np.einsum("k,kd->", shares, target**2)
    return np.asarray(np.sqrt(np.maximum(size - explained, 0.0)))


def head_pose(landmarks: Floats, model: Floats, euler: Floats | None = None) -> tuple[Pose, NDArray[np.float32]]:
    """Pose of each face, and the residual of the rigid fit in image px, float32 [n].

    `landmarks` [n, 478, 3] image px, NaN where there is no face; `model` [478, 3] the mean face in canonical
    orientation. The fit is on the points over bone; `euler` [n, 3], where given, are its angles instead of the best
    ones. Scale and translation are computed from the angles as they are stored, so that what is recomputed from the
    columns agrees with them.
    """
    found = np.isfinite(landmarks).all(axis=(1, 2))
    columns = np.full((len(landmarks), 8), np.nan, np.float32)
    if found.any():
        flipped = flip(landmarks[found])
        bone = flipped[:, RIGID]
        if euler is None:
            rotation, residual = fit_similarity(bone, model[RIGID], RIGID_WEIGHTS)
            angles = euler_from_rotation(rotation).astype(np.float32)
        else:
            angles = euler[found].astype(np.float32)
            residual = similarity_residual(bone, model[RIGID], RIGID_WEIGHTS, rotation_from_euler(angles))
        scale = EYE_DISTANCE / eye_distance(flipped @ np.swapaxes(rotation_from_euler(angles), -1, -2))
        columns[found] = np.column_stack([angles, flipped[:, CENTRE].mean(axis=1), scale, residual])
    return Pose(columns[:, :3], columns[:, 3:6], columns[:, 6]), columns[:, 7]


def eye_distance(upright: Floats) -> NDArray[np.float64]:
    """Mean |x_left - x_right| over the 16 pairs of eye points [n]; `upright` [n, 478, 3] without rotation."""
    left, right = upright[:, EYE_PAIRS[:, 0], 0], upright[:, EYE_PAIRS[:, 1], 0]
    return np.asarray(np.abs(left - right).mean(axis=1, dtype=np.float64))


def canonical_distances(points: Floats, ends: NDArray[np.intp], scale: Floats) -> NDArray[np.float64]:
    """Distances in canonical px [n, m] between `ends` [m, 2] of image points [n, k, 3]; `scale` [n] as in `Pose`.

    No turn of the head changes a distance in space, and with the scale no way to the camera either.
    """
    found = points[:, ends].astype(np.float64)
    return np.asarray(np.linalg.norm(found[:, :, 0] - found[:, :, 1], axis=2) * scale[:, np.newaxis])


def to_canonical(points: Floats, pose: Pose) -> NDArray[np.float64]:
    """Carry image points [n, k, 3] of any kind into canonical space: scale * R (p - translation) + centre."""
    rotation = rotation_from_euler(pose.euler)
    moved = flip(points) - pose.translation[:, None].astype(np.float64)
    return np.asarray(pose.scale[:, None, None] * (moved @ np.swapaxes(rotation, -1, -2)) + CANONICAL_CENTRE)


def to_image(points: Floats, pose: Pose) -> NDArray[np.float64]:
    """The inverse of `to_canonical`: canonical points [n, k, 3] to image px, z negative toward the camera."""
    upright = (points - CANONICAL_CENTRE) / pose.scale[:, None, None].astype(np.float64)
    return flip(upright @ rotation_from_euler(pose.euler) + pose.translation[:, None])
