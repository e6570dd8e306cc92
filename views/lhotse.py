"""The sound of a workspace for Lhotse: `recordings.jsonl` and `supervisions.jsonl`, which `lhotse.load_manifest` reads.

A recording is the 16 kHz wav of a video, where it lies; it has one supervision, from its first to its last sample.
Format: `Recording.to_dict` and `SupervisionSegment.to_dict` of https://github.com/lhotse-speech/lhotse, one a line.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.video import LABELS, Video
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.selection import Footage

RECORDINGS, SUPERVISIONS = "recordings.jsonl", "supervisions.jsonl"
TEXT = "text"
"""The field of the catalogue that becomes the text of a supervision."""
VOTES = "votes"
"""The field that is left out: what each annotator said."""
CUSTOM = ("corpus", "split", "fold", *(name for name in LABELS if name not in (TEXT, VOTES)))
"""Fields of the catalogue that become custom fields of a supervision, where they apply."""


def write_lhotse(workspace: Path | str, folder: Path | str, **choice: Any) -> int:
    """Write both manifests into `folder`; return how many videos are in them: those with sound among the chosen.

    `choice`: what `Reader` takes, `accepted=None`, `split="train"`. Each file appears whole or not at all. Raises
    BadInput when nothing is chosen, or nothing of it has sound.
    """
    reader = Reader(workspace, **choice)
    heard = [each for number, each in enumerate(reader.videos) if _is_heard(reader, number)]
    if not heard:
        raise BadInput(f"None of the {len(reader)} chosen videos of {reader.workspace.root} has sound.")
    paths = Path(folder) / RECORDINGS, Path(folder) / SUPERVISIONS
    with replacing(paths[0]) as recordings, replacing(paths[1]) as supervisions:
        _write(recordings, (recording(each, reader.workspace) for each in heard))
        _write(supervisions, map(supervision, heard))
    return len(heard)


def _is_heard(reader: Reader, number: int) -> bool:
    facts = reader.facts(number, "normalize.has_audio", "normalize.silent")
    return bool(facts["normalize.has_audio"]) and not facts["normalize.silent"]


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def recording(footage: Footage, workspace: Workspace) -> dict[str, Any]:
    """The wav of a video, by its absolute path."""
    path = workspace.media(footage.video.video_id, "wav")
    return {
        "id": footage.video.video_id,
        "sources": [{"type": "file", "channels": [0], "source": str(path)}],
        "sampling_rate": RATE,
        "num_samples": footage.frames * SAMPLES_PER_FRAME,
        "duration": _seconds(footage),
        "channel_ids": [0],
    }


def supervision(footage: Footage) -> dict[str, Any]:
    """Who speaks in a video, what (where the catalogue knows it), and its labels."""
    video = footage.video
    values = {
        "id": video.video_id,
        "recording_id": video.video_id,
        "start": 0.0,
        "duration": _seconds(footage),
        "channel": 0,
        "speaker": video.subject,
        "custom": _labels(video),
    }
    text = getattr(video, TEXT)
    return values if text is None else {**values, "text": text}


def _labels(video: Video) -> dict[str, Any]:
    return {name: value for name in CUSTOM if (value := getattr(video, name)) is not None}


def _seconds(footage: Footage) -> float:
    return footage.frames * SAMPLES_PER_FRAME / RATE
