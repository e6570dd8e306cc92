"""What `export latentsync` writes: videos as its loader reads them, and their list."""

from pathlib import Path

import av
import numpy as np
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.media.frames import read_frames
from portrait_prep.views.crops import latentsync_export
from portrait_prep.views.crops.latentsync_export import LATENTSYNC
from portrait_prep.views.crops.stream import LANDMARKS, stream
from portrait_prep.views.exporting.export import Choice, Options, write_export
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window
from tests.views.moving_faces import DRAWN, FRAMES

DRAWN_ALONE = Choice(only=(DRAWN,))


def test_each_video_is_aligned_faces_with_their_sound_and_listed(moving_workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    lines = write_export(LATENTSYNC, moving_workspace, folder, choice=DRAWN_ALONE)
    assert lines[-1] == f"{folder}: 1 video, 2 s; train_fileslist: fileslist.txt."
    assert (folder / "fileslist.txt").read_text() == f"{folder}/{DRAWN}.mp4\n"
    images = list(read_frames(folder / f"{DRAWN}.mp4"))
    reader = Reader(moving_workspace, [LANDMARKS])
    number = reader.numbers[DRAWN]
    crops = stream(reader, Window(number, 0, FRAMES[DRAWN]), ["latentsync"])
    for image, of_frame in zip(images, crops, strict=True):
        assert np.abs(image.astype(int) - of_frame["latentsync"].image).mean() < 6
    with av.open(str(folder / f"{DRAWN}.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    sound = reader.sound(number).ravel() / 32768
    alike = np.corrcoef(heard[: len(sound)], sound[: len(heard)])[0, 1]
    assert alike > 0.95


def test_what_its_loader_would_pass_over_is_left_out_with_the_reason(
    moving_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latentsync_export, "LEAST", FRAMES[DRAWN] + 1)
    with pytest.raises(BadInput, match="LatentSync's loader needs 61 frames with a face in a row"):
        write_export(LATENTSYNC, moving_workspace, tmp_path / "x", choice=DRAWN_ALONE)
    reader = Reader(moving_workspace, [LANDMARKS], video_id={DRAWN, "bob-gap"})
    plan = latentsync_export.plan(reader, Options())
    assert [part.name for part in plan.parts] == ["bob-gap@0.mp4", "bob-gap@830.mp4"]
    assert list(plan.left_out) == [f"{DRAWN}.mp4: left out, 60 frames"]
