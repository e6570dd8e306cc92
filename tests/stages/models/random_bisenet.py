"""Random weights for BiSeNet in place of the published ones: of the same names and shapes, in the same format."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.models import registry

torch = pytest.importorskip("torch")

PARAMETERS = json.loads(Path(__file__).with_name("bisenet_parameters.json").read_text())
"""Name -> shape of each of the 191 tensors of the published checkpoint, as its published architecture has them."""


def random_state() -> dict[str, Any]:
    """Tensors of the published names and shapes."""
    generator = torch.Generator().manual_seed(7)
    state = {}
    for name, shape in PARAMETERS.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(80_000)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) == 1:
            state[name] = torch.rand(shape, generator=generator)
        else:
            state[name] = torch.randn(shape, generator=generator) * np.sqrt(2 / np.prod(shape[1:]))
    return state


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, state: object = None) -> Path:
    """Save weights in the format and under the name of the published ones, and register them."""
    path = folder / "79999_iter.pth"
    torch.save(random_state() if state is None else state, path, _use_new_zipfile_serialization=False)
    register(path, monkeypatch)
    return path


def register(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what lies there the registered file, and its folder a workspace."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = dataclasses.replace(registry.MODELS["bisenet"], sha256=sha256)
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, "bisenet": known})
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(path.parent))
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(path.parent))
