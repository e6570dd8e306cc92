"""Pruning: what a workspace holds of videos that its catalogue no longer has is taken out; nothing is computed.

The others of a shard are copied as they lie. It may be broken off at any moment: a video's manifest goes last, so that
the next pass finds what is left.
"""

import logging
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.manifests.catalogue import Catalogue
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.ids import ids_in, is_part_of
from portrait_prep.manifests.plain_files import real_path
from portrait_prep.manifests.video import is_address
from portrait_prep.manifests.wording import a_few
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.pipeline.declare.inner_sources import sources_below
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.shard_state import ShardState, find_damaged
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter

log = logging.getLogger(__name__)

MANY = 10
"""So many videos do not go unasked where fewer are left: it is more likely that the catalogue is not the right one."""


class Pruning:
    """Finds and takes out.

    `stages`: all of which there may be files, whether they are on or not.
    `removed`: videos that a command removed, whose files go wherever there is one, with their addresses, if any.
    """

    def __init__(
        self,
        workspace: Workspace,
        stages: Sequence[Stage[Any]],
        videos: Catalogue,
        removed: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        self._workspace, self.stages, self._videos = workspace, stages, videos
        self._removed = {name: removed[name] for name in videos.lacking(sorted(removed))}
        self._strangers: set[str] = set()

    def require_meant(self) -> None:
        """Raise BadInput where MANY videos or more would go that no command removed, and fewer are left."""
        gone = [name for name in self.gone if name not in self._removed]
        if len(gone) >= MANY and len(gone) > len(self._videos):
            told = f"{a_few(gone)} of {len(gone) + len(self._videos)} videos with results here: put it back, or run "
            if self._workspace.outer:
                raise BadInput(
                    f"{self._workspace.catalogue} no longer has {told}segment --source for all that is to stay."
                )
            raise BadInput(
                f"The catalogue no longer has {told}init for all that is to stay. If they are to go: portrait-prep run "
                "--prune"
            )

    @cached_property
    def gone(self) -> list[str]:
        """Videos of which there is a manifest, or a shard file without others, and no row in the catalogue."""
        return sorted({*self._manifests(), *(name for names in self.lone_shards.values() for name in names)})

    def _manifests(self) -> Iterator[str]:
        folder = self._workspace.root / "manifests"
        if self._workspace.owns(folder.name):
            stems = (path.stem for path in folder.iterdir() if path.suffix == ".json")
            for name in self._videos.lacking(stems):
                if self._source(name) is not None:
                    yield name

    def _source(self, name: str) -> str | None:
        """Where a video comes from, by its manifest or its removal; None where neither can be read."""
        try:
            content = from_json(regular(self._workspace.manifest(name), MOST_TEXT).read_bytes())
            if content["video_id"] == name:
                return str(content["source"]["source"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return self._removed.get(name)

    @cached_property
    def lone_shards(self) -> dict[Path, list[str]]:
        """Shard files that no row names and whose videos the catalogue has nowhere, with these videos."""
        found = {}
        for stage in self.stages:
            folder = self._workspace.root / stage.name
            paths = folder.glob("*.parquet") if self._workspace.owns(stage.name) else ()
            for path in sorted(path for path in paths if path.stem not in self._videos.shards):
                names = _recorded(path, stage.name)
                if names and len(self._videos.lacking(names)) == len(names):
                    found[path] = names
        return found

    def prune_shard(self, shard_state: ShardState) -> bool:
        """Write the files of a shard anew without videos that are not of it; whether there were any."""
        strangers = shard_state.strangers
        if not strangers:
            return False
        # While a record tells of them: else a pass that is broken off would leave them for ever.
        self._delete_media(self._videos.lacking(sorted(strangers)))
        self._strangers |= strangers
        kept = [video.video_id for video in shard_state.videos]
        for stage in self.stages:
            if strangers.intersection(shard_state.records.get(stage.name, ())):
                self._workspace.folder(stage.name)
                _rewrite(self._workspace.shard(stage.name, shard_state.shard), stage, kept)
        return True

    def finish(self) -> list[str]:
        """Take out all else, once the shards are pruned; returns the videos that were taken out."""
        gone = sorted({*self.gone, *self._videos.lacking(sorted(self._strangers))})
        if names := {*gone, *self._removed}:
            self._delete_media(names)
            self._delete_sources(names)
            self._delete_parts(names)
            for name in names:
                self._delete(f"{name}.mp4", "report", "overlay")
        if gone:
            self._delete("index.html", "report")  # it shows them
        for path in self.lone_shards:
            path.unlink()
        for name in names:
            self._delete(f"{name}.json", "manifests")
        return gone

    def _delete_media(self, names: Collection[str]) -> None:
        suffixes = {suffix for stage in self.stages for suffix in stage.media}
        for name in names:
            for suffix in suffixes:
                self._delete(f"{name}.{suffix}", "media")

    def _delete_sources(self, names: Collection[str]) -> None:
        """Delete the links to their sources, and what was fetched for them and no other link leads to."""
        folder = self._workspace.sources
        if not self._workspace.owns(folder.name):
            return
        links = {path.name: str(path.readlink()) for path in folder.iterdir() if path.is_symlink()}
        theirs = {link: ids for link in links if (ids := ids_in(link)).intersection(names)}
        free = set(self._videos.lacking(name for ids in theirs.values() for name in ids))
        own = {link: ids for link, ids in theirs.items() if free.issuperset(ids)}
        used = {target for link, target in links.items() if link not in own}
        for link, ids in own.items():
            (folder / link).unlink()
            fetched = any(is_address(self._source(name) or "") for name in ids if name in names)
            if fetched and links[link] not in used and Path(links[link]).name == links[link]:
                self._delete(links[link], folder.name)

    def _delete_parts(self, names: Collection[str]) -> None:
        """Delete what came so far of pages that were to be fetched for these videos alone."""
        folder = self._workspace.sources
        told = {source for name in names for source in (self._source(name), self._removed.get(name)) if source}
        addresses = set(filter(is_address, told)).difference(map(str, self._videos.values_of("source")))
        if addresses and self._workspace.owns(folder.name):
            for path in folder.iterdir():
                if is_part_of(path.name, addresses) and path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)

    def _delete(self, name: str, *folders: str) -> None:
        """Delete a file or link, unless it lies behind a link or is the source of a video that stays.

        A folder of that name is not ours, and must not keep the rest from being taken out.
        """
        folder = self._workspace.root.joinpath(*folders)
        path = folder / name
        if not os.path.lexists(path) or (path.is_dir() and not path.is_symlink()):
            return
        if self._workspace.owns(*folders) and real_path(folder) / name not in self._sources:
            path.unlink()

    @cached_property
    def _sources(self) -> set[Path]:
        return {path for _, path in sources_below(self._workspace.root, self._workspace, self._videos)}


def _recorded(path: Path, stage: str) -> list[str]:
    """The videos of a shard file; none where it is no file of this stage."""
    try:
        with ShardReader(path) as reader:
            return [name for name, record in reader.records.items() if record.stage == stage]
    except (Damaged, FileNotFoundError):
        return []


def _rewrite(path: Path, stage: Stage[Any], kept: Sequence[str]) -> None:
    """Write a shard file with these videos alone; damaged ones are left out, to be computed again."""
    with ShardReader(path) as old:
        damaged = find_damaged(old, stage, kept)
        records = [old.records[name] for name in kept if name in old.records and name not in damaged]
        if records:
            with replacing(path) as temporary, ShardWriter.like(old, temporary, stage) as writer:
                for record in records:
                    writer.copy(old, record)
    if not records:
        path.unlink()
