"""The bare kernels that the stages stand on, timed on the frames of a finished workspace, one thread a process."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mediapipe.python.solutions import face_mesh, selfie_segmentation

from portrait_prep.media.ffmpeg import executable
from portrait_prep.media.frames import read_frames, read_pictures
from portrait_prep.media.picture import SIZE
from portrait_prep.pipeline.run.process import ONE_THREAD, QUIET
from portrait_prep.stages.normalize import NormalizeParams
from portrait_prep.stages.torso import MASK_SIZE


@dataclass(frozen=True)
class Clip:
    """One video of the workspace: its source, the filter that cuts its square from the displayed source, its mp4.

    `looked` is how many of its frames torso looked at.
    """

    source: Path
    crop: str
    mp4: Path
    frames: int
    looked: int


def encode(clip: Clip) -> None:
    """Source to 512x512, 25 fps, H.264, thrown away: what normalize cannot do without."""
    params = NormalizeParams()
    filters = f"fps=25,{clip.crop}scale={SIZE}:{SIZE}"
    inputs = ["-v", "error", "-threads", "1", "-i", str(clip.source), "-an", "-vf", filters]
    codec = ["-c:v", "libx264", "-preset", params.preset, "-crf", str(params.crf), "-g", str(params.gop)]
    codec += ["-tune", "fastdecode"] if params.fast_decode else []
    codec += ["-threads", "1", "-pix_fmt", "yuv420p"]
    command = [executable(), *inputs, *codec, "-f", "mp4", "-movflags", "frag_keyframe", "-y", os.devnull]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603


def decode(clip: Clip) -> None:
    """The mp4 to RGB."""
    for _ in read_frames(clip.mp4):
        pass


@lru_cache(maxsize=1)
def _face_mesh() -> Any:
    return face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)


@lru_cache(maxsize=1)
def _segmentation() -> Any:
    return selfie_segmentation.SelfieSegmentation(model_selection=0)


def mesh(clip: Clip) -> None:
    """Decode and FaceMesh."""
    network = _face_mesh()
    network.reset()
    for image in read_frames(clip.mp4):
        network.process(image)


def segment(clip: Clip) -> None:
    """Decode, and SelfieSegmentation, at its size, of as many frames as torso looked at."""
    network = _segmentation()
    network.reset()
    for number, picture in enumerate(read_pictures(clip.mp4, MASK_SIZE)):
        if number < clip.looked:
            network.process(picture())


KERNELS: Mapping[str, Callable[[Clip], None]] = {
    "encode": encode,
    "decode": decode,
    "decode + FaceMesh": mesh,
    "decode + segmentation": segment,
    "segmentation (27050dd)": lambda clip: segment(replace(clip, looked=clip.frames)),
}


def seconds_of(kernel: str, clip: Clip) -> float:
    """Seconds that a kernel takes on a clip in this process."""
    start = time.perf_counter()
    KERNELS[kernel](clip)
    return time.perf_counter() - start


def warm_up(clip: Clip) -> None:
    """Load the networks, so that their loading is not timed."""
    for kernel in KERNELS.values():
        kernel(clip)


@contextmanager
def executor(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes like those of a run: one thread each, quiet."""
    os.environ.update(ONE_THREAD | QUIET)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield pool
