"""A small recogniser with random weights in place of SFace: of the same input and output, as an ONNX file."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.models import registry, sface

SIZE, NUMBERS, KERNEL, CHANNELS = 112, 128, 28, 8
SIDE = SIZE // KERNEL


def weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of a convolution [8, 3, 28, 28] without overlap, and of the layer [128, 128] that takes all it gives."""
    generator = np.random.default_rng(5)
    wide = generator.normal(0, 1 / (255 * KERNEL), (CHANNELS, 3, KERNEL, KERNEL))
    deep = generator.normal(0, 1, (CHANNELS * SIDE * SIDE, NUMBERS))
    return wide.astype(np.float32), deep.astype(np.float32)


def by_hand(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The embeddings [n, 128], not brought to length 1, of RGB faces [n, 112, 112, 3]."""
    wide, deep = (part.astype(np.float64) for part in weights())
    tiles = faces.astype(np.float64).reshape(len(faces), SIDE, KERNEL, SIDE, KERNEL, 3)
    seen = np.maximum(np.einsum("nyixjc,kcij->nkyx", tiles, wide), 0)
    return np.asarray(seen.reshape(len(faces), -1) @ deep)


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the network under the name of the published one, register it, and make the folder a workspace."""
    onnx = pytest.importorskip("onnx")
    h, tensor = onnx.helper, onnx.numpy_helper.from_array
    wide, deep = weights()
    graph = h.make_graph(
        [
            h.make_node("Conv", ["data", "wide"], ["c"], kernel_shape=[KERNEL] * 2, strides=[KERNEL] * 2),
            h.make_node("Relu", ["c"], ["r"]),
            h.make_node("Flatten", ["r"], ["f"]),
            h.make_node("MatMul", ["f", "deep"], ["fc1"]),
        ],
        "random",
        [h.make_tensor_value_info("data", onnx.TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [h.make_tensor_value_info("fc1", onnx.TensorProto.FLOAT, [1, NUMBERS])],
        [tensor(wide, "wide"), tensor(deep, "deep")],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    path = folder / registry.MODELS[sface.NAME].file
    onnx.save(model, path)
    register(path, monkeypatch)
    return path


def register(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what lies there the registered file, and its folder a workspace."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = dataclasses.replace(registry.MODELS[sface.NAME], sha256=sha256)
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, sface.NAME: known})
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(path.parent))
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(path.parent))
