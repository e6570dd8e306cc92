"""Sources may lie within a workspace, where nothing that is made takes their place or is said to be nobody's."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_rows
from portrait_prep.manifests.plain_files import real_path
from portrait_prep.manifests.video import Video, is_address, path_of
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace

MEDIA, OVERLAY = ("media",), ("report", "overlay")
"""Folders that receive files under the ids of videos, of kinds that a source may be of."""


def require_sources_kept(workspace: Workspace, stages: Iterable[Stage[Any]], videos: Sequence[Video]) -> None:
    """Raise BadInput where what is made of one of `videos` would be written over the source of one of them."""
    suffixes = {suffix for stage in stages for suffix in stage.media}
    for folder, kinds in ((MEDIA, suffixes), (OVERLAY, {"mp4"})):
        place = workspace.root.joinpath(*folder)
        sources = {path: video for video, path in sources_below(place, workspace, videos)}
        for video in videos if sources else ():
            for path in (real_path(place) / f"{video.video_id}.{kind}" for kind in kinds):
                if path in sources:
                    raise BadInput(
                        f"{path}, the source of {sources[path].video_id}, lies where what is made of {video.video_id} "
                        "belongs: move it elsewhere and run init again, or choose another workspace with -w."
                    )


def sources_below(folder: Path, workspace: Workspace, videos: Iterable[Video]) -> Iterator[tuple[Video, Path]]:
    """The videos whose picture or sound lies in a folder or deeper, by whatever name and links, and the true paths.

    They are these of the workspace, and those of its neighbour: recordings, or what was made of them. Raises BadInput
    where the neighbour's catalogue cannot be read.
    """
    yield from _below(folder, workspace.root, videos)
    if workspace.neighbour.catalogue.exists():
        yield from _below(folder, workspace.neighbour.root, read_rows(workspace.neighbour.catalogue))


def _below(folder: Path, root: Path, videos: Iterable[Video]) -> Iterator[tuple[Video, Path]]:
    """The same of some videos. `root` is that of the workspace, from which the catalogue may name files."""
    own = os.path.join(real_path(folder), "")  # noqa: PTH118 (strings, here and below: of many videos)
    folder_of = lru_cache(os.path.realpath)
    for video in videos:
        for source in (video.source, video.sound):
            if source is None or is_address(source) or "\0" in os.fspath(path_of(source)):
                continue
            path = os.path.join(root, path_of(source))  # noqa: PTH118
            if os.path.islink(path):  # noqa: PTH114
                path = os.path.realpath(path)
            head, tail = os.path.split(path)
            if (true := os.path.join(folder_of(head), tail)).startswith(own):  # noqa: PTH118
                yield video, Path(true)
