"""The file names of RAVDESS: their grammar, and which of them the release has.

    MM-VV-EE-II-SS-RR-AA.mp4|wav

    MM  modality    01 full AV, 02 video only (both .mp4), 03 audio only (.wav)
    VV  channel     01 speech, 02 song
    EE  emotion     01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful, 07 disgust, 08 surprised
    II  intensity   01 normal, 02 strong
    SS  statement   01 "Kids are talking by the door", 02 "Dogs are sitting by the door"
    RR  repetition  01, 02
    AA  actor       01 to 24; odd: male, even: female

All combinations are there but these: a neutral one is never strong, nobody sings disgust or surprise, and actor 18 does
not sing. A *take* is one performance; the files of its three modalities differ in the first field only.

Source: Livingstone and Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), PLoS ONE 13(5),
e0196391, 2018; https://zenodo.org/records/1188976, version 1.0.0.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

FULL_AV, VIDEO_ONLY, AUDIO_ONLY = 1, 2, 3
MODALITIES: Mapping[int, str] = {FULL_AV: "full-AV", VIDEO_ONLY: "video-only", AUDIO_ONLY: "audio-only"}
SPEECH, SONG = 1, 2
CHANNELS: Mapping[int, str] = {SPEECH: "speech", SONG: "song"}
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""In the order of their codes, which begin at 1."""
SUNG = EMOTIONS[:6]
INTENSITIES = ("normal", "strong")
STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")
REPETITIONS = (1, 2)
ACTORS = range(1, 25)
SILENT_ACTOR = 18
"""Has no songs."""

SHAPE = re.compile(r"[0-9]{2}(-[0-9]{2}){6}\.(mp4|wav)")
"""What looks like a name of the release, in lower case."""

RECORD = "https://zenodo.org/records/1188976"


def folder_of(actor: int) -> str:
    """The folder of an actor's files in the archives: `Actor_12`."""
    return f"Actor_{actor:02d}"


@dataclass(frozen=True)
class Take:
    """One performance, by the codes of its fields."""

    channel: int
    emotion: int
    intensity: int
    statement: int
    repetition: int
    actor: int

    @property
    def code(self) -> str:
        """What the names of its files have in common: `01-06-01-02-01-12`."""
        fields = (self.channel, self.emotion, self.intensity, self.statement, self.repetition, self.actor)
        return "-".join(f"{field:02d}" for field in fields)

    @property
    def folder(self) -> str:
        """The folder of its files in the archives."""
        return folder_of(self.actor)

    def file(self, modality: int) -> str:
        """The name of its file of a modality: `01-01-06-01-02-01-12.mp4`."""
        return f"{modality:02d}-{self.code}.{'wav' if modality == AUDIO_ONLY else 'mp4'}"

    def address(self, modality: int, record: str = RECORD) -> str:
        """Where that file is published: its archive among the files of a record, `#`, and its path in there."""
        channel = CHANNELS[self.channel].capitalize()
        actors = f"Audio_{channel}_Actors_01-24" if modality == AUDIO_ONLY else f"Video_{channel}_{self.folder}"
        return f"{record}/files/{actors}.zip#{self.folder}/{self.file(modality)}"


@lru_cache
def takes() -> tuple[Take, ...]:
    """The 1440 spoken and 1012 sung takes of the release; those whose video lies in one archive stand together."""
    return tuple(take for actor in ACTORS for channel in CHANNELS for take in _of(actor, channel))


def _of(actor: int, channel: int) -> Iterator[Take]:
    if (actor, channel) == (SILENT_ACTOR, SONG):
        return
    for emotion, word in enumerate(SUNG if channel == SONG else EMOTIONS, 1):
        intensities = (1,) if word == "neutral" else (1, 2)
        for intensity, statement, repetition in product(intensities, (1, 2), REPETITIONS):
            yield Take(channel, emotion, intensity, statement, repetition, actor)
