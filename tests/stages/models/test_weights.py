"""Files of weights that were made to be loaded wrongly: each is told in a sentence, in little memory."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

from portrait_prep.errors import MissingPrerequisite  # noqa: E402
from portrait_prep.media.memory import BASE_ALLOWANCE  # noqa: E402
from portrait_prep.stages.models.weights import load_weights  # noqa: E402

WIDTH = 8


class Wide:
    """A few bytes in a file, and more in memory than reading any of its size may take."""

    def __reduce__(self) -> Any:
        return bytearray, (2 * BASE_ALLOWANCE,)


STATES: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "repeats one number without end": (lambda weight: weight[:1, :1].expand(1 << 35, 1 << 5), "another network"),
    "is sparse": (lambda weight: weight.to_sparse(), "no state dict"),
    "has no values": (lambda weight: weight.to("meta"), "no state dict"),
    "is complex": (lambda weight: weight.to(torch.complex64), "no state dict"),
    "is beyond float32": (lambda weight: weight.double() * 1e300, "values that are no numbers"),
    "unpacks to gigabytes": (lambda _: Wide(), "damaged or no file of weights"),
}


def load(path: Path) -> str:
    """Load a file that should not be; returns what is said of it."""
    with pytest.raises(MissingPrerequisite) as caught:
        load_weights(torch.nn.Linear(WIDTH, WIDTH, bias=False), path)
    return str(caught.value)


@pytest.mark.parametrize(("made", "told"), STATES.values(), ids=STATES)
def test_a_state_dict_holds_plain_tensors_and_takes_no_more_than_its_file(
    made: Callable[[Any], Any], told: str, tmp_path: Path
) -> None:
    torch.save({"weight": made(torch.ones(WIDTH, WIDTH))}, tmp_path / "w.pth")
    assert told in load(tmp_path / "w.pth")


def test_a_pickle_of_nonsense_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"\x80\x02" + b"(" * 100 + b".")
    assert "damaged or no file of weights" in load(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"w": [0, 256], "v": [256, 0], "u": [0, 256]}, "it ends too early"),
        ({"w": [0, 257]}, "it ends too early"),
        ({"w": [0, 256], "v": [0, 256]}, "its tensors overlap"),
    ],
)
def test_tensors_lie_within_a_file_and_apart(entries: Mapping[str, list[int]], told: str, tmp_path: Path) -> None:
    header = {name: {"dtype": "F32", "shape": [64], "data_offsets": place} for name, place in entries.items()}
    assert told in load(written(tmp_path, header))


def test_what_a_file_says_is_told_in_brief(tmp_path: Path) -> None:
    header = {"w": {"dtype": "Z" * 100_000 + "\n", "shape": [64], "data_offsets": [0, 256]}}
    said = load(written(tmp_path, header))
    assert len(said) < 500
    assert "\n" not in said


def test_a_header_is_no_larger_than_those_of_networks(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    assert "it has no header" in load(written(tmp_path, {f"{number}": entry for number in range(100_000)}))


def written(folder: Path, header: Mapping[str, Any]) -> Path:
    """A safetensors file with 256 bytes of tensors."""
    told = json.dumps(header).encode()
    path = folder / "w.safetensors"
    path.write_bytes(len(told).to_bytes(8, "little") + told + bytes(256))
    return path
