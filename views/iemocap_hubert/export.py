"""Utterances as the pickle that IEMOCAP_hubert's own scripts train on: `Train_data_org.pickle`.

Source: https://github.com/Huangzhongqi978/IEMOCAP_hubert, Data_prepocessing.py, train.py and utils.py (`Get_data`).

A list of five lists, one a session, whatever is chosen: its folds are these. In each are dicts with `label` (int),
`wav_encodings` (tensor float32 [1, 1, 48000]) and `id`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.iemocap.evaluations import SESSIONS
from portrait_prep.manifests.wording import counted
from portrait_prep.views.exporting.arrays import Stream
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.pickles import Tensor, Written, write_pickle, write_value
from portrait_prep.views.exporting.stretches import is_silent
from portrait_prep.views.iemocap_hubert.samples import CHOSEN, IemocapHubert, utterances
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.samples import Samples


class IemocapOptions(Options):
    """What of IEMOCAP_hubert's may be chosen."""

    wave: Literal["wave_padded", "wave"] = Field(
        "wave_padded",
        description="wave_padded is the original's: zeros up to three seconds first, then mean 0 and deviation 1, "
        "which makes short utterances louder. wave is normalized over the utterance alone, then padded.",
    )


def plan(reader: Reader, options: IemocapOptions) -> Plan:
    """One part a session; they are joined in the end. Raises BadInput where all are silent."""
    windows = utterances(reader)
    silent = {window.video for window in windows if is_silent(reader, window)}
    heard = [window for window in windows if window.video not in silent]
    if not heard:
        raise BadInput("All of the utterances that are chosen are silent.")
    samples = Samples(reader, heard, IemocapHubert())
    sessions = {session: _of(samples, session) for session in SESSIONS}
    names = {session: f"session-{session}" for session in SESSIONS}
    return Plan(
        [
            Part(
                names[session],
                partial(_write, samples, numbers, options.wave),
                f"session {session}: {counted(len(numbers), 'utterance')}",
            )
            for session, numbers in sessions.items()
        ],
        counted(len(heard), "utterance"),
        [*_why_not(reader, silent), *(_untested(session) for session in SESSIONS if not sessions[session])],
        partial(_join, list(names.values())),
    )


def _of(samples: Samples, session: int) -> Sequence[int]:
    videos = samples.reader.videos
    return [number for number, item in enumerate(samples.items) if videos[item.video].video.session == session]


def _why_not(reader: Reader, silent: Iterable[int]) -> Iterator[str]:
    """HuBERT divides by deviations again and again: where there are none, gradients grow beyond all bounds."""
    for number in sorted(silent):
        yield f"{reader.videos[number].video.video_id}: left out, it has no sound, of which the network learns NaN"


def _untested(session: int) -> str:
    return f"session {session} has no utterance: its fold has none to test"


def _write(samples: Samples, numbers: Sequence[int], wave: str, path: Path) -> None:
    write_value(path, _utterances(samples, numbers, wave))


def _utterances(samples: Samples, numbers: Sequence[int], wave: str) -> Iterator[Mapping[str, Any]]:
    for sample in map(samples.__getitem__, numbers):
        encodings = Tensor(Stream.of(sample[wave].reshape(1, 1, -1)))
        yield {"label": int(sample["label"]), "wav_encodings": encodings, "id": sample["video_id"]}


def _join(parts: Sequence[str], folder: Path, final: Path) -> None:  # noqa: ARG001 (an export's form)
    write_pickle(folder / "all", (Written(folder / part) for part in parts))
    for part in parts:
        (folder / part).unlink()


IEMOCAP_HUBERT = Export(
    name="iemocap-hubert",
    help="Write the utterances of accepted videos as the pickle that IEMOCAP_hubert's own scripts train on.",
    target="The file to write, which must not be there yet: Train_data_org.pickle is what they read.",
    options=IemocapOptions,
    columns=lambda _: (),
    plan=plan,
    wishes=CHOSEN,
    is_file=True,
)
