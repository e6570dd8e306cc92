"""The bare kernels that the stages stand on, timed on the frames of a finished workspace, one thread a process."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ffmpeg
from mediapipe.python.solutions import face_mesh, selfie_segmentation

from portrait_prep.media.ffmpeg import executable
from portrait_prep.media.frames import read_frames, read_pictures
from portrait_prep.media.picture import FPS, SIZE
from portrait_prep.pipeline.run.process import ONE_THREAD, QUIET
from portrait_prep.stages.normalize import NormalizeParams
from portrait_prep.stages.torso import MASK_SIZE
from portrait_prep.stages.video.encode import h264


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


def encode(clip: Clip, options: Mapping[str, Any] | None = None) -> None:
    """Source to 512x512, 25 fps, H.264, thrown away: what normalize cannot do without. Default: its own options."""
    frames = ffmpeg.input(str(clip.source), threads=1)
    options = {**(options or NormalizeParams().h264), "pix_fmt": "yuv420p", "movflags": "frag_keyframe"}
    output = frames.output(os.devnull, an=None, vf=f"fps={FPS},{clip.crop}scale={SIZE}:{SIZE}", **options)
    command = [executable(), "-v", "error", "-y", *ffmpeg.get_args(output.global_args("-filter_threads", "1"))]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603


OLD_H264 = h264("veryfast", 17, 25, fast_decode=True)
"""Options at commit 27050dd."""


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
    "encode (27050dd)": partial(encode, options=OLD_H264),
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
