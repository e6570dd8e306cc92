"""The measures that the report draws, as a table: where each stands in the records, and how it is told to people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from portrait_prep.manifests.record import Record
from portrait_prep.manifests.verdict import QualitySettings

Take = Callable[[Sequence[float]], float]


def first(values: Sequence[float]) -> float:
    """The only one."""
    return values[0]


def farthest(values: Sequence[float]) -> float:
    """The one farthest from zero, with its sign."""
    return max(values, key=abs)


def spread(values: Sequence[float]) -> float:
    """From the least to the greatest."""
    return max(values) - min(values)


@dataclass(frozen=True)
class Measure:
    """One number of a video. `reads` names metrics as `stage.metric`; a metric that is a list gives all its numbers.

    `take` makes one number of them, which is multiplied by `scale` (100 for a share that is told in percent) and told
    to `decimals` places. `least` and `most` name the settings of `[quality]` that bound it; where `around`, `most`
    bounds it either way. `bound_if` names a setting without which the bounds do not count.
    """

    key: str
    title: str
    unit: str
    decimals: int
    reads: tuple[str, ...]
    told: str
    take: Take = first
    scale: float = 1.0
    least: str | None = None
    most: str | None = None
    around: bool = False
    bound_if: str | None = None

    def of(self, metrics: Mapping[str, Any]) -> float | None:
        """The number, to its decimals; None where no stage measured it."""
        values = [value for name in self.reads for value in _numbers(metrics.get(name))]
        return round(self.take(values) * self.scale, self.decimals) if values else None

    def bounds(self, settings: QualitySettings) -> dict[str, float]:
        """`min` and `max`, where the settings give them, on the scale on which the measure is told."""
        if self.bound_if and not getattr(settings, self.bound_if):
            return {}
        found = {side: getattr(settings, name) * self.scale for side, name in self._sides().items()}
        if self.around and "max" in found:
            found["min"] = -found["max"]
        return {side: round(bound, self.decimals + 2) for side, bound in found.items()}

    def _sides(self) -> dict[str, str]:
        return {side: name for side, name in (("min", self.least), ("max", self.most)) if name}


def _numbers(value: Any) -> list[float]:
    """The finite numbers in a metric that may be one, a list, or nothing."""
    values = value if isinstance(value, list) else [value]
    return [float(one) for one in values if isinstance(one, int | float) and isfinite(one)]


def flat(records: Mapping[str, Record]) -> dict[str, Any]:
    """All metrics of one video, as `stage.metric`."""
    return {f"{stage}.{name}": value for stage, record in records.items() for name, value in record.metrics.items()}


MEASURES = (
    Measure(
        "seconds",
        "Duration",
        "s",
        2,
        ("normalize.seconds",),
        "length as normalized, else as the catalogue has it",
        least="min_seconds",
    ),
    Measure(
        "source_face",
        "Face in the source",
        "px",
        0,
        ("normalize.face_size",),
        "height of the face in the source, forehead to chin",
    ),
    Measure(
        "upscaling",
        "Scaling",
        "×",
        2,
        ("normalize.upscaling",),
        "pixels of the 512 px frame to one of the source; above 1 it is scaled up",
        most="max_upscaling",
    ),
    Measure(
        "face_share",
        "Frames with a face",
        "%",
        1,
        ("landmarks.face_share",),
        "share of frames in which the face was detected",
        scale=100,
        least="min_face_share",
    ),
    Measure(
        "gap",
        "Longest gap",
        "frames",
        0,
        ("landmarks.longest_gap",),
        "longest run of frames without the face",
        most="max_longest_gap",
    ),
    Measure(
        "confirmed",
        "Face confirmed",
        "%",
        1,
        ("landmarks.face_confirmed_share",),
        "share of looks at which the face detector, too, sees the tracked face",
        scale=100,
        least="min_confirmed_share",
    ),
    Measure(
        "faces",
        "Faces at once",
        "",
        0,
        (
            "normalize.faces_max",
            "landmarks.faces",
        ),
        "most faces on any frame that was looked at",
        take=max,
    ),
    Measure(
        "several",
        "Several faces",
        "%",
        0,
        ("landmarks.several_faces_share",),
        "share of looks at which more than one face is in the frame",
        scale=100,
        most="max_several_faces_share",
    ),
    Measure(
        "jumps",
        "Identity jumps",
        "",
        0,
        ("landmarks.identity_jumps",),
        "how often the tracked face jumped to another",
        most="max_identity_jumps",
    ),
    Measure(
        "landmark_jump",
        "Landmark jump",
        "",
        2,
        ("landmarks.landmark_jump",),
        "farthest move of the face from a frame to the next, in distances of the eyes",
        most="max_landmark_jump",
    ),
    Measure(
        "scale_jump",
        "Scale jump",
        "×",
        2,
        ("landmarks.scale_jump",),
        "greatest ratio of the face's sizes in successive frames",
        most="max_scale_jump",
    ),
    Measure(
        "cuts",
        "Scene cuts",
        "",
        0,
        ("landmarks.cuts",),
        "scene cuts",
        most="max_cuts",
    ),
    Measure(
        "yaw",
        "Yaw, farthest",
        "°",
        1,
        ("headpose.yaw_range",),
        "1st or 99th percentile of the yaw, whichever is farther from 0; above 0 the nose points to image left",
        take=farthest,
        most="max_yaw",
        around=True,
    ),
    Measure(
        "pitch",
        "Pitch, farthest",
        "°",
        1,
        ("headpose.pitch_range",),
        "1st or 99th percentile of the pitch, whichever is farther from 0; above 0 the nose points down",
        take=farthest,
        most="max_pitch",
        around=True,
    ),
    Measure(
        "roll",
        "Roll, farthest",
        "°",
        1,
        ("headpose.roll_range",),
        "1st or 99th percentile of the roll, whichever is farther from 0; above 0 the head tilts to image left",
        take=farthest,
        most="max_roll",
        around=True,
    ),
    Measure(
        "yaw_span",
        "Yaw, range",
        "°",
        1,
        ("headpose.yaw_range",),
        "from the 1st to the 99th percentile of the yaw",
        take=spread,
    ),
    Measure(
        "scale_min",
        "Scale, least",
        "×",
        2,
        ("headpose.scale_min",),
        "canonical pixels to one of the image; the smaller, the larger the face",
        least="min_scale",
    ),
    Measure(
        "scale_max",
        "Scale, greatest",
        "×",
        2,
        ("headpose.scale_max",),
        "canonical pixels to one of the image; the larger, the smaller the face",
        most="max_scale",
    ),
    Measure(
        "jitter",
        "Landmark jitter",
        "px",
        2,
        ("headpose.jitter",),
        "noise of the points over bone, in canonical pixels",
        most="max_jitter",
    ),
    Measure(
        "residual",
        "Fit residual",
        "px",
        2,
        ("headpose.residual_mean",),
        "mean rms of the rigid fit to the mean face",
    ),
    Measure(
        "blur",
        "Blur",
        "",
        2,
        ("landmarks.blur",),
        "blur of the face, from 0 to 1",
        most="max_blur",
    ),
    Measure(
        "luma",
        "Face brightness",
        "",
        0,
        ("landmarks.face_luma",),
        "mean luma of the face, from 0 to 255",
        least="min_face_luma",
        most="max_face_luma",
    ),
    Measure(
        "crushed",
        "Black pixels",
        "%",
        1,
        ("landmarks.crushed_share",),
        "share of the face's pixels that are black",
        scale=100,
        most="max_crushed_share",
    ),
    Measure(
        "blown",
        "White pixels",
        "%",
        1,
        ("landmarks.blown_share",),
        "share of the face's pixels that are white",
        scale=100,
        most="max_blown_share",
    ),
    Measure(
        "shoulders",
        "Shoulders visible",
        "%",
        0,
        ("torso.visible_share",),
        "share of frames in which the shoulder is seen, of the side that is seen less",
        take=min,
        scale=100,
        least="min_shoulder_share",
    ),
    Measure(
        "level",
        "Sound level",
        "dBFS",
        1,
        ("speech.rms_dbfs",),
        "rms level of the sound",
        least="min_rms_dbfs",
        bound_if="require_sound",
    ),
    Measure(
        "peak",
        "Sound peak",
        "dBFS",
        1,
        ("speech.peak_dbfs",),
        "greatest magnitude of the sound",
    ),
    Measure(
        "clipped",
        "Clipping",
        "%",
        2,
        ("speech.clipped_share",),
        "share of samples at full scale",
        scale=100,
        most="max_clipped_share",
    ),
    Measure(
        "silence",
        "Silence",
        "%",
        0,
        ("speech.silent_share",),
        "share of silent frames",
        scale=100,
        most="max_silent_share",
        bound_if="require_sound",
    ),
    Measure(
        "lag",
        "Lip-sync lag",
        "frames",
        0,
        ("stats.lag",),
        "frames by which the mouth comes after the voice, below 0 before it; empty where undetermined",
        most="max_lag",
        around=True,
    ),
    Measure(
        "lag_strength",
        "Lag strength",
        "",
        2,
        ("stats.lag_strength",),
        "peak of the correlation of lips and voice, in units of what it comes to by chance",
    ),
    Measure(
        "sound_offset",
        "Sound file offset",
        "s",
        3,
        ("normalize.sound_offset",),
        "seconds by which a sound file comes after the video's own sound",
        most="max_sound_offset",
        around=True,
    ),
)
