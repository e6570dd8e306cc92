"""Sound at the rate of its source is read back window by window, to the sample."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.flac import read_flac, samples_of

FRAMES = 60


def write(path: Path, samples: NDArray[np.int16] | NDArray[np.int32], rate: int) -> None:
    """By PyAV: 16 bits, or 24 in the upper ones of 32."""
    kind = "s16" if samples.dtype == np.int16 else "s32"
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono", format=kind)
        for first in range(0, len(samples), 1000):
            frame = av.AudioFrame.from_ndarray(samples[np.newaxis, first : first + 1000], format=kind, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    deep=st.booleans(),
    first=st.integers(0, FRAMES),
    count=st.integers(0, FRAMES),
)
def test_any_frames_are_read_to_the_sample(
    tmp_path_factory: pytest.TempPathFactory, rate: int, deep: bool, first: int, count: int
) -> None:
    path, rng = tmp_path_factory.mktemp("flac") / "a.flac", np.random.default_rng(rate)
    length, count = samples_of(FRAMES, rate), min(count, FRAMES - first)
    if deep:
        samples = rng.integers(-(1 << 23), 1 << 23, length, dtype=np.int32) << 8
        write(path, samples, rate)
        expected = samples / 2.0**31
    else:
        write(path, rng.integers(-(1 << 15), 1 << 15, length, dtype=np.int16), rate)
        expected = np.random.default_rng(rate).integers(-(1 << 15), 1 << 15, length, dtype=np.int16) / 2.0**15
    found_rate, found = read_flac(path, first, count)
    assert found_rate == rate
    np.testing.assert_array_equal(found, expected[samples_of(first, rate) : samples_of(first + count, rate)])


def test_what_ends_too_early_or_is_no_flac_is_damaged(tmp_path: Path) -> None:
    write(tmp_path / "short.flac", np.zeros(44100, np.int16), 44100)
    (tmp_path / "no.flac").write_bytes(b"no sound")
    for name in ("short.flac", "no.flac"):
        with pytest.raises(Damaged, match=name):
            read_flac(tmp_path / name, 0, 26)
