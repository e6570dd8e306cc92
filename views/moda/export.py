"""Clips as files in the layout that MODA's own scripts read, in the units of its released weights.

Source: https://github.com/taichuai/MODA, datasets/audio2repr_dataset.py, datasets/render_dataset.py, train.py,
train_renderer.py and configs/train/. Its scripts read their options from a YAML file alone, and assume 30 frames a
second unless it says `FPS`: then the loader takes 533 samples for a frame where 533 1/3 are due, and sound drifts.

    <folder>/moda.yaml                  for train.py --config
    <folder>/train.txt, test.txt        one clip a line; clips without a split, and those of `train`, in the first
    <folder>/<clip>/feature.npz         Vertices, Headposes, Transposes, Scales (float64), Shoulders, Visible, indices
    <folder>/<clip>/shoulder-billboard.npy
    <folder>/<clip>/audio.wav           16 kHz mono PCM16, 640 samples a frame
    <folder>/<clip>/render/, render.yaml    with `renderer`: pictures, and for train_renderer.py --config
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import a_few, hours
from portrait_prep.media.frames import FPS
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.moda import renderer_files
from portrait_prep.views.moda.clips import LEAST, TEST, TRAIN, Clip, clips_of
from portrait_prep.views.moda.motion_files import SHOULDERS, write_motion
from portrait_prep.views.moda.renderer_files import write_render
from portrait_prep.views.moda.targets import Targets
from portrait_prep.views.moda.visibility import SEEN, VISIBLE, seen_shares
from portrait_prep.views.reading.reader import Reader

MOTION: Mapping[str, Any] = {
    "task": "TrainMODAVel",
    "model": "moda",
    "dataset_mode": "audio2repr",
    "subject_head": "point",
    "body": "dualv2",
    "loss": "L2+Velocity",
    "batch_size": 16,
    "n_epochs": 5000,
    "gpu_ids": [0],
    "FPS": FPS,
}
"""The options of its configs/train/moda.yaml, and the frames a second."""
RENDERER: Mapping[str, Any] = {
    "task": "TrainRender",
    "model": "render",
    "dataset_mode": "render",
    "batch_size": 4,
    "n_epochs": 40,
    "use_example": 1,
    "use_temporal_encoding": True,
}
"""The options of its configs/train/renderer/Cathy.yaml."""


class ModaOptions(Options):
    """What of MODA's may be chosen."""

    order: Literal["XYZ", "xyz"] = Field(
        "XYZ",
        description="Order of the angles in which the head's rotation is taken off: XYZ leaves faces upright; xyz is "
        "what MODA's scripts use, and its released weights know.",
    )
    unsmoothed: bool = Field(
        False, description="Faces as the network gave them, frame by frame, not smoothed as configured."
    )
    trim: bool = Field(
        False,
        description="Cut up to 199 frames off the end of each clip, so that the loader's index, which else points past "
        "the ends of clips, is right.",
    )
    renderer: bool = Field(
        False, description="The renderer's pictures, too, some 0.4 MB a frame; then short clips are there as well."
    )
    min_shoulders: float = Field(
        SEEN,
        ge=0,
        le=1,
        description="Where either shoulder is seen in less than this share of a clip's frames, they are written still, "
        "which the loader masks.",
    )


def _columns(options: ModaOptions) -> tuple[str, ...]:
    return (*_targets(options).columns, SHOULDERS, VISIBLE)


def _targets(options: ModaOptions) -> Targets:
    return Targets(centre="clip", order=options.order, unsmoothed=options.unsmoothed)


def plan(reader: Reader, options: ModaOptions) -> Plan:
    """One part a clip. Raises BadInput where no clip is long enough."""
    clips = clips_of(reader.videos, options.trim)
    least = renderer_files.LEAST if options.renderer else LEAST
    taken = [clip for clip in clips if clip.window.frames >= least]
    if not taken:
        longest = max((clip.window.frames for clip in clips), default=0)
        raise BadInput(
            f"MODA's loader takes nothing from clips of less than {least} frames; the longest has {longest}."
        )
    seen = {clip.name: seen_shares(reader, clip.window) for clip in taken}
    still = {name for name, shares in seen.items() if shares.min() < options.min_shoulders}
    make = partial(_write_clip, reader, _targets(options), options.renderer)
    lines = {clip.name: _line(clip, seen[clip.name], still) for clip in taken}
    return Plan(
        [Part(clip.name, partial(make, clip, clip.name in still), lines[clip.name]) for clip in taken],
        _summary(taken, still),
        [_why_not(clip, options.renderer) for clip in clips if not clip.list_file],
        partial(_close, taken),
    )


def _write_clip(reader: Reader, targets: Targets, rendered: bool, clip: Clip, still: bool, folder: Path) -> None:
    folder.mkdir()
    write_motion(reader, clip.window, folder, targets, still)
    if rendered:
        write_render(reader, clip.window, folder)


def _line(clip: Clip, seen: NDArray[Any], still: set[str]) -> str:
    shoulders = f"shoulders seen in {seen[0]:.0%} (image left) and {seen[1]:.0%} (image right) of them"
    return f"{clip.name}: {clip.window.frames} frames, {shoulders}{', written still' if clip.name in still else ''}"


def _why_not(clip: Clip, rendered: bool) -> str:
    what = "in no list" if rendered and clip.window.frames >= renderer_files.LEAST else "left out"
    return f"{clip.name}: {what}, {clip.window.frames} frames; the loader takes nothing from less than {LEAST}"


def _summary(clips: Sequence[Clip], still: set[str]) -> str:
    listed = [sum(clip.list_file == name for clip in clips) for name in (TRAIN, TEST)]
    frames = sum(clip.window.frames for clip in clips if clip.list_file)
    written = f"{listed[0]} clips in {TRAIN}, {listed[1]} in {TEST}, {hours(frames / FPS)}"
    unseen = f"; shoulders written still, since they were not seen: {a_few(sorted(still))}" if still else ""
    return written + unseen


def _close(clips: Sequence[Clip], folder: Path, final: Path) -> None:
    """Lists and options."""
    lists = {name: [clip.name for clip in clips if clip.list_file == name] for name in (TRAIN, TEST)}
    for name, names in lists.items():
        (folder / name).write_text("".join(f"{each}\n" for each in names), "utf-8")
    # Its scripts stop at an empty list: where one side is empty, they look at the other.
    train, test = TRAIN if lists[TRAIN] else TEST, TEST if lists[TEST] else TRAIN
    sides = {"train_sub_names": train, "test_sub_names": test, "ref_sub_names": train}
    if any(lists.values()):
        _write_yaml(folder / "moda.yaml", {"dataroot": str(final), **sides, **MOTION})
    for clip in clips:
        if (folder / clip.name / "render").exists():
            these = {"dataset_names": [clip.name], "cand_dataset_names": [clip.name]}
            parts = dict(zip(("train_dataset_names", "validate_dataset_names"), renderer_files.LISTS, strict=True))
            _write_yaml(folder / clip.name / "render.yaml", {"dataroot": str(final), **these, **parts, **RENDERER})


def _write_yaml(path: Path, options: Mapping[str, Any]) -> None:
    """Plain JSON values are YAML, too."""
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in options.items()), "utf-8")


MODA = Export(
    name="moda",
    help="Write accepted videos in the folder layout that MODA's own scripts read, and moda.yaml, which trains on it.",
    target="Where to: a folder that is empty or not there yet. It is filled whole or not at all.",
    options=ModaOptions,
    columns=_columns,
    plan=plan,
)
