"""Who speaks: made lips and voices, and real ones."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.media.probe import probe
from portrait_prep.media.source_frames import frames_between
from portrait_prep.media.source_sound import read_samples
from portrait_prep.media.wav import FULL_SCALE
from portrait_prep.stages.face.geometry import head_pose
from portrait_prep.stages.headpose import mean_face
from portrait_prep.stages.models.mediapipe import face_mesh_tracker
from portrait_prep.stages.recordings.hearing import hear
from portrait_prep.stages.recordings.speaking import (
    LAGS,
    STEP,
    USUAL,
    Sound,
    Speaking,
    lags_of_others,
    one_of,
    speaking,
    verdict,
)
from portrait_prep.stages.sound.lip_sync import BANDS, DISTANCES
from tests.clips import SHARED
from tests.stages.spoken import distances_of, powers_of, speech

Array = NDArray[np.float64]
FRAMES = 300


def at(frames: int, rate: float = FPS) -> Array:
    """The times of a steady track that lasts so many frames of 1/25 s."""
    return np.arange(0, frames / FPS, 1 / rate)


def judged(mouth: Array, powers: Array, rate: float = FPS, voice: float = 1.0) -> Speaking:
    """Of a mouth [n, 3] and a sound [n, 8] at 25 frames a second, the mouth looked at `rate` times a second."""
    times, looks = at(len(powers)), at(len(mouth), rate)
    seen = np.stack([np.interp(looks, at(len(mouth)), one) for one in mouth.T], axis=1)
    return speaking(looks, seen, Sound(times, np.full(len(times), voice), powers))


def told(judgement: Speaking, first: int = 0, stop: int | None = None) -> bool | None:
    """The verdict on the steps `first` to `stop`."""
    steps = slice(first, stop)
    return verdict(one_of([judgement.odds])[0][steps], judgement.voice[steps])


def lips(said: Array, seed: int = 0) -> Array:
    """Lips that move as far as those of people who talk do."""
    moved = distances_of(said, seed)
    return np.asarray(60 + (moved - moved.mean(axis=0)) / moved.std(axis=0) * [6.0, 4.0, 3.5])


@pytest.mark.parametrize("rate", [12.5, 14, 25, 30])
@pytest.mark.parametrize("later", [-5, -1, 2])
def test_lips_that_say_what_is_heard_are_those_of_who_speaks(rate: float, later: int) -> None:
    said = speech(1, FRAMES + 20)
    assert told(judged(lips(said[10:-10]), powers_of(said[10 - later : -10 - later]), rate)) is True


def test_who_speaks_is_found_and_of_strangers_most_are_not_taken_once_the_lag_is_known() -> None:
    said = [speech(k, FRAMES) for k in range(41)]
    own = [judged(lips(each), powers_of(each)) for each in said[:40]]
    assert sum(told(each) is True for each in own) >= 38
    known = lags_of_others([each.lags for each in own])
    np.testing.assert_allclose(np.exp(known).sum(axis=1), 1)
    assert (LAGS[known.argmax(axis=1)] == 0).all()
    verdicts = []
    for lags in (USUAL, known[0]):
        sounds = [Sound(at(FRAMES), np.ones(FRAMES), powers_of(each)) for each in said[1:]]
        verdicts.append([told(speaking(at(FRAMES), lips(said[k], k), sounds[k], lags)) for k in range(40)])
    assert verdicts[1].count(True) <= 14
    assert verdicts[1].count(False) > verdicts[0].count(False) + 3


def test_a_shot_may_have_a_lag_of_its_own() -> None:
    usual = [judged(lips(speech(k, 250)), powers_of(speech(k, 250))) for k in range(6)]
    said = speech(9, 270)
    mouth, times = lips(said[10:-10]), at(250)
    sound = Sound(times, np.ones(250), powers_of(said[4:-16]))
    joined = speaking(times, mouth, sound)
    known = lags_of_others([each.lags for each in (*usual, joined)])[-1]
    assert LAGS[known.argmax()] == 0
    assert told(speaking(times, mouth, sound, known)) is True


def test_shots_from_elsewhere_do_not_hide_each_other() -> None:
    made = []
    for k, later in enumerate((-6, -3, 0, 3, -5, -2, 1, 2)):
        said = speech(k, 140)
        sound = Sound(at(120), np.ones(120), powers_of(said[10 - later : 130 - later]))
        made.append((lips(said[10:-10], k), sound))
    alone = [speaking(at(120), mouth, sound) for mouth, sound in made]
    known = lags_of_others([each.lags for each in alone])
    judged_so = [speaking(at(120), *pair, lags) for pair, lags in zip(made, known, strict=True)]
    assert [told(each) for each in judged_so].count(True) >= [told(each) for each in alone].count(True) - 1


def test_a_whole_stretch_tells_whether_lips_say_what_is_heard() -> None:
    said, other = speech(1, FRAMES), speech(2, FRAMES)
    seen, own = judged(lips(said), powers_of(said)).during(0, 12, USUAL)
    assert seen == pytest.approx(1, abs=0.05)
    assert own > 10
    assert judged(lips(said), powers_of(other)).during(0, 12, USUAL)[1] < -3
    assert judged(lips(said), powers_of(said)).during(20, 30, USUAL) == pytest.approx((0, 0), abs=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_photograph_does_not_speak(noise: float) -> None:
    still = 60 + noise * np.random.default_rng(0).standard_normal((FRAMES, 3))
    judgement = judged(still, powers_of(speech(2)))
    assert [told(judgement, first, first + 8) for first in range(0, 60, 8)] == [False] * 8


def test_who_listens_and_smiles_does_not_speak() -> None:
    smiles = 1 / (1 + np.exp(-5 * np.sin(np.arange(FRAMES) / FPS)[:, np.newaxis]))
    noise = 0.2 * np.random.default_rng(1).standard_normal((FRAMES, 3))
    mouth = 60 + smiles * [-4.0, 14.0, -3.0] + noise
    assert told(judged(mouth, powers_of(speech(3)))) is False


def test_turns_are_told_apart_within_a_shot() -> None:
    said, answered = speech(4, 250), speech(5, 250)
    still = np.full((250, 3), 60.0) + 0.2 * np.random.default_rng(2).standard_normal((250, 3))
    judgement = judged(np.concatenate([lips(said), still]), powers_of(np.concatenate([said, answered])))
    probability = one_of([judgement.odds])[0]
    turn = 250 // STEP
    assert (probability[: turn - 5] > 0.65).mean() > 0.95
    assert (probability[turn + 5 :] < 0.35).mean() > 0.95


def test_of_two_who_are_seen_the_one_speaks_whose_lips_it_is() -> None:
    right = wrong = 0
    for k in range(20):
        said, unheard = speech(2 * k, 200), speech(2 * k + 1, 200)
        people = [judged(lips(mouth, k), powers_of(said, k)) for mouth in (said, unheard)]
        first, second = one_of([person.odds for person in people])
        right += verdict(first, people[0].voice) is True
        wrong += verdict(second, people[1].voice) is True
    assert right >= 18
    assert wrong == 0


def test_what_is_unclear_at_a_moment_is_decided_by_the_moments_around_it() -> None:
    said = speech(6, 400)
    mouth = lips(said)
    mouth[190:215] = np.nan
    times = at(400)
    judgement = speaking(times, mouth, Sound(times, np.ones(400), powers_of(said)))
    assert told(judgement, 38, 43) is True
    nobody = speaking(times, np.full((400, 3), np.nan), Sound(times, np.ones(400), powers_of(said)))
    assert told(nobody) is None


def test_where_no_voice_is_heard_nothing_is_told() -> None:
    said = speech(7)
    assert told(judged(lips(said), powers_of(said), voice=0.0)) is None
    assert told(judged(lips(said), powers_of(said)), 0, 2) is None, "0.4 s"
    silent = speaking(at(FRAMES), lips(said), Sound(at(FRAMES), np.zeros(FRAMES), np.zeros((FRAMES, BANDS))))
    assert not silent.odds.any() or told(silent) is None


@pytest.mark.parametrize("looks", [0, 1, 2, 10])
def test_of_a_glimpse_nothing_is_told(looks: int) -> None:
    said = speech(8)
    judgement = speaking(at(FRAMES)[:looks], lips(said)[:looks], Sound(at(FRAMES), np.ones(FRAMES), powers_of(said)))
    assert told(judgement) is None
    assert len(judgement.odds) == len(judgement.voice) == len(judgement.times)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_track_gets_a_probability_for_each_step(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 999)))
    count = data.draw(st.integers(0, 120))
    looks = np.cumsum(random.uniform(0.02, 0.2, count)) + data.draw(st.floats(-5, 9000))
    mouth = random.normal(60, data.draw(st.sampled_from([0.0, 1.0, 1e4])), (count, 3))
    mouth[random.random(count) < data.draw(st.floats(0, 1))] = np.nan
    frames = data.draw(st.integers(0, 200))
    times = (looks[0] if count else 0.0) + data.draw(st.floats(-3, 3)) + np.cumsum(random.uniform(0.01, 0.1, frames))
    powers = random.random((frames, BANDS)) * data.draw(st.sampled_from([0.0, 1e-9, 1.0, 1e4]))
    judgement = speaking(looks, mouth, Sound(times, random.random(frames), powers))
    probability = one_of([judgement.odds, judgement.odds])
    assert np.isfinite(judgement.odds).all()
    assert ((judgement.voice >= -1e-9) & (judgement.voice <= 1 + 1e-9)).all()
    assert (probability.sum(axis=0) <= 1 + 1e-9).all()
    assert len(judgement.odds) == (int((looks[-1] - looks[0]) * FPS // STEP) if count else 0)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 99), st.floats(-100, 10_000))
def test_when_it_is_does_not_matter(seed: int, later: float) -> None:
    said = speech(seed, 150)
    times, mouth, powers = at(150), lips(said), powers_of(said)
    now, then = (speaking(times + by, mouth, Sound(times + by, np.ones(150), powers)) for by in (0.0, later))
    count = min(len(now.odds), len(then.odds))
    np.testing.assert_allclose(now.odds[:count], then.odds[:count], atol=0.05)


CLIPS = ("WDA_AlexandriaOcasioCortez_000", "portrait_d20")
LISTENER = "portrait_d19"


@cache
def seen(name: str) -> tuple[Array, Array]:
    """Looks at a clip's mouth, some 15 a second: times [n] and distances [n, 3]."""
    path = SHARED / "data" / "clips" / f"{name}.mp4"
    mesh = face_mesh_tracker()
    mesh.reset()
    times, found = [], []
    for time, image in frames_between(path, probe(path), 0, 7, 12):
        times.append(time)
        found.append(mesh(image)[0])
    landmarks = np.array(found)
    ends = landmarks[:, DISTANCES].astype(np.float64)
    scale = head_pose(landmarks, mean_face())[0].scale.astype(np.float64)
    return np.array(times), np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2) * scale[:, np.newaxis]


@cache
def heard(name: str) -> Sound:
    """What is heard in a clip."""
    samples = read_samples(SHARED / "data" / "clips" / f"{name}.mp4", 0, 7)
    pcm = np.asarray(samples * (FULL_SCALE - 1), np.int16)
    found = hear(lambda start, _: np.concatenate([np.zeros(max(round(-start * 16000), 0), np.int16), pcm]), 0, 7)
    times = at(175)
    return Sound(times, found.speaks.mean(times, times + 1 / FPS), found.bands.mean(times, times + 1 / FPS))


def test_real_lips_go_with_their_own_sound() -> None:
    if not (SHARED / "data" / "clips").is_dir():
        pytest.skip("the shared clips are not here")
    for name in CLIPS:
        people = [speaking(*seen(person), heard(name)) for person in (*CLIPS, LISTENER)]
        alone = dict(zip((*CLIPS, LISTENER), map(told, people), strict=True))
        assert alone[name] is True
        assert alone[LISTENER] is False
        shortest = min(len(person.odds) for person in people)
        together = one_of([person.odds[:shortest] for person in people])
        verdicts = [verdict(each, people[0].voice[:shortest]) for each in together]
        assert verdicts == [person == name for person in (*CLIPS, LISTENER)]
