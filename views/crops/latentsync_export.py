"""Videos as LatentSync's own script trains on them: aligned faces of 256 px with their sound.

Source: https://github.com/bytedance/LatentSync: preprocess/affine_transform.py makes such files, and
latentsync/data/unet_dataset.py and syncnet_dataset.py read them, by `train_fileslist` of their configuration.

    <folder>/<video_id>.mp4         256x256, 25 fps, H.264; AAC, 16 kHz mono
    <folder>/fileslist.txt          their paths, one a line
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.views.crops.files import write_crops
from portrait_prep.views.crops.stream import LANDMARKS
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.exporting.stretches import named_stretches
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window

LEAST = 48
"""Frames of the shortest video: its loader draws two windows of 16 frames apart, and passes over what is shorter."""
LIST = "fileslist.txt"


def plan(reader: Reader, options: Options) -> Plan:  # noqa: ARG001 (an export's form)
    """One part a stretch between long gaps. Raises BadInput where none is long enough."""
    named = [(f"{name}.mp4", window) for name, window in named_stretches(reader.videos)]
    taken = [(name, window) for name, window in named if window.frames >= LEAST]
    if not taken:
        raise BadInput(f"LatentSync's loader needs {LEAST} frames with a face in a row, and no video has so many.")
    return Plan(
        [Part(name, partial(_write, reader, window), f"{name}: {window.frames} frames") for name, window in taken],
        f"{counted(len(taken), 'video')}, {hours(sum(window.frames for _, window in taken) / FPS)}; "
        f"train_fileslist: {LIST}",
        [f"{name}: left out, {window.frames} frames" for name, window in named if window.frames < LEAST],
        partial(_list, [name for name, _ in taken]),
    )


def _write(reader: Reader, window: Window, path: Path) -> None:
    with TemporaryDirectory(dir=path.parent) as folder:
        mp4, _ = write_crops(reader, window, ["latentsync"], Path(folder))
        mp4.rename(path)


def _list(names: list[str], done: Path, final: Path) -> None:
    (done / LIST).write_text("".join(f"{final / name}\n" for name in names), "utf-8")


LATENTSYNC = Export(
    name="latentsync",
    help="Write accepted videos as aligned faces of 256 px with sound, on which LatentSync's own script trains.",
    options=Options,
    columns=lambda _: (LANDMARKS,),
    plan=plan,
)
