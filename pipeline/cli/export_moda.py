"""`export moda`: a workspace as the files that MODA's own loader reads."""

from pathlib import Path
from typing import Annotated, Literal

from manifests.catalogue import read_catalogue
from manifests.choice import Filter
from pipeline.cli.terminal import Flag, Many, WorkspaceOption, say
from pipeline.workspace import Workspace
from stages.video.frames import FPS
from views.moda.export import LEAST, Exported, export_moda
from views.moda.targets import Targets


def moda(
    folder: Path,
    *,
    workspace: WorkspaceOption = Path(),
    order: Literal["XYZ", "xyz"] = "XYZ",
    unsmoothed: Annotated[bool, Flag] = False,
    trim: Annotated[bool, Flag] = False,
    only: Annotated[tuple[str, ...] | None, Many] = None,
) -> int:
    """Write accepted videos in the folder layout that MODA's own loader reads; load it with '--FPS 25'.

    Parameters
    ----------
    folder
        Where to: a folder that is empty or not there yet. It is filled whole or not at all.
    order
        Of the angles, in which the head's rotation is taken off: XYZ leaves faces upright; xyz is what MODA's scripts
        use, and its released weights know.
    unsmoothed
        Faces as the network gave them, frame by frame, not smoothed as configured.
    trim
        Cut up to 199 frames off the end of each clip, so that the loader's index, which else points past the ends of
        clips, is right.
    only
        These videos.
    """
    Filter("--only", "video_id", only).check(read_catalogue(Workspace(workspace).catalogue))
    exported = export_moda(
        workspace,
        folder,
        Targets(centre="clip", order=order, unsmoothed=unsmoothed),
        trim=trim,
        told=lambda clip: say(f"{clip.name}: {clip.window.frames} frames"),
        **({"video_id": only} if only else {}),
    )
    for name, frames in exported.left_out.items():
        say(f"{name}: left out, {frames} frames; the loader takes nothing from less than {LEAST}")
    say(_summary(exported, folder))
    return 0


def _summary(exported: Exported, folder: Path) -> str:
    listed = [sum(clip.list_file == name for clip in exported.clips) for name in ("train.txt", "test.txt")]
    told = f"{listed[0]} clips in train.txt, {listed[1]} in test.txt, {exported.frames / FPS / 3600:.2f} h"
    return f"{folder}: {told}; {len(exported.left_out)} left out."
