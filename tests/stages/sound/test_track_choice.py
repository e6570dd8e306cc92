"""Which of several sound tracks is taken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from portrait_prep.media.ffmpeg import video_input
from portrait_prep.media.probe import probe
from portrait_prep.media.wav import RATE
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.normalize import NormalizeParams
from portrait_prep.stages.sound.audio_source import AudioSource
from portrait_prep.stages.sound.track_choice import Choice, Chosen, chosen_track, listen
from tests.clips import SHARED, make, steady, write_clip
from tests.side_by_side import spoken, write_wav
from tests.stages.normalized import FACE, QUICK, normalize

SECONDS = 4.0
TIME = np.arange(round(SECONDS * RATE)) / RATE
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.standard_normal(len(TIME))
SPEECH = spoken((0.0, SECONDS, "F")).reshape(-1)[: len(TIME)] / 32768
CHORD = np.sin(2 * np.pi * np.outer([220, 277, 330, 440], TIME)).sum(axis=0) / 8
BEATS = np.exp(-(TIME % 0.5) / 0.5) * CHORD
BREATH = 1 + 0.1 * np.sin(2 * np.pi * 5 * TIME)
SOUNDS: dict[str, tuple[NDArray[np.float64], str]] = {
    "speech": (SPEECH, "voice"),
    "quiet speech": (SPEECH / 50, "voice"),
    "speech that begins late": (np.r_[np.zeros(RATE), SPEECH[:-RATE]], "voice"),
    "speech with noise": (SPEECH + 0.01 * NOISE, "voice"),
    "nothing": (np.zeros(len(TIME)), "silent"),
    "a muted microphone": (0.0003 * NOISE, "silent"),
    "hum": (0.3 * np.sin(2 * np.pi * 50 * TIME) + 0.002 * NOISE, "no voice"),
    "noise": (0.1 * NOISE, "no voice"),
    "a fan": (0.1 * NOISE * BREATH, "no voice"),
    "held notes": (0.5 * CHORD, "no voice"),
    "a piano": (0.5 * BEATS, "no voice"),
}


def recorded(path: Path, *names: str, default: int = 1) -> Path:
    """A picture with these sounds as tracks, of which the `default`-th is the default one."""
    arguments: list[str | Path] = ["-f", "lavfi", "-i", f"color=s=64x64:r=25:d={SECONDS}"]
    maps: list[str | Path] = ["-map", "0:v"]
    for number, name in enumerate(names):
        samples = np.clip(SOUNDS[name][0] * 32767, -32768, 32767).astype(np.int16)
        arguments += ["-i", write_wav(path.with_suffix(f".{number}.wav"), samples)]
        flag = "default" if number == default - 1 else "0"
        maps += ["-map", f"{number + 1}:a", f"-disposition:a:{number}", flag]
    make(*arguments, *maps, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path)
    return path


def source(path: Path) -> AudioSource:
    facts = probe(path)
    return AudioSource(path.name, video_input(path, facts), facts.tracks, facts.start, separate=False)


def chosen(path: Path, choice: Choice = "voice") -> Chosen:
    return chosen_track(source(path), choice, SECONDS)


@pytest.mark.parametrize("name", SOUNDS)
def test_what_is_heard(tmp_path: Path, name: str) -> None:
    assert listen(source(recorded(tmp_path / "a.mkv", name)), SECONDS) == SOUNDS[name][1]


@pytest.mark.parametrize(
    ("names", "default", "number"),
    [
        (("nothing", "speech"), 1, 2),
        (("speech", "nothing"), 2, 1),
        (("nothing", "nothing", "quiet speech"), 1, 3),
        (("a muted microphone", "noise", "speech"), 1, 3),
        (("held notes", "speech"), 1, 2),
        (("hum", "speech with noise"), 1, 2),
        (("nothing", "a piano"), 1, 2),
        (("speech", "speech"), 2, 2),
        (("quiet speech", "speech"), 1, 1),
        (("speech", "noise"), 1, 1),
        (("noise", "held notes"), 2, 2),
        (("nothing", "nothing"), 2, 2),
    ],
)
def test_the_default_track_is_left_only_for_a_clearly_better_one(
    tmp_path: Path, names: tuple[str, ...], default: int, number: int
) -> None:
    found = chosen(recorded(tmp_path / "a.mkv", *names, default=default))
    assert found.number == number
    assert found.why.startswith("the default has no voice (1: " if number != default else "the default (1: ")
    assert found.why.count(": ") == len(names), "every track is told"


def test_settings_decide(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mp4", "nothing", "speech", "noise")
    assert (chosen(path, "default").number, chosen(path, 3).number) == (1, 3)
    assert chosen(path, 3).why == "set, one of 3"
    with pytest.raises(BadVideo, match=r"a\.mp4 has 3 sound tracks, and \[normalize\] sound_track asks for number 4"):
        chosen(path, 4)


@pytest.mark.parametrize("value", ["vioce", 0, -1, 1.0, True, None])
def test_a_setting_that_means_nothing_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="should be 'voice', 'default' or the number of a track, from 1 on"):
        NormalizeParams(sound_track=value)


def test_a_single_track_is_not_listened_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recorded(tmp_path / "a.mp4", "nothing")
    monkeypatch.setattr(AudioSource, "read", None)
    assert (chosen(path).number, chosen(path).why) == (1, "the only one")


def test_opposite_channels_do_not_cancel_a_voice(tmp_path: Path) -> None:
    path = recorded(tmp_path / "a.mkv", "nothing", "speech")
    pan = "[0:a:1]pan=stereo|c0=c0|c1=-1*c0[a]"
    make("-i", path, "-filter_complex", pan, "-map", "0:v", "-map", "0:a:0", "-map", "[a]", tmp_path / "b.mkv")
    assert chosen(tmp_path / "b.mkv").number == 2


@pytest.mark.parametrize(("setting", "number"), [("voice", 2), ("default", 1), (1, 1), (2, 2)])
def test_normalize_takes_it_and_tells(tmp_path: Path, setting: Choice, number: int) -> None:
    silence = np.zeros((round(SECONDS * 48000), 1), np.int16)
    quiet = write_clip(tmp_path / "a.mkv", steady(25, SECONDS), FACE, sound=silence)
    speech = write_wav(tmp_path / "s.wav", (SPEECH * 32767).astype(np.int16))
    two = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:a:0", "default"]
    make("-i", quiet, "-i", speech, *two, tmp_path / "b.mkv")
    params = NormalizeParams(**{**QUICK.model_dump(), "sound_track": setting})
    got = normalize(tmp_path / "b.mkv", tmp_path / "out", params)
    assert got.metrics["sound_track"] == number
    assert got.row["audio_codec"] == ("aac" if number == 1 else "pcm_s16le")
    assert got.row["silent"] == (number == 1)
    assert got.row["audio_tracks"] == 2


CLIPS = SHARED / "data" / "clips"


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs ../shared/data/clips")
@pytest.mark.parametrize(
    "name", ["WDA_KatieHill_000", "WDA_AlexandriaOcasioCortez_000", "fullhd_demo1", "portrait_d20"]
)
@pytest.mark.parametrize("other", ["nothing", "held notes", "hum"])
def test_real_voices_are_found(tmp_path: Path, name: str, other: str) -> None:
    clip, sounds = CLIPS / f"{name}.mp4", recorded(tmp_path / "a.mkv", other)
    maps = ["-map", "1:v", "-map", "0:a", "-map", "1:a", "-c", "copy", "-disposition:a:0", "default"]
    make("-t", "4", "-i", sounds, "-t", "4", "-i", clip, *maps, "-disposition:a:1", "0", tmp_path / "b.mkv")
    assert chosen(tmp_path / "b.mkv").number == 2


def test_of_hundreds_of_tracks_some_are_listened_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portrait_prep.stages.sound.track_choice.MOST_HEARD", 1)
    path = recorded(tmp_path / "a.mkv", "hum", "noise", "speech", "speech", default=3)
    taken = chosen(path)
    assert (taken.number, taken.why) == (3, "the default (1: no voice, 3: voice, 2 more were not listened to)")
