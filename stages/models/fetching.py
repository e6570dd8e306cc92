"""Fetching a published model file: whole, and the registered one, before it appears under its name."""

from pathlib import Path

from portrait_prep.errors import MissingPrerequisite, TransferFailed
from portrait_prep.manifests.files import flush_and_rename, is_intact
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch.disk import exclusive_lock
from portrait_prep.stages.fetch.http import fetch
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.models import registry
from portrait_prep.stages.models.registry import ModelFile

PARAMS = DownloadParams(reserve=0.1)
"""The files are small: a nearly full disk may take one."""


def fetch_model(name: str, folder: Path, params: DownloadParams = PARAMS) -> Path:
    """Bring a model file into `folder` and return its path; what a killed process left is gone on with.

    One that another process brought meanwhile is not asked for again. Raises MissingPrerequisite when it does not come,
    or when what comes is another file, which is removed.
    """
    model = registry.MODELS[name]
    target = folder / model.file
    with exclusive_lock(target):
        if not is_intact(target, model.sha256):
            _fetch_verified(model, target, params)
    return target


def _fetch_verified(model: ModelFile, target: Path, params: DownloadParams) -> None:
    """Put the file in its place once it is proved."""
    folder, unproved = target.parent, target.with_name(f".{target.name}.unproved")
    try:
        fetch(model.address, unproved, params)
    except (BadVideo, TransferFailed) as error:
        raise MissingPrerequisite(
            f"The model file {model.file} did not come ({error}): try again, or put it into {folder} yourself."
        ) from error
    if not is_intact(unproved, model.sha256):
        unproved.unlink()
        raise MissingPrerequisite(
            f"What lies at {model.address} is not the registered {model.name} (another sha256) and was removed: "
            f"put the right {model.file} into {folder} yourself."
        )
    flush_and_rename(unproved, target)
