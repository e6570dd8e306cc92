"""Which of several sound tracks is taken: the one with a voice, unless the settings say otherwise.

Syllables come at 2 to 8 Hz and make the loudness of speech rise and fall by several dB (Houtgast and Steeneken 1985);
hum, noise and held notes do not. So measured: speech 5.6 to 8.4 dB, with noise 10 dB below it 3.7, under music 1.4 to
3.0; music 0.6 to 1.9, with drums 2.4 to 2.6; noise 0.3.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from portrait_prep.media.probe_sound import AudioTrack
from portrait_prep.media.wav import FULL_SCALE, RATE
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.sound.audio_source import AudioSource


def _choice(value: object) -> object:
    if value in ("voice", "default") or (type(value) is int and value >= 1):
        return value
    raise PydanticCustomError("sound_track", "Input should be 'voice', 'default' or the number of a track, from 1 on")


Choice = Annotated[Literal["voice", "default"] | int, PlainValidator(_choice)]
"""What the setting says: the track with a voice, the default one, or the one of this number, from 1 on."""

SOUND_TRACK: Choice = Field(
    "voice",
    description="of several sound tracks: the one with a voice ('voice': the default one, unless it has none and "
    "another has), the 'default' one, or its number, from 1 on",
)
"""The setting `sound_track`, of every stage that has it."""

LISTENED = 30.0
"""Seconds of each track that are listened to."""

MOST_HEARD = 16
"""Tracks that are listened to, from the first on, and the default one: a file may have hundreds."""

STEP = 320
"""Samples between the levels of a sound: 20 ms."""

SECOND = RATE // STEP
BAND = (250.0, 4000.0)
"""Hz in which a voice is told: below it hums, above it hisses."""

SYLLABLES = (2.0, 8.0)
"""Hz at which syllables come."""

SILENT = -60.0
"""dBFS in that band of a track's loudest second, below which nobody speaks."""

PAUSE = 25.0
"""dB below its loudest second at which a second of a track is a pause."""

NO_VOICE, VOICE = 2.0, 3.0
"""dB by which loudness goes up and down with the syllables: less than the one, and nobody speaks; from the other on
somebody does. Between them are voices under music, and drums."""

Finding = Literal["damaged", "silent", "no voice", "unclear", "voice"]
"""What was heard, from the worst to the best."""

WORTH: tuple[Finding, ...] = ("damaged", "silent", "no voice", "unclear", "voice")

METRICS = (
    Metric("sound_track", "", "number of the sound track that was taken, from 1 on; null: there is none"),
    Metric(
        "sound_track_why",
        "",
        "why that one, and what was heard of each: the default track is left for another where it has no voice and the "
        "other one has, or where it is silent",
        kind="text",
        blind="a voice that begins after 30 s; drums, or knocks at the pace of syllables, from a voice; which of two "
        "voices is that of the face",
    ),
)


@dataclass(frozen=True)
class Chosen:
    """A sound with the track that is taken, which is `number` among its tracks (None: it has none), and why."""

    audio: AudioSource
    number: int | None
    why: str

    def metrics(self) -> dict[str, int | str | None]:
        """What the record tells of it."""
        return {"sound_track": self.number, "sound_track_why": self.why}


def chosen_track(audio: AudioSource, choice: Choice, seconds: float) -> Chosen:
    """Choose; several tracks are listened to, over the first `seconds` at most, where the `choice` is "voice".

    Raises BadVideo where there is no track of the number asked for.
    """
    tracks = audio.tracks
    if not tracks:
        return Chosen(audio, None, "there is none")
    if isinstance(choice, int):
        if choice > len(tracks):
            raise BadVideo(
                f"{audio.name} has {len(tracks)} sound tracks, and [normalize] sound_track asks for number {choice}"
            )
        return _taken(audio, tracks[choice - 1], f"set, one of {len(tracks)}")
    if len(tracks) == 1:
        return _taken(audio, tracks[0], "the only one")
    if choice == "default":
        return _taken(audio, _default(audio), f"the default, as set, one of {len(tracks)}")
    default = _default(audio)
    some = {default, *tracks[:MOST_HEARD]}
    heard = {track: listen(replace(audio, chosen=track), min(seconds, LISTENED)) for track in tracks if track in some}
    best = _best(heard, default)
    found = [f"{number}: {heard[track]}" for number, track in enumerate(tracks, 1) if track in some]
    if more := len(tracks) - len(heard):
        found.append(f"{more} more were not listened to")
    why = "the default" if best == default else "the default has no voice"
    return _taken(audio, best, f"{why} ({', '.join(found)})")


def _default(audio: AudioSource) -> AudioTrack:
    track = replace(audio, chosen=None).track
    assert track is not None, "asked of sounds with tracks"
    return track


def _taken(audio: AudioSource, track: AudioTrack, why: str) -> Chosen:
    return Chosen(replace(audio, chosen=track), audio.tracks.index(track) + 1, why)


def _best(heard: dict[AudioTrack, Finding], default: AudioTrack) -> AudioTrack:
    """The default one, unless another is clearly better: has a voice where that has none, sounds where it is silent."""
    best = max(heard, key=lambda track: (WORTH.index(heard[track]), track == default))
    if heard[default] in ("damaged", "silent") or (heard[default] == "no voice" and heard[best] == "voice"):
        return best
    return default


def listen(audio: AudioSource, seconds: float) -> Finding:
    """What the first `seconds` of a track hold."""
    samples = audio.read(seconds, audio.channels)
    if samples is None:
        return "damaged"
    levels = band_levels(samples.reshape(-1, audio.channels) / FULL_SCALE)
    if len(levels) < SECOND:
        return "unclear" if levels.max(initial=0) > 10 ** (SILENT / 10) else "silent"
    seconds_of = levels[: len(levels) // SECOND * SECOND].reshape(-1, SECOND)
    loudness = _decibels(seconds_of.mean(axis=1))
    if loudness.max() < SILENT:
        return "silent"
    swings = modulation(levels)[: seconds_of.size].reshape(seconds_of.shape).std(axis=1)
    swing = float(np.median(swings[loudness > loudness.max() - PAUSE]))
    return "voice" if swing >= VOICE else "no voice" if swing < NO_VOICE else "unclear"


def band_levels(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power in the BAND of each 20 ms of samples [n, channels] at 16 kHz, mean of the channels: float64 [n // STEP].

    A sine of full scale has 0.5.
    """
    pieces = samples[: len(samples) // STEP * STEP].reshape(-1, STEP, samples.shape[1])
    window = np.hanning(STEP)
    spectrum = np.abs(np.fft.rfft(pieces * window[:, None], axis=1)) ** 2
    within = slice(*np.rint(np.array(BAND) * STEP / RATE).astype(int))
    return np.asarray(2 * spectrum[:, within].sum(axis=1).mean(axis=1) / (STEP * np.square(window).sum()))


def modulation(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the loudness is above or below its course at the pace of syllables, dB: float64 [n] of levels [n > 15].

    What lies 50 dB below the loudest moment counts as that.
    """
    loudness = _decibels(np.maximum(levels, levels.max() * 1e-5))
    from scipy.signal import butter, sosfiltfilt  # noqa: PLC0415 (slow to load, and not needed to look)

    return np.asarray(sosfiltfilt(butter(2, SYLLABLES, "band", fs=SECOND, output="sos"), loudness))


def _decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-12)))
