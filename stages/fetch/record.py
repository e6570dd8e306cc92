"""The files of a Zenodo record: names, sizes, MD5 digests and addresses, as its API publishes them.

The same facts come in several shapes: a list `files` of entries with `key`, `size`, `checksum` and `links.self`
(Zenodo's records), with `filename`, `filesize`, a bare checksum and `links.download` (its depositions), or under
`files.entries`, a list or keyed by name, with `links.content`, where `links.self` leads to facts about the file and not
to the file (InvenioRDM's REST API). Links may be relative.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, ValidationError, field_validator

from portrait_prep.errors import TransferFailed
from portrait_prep.media.file import regular
from portrait_prep.stages.fetch.http import fetch
from portrait_prep.stages.fetch.settings import DownloadParams

MOST_BYTES = 1 << 26
"""Longest answer that is read."""
MD5 = re.compile(r"(?:md5:)?([0-9a-f]{32})", re.IGNORECASE)


class RecordFile(BaseModel):
    """One file of a record: its plain name, size in bytes, MD5 in hexadecimal, and where it lies."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(validation_alias=AliasChoices("name", "key", "filename"))
    size: int = Field(validation_alias=AliasChoices("size", "filesize"), ge=0)
    md5: str = Field(validation_alias=AliasChoices("md5", "checksum"))
    address: str = Field(
        validation_alias=AliasChoices(
            "address", AliasPath("links", "content"), AliasPath("links", "download"), AliasPath("links", "self")
        )
    )

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if name.startswith(".") or re.search(r"[/\\\x00]", name) or not name:
            raise ValueError("no plain file name")
        return name

    @field_validator("md5")
    @classmethod
    def _bare(cls, checksum: str) -> str:
        match = MD5.fullmatch(checksum)
        if not match:
            raise ValueError("no MD5")
        return match[1].lower()


def files(record_address: str, cache: Path, params: DownloadParams) -> Mapping[str, RecordFile]:
    """The files of a record by name. The answer is kept at `cache` as published, and asked for only once.

    Raises TransferFailed in one sentence when the answer is no record with files, and what `fetch` raises.
    """
    with suppress(TransferFailed, FileNotFoundError):
        return _read(cache, record_address)
    cache.unlink(missing_ok=True)
    fetch(record_address, cache, params, most=MOST_BYTES)
    try:
        return _read(cache, record_address)
    except TransferFailed:
        cache.unlink(missing_ok=True)
        raise


def _read(cache: Path, record_address: str) -> Mapping[str, RecordFile]:
    try:
        if cache.stat().st_size > MOST_BYTES:
            raise ValueError("too long")
        found = [RecordFile.model_validate(entry) for entry in _entries(json.loads(regular(cache).read_bytes()))]
    except (ValueError, TypeError, RecursionError) as error:
        raise TransferFailed(f"{record_address} did not answer with a record and its files: {_first(error)}") from error
    if not found:
        raise TransferFailed(f"{record_address} answered with a record that has no files")
    return {file.name: file.model_copy(update={"address": urljoin(record_address, file.address)}) for file in found}


def _entries(answer: Any) -> Iterable[Any]:
    """The entries of a record's files, in whichever shape."""
    files = answer.get("files", answer) if isinstance(answer, dict) else answer
    entries = files.get("entries") if isinstance(files, dict) else files
    if isinstance(entries, dict):
        return [{"key": name} | entry for name, entry in entries.items()]
    if isinstance(entries, list):
        return entries
    raise ValueError("it names no files")


def _first(error: Exception) -> str:
    """What is wrong, without the details that fill a screen."""
    if isinstance(error, ValidationError):
        detail = error.errors()[0]
        return f"{'.'.join(map(str, detail['loc']))} is wrong ({detail['msg']})"
    return str(error)
