"""Weights of the published names and shapes, drawn at random, in place of the published files, which none must fetch.

As a module that dask's workers load before anything else (`distributed.worker.preload`), it has them accept these.
"""

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.networks import SUBJECTS, Subject
from portrait_prep.stages.models import bisenet, registry, tddfa

if TYPE_CHECKING:
    import torch

NAMES = (bisenet.NAME, "tddfa_mb05")
"""The networks of a run with `[torso] backend = "bisenet"` and `[headpose] backend = "tddfa"`."""


def randomize(network: "torch.nn.Module") -> "torch.nn.Module":
    """Draw all weights of a network such that what goes through it neither fades nor grows; returns it."""
    import torch  # noqa: PLC0415  takes seconds

    generator = torch.Generator().manual_seed(7)
    state: dict[str, Any] = {}
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            state[name] = value
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(value.shape, generator=generator)
        elif value.ndim == 1:
            state[name] = torch.rand(value.shape, generator=generator)
        else:
            state[name] = torch.randn(value.shape, generator=generator) * np.sqrt(2 / np.prod(value.shape[1:]))
    network.load_state_dict(state)
    return network.eval()


def _random(subject: Subject) -> "torch.nn.Module":
    return randomize(subject.build())


RANDOM: Mapping[str, Subject] = {
    name: dataclasses.replace(subject, build=partial(_random, subject)) for name, subject in SUBJECTS.items()
}
"""The networks that gain by a GPU, with such weights."""


def publish(folder: Path) -> None:
    """Write weights under the names of the published files into `folder`."""
    import torch  # noqa: PLC0415

    from portrait_prep.stages.models.bisenet_network import BiSeNet  # noqa: PLC0415

    networks = {bisenet.NAME: BiSeNet(), **{name: tddfa.layers(width) for name, width in tddfa.WIDTHS.items()}}
    for name in NAMES:
        torch.save(randomize(networks[name]).state_dict(), folder / registry.MODELS[name].file)


def accept(folder: Path) -> None:
    """Have this process take the files in `folder` for the published ones."""
    files = {name: folder / registry.MODELS[name].file for name in NAMES}
    known = {
        name: dataclasses.replace(registry.MODELS[name], sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        for name, path in files.items()
    }
    registry.MODELS = {**registry.MODELS, **known}
    os.environ[registry.FOLDERS_VARIABLE] = str(folder)


def dask_setup(worker: object) -> None:
    """Called by dask in each worker, whose environment names the folder."""
    del worker
    accept(Path(os.environ[registry.FOLDERS_VARIABLE]))
