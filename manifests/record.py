"""The record: what one stage says of one video. Stored inside the shard file, so data and record cannot disagree."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from portrait_prep.manifests.ids import is_name

MOST_ROWS = (1 << 31) - 1
"""Frames are numbered by int32."""
Count = Annotated[int, Field(ge=0, le=MOST_ROWS)]


class Model(BaseModel):
    """Immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def encodable(text: str) -> str:
    """`text` with lone surrogates escaped, as JSON and Parquet need: a file name or an argument may have any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


class Failure(Model):
    """Why a stage gave up on a video. `permanent`: no retry will mend it."""

    type: str
    message: str
    permanent: bool

    @field_validator("message")
    @classmethod
    def _unicode(cls, message: str) -> str:
        return encodable(message)


class Output(Model):
    """A file that a stage wrote for one video; `path` is relative to the workspace."""

    path: str
    bytes: int
    sha256: str

    @field_validator("path")
    @classmethod
    def _is_inside(cls, path: str) -> str:
        """Files that a record names may be deleted, so a path must not lead out of the workspace."""
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError("leads out of the workspace")
        return path


class Basis(Model):
    """All that a fingerprint is made of, kept in the record so that a change can be named to the user.

    `inputs` maps `stage.column` (or `stage.media`) to the digest of what was read; `outside` holds facts about
    files that are not the workspace's own (size and time of a source).
    """

    version: int
    params: dict[str, Any] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    catalogue: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    outside: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class AddedLater:
    """Marks a field of the catalogue or of settings that came when there were workspaces without it.

    At its default it is no part of a basis, so that these stay up to date.
    """


@lru_cache
def _added_later(model: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    fields = model.model_fields.items()
    return tuple((name, field.default) for name, field in fields if AddedLater() in field.metadata)


def unsaid(values: BaseModel) -> Collection[str]:
    """The fields that were added later and are at their defaults: a basis leaves them out."""
    return {name for name, default in _added_later(type(values)) if getattr(values, name) == default}


class Record(Model):
    """Outcome, fingerprint, digests, metrics and error of one video at one stage.

    `digests` maps each column (and each media suffix) to the sha256 of this video's values; `digest` is the sha256
    over them. `rows` is the number of table rows, `frames` the number of video frames that the stage covered.
    """

    video_id: str
    stage: str
    outcome: Literal["done", "failed"]
    fingerprint: str
    basis: Basis
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    digests: dict[str, str] = Field(default_factory=dict)
    rows: Count = 0
    frames: Count = 0
    media: tuple[Output, ...] = ()
    metrics: dict[str, Any] = Field(default_factory=dict)
    error: Failure | None = None
    attempts: int = 1
    started: str = ""
    seconds: float = 0.0
    worker: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @field_validator("video_id", "stage")
    @classmethod
    def _is_name(cls, name: str) -> str:
        """It becomes part of file names."""
        if not is_name(name):
            raise ValueError("is no name of a file")
        return name

    @field_validator("media")
    @classmethod
    def _is_media(cls, media: tuple[Output, ...], info: ValidationInfo) -> tuple[Output, ...]:
        """Media files that a record names may be replaced or deleted, so they must be those of its own video."""
        own = f"media/{info.data.get('video_id')}"
        if any(output.path.rpartition(".")[0] != own or output.path.count("/") > 1 for output in media):
            raise ValueError("names a file that is not the video's")
        return media

    @property
    def done(self) -> bool:
        """Whether the columns are there."""
        return self.outcome == "done"
