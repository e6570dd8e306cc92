"""Videos as recordings of the app Live Link Face, each with its sound beside it.

<folder>/<video_id>.csv             see `views.live_link.recording`
<folder>/<video_id>.wav             16 kHz mono PCM16, from the first frame on
<folder>/records/, filelists/       with `records`: see `views.live_link.records`
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import a_few, counted, hours
from portrait_prep.media.picture import FPS
from portrait_prep.views.crnn import BLENDSHAPES, EULER, reader_of_channels, rows_of
from portrait_prep.views.exporting.export import Export, Options, Part, Plan
from portrait_prep.views.live_link.recording import write_recording
from portrait_prep.views.live_link.records import LEAST, lists_of, records_of, write_channels, write_lists, write_sound
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window


class LiveLinkOptions(Options):
    """What of the recordings may be chosen."""

    fps: Literal[60, 30, 25] = Field(60, description="Rows a second: 60 is the app's default, 25 has one a frame.")
    rotations: Literal["radians", "signed"] = Field(
        "radians",
        description="Unit of rotations: radians, as in the app's recordings; signed: half turns, -1..1, as Unreal's "
        "ARKit plugin has them.",
    )
    records: bool = Field(
        False, description="What Bert-VITS2-ext trains on, too: records of 20 s with sound at 44.1 kHz, and its lists."
    )


def plan(reader: Reader, options: LiveLinkOptions) -> Plan:
    """A CSV and a wav of each video. Raises BadInput where records are wanted and no stretch is long enough."""
    parts = [part for number in range(len(reader)) for part in _recording(reader, number, options)]
    frames = sum(footage.frames for footage in reader.videos)
    summary = f"{counted(len(reader), 'recording')}, {hours(frames / FPS)}, {options.fps} rows a second"
    if not options.records:
        return Plan(parts, summary)
    records = records_of(reader.videos)
    if not records:
        raise BadInput(f"Bert-VITS2-ext's loader takes records of {LEAST / FPS} s or more; no stretch is as long.")
    parts += [part for name, window in records.items() for part in _record(reader, name, window, options)]
    taken = {window.video for window in records.values()}
    short = [footage.video.video_id for number, footage in enumerate(reader.videos) if number not in taken]
    left_out = [f"in no record, shorter than {LEAST / FPS} s: {a_few(short)}"] if short else []
    lists = lists_of(records, reader.videos)
    left_out += [f"{side} is the other list: no record belongs there" for side, names in lists.items() if not names]
    return Plan(parts, f"{summary}; {counted(len(records), 'record')}", left_out, partial(_close, lists))


def _recording(reader: Reader, number: int, options: LiveLinkOptions) -> Iterator[Part]:
    footage = reader.videos[number]
    name, rows = footage.video.video_id, rows_of(footage.frames, options.fps)
    lost = sum(_rows_within(gap, options.fps) for gap in footage.gaps)
    line = f"{name}.csv: {rows} rows{f', {lost} of them empty: no face was found for long' if lost else ''}"
    yield Part(f"{name}.csv", partial(write_recording, reader, number, options.fps, options.rotations), line)
    yield Part(f"{name}.wav", partial(_write_wav, reader, number), f"{name}.wav: {hours(footage.frames / FPS)}")


def _rows_within(gap: tuple[int, int], fps: int) -> int:
    """The rows that lie in its frames, or between one of them and the next."""
    first, stop = (-(-frame * fps // FPS) for frame in gap)
    return stop - first


def _write_wav(reader: Reader, number: int, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(reader.content(number, "wav"))


def _record(reader: Reader, name: str, window: Window, options: LiveLinkOptions) -> Iterator[Part]:
    path = f"records/{name}"
    yield Part(f"{path}.wav", partial(write_sound, reader, window), f"{path}.wav")
    yield Part(f"{path}.npy", partial(write_channels, reader, window, options.rotations), f"{path}.npy")


def _close(lists: Mapping[str, Sequence[str]], folder: Path, _: Path) -> None:
    write_lists(lists, folder)


LIVE_LINK = Export(
    name="live-link",
    help="Write accepted videos as recordings of the app Live Link Face: a CSV file of 61 channels, and its sound.",
    options=LiveLinkOptions,
    columns=lambda _: (BLENDSHAPES, EULER),
    plan=plan,
    reader=reader_of_channels,
)
