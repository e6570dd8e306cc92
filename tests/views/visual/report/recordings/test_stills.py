"""Pictures of stretches come from their middle, and of segments show their region."""

import base64
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.container import InputContainer
from numpy.typing import NDArray

from portrait_prep.manifests.segments import Segment
from portrait_prep.media import source_frames
from portrait_prep.media.container import opened
from portrait_prep.views.visual.report.recordings.stills import SIDE, stills
from tests.stages.recordings.footage import write

WIDTH, HEIGHT = 320, 180
SHADES = (40, 120, 200)
"""Of the seconds of the file; the right third of the picture is red all the time."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def pictures() -> list[NDArray[np.uint8]]:
        found = []
        for shade in SHADES:
            picture = np.full((HEIGHT, WIDTH, 3), shade, np.uint8)
            picture[:, 2 * WIDTH // 3 :] = (220, 20, 20)
            found += [picture] * 25
        return found

    return write(tmp_path_factory.mktemp("recording") / "talk.mp4", iter(pictures()), (WIDTH, HEIGHT))


def row(start: float, end: float, crop: tuple[int, int, int, int] | None = None) -> Segment:
    """Kept where it has a region."""
    place = {} if crop is None else dict(zip(("crop_x", "crop_y", "crop_w", "crop_h"), crop, strict=True))
    return Segment(
        segment_id="talk-000-00000000",
        recording="talk",
        source="talk.mp4",
        start=start,
        end=end,
        voice_share=1.0,
        kept=crop is not None,
        **place,
    )


def seen(uri: str) -> NDArray[np.uint8]:
    """RGB."""
    data = np.frombuffer(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture[:, :, ::-1], np.uint8)


def test_the_middle_is_shown_of_segments_their_region_and_of_the_rest_everything(recording: Path) -> None:
    red = (2 * WIDTH // 3 + 2, 0, WIDTH // 3 - 2, HEIGHT)
    rows = [(0, row(0, 1)), (4, row(0.5, 2.5)), (5, row(2, 3, red)), (6, row(0.2, 0.8, (0, 0, 100, 100)))]
    found = {number: seen(uri) for number, uri in stills(recording, rows)}
    assert list(found) == [0, 4, 5, 6]
    assert found[0].shape == (SIDE * HEIGHT // WIDTH, SIDE, 3)
    for number, shade in ((0, 40), (4, 120), (6, 40)):
        assert abs(int(found[number][20, 20, 1]) - shade) < 12
    assert found[0][20, -20, 0] > 180 > 60 > found[0][20, -20, 1]
    assert (found[5][:, :, 0].astype(int) - found[5][:, :, 1] > 150).all()
    assert found[6].shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("crop", [(5000, 0, 100, 100), (-500, -500, 100, 100), (0, 0, 0, 0)])
def test_a_region_out_of_the_picture_has_none(recording: Path, crop: tuple[int, int, int, int]) -> None:
    assert [number for number, _ in stills(recording, [(0, row(0, 1, crop)), (1, row(0, 1))])] == [1]


def test_what_is_no_file_costs_its_pictures_only(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    for path in (tmp_path / "gone.mp4", tmp_path / "notes.mp4", tmp_path):
        assert list(stills(path, [(0, row(0, 1))])) == []


def test_beyond_the_end_the_last_picture_is_shown(recording: Path) -> None:
    found = dict(stills(recording, [(0, row(100, 200)), (1, row(0, 1))]))
    assert abs(int(seen(found[1])[20, 20, 1]) - 40) < 12


def test_the_file_is_opened_once_for_all_pictures(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = list[Path]()

    def counted(path: Path) -> AbstractContextManager[InputContainer]:
        times.append(path)
        return opened(path)

    monkeypatch.setattr(source_frames, "opened", counted)
    assert len(dict(stills(recording, [(number, row(number, number + 1)) for number in range(3)]))) == 3
    assert times == [recording]
