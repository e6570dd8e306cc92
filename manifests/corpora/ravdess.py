"""The corpus RAVDESS: 24 actors, each of whom speaks 60 takes and sings 44; actor 18 does not sing.

A row is a take: one performance, of which the release has up to three files. The picture is that of the full-AV file
(modality 01), else of the video-only one (02); the sound is the clean recording (03), else the full-AV file's own. A
take without a video is no row.

A row's id is the name of the take's full-AV file, `01-01-06-01-02-01-12`, whichever of its files are there: so it stays
when more come. Its subject is the actor, `Actor_12`. `emotion` is RAVDESS's word; `intensity` is `normal` or `strong`;
`statement` is the sentence itself; `repetition` is 1 or 2; `channel` is `speech` or `song`.

Facts of the release: `ravdess_names`. Known defects: an audit of the published sound files, which found six of them to
be stereo and two to be the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Literal, get_args

from manifests.catalogue import Video, is_address, path_of, source_of
from manifests.choice import EVERYTHING, Choice
from manifests.corpora.ravdess_files import Files, find_files, sound_channels, sound_digest
from manifests.corpora.ravdess_names import (
    AUDIO_ONLY,
    CHANNELS,
    EMOTIONS,
    FULL_AV,
    INTENSITIES,
    MODALITIES,
    RECORD,
    SPEECH,
    STATEMENTS,
    Take,
    takes,
)
from manifests.errors import BadInput
from manifests.probe import duration
from manifests.wording import a_few

CORPUS = "ravdess"
LICENCE = "CC BY-NC-SA 4.0"

SplitBy = Literal["actor", "stratified"]
"""`actor`: actors 1 to 18 for training, 19 to 21 for validation, 22 to 24 for testing; nobody on two sides.

`stratified`: the published split of the 1440 spoken takes, 1005, 210 and 225, with the same share of each emotion on
all sides (https://github.com/Wionerlol/MultimodalEmotionRecognition, whose seed is 42). It leaks: all 24 actors are on
all sides, so that what is measured is not how well unknown people are understood. Songs have no part in it.
"""
PUBLISHED_SEED = 42
SIDES: Mapping[str, range] = {"train": range(1, 19), "val": range(19, 22), "test": range(22, 25)}

FOUR_CLASS: Mapping[str, str] = {"neutral": "neu", "happy": "hap", "sad": "sad", "angry": "ang"}
"""The four classes of SpeechBrain's emotion diarization; takes of the other four emotions are left out."""
MERGED: Mapping[str, str] = {
    **dict.fromkeys(("neutral", "calm"), "neutral"),
    "happy": "happy",
    **dict.fromkeys(("sad", "angry", "fearful", "disgust"), "negative"),
    "surprised": "surprised",
}
"""The four classes of MultimodalEmotionRecognition: every emotion is in one."""

FOLDS = ((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22))
"""EmoBox: in which of folds 1 to 6 an actor is tested."""

TYPICAL: Mapping[str, float] = {"speech": 3.7, "song": 4.6}
"""Seconds that a take lasts more or less: an estimate, so that takes whose video is not there yet fill shards."""

STEREO_SOUND = "stereo sound"
STEREO = frozenset(
    (
        *("01-01-02-01-01-02-01", "01-01-08-01-02-02-01", "01-01-02-01-02-02-05"),
        *("01-01-03-01-02-01-20", "01-01-06-01-01-02-20", "01-02-01-01-01-01-24"),
    )
)
SAME_SOUND = "same sound file as "
TWINS = ("01-01-03-01-02-01-07", "01-01-03-01-02-02-07")
"""Two takes whose sound files have the same samples. One must be wrong and nobody knows which, so that both have the
sound of their own full-AV file, which is in step with the picture, and the sound file only where there is no other."""

HANDLED: Mapping[str, str] = {
    STEREO_SOUND: "mixed down to one channel",
    SAME_SOUND + "another take": "one of them must be wrong: the full-AV file's own sound is taken where it is there",
}
"""Each kind of defect, and what is done about it."""


@dataclass(frozen=True)
class Place:
    """Where the picture of a take is, its sound where that has a place of its own, and seconds of the picture."""

    source: str
    sound: str | None
    duration: float | None


def catalogue(
    source: Path | None = None, split: SplitBy = "actor", seed: int = PUBLISHED_SEED, record: str = RECORD
) -> list[Video]:
    """One row a take, by actor, channel and name.

    `source` is a folder with files of the release, in folders or not; only takes whose video is in there become rows.
    Without it all takes do: their source is the address of an archive of `record` and, behind `#`, a path in it, their
    duration an estimate (`TYPICAL`). Splits and folds are of the whole release, whatever of it is there; `seed` draws
    another stratified split than the published one, and is nothing to the split by actor. Raises BadInput for options
    that make no sense, a folder that cannot be used, and when there is nothing to list.
    """
    if split not in get_args(SplitBy):
        raise BadInput(f"'{split}' is no way to split: use {', '.join(get_args(SplitBy))}.")
    if not is_address(record):
        raise BadInput(f"'{record}' is no address of a record: give one such as {RECORD}.")
    places = _published(record.rstrip("/")) if source is None else _at_hand(source)
    sides = _stratified(seed) if split == "stratified" else {take: _side(take.actor) for take in takes()}
    return [_row(take, place, sides.get(take)) for take, place in places]


def video_id(take: Take) -> str:
    """The name of the take's full-AV file, without suffix, whether that file is there or not."""
    return f"{FULL_AV:02d}-{take.code}"


def _row(take: Take, place: Place, side: str | None) -> Video:
    emotion = EMOTIONS[take.emotion - 1]
    return Video(
        video_id=video_id(take),
        corpus=CORPUS,
        subject=take.folder,
        split=side,
        fold=next(number for number, actors in enumerate(FOLDS, 1) if take.actor in actors),
        source=place.source,
        sound=place.sound,
        duration=place.duration,
        licence=LICENCE,
        defect=_defect(video_id(take)),
        emotion=emotion,
        four_class=FOUR_CLASS.get(emotion),
        four_class_merged=MERGED[emotion],
        intensity=INTENSITIES[take.intensity - 1],
        statement=STATEMENTS[take.statement - 1],
        repetition=take.repetition,
        channel=CHANNELS[take.channel],
    )


def _published(record: str) -> Iterator[tuple[Take, Place]]:
    """All takes, in the archives of a record."""
    for take in takes():
        sound = None if video_id(take) in TWINS else take.address(AUDIO_ONLY, record)
        yield take, Place(take.address(FULL_AV, record), sound, TYPICAL[CHANNELS[take.channel]])


def _at_hand(source: Path) -> Iterator[tuple[Take, Place]]:
    """The takes whose video is in a folder. Raises BadInput when there are none."""
    files = find_files(source)
    there = [(take, video) for take in takes() if (video := files.video(take))]
    if not there:
        raise BadInput(
            f"There are no videos of RAVDESS in {source} or below: give the folder where its archives are unpacked "
            f"(files such as {takes()[0].file(FULL_AV)})."
        )
    for take, video in there:
        sound = _sound(take, files)
        yield take, Place(source_of(video), source_of(sound) if sound else None, duration(video))


def _sound(take: Take, files: Files) -> Path | None:
    """The file that a take's sound is in, where it is not that of its video."""
    full = files.of(take, FULL_AV)
    if video_id(take) in TWINS and full and sound_channels(full):
        return None
    return files.of(take, AUDIO_ONLY)


def _defect(name: str) -> str | None:
    if name in TWINS:
        return SAME_SOUND + next(other for other in TWINS if other != name)
    return STEREO_SOUND if name in STEREO else None


def _side(actor: int) -> str:
    return next(side for side, actors in SIDES.items() if actor in actors)


@lru_cache
def _stratified(seed: int) -> Mapping[Take, str]:
    """Split of each spoken take: each emotion shuffled, 70 % to train on, 15 % to validate on, the rest to test on.

    The sequence is Python's (Mersenne Twister, Fisher-Yates from the end), the same in all its versions since 3.2; that
    of `Random(seed)` is that of `random.seed(seed)`.
    """
    groups: dict[int, list[Take]] = defaultdict(list)
    for take in sorted(takes(), key=lambda take: take.code):
        if take.channel == SPEECH:
            groups[take.emotion].append(take)
    random = Random(seed)  # noqa: S311 (no secret: it must be repeatable)
    sides: dict[Take, str] = {}
    for _, group in sorted(groups.items()):
        random.shuffle(group)
        train, val = int(0.7 * len(group)), int(0.15 * len(group))
        sides |= dict.fromkeys(group[:train], "train")
        sides |= dict.fromkeys(group[train : train + val], "val")
        sides |= dict.fromkeys(group[train + val :], "test")
    return sides


def told(rows: Sequence[Video], source: Path | None = None, choice: Choice = EVERYTHING) -> list[str]:
    """What there is to say of these rows, one line each: defects by kind, splits that leak, what the files are.

    `choice` is what was asked for: what else is not there is not missed.
    """
    of_files = _of_addresses(rows) if source is None else _of_files(rows, source, choice)
    return [*_of_defects(rows), *_of_splits(rows), *of_files]


def _of_defects(rows: Sequence[Video]) -> Iterator[str]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.defect:
            kind = SAME_SOUND + "another take" if row.defect.startswith(SAME_SOUND) else row.defect
            kinds[kind].append(row.video_id)
    for kind, names in kinds.items():
        yield f"{len(names)} x {kind}: {HANDLED[kind]}."


def _of_splits(rows: Sequence[Video]) -> Iterator[str]:
    sides = Counter(actor for actor, _ in {(row.subject, row.split) for row in rows if row.split})
    if leaking := sum(count > 1 for count in sides.values()):
        yield f"{leaking} actors are on more than one side of the split: it does not tell how unknown people fare."
    if without := sum(row.split is None for row in rows):
        yield f"{without} songs have no split: the published one is of speech."


def _of_addresses(rows: Sequence[Video]) -> Iterator[str]:
    if away := sum(row.remote for row in rows):
        yield (
            f"{away} takes have only an address: 'portrait-prep run download' gets the archives they are in; their "
            f"durations are estimates ({TYPICAL['speech']} s for speech, {TYPICAL['song']} s for song)."
        )


def _of_files(rows: Sequence[Video], source: Path, choice: Choice) -> Iterator[str]:
    files = find_files(source)
    asked = _asked(rows, choice)
    yield f"{len(rows)} takes are taken from {source}."
    for (modality, channel), count in sorted(files.missing(asked).items()):
        yield f"{count} {MODALITIES[modality]} {CHANNELS[channel]} files of the release are not there."
    for count, words in (
        (files.only_heard(asked), "takes have only a sound file: left out"),
        (len(files.again), "files are there again: the first by path is taken"),
    ):
        if count:
            yield f"{count} {words}."
    if files.misnamed:
        yield f"{a_few(_names(files.misnamed))} named as no file of the release is: left out."
    if files.others:
        yield f"{a_few(_names(files.others))} not of RAVDESS: left out."
    yield from _of_sound(rows, files)


def _asked(rows: Sequence[Video], choice: Choice) -> list[Take]:
    """The takes of the release that were asked for, there or not; up to a limit, only those that were taken."""
    asked = rows if choice.limit else filter(choice.admits, catalogue())
    ids = {row.video_id for row in asked}
    return [take for take in takes() if video_id(take) in ids]


def _of_sound(rows: Sequence[Video], files: Files) -> Iterator[str]:
    """What was not expected of the sound: none at all, or not the defects that are known."""
    silent = [row.path for row in rows if row.sound is None and sound_channels(row.path) == 0]
    if silent:
        yield f"{a_few(_names(silent))} without sound, and there is no sound file: give the audio-only files, too."
    stereo = [path_of(row.sound) for row in rows if row.sound and row.video_id in STEREO]
    if mono := [path for path in stereo if sound_channels(path) == 1]:
        yield f"{a_few(_names(mono))} mono, where the release is known to have stereo: not as published."
    here = {row.video_id for row in rows}
    twins = [files.of(take, AUDIO_ONLY) for take in takes() if video_id(take) in TWINS and video_id(take) in here]
    there = [path for path in twins if path]
    if len({sound_digest(path) for path in there} - {None}) > 1:
        yield f"{a_few(_names(there))} differ, where the release has the same: not as published."


def _names(paths: Iterable[Path]) -> list[str]:
    return [path.name for path in paths]
