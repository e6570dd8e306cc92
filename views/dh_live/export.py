"""Videos as folders that DH_live's own script trains its renderer, `DINet_five_Ref`, on.

Source: https://github.com/kleinlee/DH_live at the parent of commit 2678520, the last one with this script:
train/train_render_model.py, train/data_preparation_face.py, talkingface/data/few_shot_dataset.py.

    <folder>/<video_id>/image/000001.png, ...     frames of 512 px, in order
    <folder>/<video_id>/keypoint_rotate.pkl       float64 [frames, 478, 3]: px, z negative toward the camera
    <folder>/<video_id>/face_mat_mask.pkl         a list of matrices float64 [4, 4], one a frame, and a face [141, 3]

A matrix carries the face, whose jaw is as low as it ever is in the video, to px of the image: what is blackened there
does not tell how far the mouth is open.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.stages.face.geometry import Pose
from portrait_prep.views.dh_live.face_range import FaceRanges
from portrait_prep.views.dh_live.mouth_pca import COLUMNS, POSE
from portrait_prep.views.dh_live.samples import LANDMARKS, matrices, with_lowest_jaw
from portrait_prep.views.exporting.arrays import Stream
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.pickles import write_pickle
from portrait_prep.views.exporting.pictures import write_pngs
from portrait_prep.views.exporting.stretches import named_stretches
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

LEAST = 7
"""Frames of the shortest folder: five references are drawn from two thirds of them, or its loader stops."""


def plan(reader: Reader, options: Options) -> Plan:  # noqa: ARG001 (an export's form)
    """One part a stretch between long gaps. Raises BadInput where none is long enough."""
    named = list(named_stretches(reader.videos))
    taken = [(name, window) for name, window in named if window.frames >= LEAST]
    if not taken:
        raise BadInput(f"DH_live's loader needs {LEAST} frames with a face in a row, and no video has so many.")
    ranges = FaceRanges()
    return Plan(
        [
            Part(name, partial(_write, reader, ranges, window), f"{name}: {window.frames} frames")
            for name, window in taken
        ],
        f"{counted(len(taken), 'folder')}, {hours(sum(window.frames for _, window in taken) / FPS)}",
        [_why_not(name, window) for name, window in named if window.frames < LEAST],
    )


def _why_not(name: str, window: Window) -> str:
    return f"{name}: left out, {window.frames} frames; the loader takes nothing from less than {LEAST}"


def _write(reader: Reader, ranges: FaceRanges, window: Window, folder: Path) -> None:
    images = folder / "image"
    images.mkdir(parents=True)
    frames = enumerate(reader.stream(*window), start=1)
    write_pngs((images / f"{number:06d}.png", image[..., ::-1]) for number, image in frames)
    write_pickle(folder / "keypoint_rotate.pkl", Stream(window.frames, (478, 3), "<f8", _landmarks(reader, window)))
    face = with_lowest_jaw(ranges.of(reader, window.video))
    write_pickle(folder / "face_mat_mask.pkl", [_matrices(reader, window), Stream.of(face)])


def _landmarks(reader: Reader, window: Window) -> Iterator[NDArray[Any]]:
    for block in blocks(window):
        yield reader.read(*block, (LANDMARKS,))[LANDMARKS]


def _matrices(reader: Reader, window: Window) -> Iterator[Stream]:
    for block in blocks(window):
        rows = reader.read(*block, POSE)
        yield from map(Stream.of, matrices(Pose(*(rows[name] for name in POSE))))


DH_LIVE = Export(
    name="dh-live",
    help="Write accepted videos as the folders that DH_live's own script trains its renderer on.",
    options=Options,
    columns=lambda _: (LANDMARKS, *COLUMNS),
    plan=plan,
)
