"""What a search for faces costs is bounded, whatever the shape of the picture."""

import numpy as np
import pytest

from portrait_prep.media.picture import Image
from portrait_prep.stages.video import faces
from portrait_prep.stages.video.crop import Faces


@pytest.mark.parametrize(("height", "width"), [(16, 16384), (60, 16384), (16384, 60), (40, 40)])
def test_a_strip_is_not_searched_in_parts(monkeypatch: pytest.MonkeyPatch, height: int, width: int) -> None:
    assert _looks(monkeypatch, height, width) == 0


def test_pictures_of_people_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _looks(monkeypatch, 1080, 1920) == 15
    assert 0 < _looks(monkeypatch, 500, 500 * faces.LONGEST) < 200


def test_where_no_face_has_room_none_is_looked_for() -> None:
    image, face = np.zeros((400, 1, 3), np.uint8), np.array([0, 100, 0.3, 0.3, 0.9], np.float32)
    assert faces._look_again(image, face) is None
    assert len(faces.search_parts(image, 0)) == 0


def _looks(monkeypatch: pytest.MonkeyPatch, height: int, width: int) -> int:
    sides: list[int] = []

    def look(image: Image) -> Faces:
        sides.append(min(image.shape[:2]))
        return np.empty((0, 5), np.float32)

    monkeypatch.setattr(faces, "face_detector", lambda: look)
    found = faces.search_parts(np.zeros((height, width, 3), np.uint8), min(height, width) // 2)
    assert found.shape == (0, 5)
    return len(sides)
