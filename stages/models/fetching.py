"""Fetching a published model file: whole, and the registered one, before it appears under its name."""

from pathlib import Path

from manifests.atomic import commit
from manifests.digest import is_intact
from manifests.errors import MissingPrerequisite, TransferFailed
from pipeline.stage import BadVideo
from stages.fetch.http import fetch
from stages.fetch.terms import Terms
from stages.models import registry

TERMS = Terms(reserve=0.1)
"""The files are small: a nearly full disk may take one."""


def fetch_model(name: str, folder: Path, terms: Terms = TERMS) -> Path:
    """Bring a model file into `folder`; what a killed process left is gone on with.

    Raises MissingPrerequisite when it does not come, or when what comes is another file, which is removed.
    """
    model = registry.MODELS[name]
    unproved = folder / f".{model.file}.unproved"
    try:
        fetch(model.address, unproved, terms)
    except (BadVideo, TransferFailed) as error:
        raise MissingPrerequisite(
            f"The model file {model.file} did not come ({error}): try again, or put it into {folder} yourself."
        ) from error
    if not is_intact(unproved, model.sha256):
        unproved.unlink()
        raise MissingPrerequisite(
            f"What lies at {model.address} is not the registered {name} (another sha256) and was removed: "
            f"put the right {model.file} into {folder} yourself."
        )
    target = folder / model.file
    commit(unproved, target)
    return target
