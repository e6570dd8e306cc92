from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.sheet import AWAY, FACTS, PADDING, SQUARE, SourcePicture

WIDTH, HEIGHT = 320, 240
CORNERS = {(0, 0): (220, 30, 30), (1, 0): (30, 200, 30), (0, 1): (30, 30, 220), (1, 1): (230, 230, 230)}
"""Quarter of the stored picture (x, y) -> its colour; the second half of the video is black."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "a.mp4"
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for (x, y), colour in CORNERS.items():
        image[y * HEIGHT // 2 : (y + 1) * HEIGHT // 2, x * WIDTH // 2 : (x + 1) * WIDTH // 2] = colour
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(50):
            shown = image if number < 25 else np.zeros_like(image)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown)))
        container.mux(stream.encode())
    return path


def source(path: Path, crop: tuple[int, int, int, int], start: float = 0, **facts: Any) -> SourcePicture:
    """`crop`: x, y, w, h."""
    known = dict.fromkeys(FACTS, 0) | {"display_width": WIDTH, "display_height": HEIGHT, "mirrored": False}
    return SourcePicture(
        known | dict(zip(("crop_x", "crop_y", "crop_w", "crop_h"), crop, strict=True)) | facts, path, start
    )


def near(pixel: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() < 25)


def test_the_picture_is_scaled_and_the_square_lies_where_it_was_taken(video: Path) -> None:
    picture = source(video, (80, 40, 160, 160)).picture(160)
    assert picture.shape == (120, 160, 3)
    assert near(picture[5, 5], CORNERS[0, 0])
    assert near(picture[115, 155], CORNERS[1, 1])
    yellow = np.argwhere((np.abs(picture.astype(int) - SQUARE) < 25).all(axis=2))
    np.testing.assert_allclose(yellow.min(axis=0), (20, 40), atol=1)
    np.testing.assert_allclose(yellow.max(axis=0), (99, 119), atol=1)


def test_what_the_square_has_beyond_the_picture_is_padding(video: Path) -> None:
    picture = source(video, (-80, -160, 400, 400)).picture(200)
    assert picture.shape == (200, 200, 3)
    assert near(picture[40, 100], PADDING)
    assert near(picture[150, 20], PADDING)
    assert near(picture[85, 45], CORNERS[0, 0])
    assert near(picture[195 - 3, 195 - 3], CORNERS[1, 1])


@pytest.mark.parametrize(
    ("rotation", "mirrored", "top_left"),
    [(0, True, (1, 0)), (90, False, (0, 1)), (180, False, (1, 1)), (270, False, (1, 0)), (90, True, (0, 0))],
)
def test_it_stands_upright(video: Path, rotation: int, mirrored: bool, top_left: tuple[int, int]) -> None:
    """Turned clockwise, then mirrored: the stored bottom left comes to the top left by a quarter turn."""
    width, height = (HEIGHT, WIDTH) if rotation in (90, 270) else (WIDTH, HEIGHT)
    turned = source(
        video, (40, 40, 100, 100), rotation=rotation, mirrored=mirrored, display_width=width, display_height=height
    )
    picture = turned.picture(160)
    assert picture.shape[:2] == (height // 2, width // 2)
    assert near(picture[5, 5], CORNERS[top_left])


def test_an_interval_is_shown_from_its_beginning(video: Path) -> None:
    assert near(source(video, (80, 40, 160, 160), start=0.9).picture(160)[5, 5], CORNERS[0, 0])
    assert near(source(video, (80, 40, 160, 160), start=1.0).picture(160)[5, 5], (0, 0, 0))


@pytest.mark.parametrize("content", [None, b"no video"])
def test_where_the_source_cannot_be_read_the_square_is_shown_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "gone.mp4"
    if content is not None:
        path.write_bytes(content)
    picture = source(path, (80, 40, 160, 160)).picture(160)
    assert near(picture[5, 5], AWAY)
    assert near(picture[20, 80], SQUARE)


@pytest.mark.parametrize("name", ["crop_x", "crop_w", "display_height", "rotation"])
@pytest.mark.parametrize("value", [None, "1", 1 << 60, 0.5])
def test_no_picture_is_laid_out_by_what_cannot_be_numbers_of_one(tmp_path: Path, name: str, value: Any) -> None:
    class Location(VideoLocation):
        def row(self, _: Workspace, stage: str, __: int, names: Sequence[str]) -> dict[str, Any]:
            known = source(tmp_path, (0, 0, 9, 9)).facts | {"file": "a.mp4"}
            return {each: np.array([(known | change)[each]], object) for each in names}

    location = Location("v", "s", 1, ("normalize", "download"))
    change: dict[str, Any] = {}
    assert SourcePicture.of(location, Workspace(tmp_path), None) is not None
    change = {name: value}
    assert SourcePicture.of(location, Workspace(tmp_path), None) is None
