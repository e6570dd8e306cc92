from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.media.wav import Pcm
from portrait_prep.stages.sound import mixdown
from portrait_prep.stages.sound.mixdown import Mixdown

NOISE = np.random.default_rng(0).integers(-(2**15), 2**15, 30_000, np.int16)


def mixed(channels: Pcm, torn: bytes = b"") -> tuple[Mixdown, Pcm]:
    """What comes of samples [n, channels]."""
    mixing = Mixdown(channels.shape[1])
    blocks = list(mixing.blocks(BytesIO(channels.astype("<i2").tobytes() + torn)))
    return mixing, np.concatenate([np.empty(0, np.int16), *blocks])


def test_one_channel_stays_as_it_is() -> None:
    mixing, mono = mixed(NOISE[:, None])
    np.testing.assert_array_equal(mono, NOISE)
    assert not mixing.silent
    assert not mixing.cancelled


@given(st.integers(1, 300), st.binary(max_size=3))
def test_pieces_leave_no_trace_and_a_torn_sample_is_dropped(chunk: int, torn: bytes) -> None:
    stereo = NOISE[:800].reshape(-1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixdown, "CHUNK", chunk)
        _, mono = mixed(stereo, torn)
    np.testing.assert_array_equal(mono, np.rint(stereo.astype(float).mean(axis=1)))


@pytest.mark.parametrize(("peak", "silent"), [(0, True), (3, True), (4, False)])
def test_what_cannot_be_heard_is_silence(peak: int, silent: bool) -> None:
    quiet = np.zeros((1000, 2), np.int16)
    quiet[500, 1] = -peak
    assert mixed(quiet)[0].silent is silent


@pytest.mark.parametrize(("left", "cancelled"), [(1.0, True), (0.85, True), (0.5, False), (-1.0, False)])
def test_channels_in_opposite_phase_cancel_out(left: float, cancelled: bool) -> None:
    stereo = np.stack([left * (NOISE // 2), -(NOISE // 2)], axis=1).astype(np.int16)
    assert mixed(stereo)[0].cancelled is cancelled


def test_silence_is_not_cancelled() -> None:
    assert not mixed(np.zeros((100, 2), np.int16))[0].cancelled
