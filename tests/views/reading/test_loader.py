"""The loader hands out every sample once, whichever process makes it, and continues exactly."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")

from portrait_prep.errors import BadInput  # noqa: E402
from portrait_prep.views.reading.loader import (  # noqa: E402
    Loader,
    Sampler,
    TorchSamples,
)
from portrait_prep.views.reading.reader import Reader  # noqa: E402
from portrait_prep.views.reading.samples import Draw, Sample, Samples  # noqa: E402
from portrait_prep.views.reading.windows import Window, windows  # noqa: E402
from tests.views.small_corpus import make  # noqa: E402


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    reader = Reader(make(tmp_path_factory.mktemp("small") / "w"), ["headpose.box"])
    return Samples(reader, windows(reader.videos, 20, 7), box, seed=5)


def box(reader: Reader, window: Window, rng: np.random.Generator) -> Sample:
    """A small sample with a lot in it."""
    return {
        "box": reader.read(*window)["headpose.box"],
        "video": window.video,
        "first": window.first,
        "lot": rng.integers(2**31),
    }


def test_where_no_window_fits_that_is_said_and_not_read_as_an_empty_set(samples: Samples) -> None:
    reader = samples.reader
    longest = max(stop - first for footage in reader.videos for first, stop in footage.runs)
    told = f"No sample can be made of the {len(reader.videos)} videos .* has {longest} frames"
    with pytest.raises(BadInput, match=told):
        Samples(reader, windows(reader.videos, longest + 1), box)


def test_a_sample_is_the_same_whenever_it_is_made(samples: Samples) -> None:
    assert samples[3]["lot"] == samples[3]["lot"] == samples[Draw(3, 0)]["lot"] == samples[3 - len(samples)]["lot"]
    assert len({int(samples[Draw(3, epoch)]["lot"]) for epoch in range(5)}) == 5
    assert samples[3]["box"].shape == (20, 2, 3, 2)
    with pytest.raises(IndexError):
        samples[len(samples)]


def seen(batches: Iterator[Any]) -> list[tuple[int, int, int]]:
    """Video, first frame and lot of each sample, in order."""
    names = ("video", "first", "lot")
    return [row for batch in batches for row in zip(*(batch[name].tolist() for name in names), strict=True)]


@pytest.mark.parametrize(
    ("workers", "context"), [(0, None), (2, "fork"), pytest.param(2, "spawn", marks=pytest.mark.slow)]
)
def test_it_goes_on_after_the_batch_that_was_handed_out_last(
    samples: Samples, workers: int, context: str | None
) -> None:
    options: dict[str, Any] = {"workers": workers, "multiprocessing_context": context}
    through = Loader(samples, 8)
    expected = [seen(iter(through)), seen(iter(through))]
    assert sorted(row[:2] for row in expected[0]) == sorted((each.video, each.first) for each in samples.items)
    assert expected[0] != expected[1]

    broken = Loader(samples, 8, **options)
    batches = iter(broken)
    start = seen(islice(batches, 5))
    state = json.loads(json.dumps(broken.state_dict()))
    del batches, broken

    resumed = Loader(samples, 8, **options)
    resumed.load_state_dict(state)
    assert len(resumed) == len(through) - 5
    assert start + seen(iter(resumed)) == expected[0]
    assert seen(iter(resumed)) == expected[1]


def test_ranks_share_the_batches(samples: Samples) -> None:
    shares = [Loader(samples, 8, Sampler(len(samples), rank=rank, ranks=3), workers=0) for rank in range(3)]
    lengths = [len(share) for share in shares]
    batches = [list(share) for share in shares]
    assert [len(share) for share in batches] == lengths
    shared = [row[:2] for share in batches for row in seen(iter(share))]
    assert sorted(shared) == sorted((each.video, each.first) for each in samples.items)


def test_incomplete_batches_can_be_left_out(samples: Samples) -> None:
    loader = Loader(samples, 8, drop_last=True)
    assert len(loader) == len(samples) // 8
    assert {len(batch["first"]) for batch in loader} == {8}
    assert len(loader) == len(samples) // 8


def test_samples_are_tensors(samples: Samples) -> None:
    data = TorchSamples(samples)
    assert isinstance(data, torch.utils.data.Dataset)
    assert len(data) == len(samples)
    assert data[2]["box"].dtype == torch.float32
    np.testing.assert_array_equal(data[2]["box"].numpy(), samples[2]["box"])


def test_it_is_the_rank_that_torch_says(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"is_initialized": True, "get_rank": 1, "get_world_size": 4}.items():
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    sampler = Loader(samples, 8).sampler
    assert (sampler.rank, sampler.ranks, sampler.equal, sampler.seed) == (1, 4, True, samples.seed)
