from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.media.extent import declared_size


def vint(value: int, width: int) -> bytes:
    """An EBML size of so many bytes."""
    return (value | 1 << 7 * width).to_bytes(width, "big")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def riff(kind: bytes, *chunks: bytes) -> bytes:
    return chunk(b"RIFF", kind + b"".join(chunks))


HEADER = b"\x1a\x45\xdf\xa3" + vint(20, 1) + bytes(20)
SEGMENT = b"\x18\x53\x80\x67"
UNKNOWN = b"\x01" + b"\xff" * 7


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a"


@pytest.mark.parametrize("width", range(2, 9))
def test_a_segment_says_where_it_ends(path: Path, width: int) -> None:
    whole = HEADER + SEGMENT + vint(1000, width) + bytes(1000)
    for data in (whole, whole[:-1], whole[:60], whole + b"behind"):
        path.write_bytes(data)
        assert declared_size(path) == len(whole)


def test_an_unknown_size_ends_the_search(path: Path) -> None:
    path.write_bytes(HEADER + SEGMENT + UNKNOWN + bytes(1000))
    assert declared_size(path) == len(HEADER)


def test_chunks_of_all_riffs_count_and_their_own_size_does_not(path: Path) -> None:
    first = riff(b"AVI ", chunk(b"LIST", b"hdrl"), chunk(b"LIST", b"movi" + bytes(501)), chunk(b"idx1", bytes(16)))
    second = riff(b"AVIX", chunk(b"LIST", b"movi" + bytes(700)))
    path.write_bytes(first + second)
    assert declared_size(path) == len(first + second)
    path.write_bytes((first + second)[:-300])
    assert declared_size(path) == len(first + second)
    counted_from_its_beginning = first[:4] + len(first).to_bytes(4, "little") + first[8:]
    path.write_bytes(counted_from_its_beginning)
    assert declared_size(path) == len(first)


def test_what_stands_behind_a_riff_is_not_read_as_a_chunk(path: Path) -> None:
    whole = riff(b"AVI ", chunk(b"LIST", b"movi" + bytes(500)))
    path.write_bytes(whole + b"some words of an editor that stand behind the end")
    assert declared_size(path) == len(whole)


@given(
    st.binary(max_size=200) | st.binary(max_size=200).map(HEADER.__add__) | st.binary(max_size=200).map(b"RIFF".__add__)
)
def test_any_bytes_are_read_to_an_end(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    assert declared_size(path) >= 0
