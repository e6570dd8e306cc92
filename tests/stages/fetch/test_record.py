import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_prep.errors import TransferFailed
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import record
from portrait_prep.stages.fetch.http import fetch
from portrait_prep.stages.fetch.record import RecordFile, files
from portrait_prep.stages.fetch.settings import DownloadParams
from tests.stages.fetch.server import Server, Turn

PARAMS = DownloadParams(reserve=0.0, retries=0)
RECORD = "/api/records/1188976"
NAME = "Video_Speech_Actor_01.zip"
MD5 = "3c42877921cc08cfb5c841a0f2cb94a7"
ZENODO = {
    "id": 1188976,
    "doi": "10.5281/zenodo.1188976",
    "metadata": {"title": "RAVDESS", "license": {"id": "cc-by-nc-sa-4.0"}},
    "links": {"self": "https://example.org/api/records/1188976"},
    "files": [
        {
            "id": "8f5a",
            "key": NAME,
            "size": 552968353,
            "checksum": f"md5:{MD5}",
            "links": {"self": f"https://example.org/api/records/1188976/files/{NAME}/content"},
        }
    ],
}
"""A record as Zenodo's API gives it."""
DEPOSITION = {
    "files": [
        {
            "filename": NAME,
            "filesize": 552968353.0,
            "checksum": MD5.upper(),
            "links": {
                "self": "https://example.org/api/deposit/depositions/1/files/8f5a",
                "download": f"https://example.org/api/records/1188976/files/{NAME}/content",
            },
        }
    ]
}
"""A deposition, of the older API."""
RDM_ENTRY = {
    "key": NAME,
    "size": 552968353,
    "checksum": f"md5:{MD5}",
    "status": "completed",
    "links": {
        "self": f"/api/records/1188976/files/{NAME}",
        "content": f"https://example.org/api/records/1188976/files/{NAME}/content",
    },
}
"""A file in InvenioRDM's REST API: `self` are facts about it."""
SHAPES = {
    "zenodo": ZENODO,
    "deposition": DEPOSITION,
    "list of files": {"enabled": True, "entries": [RDM_ENTRY]},
    "record with entries": {"files": {"enabled": True, "entries": {NAME: RDM_ENTRY}}},
    "named by the keys only": {
        "files": {"entries": {NAME: {name: fact for name, fact in RDM_ENTRY.items() if name != "key"}}}
    },
    "files alone": DEPOSITION["files"],
}


def put(server: Server, answer: Any) -> str:
    return server.put(RECORD, json.dumps(answer).encode())


def ask(server: Server, cache: Path) -> Mapping[str, RecordFile]:
    return files(server.address + RECORD, cache, PARAMS)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_says_the_same(server: Server, tmp_path: Path, shape: str) -> None:
    put(server, SHAPES[shape])
    (file,) = ask(server, tmp_path / "record.json").values()
    assert file.name == NAME
    assert file.size == 552968353
    assert file.md5 == MD5
    assert file.address == f"https://example.org/api/records/1188976/files/{NAME}/content"


def test_the_answer_is_kept_as_published_and_asked_for_once(server: Server, tmp_path: Path) -> None:
    put(server, ZENODO)
    first = ask(server, tmp_path / "sources/record.json")
    assert ask(server, tmp_path / "sources/record.json") == first
    assert len(server.log) == 1
    assert [path.name for path in (tmp_path / "sources").iterdir()] == ["record.json"]
    assert (tmp_path / "sources/record.json").read_bytes() == json.dumps(ZENODO).encode()


def test_links_may_be_relative_and_lead_to_the_file(server: Server, tmp_path: Path) -> None:
    address = server.put("/api/files/a.zip", b"bytes")
    link = {"content": "/api/files/a.zip"}
    put(server, {"entries": [{"key": "a.zip", "size": 5, "checksum": "md5:" + "0" * 32, "links": link}]})
    file = ask(server, tmp_path / "record.json")["a.zip"]
    assert file.address == address
    with pytest.raises(TransferFailed, match="has the MD5"):
        fetch(file.address, tmp_path / "a.zip", PARAMS, file.size, file.md5)


WRONG: list[dict[str, Any]] = [
    {"key": "../a.zip"},
    {"key": "a\\b.zip"},
    {"key": ".hidden"},
    {"key": ""},
    {"key": 3},
    {"size": -1},
    {"size": None},
    {"checksum": "sha256:" + "0" * 64},
    {"checksum": None},
    {"links": {}},
    {"links": None},
    {"links": [3]},
]
MALFORMED: list[Any] = [
    None,
    [],
    {},
    "files",
    {"files": None},
    {"files": []},
    {"files": {"enabled": False}},
    {"files": {"entries": 3}},
    {"files": {"entries": {NAME: 3}}},
    {"files": [3]},
    {"files": [ZENODO]},
    *({"files": [RDM_ENTRY | change]} for change in WRONG),
]


@pytest.mark.parametrize("answer", MALFORMED)
def test_an_answer_that_is_no_record_is_one_sentence_and_is_not_kept(
    server: Server, tmp_path: Path, answer: Any
) -> None:
    address = put(server, answer)
    for _ in range(2):
        with pytest.raises(TransferFailed, match=rf"^{address} (did not answer|answered) with [^\n]{{,200}}$"):
            ask(server, tmp_path / "record.json")
    assert len(server.log) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"files": NaN}'])
def test_an_answer_that_is_no_json_is_one_sentence(server: Server, tmp_path: Path, body: bytes) -> None:
    server.put(RECORD, body)
    with pytest.raises(TransferFailed, match=r"^[^\n]*did not answer with a record[^\n]*$"):
        ask(server, tmp_path / "record.json")


def test_an_answer_without_end_is_cut(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_BYTES", 1000)
    server.put(RECORD, b"[" * (1 << 20), always=Turn(chunked=True, drip=0.02))
    with pytest.raises(TransferFailed, match="has more than the 1000 bytes expected"):
        ask(server, tmp_path / "record.json")
    assert server.sent() < 1 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_kept_answer_that_was_spoilt_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    put(server, ZENODO)
    (tmp_path / "record.json").write_bytes(b"{")
    assert NAME in ask(server, tmp_path / "record.json")


def test_a_record_that_is_not_there(server: Server, tmp_path: Path) -> None:
    server.put(RECORD, always=Turn(status=404))
    with pytest.raises(BadVideo, match="answered 404 Not Found"):
        ask(server, tmp_path / "record.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["files", "entries", "key", "size", "checksum", "links", "self"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_answered_is_read_or_told(tmp_path: Path, answer: Any) -> None:
    cache = tmp_path / "record.json"
    cache.write_text(json.dumps(answer))
    with pytest.raises(TransferFailed, match=r"^http://127\.0\.0\.1:9/ [^\n]*$"):
        files("http://127.0.0.1:9/", cache, PARAMS)
