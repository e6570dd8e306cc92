"""Manifests for Lhotse: read back by their published format, and by Lhotse itself where it is installed."""

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.video import Video
from portrait_prep.views.lhotse import RECORDINGS, SUPERVISIONS, write_lhotse
from tests.views.takes import renamed

SENTENCE = "Kids are talking by the door – “now”"


def as_take(number: int, row: Video) -> Video:
    """The first clip has a sentence and labels, the others have none."""
    labels = {"text": SENTENCE, "emotion": "happy", "fold": 3, "split": "val", "valence": 2.5}
    return row.model_copy(update=labels) if number == 0 else row


@pytest.fixture(scope="module")
def workspace(clips_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return renamed(clips_workspace, tmp_path_factory.mktemp("lhotse") / "w", as_take)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_recordings_are_the_wavs(workspace: Path, tmp_path: Path) -> None:
    assert write_lhotse(workspace, tmp_path) == 3
    for told in lines(tmp_path / RECORDINGS):
        (source,) = told["sources"]
        assert source["type"] == "file"
        assert Path(source["source"]).is_absolute()
        assert source["channels"] == told["channel_ids"] == [0]
        with wave.open(source["source"]) as sound:
            assert (sound.getnframes(), sound.getframerate()) == (told["num_samples"], told["sampling_rate"])
        assert told["duration"] == told["num_samples"] / 16000


def test_supervisions_tell_who_and_what(workspace: Path, tmp_path: Path) -> None:
    write_lhotse(workspace, tmp_path)
    recordings = {told["id"]: told for told in lines(tmp_path / RECORDINGS)}
    first, *others = lines(tmp_path / SUPERVISIONS)
    for told in (first, *others):
        whole = recordings[told["recording_id"]]
        assert (told["start"], told["duration"]) == (0, whole["duration"])
        assert told["speaker"]
    assert first["text"] == SENTENCE
    labels = {"emotion": "happy", "fold": 3, "split": "val", "valence": 2.5}
    assert first["custom"] == {"corpus": "folder", **labels}
    assert all("text" not in told and "emotion" not in told["custom"] for told in others)


def test_a_choice_is_kept_to(workspace: Path, tmp_path: Path) -> None:
    assert write_lhotse(workspace, tmp_path, split="val") == 1
    assert [told["custom"]["split"] for told in lines(tmp_path / SUPERVISIONS)] == ["val"]
    with pytest.raises(BadInput, match="No video"):
        write_lhotse(workspace, tmp_path / "none", split="nowhere")
    assert not (tmp_path / "none").exists()


def test_what_has_no_sound_is_left_out(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from portrait_prep.views.reading.reader import Reader  # noqa: PLC0415  to change it

    def facts(reader: Reader, number: int, *columns: str) -> dict[str, Any]:
        return dict(zip(columns, [number != 0, number == 1], strict=True))

    monkeypatch.setattr(Reader, "facts", facts)
    assert write_lhotse(workspace, str(tmp_path)) == 1
    with pytest.raises(BadInput, match=r"None of the 1 chosen videos of .* has sound"):
        write_lhotse(workspace, tmp_path, split="val")


def test_lhotse_reads_them(workspace: Path, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="Lhotse is not installed")
    write_lhotse(workspace, tmp_path)
    recordings, supervisions = (lhotse.load_manifest(tmp_path / name) for name in (RECORDINGS, SUPERVISIONS))
    cuts = lhotse.CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    lhotse.validate_recordings_and_supervisions(recordings=recordings, supervisions=supervisions)
    for cut in cuts:
        with wave.open(cut.recording.sources[0].source) as sound:
            samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        np.testing.assert_allclose(cut.load_audio()[0], samples / 32768, atol=1e-6)
