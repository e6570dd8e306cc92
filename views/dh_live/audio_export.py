"""Sound and mouths as the files that DH_live's own script trains its LSTM, `Audio2Feature`, on.

Source: https://github.com/kleinlee/DH_live at the parent of commit 2678520, train_audio/train_lstm.py and
talkingface/data/dataset_wav.py.

    <folder>/<video_id>.wav     16 kHz mono PCM16, 640 samples a frame
    <folder>/<video_id>.txt     a line a frame: seven coefficients of the mouth, of which six are read
    <folder>/pca.pkl            `mean_` and `components_`, which make a picture of coefficients

Coefficients are over their deviation, and components times it: so all of them count alike in its loss, and what it
makes of them is the same picture.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.media.wav import write_wav
from portrait_prep.views.dh_live.face_range import FaceRanges
from portrait_prep.views.dh_live.mouth_pca import BLOCK, COLUMNS, COMMAND, COMPONENTS, MouthPca, mouth_pictures
from portrait_prep.views.dh_live.samples import STEPS
from portrait_prep.views.exporting.arrays import Stream
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.pickles import Attributes, write_pickle
from portrait_prep.views.exporting.stretches import is_silent, named_stretches
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window, blocks

LEAST = STEPS + 2
"""Frames of the shortest sound: its loader draws a window of 26, and hears two more."""


PCA = "pca.pkl"


class DhLiveAudioOptions(Options):
    """What of the LSTM's may be chosen."""

    pca: Path | None = Field(None, description=f"The PCA of mouths, which '{COMMAND} FILE' fits. It is needed.")


def plan(reader: Reader, options: DhLiveAudioOptions) -> Plan:
    """Two parts a stretch between long gaps. Raises BadInput without a PCA of all videos, and where none is enough."""
    if options.pca is None:
        raise BadInput(f"Name the PCA of mouths, --pca mouth.npz: '{COMMAND} mouth.npz' makes it.")
    fitted = MouthPca.load(options.pca)
    against = {name: (window, _against(reader, window)) for name, window in named_stretches(reader.videos)}
    taken = {name: window for name, (window, reason) in against.items() if not reason}
    left_out = [f"{name}: left out, {reason}" for name, (_, reason) in against.items() if reason]
    if not taken:
        raise BadInput(f"No video has sound that DH_live's loader takes: {'; '.join(left_out)}.")
    for window in taken.values():
        fitted.of(reader.videos[window.video].video.video_id)
    return Plan(
        [Part(PCA, partial(_write_pca, fitted), f"{PCA}: what coefficients stand for"), *_parts(reader, fitted, taken)],
        f"{counted(len(taken), 'sound')}, {hours(sum(window.frames for window in taken.values()) / FPS)}",
        left_out,
        made_of=sha256_of(options.pca),
    )


def _against(reader: Reader, window: Window) -> str:
    """Why a stretch is left out; empty when it is not."""
    if window.frames < LEAST:
        return f"{window.frames} frames; the loader takes nothing from less than {LEAST}"
    return "it has no sound" if is_silent(reader, window) else ""


def _parts(reader: Reader, fitted: MouthPca, taken: Mapping[str, Window]) -> Iterator[Part]:
    ranges = FaceRanges()
    for name, window in taken.items():
        for ending, write in ((".wav", _write_sound), (".txt", partial(_write_coefficients, fitted, ranges))):
            yield Part(name + ending, partial(write, reader, window), f"{name}{ending}: {window.frames} frames")


def _write_sound(reader: Reader, window: Window, path: Path) -> None:
    write_wav(path, (reader.sound(*block) for block in blocks(window)))


def _write_coefficients(fitted: MouthPca, ranges: FaceRanges, reader: Reader, window: Window, path: Path) -> None:
    face, video_id = ranges.of(reader, window.video), reader.videos[window.video].video.video_id
    with path.open("w", encoding="ascii") as file:
        for block in blocks(window, BLOCK):
            found = fitted.project(mouth_pictures(reader, block, face), video_id, COMPONENTS)
            np.savetxt(file, found / fitted.deviation, fmt="%.04f")


def _write_pca(fitted: MouthPca, path: Path) -> None:
    components = fitted.components * fitted.deviation[:, np.newaxis]
    write_pickle(path, Attributes({"mean_": Stream.of(fitted.mean), "components_": Stream.of(components)}))


DH_LIVE_AUDIO = Export(
    name="dh-live-audio",
    help="Write sound and mouths of accepted videos as the files that DH_live's own script trains its LSTM on.",
    options=DhLiveAudioOptions,
    columns=lambda _: COLUMNS,
    plan=plan,
)
