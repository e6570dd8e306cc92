"""The bytes that digests and fingerprints stand on: were they others, every finished workspace would be stale.

The bytes are written out by hand from the definition (little-endian values in C order; a line of JSON for a string and
for a value that may be null); the digests are those of `sha256sum` over these bytes.
"""

import hashlib
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.manifests.record import Basis
from portrait_prep.pipeline.declare.stage import Column
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.arrow import Digests, digest_of

TENSOR = np.array(
    [[[0.0, 1.0], [-2.5, math.nan]], [[math.inf, 1e-45], [256.25, -0.0]]],
    np.float32,
)

GOLDEN = {
    "float32[2,2] with NaN, inf, a denormal and -0": (
        Column("x", "float32", (2, 2)),
        TENSOR,
        bytes.fromhex("00000000 0000803f 000020c0 0000c07f 0000807f 01000000 00208043 00000080"),
        "a5fe8fee6056b71c68f49c3672974d884e354c9657319cd1dabb81ad52446916",
    ),
    "float64": (
        Column("x", "float64"),
        np.array([0.1]),
        bytes.fromhex("9a9999999999b93f"),
        "45d2b662d9d490ae9b932759c910b26b9a874065de620f4ac0a3a23a65e40b8c",
    ),
    "int16[3]": (
        Column("x", "int16", (3,)),
        np.array([[-2, 258, 32767]], np.int16),
        bytes.fromhex("feff 0201 ff7f"),
        "f1d526df9e83692c07d30a9918884945152d56891cd94fa9f111ebd56ddbb980",
    ),
    "int32": (
        Column("x", "int32"),
        np.array([1, -65536], np.int32),
        bytes.fromhex("01000000 0000ffff"),
        "8a6e99791458ed3b6c70d993ee94dfb3a2eddea25a1f6c66d3ab414d7e488423",
    ),
    "bool": (
        Column("x", "bool"),
        np.array([True, False, True]),
        bytes.fromhex("010001"),
        "85f90dfea1d8027e1463e5ca971a250110a20df0119d204a74220bc63516d15b",
    ),
    "strings": (
        Column("x", "str"),
        np.array(["a", "é", ""], object),
        b'"a"\n"\\u00e9"\n""\n',
        "dc1d75831544c29c3e58aede188306a0e3a9d484772a7182cf6fcf053946f362",
    ),
    "strings or null": (
        Column("x", "str", nullable=True),
        np.array([None, "x"], object),
        b'null\n"x"\n',
        "0ac9460bb6d8c286c6568e6d2466f4dfa90ecccfcdc7bbef5f961df9ae519a26",
    ),
    "numbers or null": (
        Column("x", "float64", nullable=True),
        np.array([np.float64(1.5), None, -0.25], object),
        b"1.5\nnull\n-0.25\n",
        "28914235725ec04b6b922bc920f1d9df2065bf8fbc74a59aa413d3fd88d55852",
    ),
}


@pytest.mark.parametrize(("column", "values", "content", "digest"), GOLDEN.values(), ids=GOLDEN.keys())
def test_a_column_s_digest_is_that_of_its_bytes(
    column: Column, values: NDArray[np.generic], content: bytes, digest: str
) -> None:
    digests = Digests([column])
    digests.update({"x": values})
    assert digests.results() == {"x": digest}
    assert hashlib.sha256(content).hexdigest() == digest


@pytest.mark.parametrize("values", [TENSOR.astype(">f4"), np.asfortranarray(TENSOR), np.repeat(TENSOR, 2, axis=0)[::2]])
def test_how_values_lie_in_memory_does_not_count(values: NDArray[np.float32]) -> None:
    column, _, _, digest = GOLDEN["float32[2,2] with NaN, inf, a denormal and -0"]
    digests = Digests([column])
    digests.update({"x": values})
    assert digests.results() == {"x": digest}


def test_a_record_s_digest_is_that_of_its_sorted_parts_as_json() -> None:
    content = b'[["mp4", "01"], ["number", "ab"]]'
    digest = "1230dcea1e1b3967851fcb50ede1e65bfade96022f4f196002c88097f5cfdea0"
    assert digest_of([("number", "ab"), ("mp4", "01")]) == digest
    assert digest_of({"mp4": "01", "number": "ab"}.items()) == digest
    assert hashlib.sha256(content).hexdigest() == digest


BASIS = Basis(
    version=3,
    params={"width": 5, "sigma": 0.5, "backend": "é"},
    models={"mesh": "cd"},
    catalogue={"start": None, "end": 1.5},
    inputs={"count.number": "ab"},
    outside={"bytes": 7},
)


def test_a_fingerprint_is_that_of_the_stage_and_the_sorted_basis_as_json() -> None:
    content = (
        rb'[["basis", "{\"catalogue\": {\"end\": 1.5, \"start\": null}, \"inputs\": {\"count.number\": \"ab\"}, '
        rb"\"models\": {\"mesh\": \"cd\"}, \"outside\": {\"bytes\": 7}, "
        rb'\"params\": {\"backend\": \"\\u00e9\", \"sigma\": 0.5, \"width\": 5}, \"version\": 3}"], '
        rb'["stage", "scale"]]'
    )
    digest = "6f2369af7287eef044e7cf0bbc1d2725befb48a51738dd3dd83cd276d6835868"
    assert fingerprint("scale", BASIS) == digest
    assert hashlib.sha256(content).hexdigest() == digest
