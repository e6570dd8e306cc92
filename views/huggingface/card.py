"""The card of a data set, README.md: what `datasets` must know in its head, and below what people should.

Format: https://huggingface.co/docs/datasets/dataset_card; its head is YAML, and so is JSON.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import chain

from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.file import regular
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.stage import Column
from portrait_prep.stages.order import STAGES
from portrait_prep.views.exporting.about import VISIBLE
from portrait_prep.views.huggingface.features import Feature
from portrait_prep.views.reading.reader import Reader

DECLARED = {f"{stage.name}.{column.name}": (stage, column) for stage in STAGES for column in stage.columns}
"""`stage.column` -> where its unit and meaning are told."""
NO_LICENCE = "not stated"


def card(
    reader: Reader, features: Sequence[Feature], columns: Mapping[str, Column], sides: Mapping[str, Sequence[int]]
) -> str:
    """The whole file. `columns`: `stage.column` -> as it is here; `sides`: split -> the numbers of its videos."""
    parts = (_head(reader, features, sides), _title(reader), _splits(reader, sides), _columns(columns))
    return "\n".join(chain.from_iterable((*parts, _licences(reader), _provenance(reader, columns)))) + "\n"


def _head(reader: Reader, features: Sequence[Feature], sides: Mapping[str, Sequence[int]]) -> Iterable[str]:
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in sides]
    head = {
        "pretty_name": _name(reader),
        "license": "other",
        "license_name": "; ".join(_counts(reader)),
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": [feature.card for feature in features]},
    }
    return ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()), "---", ""]


def _name(reader: Reader) -> str:
    return f"{', '.join(sorted({footage.video.corpus for footage in reader.videos}))} by portrait-prep"


def _title(reader: Reader) -> Iterable[str]:
    subjects = len({footage.video.subject for footage in reader.videos})
    rejected = sum(not footage.accepted for footage in reader.videos)
    quality = f"{rejected} of them rejected (`accepted` is false)" if rejected else "all accepted"
    return (
        *(f"# {_name(reader)}", ""),
        f"{counted(len(reader), 'video')} of {counted(subjects, 'subject')}, {quality}. One row is a frame, of {FPS} a",
        "second; frame k is of samples 640k to 640k + 639 of the sound at 16 kHz. Where no face was found for long,",
        "values are NaN.",
        "",
    )


def _splits(reader: Reader, sides: Mapping[str, Sequence[int]]) -> Iterable[str]:
    yield from ("| split | videos | rows | length |", "|---|---|---|---|")
    for split, numbers in sides.items():
        frames = sum(reader.videos[number].frames for number in numbers)
        yield f"| {split} | {len(numbers)} | {frames} | {hours(frames / FPS)} |"
    if unsplit := sum(footage.video.split is None for footage in reader.videos):
        yield from ("", f"{counted(unsplit, 'video', 'has', 'have')} no split, and stand in `train`.")
    yield ""


def _columns(columns: Mapping[str, Column]) -> Iterable[str]:
    yield from ("| column | type | unit | meaning |", "|---|---|---|---|")
    for reference, column in columns.items():
        _, told = DECLARED.get(reference, (None, column))
        shape = f"[{', '.join(map(str, column.shape))}]" if column.shape else ""
        yield f"| {column.name} | {column.dtype}{shape} | {told.unit} | {told.meaning} |"
    yield ""
    if VISIBLE in columns:
        yield from ("Shoulders that were not seen (`visible` is false) are filled, and no truth to learn from.", "")


def _counts(reader: Reader) -> Mapping[str, int]:
    return Counter(footage.video.licence or NO_LICENCE for footage in reader.videos)


def _licences(reader: Reader) -> Iterable[str]:
    yield from ("## Licences", "", "| videos | licence |", "|---|---|")
    yield from (f"| {videos} | {licence} |" for licence, videos in _counts(reader).items())
    yield ""


def _provenance(reader: Reader, columns: Mapping[str, Column]) -> Iterable[str]:
    stages = {stage.name: stage.version for stage, _ in (DECLARED[name] for name in columns if name in DECLARED)}
    settings = hashlib.sha256(regular(reader.workspace.settings).read_bytes()).hexdigest()
    yield from ("## Provenance", "")
    yield f"Made by portrait-prep {version('portrait-prep')}, from the stages normalize{''.join(_versions(stages))}."
    yield f"The sha256 of its settings (pipeline.toml) is {settings}."
    for reason, ids in reader.left_out.items():
        yield f"Left out, {reason}: {counted(len(ids), 'video')}."


def _versions(stages: Mapping[str, int]) -> Iterable[str]:
    return (f", {name} (version {number})" for name, number in stages.items())
