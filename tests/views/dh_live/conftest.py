"""Short films of made faces, which the exports are tried on."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.views import moving_faces

FRAMES = {"ann-1": 30, "bob-gap": 40, "cy-drawn": 16}
GAP = (4, 18)
"""Of bob-gap."""


@pytest.fixture(scope="package")
def filmed_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Done at all stages; not to be written to. While it is there, `moving_faces` tells of it."""
    with (
        patch.dict(moving_faces.FRAMES, FRAMES, clear=True),
        patch.object(moving_faces, "FILMED", set(FRAMES)),
        patch.object(moving_faces, "GAP", GAP),
    ):
        yield moving_faces.make(tmp_path_factory.mktemp("filmed") / "w")
