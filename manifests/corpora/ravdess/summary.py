"""What `init ravdess` says of the release: its known defects, splits that leak, files that are missing or other."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from portrait_prep.manifests.choice import EVERYTHING, Choice
from portrait_prep.manifests.corpora.ravdess.catalogue import (
    HANDLED,
    SAME_SOUND,
    STEREO,
    TWINS,
    TYPICAL,
    catalogue,
    video_id,
)
from portrait_prep.manifests.corpora.ravdess.files import Files, find_files
from portrait_prep.manifests.corpora.ravdess.names import AUDIO_ONLY, CHANNELS, MODALITIES, Take, takes
from portrait_prep.manifests.video import Video, path_of
from portrait_prep.manifests.wording import a_few, counted, largest
from portrait_prep.media.probe_sound import sound_channels, sound_digest


def summary(rows: Sequence[Video], source: Path | None = None, choice: Choice = EVERYTHING) -> list[str]:
    """What there is to say of these rows, one line each: defects by kind, splits that leak, what the files are.

    `choice` is what was asked for: what else is not there is not missed.
    """
    of_files = _of_addresses(rows) if source is None else _of_files(rows, source, choice)
    subjects = f"By subject: {largest(Counter(row.subject for row in rows))}."
    return [subjects, *_of_defects(rows), *_of_splits(rows), *of_files]


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
        actors = counted(leaking, "actor", "is", "are")
        yield f"{actors} on more than one side of the split: it does not tell how unknown people fare."
    if without := sum(row.split is None for row in rows):
        yield f"{counted(without, 'song', 'has', 'have')} no split: the published one is of speech."


def _of_addresses(rows: Sequence[Video]) -> Iterator[str]:
    if away := sum(row.remote for row in rows):
        yield (
            f"{counted(away, 'take', 'has', 'have')} only an address: 'portrait-prep run download' gets the archives; "
            f"durations are estimates ({TYPICAL['speech']} s for speech, {TYPICAL['song']} s for song)."
        )


def _of_files(rows: Sequence[Video], source: Path, choice: Choice) -> Iterator[str]:
    files = find_files(source)
    asked = _asked(rows, choice)
    yield f"{counted(len(rows), 'take', 'is', 'are')} taken from {source}."
    for (modality, channel), count in sorted(files.missing(asked).items()):
        kind = f"{MODALITIES[modality]} {CHANNELS[channel]} file"
        yield counted(count, kind, "of the release is not there.", "of the release are not there.")
    if heard := files.only_heard(asked):
        yield counted(heard, "take", "has only a sound file: left out.", "have only a sound file: left out.")
    if files.again:
        yield f"{counted(len(files.again), 'file', 'is', 'are')} there again: the first by path is taken."
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
