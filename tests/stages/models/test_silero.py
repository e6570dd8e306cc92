"""The voice activity detector: what it hears, and that it leaves no trace."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.source_sound import read_samples
from portrait_prep.stages.models import registry
from portrait_prep.stages.models.silero import BLOCK, LEAD, RATE, SPAN, STEP, VoiceDetector, voice_detector
from tests.clips import SHARED

Floats = NDArray[np.float64]
TIMES = np.arange(SPAN) / RATE


def heard(samples: Floats, rms: float = 0.05) -> NDArray[np.float32]:
    """The probabilities of one block of a sound of that level."""
    level = np.sqrt(np.mean(samples**2))
    scaled = (samples * rms / level if level else samples).astype(np.float32)
    return np.asarray(voice_detector()(scaled[np.newaxis])[0])


def chords() -> Floats:
    """A triad a second, six overtones each, that die away."""
    fade = np.exp(-1.5 * (TIMES % 1))
    tones = [np.sin(2 * np.pi * f * h * TIMES) / h for f in (261.6, 329.6, 392.0) for h in range(1, 7)]
    return np.asarray(fade * np.sum(tones, axis=0))


def drums() -> Floats:
    """Four strokes a second, of noise and of a low drum in turn."""
    beat, since = np.floor(TIMES * 4), TIMES % 0.25
    noise = np.random.default_rng(0).normal(0, 1, SPAN) * np.exp(-30 * since)
    return np.asarray(np.where(beat % 2, noise, 2 * np.sin(2 * np.pi * 90 * since) * np.exp(-20 * since)))


NOISE = np.random.default_rng(1).normal(0, 1, SPAN)


@pytest.mark.parametrize("rms", [0.005, 0.05, 0.2])
@pytest.mark.parametrize(
    "samples",
    [np.zeros(SPAN), NOISE, np.sin(2 * np.pi * 50 * TIMES), chords(), drums(), chords() + drums()],
    ids=["silence", "noise", "hum", "chords", "drums", "band"],
)
def test_nobody_speaks_where_there_is_no_voice(samples: Floats, rms: float) -> None:
    assert (heard(samples, rms) < 0.5).mean() > 0.98


@pytest.mark.parametrize("name", ["WDA_AlexandriaOcasioCortez_000", "fullhd_demo1", "portrait_d20"])
def test_people_who_talk_are_heard_also_in_noise(name: str) -> None:
    clip = SHARED / "data" / "clips" / f"{name}.mp4"
    if not clip.is_file():
        pytest.skip("the shared clips are not here")
    voice = np.resize(read_samples(clip, 0, 7), SPAN)
    level = np.sqrt(np.mean(voice**2))
    assert (heard(voice) > 0.5).mean() > 0.65
    assert (heard(voice, 0.003) > 0.5).mean() > 0.55, "faint"
    assert (heard(voice + 0.3 * level * NOISE) > 0.5).mean() > 0.55, "10 dB above noise"


def test_blocks_at_once_are_heard_as_one_by_one() -> None:
    random = np.random.default_rng(2)
    spans = (random.normal(0, 0.1, (3, SPAN)) * (random.random((3, SPAN)) < 0.1)).astype(np.float32)
    at_once = voice_detector()(spans)
    assert at_once.shape == (3, BLOCK)
    for span, found in zip(spans, at_once, strict=True):
        np.testing.assert_allclose(voice_detector()(span[np.newaxis])[0], found, atol=1e-4)


def test_what_comes_later_changes_nothing() -> None:
    first, second = (0.1 * chords()).astype(np.float32), (0.1 * chords()).astype(np.float32)
    changed = LEAD + 100
    second[changed * STEP + 64 :] = 0.1 * NOISE[changed * STEP + 64 :]
    at_once = voice_detector()(np.stack([first, second]))
    np.testing.assert_array_equal(at_once[0, :100], at_once[1, :100])
    assert (at_once[0, 100:] != at_once[1, 100:]).any()


def test_nothing_of_the_package_that_brings_it_is_run() -> None:
    voice_detector()
    assert not any(name.startswith("silero_vad") for name in sys.modules)


def test_another_file_under_its_name_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / registry.MODELS["silero_vad"].file).write_bytes(b"no network")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*is not the registered silero_vad[^\n]*\.$"):
        VoiceDetector()
