"""Makes the demo corpus: each clip of the plan and, beside it, what is true of it."""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.animator import LICENCE, Animator, crop, portrait
from portrait_prep.demo.encode import encode
from portrait_prep.demo.motion import Pose, perform
from portrait_prep.demo.plan import CLIPS, Clip
from portrait_prep.demo.voice import Voice
from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.demo import Truth, read_truth, truth_path
from portrait_prep.manifests.files import replacing, sha256_of
from portrait_prep.media.picture import Image
from portrait_prep.stages.models.mediapipe import FaceMesh

PITCH = {"astronaut": 210.0, "double": 120.0, None: 160.0}
"""Of each voice, Hz."""


def make(folder: Path) -> None:
    """Make the corpus in `folder`; clips that are there and as they would be made now are left alone.

    Raises MissingPrerequisite when ffmpeg cannot write a file.
    """
    for clip in CLIPS:
        if not _current(folder, clip):
            make_clip(folder, clip)


def make_clip(folder: Path, clip: Clip) -> None:
    """Make one clip and its truth file, which is written last: a clip without one is made again."""
    times = clip.form.times(clip.seconds)
    voice = Voice(clip.seconds, PITCH[clip.subject], clip.seed)
    poses = perform(times, voice, clip.seed) if clip.subject else []
    frames = _animated(clip, poses) if clip.subject else _pattern(clip.size, times)
    video = folder / f"{clip.video_id}{clip.form.suffix}"
    with replacing(video) as temporary:
        encode(temporary, frames, clip.size, voice.samples(), clip.form)
        if clip.kept < 1:
            temporary.write_bytes(temporary.read_bytes()[: int(clip.kept * temporary.stat().st_size)])
        truth = _truth(clip, video.name, times, poses, sha256_of(temporary))
    with replacing(truth_path(folder, clip.video_id)) as temporary:
        temporary.write_text(json.dumps(truth.model_dump(), indent=1) + "\n", encoding="utf-8")


def _truth(clip: Clip, file: str, times: NDArray[np.float64], poses: list[Pose], sha256: str) -> Truth:
    columns = {"times": times.tolist()} | {
        name: [getattr(pose, name) for pose in poses] for name in Pose.__dataclass_fields__
    }
    return Truth(
        video_id=clip.video_id,
        file=file,
        subject=clip.subject or "nobody",
        split=clip.split,
        licence=LICENCE,
        duration=clip.seconds,
        expected=clip.expected,
        poses={name: [round(value, 6) for value in values] for name, values in columns.items()} if poses else {},
        recipe=_recipe(clip),
        sha256=sha256,
    )


def _current(folder: Path, clip: Clip) -> bool:
    """Whether the clip is there, whole, and made by this very recipe."""
    try:
        truth = read_truth(truth_path(folder, clip.video_id))
        return truth.recipe == _recipe(clip) and truth.sha256 == sha256_of(folder / truth.file)
    except (BadInput, OSError):
        return False


def _recipe(clip: Clip) -> str:
    """Digest of the clip's plan and of the code of this room."""
    return hashlib.sha256(f"{clip!r} {_code()}".encode()).hexdigest()


@cache
def _code() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def _animated(clip: Clip, poses: list[Pose]) -> Iterator[Image]:
    still = crop(portrait(clip.subject or ""), clip.window, clip.size)
    return map(Animator(still, _face_mesh()(still)[0]).frame, poses)


@cache
def _face_mesh() -> FaceMesh:
    return FaceMesh(tracking=False)


def _pattern(size: tuple[int, int], times: NDArray[np.float64]) -> Iterator[Image]:
    """Coloured stripes that run across the picture: blots would now and then look like a face to a detector."""
    y, x = np.mgrid[: size[1], : size[0]] / size[1]
    for time in times:
        phase = 25 * (x + y) + 6 * time
        yield np.stack([128 + 90 * np.sin(phase + colour) for colour in (0, 2, 4)], axis=2).astype(np.uint8)
