"""The corpus RAVDESS: 24 actors, each of whom speaks 60 takes and sings 44; actor 18 does not sing.

A row is a take: one performance, of which the release has up to three files. The picture is that of the full-AV file
(modality 01), else of the video-only one (02); the sound is the clean recording (03), else the full-AV file's own. A
take without a video is no row.

A row's id is the name of the take's full-AV file, `01-01-06-01-02-01-12`, whichever of its files are there: so it stays
when more come. Its subject is the actor, `Actor_12`. `emotion` is RAVDESS's word; `intensity` is `normal` or `strong`;
`statement` and `text` are the sentence itself; `repetition` is 1 or 2; `channel` is `speech` or `song`.

Facts of the release: `ravdess.names`. Known defects: an audit of the published sound files, which found six of them to
be stereo and two to be the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.ravdess.files import Files, find_files
from portrait_prep.manifests.corpora.ravdess.names import (
    AUDIO_ONLY,
    CHANNELS,
    EMOTIONS,
    FULL_AV,
    INTENSITIES,
    RECORD,
    STATEMENTS,
    Take,
    takes,
)
from portrait_prep.manifests.corpora.ravdess.splits import PUBLISHED_SEED, SplitBy, fold_of, sides
from portrait_prep.manifests.video import Video, is_address, source_of
from portrait_prep.media.probe import duration
from portrait_prep.media.probe_sound import sound_channels

CORPUS = "ravdess"
LICENCE = "CC BY-NC-SA 4.0"

FOUR_CLASS: Mapping[str, str] = {"neutral": "neu", "happy": "hap", "sad": "sad", "angry": "ang"}
"""The four classes of SpeechBrain's emotion diarization; takes of the other four emotions are left out."""
MERGED: Mapping[str, str] = {
    **dict.fromkeys(("neutral", "calm"), "neutral"),
    "happy": "happy",
    **dict.fromkeys(("sad", "angry", "fearful", "disgust"), "negative"),
    "surprised": "surprised",
}
"""The four classes of MultimodalEmotionRecognition: every emotion is in one."""

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
class TakeSource:
    """Path or address of the picture of a take, of its sound where that has its own, and seconds of the picture."""

    path: str
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
    if not is_address(record):
        raise BadInput(f"'{record}' is no address of a record: give one such as {RECORD}.")
    sources = _published(record.rstrip("/")) if source is None else _at_hand(source)
    return with_sides([_row(take, footage) for take, footage in sources], split, seed)


def with_sides(rows: Sequence[Video], split: SplitBy = "actor", seed: int = PUBLISHED_SEED) -> list[Video]:
    """The rows with a published split, and with EmoBox's folds; see `ravdess.splits`. Raises BadInput as it does."""
    found = {video_id(take): side for take, side in sides(split, seed).items()}
    folds = {video_id(take): fold_of(take.actor) for take in takes()}
    by = None if split == "actor" else "take"
    return [
        row.model_copy(
            update={"split": found.get(row.video_id), "split_by": by, "fold": folds.get(row.video_id, row.fold)}
        )
        for row in rows
    ]


def video_id(take: Take) -> str:
    """The name of the take's full-AV file, without suffix, whether that file is there or not."""
    return f"{FULL_AV:02d}-{take.code}"


def _row(take: Take, source: TakeSource) -> Video:
    emotion = EMOTIONS[take.emotion - 1]
    return Video(
        video_id=video_id(take),
        corpus=CORPUS,
        subject=take.folder,
        source=source.path,
        sound=source.sound,
        duration=source.duration,
        licence=LICENCE,
        defect=_defect(video_id(take)),
        text=STATEMENTS[take.statement - 1],
        emotion=emotion,
        four_class=FOUR_CLASS.get(emotion),
        four_class_merged=MERGED[emotion],
        intensity=INTENSITIES[take.intensity - 1],
        statement=STATEMENTS[take.statement - 1],
        repetition=take.repetition,
        channel=CHANNELS[take.channel],
    )


def _published(record: str) -> Iterator[tuple[Take, TakeSource]]:
    """All takes, in the archives of a record."""
    for take in takes():
        sound = None if video_id(take) in TWINS else take.address(AUDIO_ONLY, record)
        yield take, TakeSource(take.address(FULL_AV, record), sound, TYPICAL[CHANNELS[take.channel]])


def _at_hand(source: Path) -> Iterator[tuple[Take, TakeSource]]:
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
        yield take, TakeSource(source_of(video), source_of(sound) if sound else None, duration(video))


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
