from pathlib import Path

import numpy as np
import pytest

from portrait_prep.errors import Damaged
from portrait_prep.media.file import File


def test_a_file_is_read_at_places_up_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(10)))
    file, target = File(path), np.zeros((2, 2), np.uint8)
    file.read_into(target, 6)
    assert target.tolist() == [[6, 7], [8, 9]]
    assert file.read(8, 2) == bytes([8, 9])
    for beyond in (lambda: file.read(8, 3), lambda: file.read_into(target, 7)):
        with pytest.raises(Damaged, match="ends too early"):
            beyond()
    file.close()
    with pytest.raises(ValueError, match="has been closed"):
        file.read(0, 1)
