"""When there is voice in a sound."""

from pathlib import Path

import numpy as np
import pytest

from portrait_prep.stages.sound.voice_activity import AROUND, voice_activity
from tests.side_by_side import RATE, Sound, nobody, write_dialog, write_wav

TIMES = np.arange(0, 4, 1 / 15)


def bursts(loud: float = 8000, hum: float = 20) -> Sound:
    """A tone from 1 to 2 s and from 3 to 3.5 s, and a hum throughout."""
    time = np.arange(4 * RATE) / RATE
    on = ((time >= 1) & (time < 2)) | ((time >= 3) & (time < 3.5))
    return np.asarray((loud * on + hum) * np.sin(2 * np.pi * 200 * time), np.int16)


def check(found: np.ndarray) -> None:
    for begin, end in ((1.0, 2.0), (3.0, 3.5)):
        assert found[(begin <= TIMES) & (end > TIMES)].all()
    silent = (TIMES < 1 - AROUND) | ((TIMES > 2 + AROUND) & (TIMES < 3 - AROUND)) | (TIMES > 3.5 + AROUND)
    assert not found[silent].any()


@pytest.mark.parametrize("loud", [300, 8000])
def test_voice_is_what_is_loud_for_this_sound(tmp_path: Path, loud: float) -> None:
    check(voice_activity(write_wav(tmp_path / "a.wav", bursts(loud, hum=loud / 100)), TIMES))


def test_the_sound_of_a_video_is_heard_where_it_is_looked_at(tmp_path: Path) -> None:
    video = write_dialog(tmp_path / "a.avi", nobody, nobody, seconds=4, sound=bursts())
    check(voice_activity(video, TIMES))
    late = TIMES >= 2.5
    np.testing.assert_array_equal(voice_activity(video, TIMES[late]), voice_activity(video, TIMES)[late])


def test_silence_and_no_sound_have_none(tmp_path: Path) -> None:
    assert not voice_activity(write_wav(tmp_path / "a.wav", np.zeros(4 * RATE, np.int16)), TIMES).any()
    assert not voice_activity(write_dialog(tmp_path / "a.avi", nobody, nobody, seconds=1), TIMES).any()
    assert not voice_activity(tmp_path / "none.wav", TIMES).any()
    (tmp_path / "b.wav").write_bytes(b"no sound")
    assert not voice_activity(tmp_path / "b.wav", TIMES).any()
    assert not voice_activity(tmp_path / "a.wav", TIMES[:0]).any()


def test_beyond_its_end_a_sound_is_silent(tmp_path: Path) -> None:
    found = voice_activity(write_wav(tmp_path / "a.wav", bursts()[: 2 * RATE]), TIMES)
    assert found[(TIMES >= 1) & (TIMES < 2)].all()
    assert not found[TIMES > 2 + AROUND].any()
