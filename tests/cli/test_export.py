"""The command `export`: what it says of options out of bounds."""

from pathlib import Path

import pytest

from tests.whole.runs import portrait_prep


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("webdataset", "--crops", "latentsync", "foo"),
            "--crops = foo is not allowed: must be 'latentsync' or 'musetalk'.",
        ),
        (("webdataset", "--shard-size", "0"), "--shard-size = 0 is not allowed: must be greater than or equal to 1."),
        (("live-link", "--fps", "24"), "--fps = 24 is not allowed: must be 60, 30 or 25."),
    ],
)
def test_a_value_out_of_bounds_is_refused_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    name, *options = arguments
    refused = portrait_prep("export", name, tmp_path / "x", *options)
    assert (refused.returncode, refused.stderr) == (2, f"portrait-prep: {reason}\n")
