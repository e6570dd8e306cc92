"""Clips as files in the layout that MODA's own scripts read, in the units of its released weights.

Source: https://github.com/taichuai/MODA, datasets/audio2repr_dataset.py, datasets/render_dataset.py, train.py,
train_renderer.py and configs/train/. Its scripts read their options from a YAML file alone, and assume 30 frames a
second unless it says `FPS`: then the loader takes 533 samples for a frame where 533 1/3 are due, and sound drifts.

    <folder>/moda.yaml                  for train.py --config
    <folder>/train.txt, test.txt        one clip a line; clips without a split, and those of `train`, in the first
    <folder>/<clip>/feature.npz         Vertices, Headposes, Transposes, Scales (float64), Shoulders, Visible, indices
    <folder>/<clip>/shoulder-billboard.npy
    <folder>/<clip>/audio.wav           16 kHz mono PCM16, 640 samples a frame
    <folder>/<clip>/video-parsing_0.25.npy  where the stage `parsing` is on
    <folder>/<clip>/render/, render.yaml    with `renderer`: pictures, and for train_renderer.py --config
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import a_few, counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.views.exporting.about import VISIBLE
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.moda import renderer_files
from portrait_prep.views.moda.clips import LEAST, TEST, TRAIN, YAML, Clip, clips_of
from portrait_prep.views.moda.motion_files import SHOULDERS, write_motion
from portrait_prep.views.moda.parsing_file import ParsedVideos
from portrait_prep.views.moda.renderer_files import write_render
from portrait_prep.views.moda.targets import Targets
from portrait_prep.views.moda.visibility import SEEN, seen_shares
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
    seen_only: bool = Field(
        False,
        description="Leave such clips out: MODA's loss stops with an error at a batch in which all shoulders are "
        "masked (docs/views/moda.md has the line to change instead).",
    )


def _columns(options: ModaOptions) -> tuple[str, ...]:
    return (*_targets(options).columns, SHOULDERS, VISIBLE)


def _targets(options: ModaOptions) -> Targets:
    return Targets(centre="clip", order=options.order, unsmoothed=options.unsmoothed)


@dataclass(frozen=True)
class Take:
    """A clip that is written: `seen`, float64 [2], the share of frames with each shoulder; `still`: that is too low."""

    clip: Clip
    seen: NDArray[np.float64]
    still: bool

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.clip.name

    def __str__(self) -> str:
        left, right = self.seen
        return (
            f"{self.name}: {self.clip.window.frames} frames, "
            f"shoulders seen in {left:.0%} (image left) and {right:.0%} (image right) of them"
        )


def plan(reader: Reader, options: ModaOptions) -> Plan:
    """One part a clip. Raises BadInput where no clip is long enough, or has its shoulders seen where that is asked."""
    clips = clips_of(reader.videos, options.trim)
    takes = _takes(reader, clips, options)
    taken = [take for take in takes if not (take.still and options.seen_only)]
    if not taken:
        raise BadInput(f"No clip shows both shoulders in {options.min_shoulders:.0%} of its frames: ask for less.")
    make = partial(_write_clip, reader, ParsedVideos(reader), options)
    return Plan(
        [Part(take.name, partial(make, take), f"{take}{', written still' * take.still}") for take in taken],
        _summary(taken),
        [
            *(f"{take}: left out" for take in takes if take.still and options.seen_only),
            *(_why_not(clip, options.renderer) for clip in clips if not clip.list_file),
            *_shared(taken),
        ],
        partial(_close, taken),
    )


def _takes(reader: Reader, clips: Sequence[Clip], options: ModaOptions) -> list[Take]:
    least = renderer_files.LEAST if options.renderer else LEAST
    if (longest := max((clip.window.frames for clip in clips), default=0)) < least:
        raise BadInput(
            f"MODA's loader takes nothing from clips of less than {least} frames; the longest has {longest}."
        )
    seen = {clip: seen_shares(reader, clip.window) for clip in clips if clip.window.frames >= least}
    return [Take(clip, shares, bool(shares.min() < options.min_shoulders)) for clip, shares in seen.items()]


def _write_clip(reader: Reader, parsed: ParsedVideos, options: ModaOptions, take: Take, folder: Path) -> None:
    folder.mkdir()
    write_motion(reader, take.clip.window, folder, _targets(options), take.still)
    parsed.write(take.clip.window, folder)
    if options.renderer:
        write_render(reader, take.clip.window, folder)


def _why_not(clip: Clip, rendered: bool) -> str:
    what = "in no list" if rendered and clip.window.frames >= renderer_files.LEAST else "left out"
    return f"{clip.name}: {what}, {clip.window.frames} frames; the loader takes nothing from less than {LEAST}"


def _summary(takes: Sequence[Take]) -> str:
    listed = [take for take in takes if take.clip.list_file]
    train, test = (sum(take.clip.list_file == name for take in listed) for name in (TRAIN, TEST))
    footage = hours(sum(take.clip.window.frames for take in listed) / FPS)
    written = f"{counted(train, 'clip')} in {TRAIN}, {test} in {TEST}, {footage}"
    masked = [take.name for take in listed if take.still]
    # Its `MaskedMSELoss` divides by a number that is then no tensor.
    unseen = f"; shoulders of {a_few(masked)} are masked, and MODA's loss stops at a batch of them alone: --seen-only"
    return written + (unseen if masked else "")


def _lists(takes: Sequence[Take]) -> Mapping[str, Sequence[Take]]:
    return {name: [take for take in takes if take.clip.list_file == name] for name in (TRAIN, TEST)}


def _sides(takes: Sequence[Take]) -> tuple[str, str] | None:
    """The lists to train and to test on; None where no clip is in either.

    Its scripts stop at a list that is empty or has masked shoulders alone: then both sides look at the other.
    """
    lists = _lists(takes)
    useful = [name for name, listed in lists.items() if not all(take.still for take in listed)]
    useful = useful or [name for name, listed in lists.items() if listed]
    return (useful[0], useful[-1]) if useful else None


def _shared(takes: Sequence[Take]) -> Iterator[str]:
    """What there is to say where both sides look at one list."""
    sides = _sides(takes)
    if sides and sides[0] == sides[1]:
        for name, listed in _lists(takes).items():
            if name != sides[0]:
                why = "is empty" if not listed else "has masked shoulders alone, at which its scripts stop"
                yield f"{YAML} trains and tests on {sides[0]}: {name} {why}"


def _close(takes: Sequence[Take], folder: Path, final: Path) -> None:
    """Lists and options."""
    for name, listed in _lists(takes).items():
        (folder / name).write_text("".join(f"{take.name}\n" for take in listed), "utf-8")
    if sides := _sides(takes):
        train, test = sides
        names = {"train_sub_names": train, "test_sub_names": test, "ref_sub_names": train}
        _write_yaml(folder / YAML, {"dataroot": str(final), **names, **MOTION})
    for take in takes:
        if (folder / take.name / "render").exists():
            these = {"dataset_names": [take.name], "cand_dataset_names": [take.name]}
            parts = dict(zip(("train_dataset_names", "validate_dataset_names"), renderer_files.LISTS, strict=True))
            _write_yaml(folder / take.name / "render.yaml", {"dataroot": str(final), **these, **parts, **RENDERER})


def _write_yaml(path: Path, options: Mapping[str, Any]) -> None:
    """Plain JSON values are YAML, too."""
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in options.items()), "utf-8")


MODA = Export(
    name="moda",
    help="Write accepted videos in the folder layout that MODA's own scripts read, and moda.yaml, which trains on it.",
    options=ModaOptions,
    columns=_columns,
    plan=plan,
)
