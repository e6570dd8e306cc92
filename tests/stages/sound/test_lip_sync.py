"""Lips and voices, some frames apart, with gaps and silence."""

import numpy as np
import pytest

from portrait_prep.stages.sound.lip_sync import (
    BANDS,
    FARTHEST,
    LipLag,
    LipSync,
    Motion,
    lag_within,
    motion,
    opening,
    voice,
)
from tests.stages.spoken import FRAMES, Array, distances_of, fbank_of, landmarks_of, powers_of, speech


def moved(distances: Array, powers: Array) -> Motion:
    found = motion(distances, powers)
    assert found is not None
    return found


def lag_of(distances: Array, powers: Array) -> LipLag:
    return lag_within(moved(distances, powers))


@pytest.mark.parametrize("later", [-FARTHEST, -8, -1, 0, 1, 8, FARTHEST])
def test_a_mouth_leads_by_as_many_frames_as_its_sound_is_late(later: int) -> None:
    said = speech(0, FRAMES + 50)
    lag = lag_of(distances_of(said[25:-25]), powers_of(said[25 - later : len(said) - 25 - later]))
    assert lag.frames == -later
    assert lag.strength is not None
    assert lag.strength > 5


@pytest.mark.parametrize("later", [-FARTHEST - 1, FARTHEST + 1])
def test_what_is_farther_apart_than_is_sought_is_undetermined(later: int) -> None:
    said = speech(0, FRAMES + 50)
    lag = lag_of(distances_of(said[25:-25]), powers_of(said[25 - later : len(said) - 25 - later]))
    assert lag.strength is not None
    assert lag.strength > 5
    assert lag.frames is None


@pytest.mark.parametrize("frames", [75, 200, 1000])
def test_strangers_are_undetermined_however_long(frames: int) -> None:
    lags = [lag_of(distances_of(speech(2 * k, frames), k), powers_of(speech(2 * k + 1, frames), k)) for k in range(100)]
    assert sum(lag.frames is not None for lag in lags) <= 4
    # Not that nothing ever were: chance comes near the threshold.
    assert max(lag.strength or 0 for lag in lags) > 2.5


def test_more_of_the_same_is_told_with_more_strength() -> None:
    strengths = []
    for frames in (100, 400, 1600):
        said = speech(3, frames)
        strengths.append(lag_of(distances_of(said, noise=3), powers_of(said, noise=3)).strength or 0)
    assert strengths[0] < strengths[1] < strengths[2]


def test_frames_without_a_face_take_nothing_from_the_others() -> None:
    said = speech(4)
    distances, powers = distances_of(said), powers_of(np.roll(said, 5, axis=0))
    distances[[0, *range(40, 60), *range(150, 210), FRAMES - 1]] = np.nan
    found = moved(distances, powers)
    assert not found.mouth[~found.seen].any()
    assert (~found.seen).sum() == 82
    assert lag_within(found).frames == -5


def test_silence_before_and_after_the_sound_takes_nothing_from_it() -> None:
    said = speech(5)
    distances, powers = distances_of(said), powers_of(said)
    silence = np.full((50, BANDS), np.finfo(np.float32).eps)
    still = distances_of(speech(6, 50))
    framed = lag_of(np.concatenate([still, distances, still]), np.concatenate([silence, powers, silence]))
    assert framed == lag_of(distances, powers)


def test_of_a_pause_the_lag_is_told_all_the_same() -> None:
    said = speech(7)
    said[120:170] = said[120]
    distances, powers = distances_of(said), powers_of(said)
    powers[120:170] = np.finfo(np.float32).eps
    assert lag_of(distances, powers).frames == 0


def test_where_there_is_too_little_nothing_is_told() -> None:
    said = speech(8, 74)
    assert motion(distances_of(said), powers_of(said)) is None
    said = speech(8)
    assert motion(np.full((FRAMES, 3), np.nan), powers_of(said)) is None
    assert motion(distances_of(said), np.full((FRAMES, BANDS), np.finfo(np.float32).eps)) is None
    assert LipSync().lag() == LipLag(None, None)


@pytest.mark.parametrize("frames", range(1, 8))
def test_of_a_few_frames_everything_is_measured_as_nothing(frames: int) -> None:
    sync = LipSync()
    sync.add(np.zeros((frames, 478, 3), np.float32), np.ones(frames, np.float32), np.zeros((frames, 2, 80), np.float32))
    told = sync.metrics()
    assert (told["lag"], told["mouth_motion"], told["voice_seconds"]) == (None, None, 0.0)


def test_a_mouth_that_does_not_move_tells_nothing() -> None:
    lag = lag_of(np.full((FRAMES, 3), 60.0), powers_of(speech(9)))
    assert lag.frames is None
    lag = lag_of(distances_of(speech(9)), np.ones((FRAMES, BANDS)))
    assert lag.frames is None


def test_batches_poses_and_distance_leave_no_trace() -> None:
    said = speech(10)
    distances, powers = distances_of(said), powers_of(said)
    landmarks, scale = landmarks_of(distances, 0)
    landmarks[7] = scale[7] = distances[7] = np.nan
    fbank = fbank_of(powers)
    whole, pieces = LipSync(), LipSync()
    whole.add(landmarks, scale, fbank)
    for first in range(0, FRAMES, 77):
        part = slice(first, first + 77)
        pieces.add(landmarks[part], scale[part], fbank[part])
    assert whole.lag() == pieces.lag()
    assert whole.lag().frames == 0
    for found, true in zip(whole.taken(), (distances, powers), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, true, rtol=1e-4)


def levels_of(decibels: Array) -> Array:
    """Powers [n, 8] of a sound that is as loud as that in every band."""
    return np.repeat(10 ** (decibels[:, None] / 10), BANDS, axis=1)


def test_a_voice_has_the_rhythm_of_syllables() -> None:
    times = np.arange(250) / 25
    noise = np.random.default_rng(0).normal(0, 1, len(times))
    assert voice(levels_of(-10 + 8 * np.sin(2 * np.pi * 4 * times))).all()
    assert not voice(levels_of(-10 + noise)).any()
    assert not voice(levels_of(-10 + 8 * np.sin(2 * np.pi * 0.3 * times))).any(), "slow music"
    assert not voice(levels_of(-50 + 8 * np.sin(2 * np.pi * 4 * times))).any(), "too faint"
    assert not voice(levels_of(np.full(10, -10.0))).any(), "too short"


def test_the_mouth_is_judged_while_a_voice_is_heard() -> None:
    times = np.arange(250) / 25
    opened = np.where(times < 5, 20 + 5 * np.sin(2 * np.pi * times), 20)
    talks, listens = times < 5, times > 6
    assert opening(opened, talks) == pytest.approx(5 / np.sqrt(2) * 0.938, rel=0.05)
    assert opening(opened, listens) == pytest.approx(0, abs=1e-9)
    assert opening(opened, np.zeros(250, np.bool_)) is None
    assert opening(np.full(250, np.nan), talks) is None
