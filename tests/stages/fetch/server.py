"""A web server on this machine for tests: it speaks Range and If-Range, misbehaves as told, and remembers who asked.

    with Server() as server:
        address = server.put("/a.zip", content, Turn(stop_after=1000), etag='"v1"')
        ...                                     # the first request is broken off after 1000 bytes, the second is not
        assert server.sent("/a.zip") == 1000 + (len(content) - 1000)

Python's own `http.server` serves no ranges.
"""

import email.utils
import mimetypes
import re
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

BLOCK = 1 << 14


@dataclass(frozen=True)
class Turn:
    """How one request is answered, where not plainly; turns of a path are used up one a request, in order."""

    status: int | None = None
    """Answer with this status and no file (404, 403, 503, a redirect, …)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields to add, or to send in place of the usual ones (`Location`, `Retry-After`, `Content-Range`, …)."""
    content: bytes | None = None
    """Serve these bytes instead of the file's."""
    ignore_range: bool = False
    """Serve the whole file whatever part is asked for."""
    shift: int = 0
    """Serve a part that begins so many bytes later than the one asked for, and say so."""
    piece: int | None = None
    """Serve no more than so many bytes of the part asked for, and say so."""
    stop_after: int | None = None
    """After so many bytes of the body, stop: stay silent for `silence` seconds, then close the connection."""
    silence: float = 0.0
    reset: bool = False
    """Close it as a crash does (RST), not as an end (FIN)."""
    chunked: bool = False
    """Send the body in chunks, its length unsaid."""
    drip: float = 0.0
    """Seconds between blocks of `block` bytes."""
    block: int = BLOCK


PLAIN = Turn()


@dataclass
class Exchange:
    """One request and what became of it: `sent` counts the bytes of the body that were handed to the connection."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class _File:
    content: bytes
    etag: str | None
    modified: float | None
    turns: list[Turn]
    always: Turn


class Server:
    """Serves what was `put`; anything else is 404. A context manager: leaving it ends all connections."""

    def __init__(self) -> None:
        self.log: list[Exchange] = []
        self.stopping = threading.Event()
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Where it is: `http://127.0.0.1:PORT`, without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def put(
        self,
        path: str,
        content: bytes = b"",
        *turns: Turn,
        etag: str | None = None,
        modified: float | None = None,
        always: Turn = PLAIN,
    ) -> str:
        """Serve `content` at `path` and return its address.

        The first requests are answered as `turns` say, all later ones as `always`. `etag` (with its quotes) and
        `modified` (seconds since 1970) are what the server calls this state of the file; with None it does not say.
        """
        with self._lock:
            self._files[path] = _File(content, etag, modified, list(turns), always)
        return self.address + path

    def of(self, path: str) -> list[Exchange]:
        """The requests for one path, in order."""
        with self._lock:
            return [exchange for exchange in self.log if exchange.path == path]

    def sent(self, path: str | None = None) -> int:
        """Bytes of bodies sent for one path, or for all."""
        with self._lock:
            return sum(exchange.sent for exchange in self.log if path in (None, exchange.path))

    def next_turn(self, exchange: Exchange) -> tuple[_File | None, Turn]:
        """Note a request; return the file that it names and how to answer."""
        with self._lock:
            self.log.append(exchange)
            file = self._files.get(exchange.path)
            return file, (file.turns.pop(0) if file.turns else file.always) if file else PLAIN


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Server

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        # To a proxy the path is a whole address (RFC 9112, 3.2.2).
        path = urlsplit(self.path).path if "://" in self.path else self.path
        exchange = Exchange(self.command, path, dict(self.headers.items()))
        file, turn = self.server.owner.next_turn(exchange)
        if file is None or turn.status is not None:
            self._head(exchange, (turn.status if file else None) or 404, {"Content-Length": "0", **turn.headers})
            return
        content = file.content if turn.content is None else turn.content
        first, last, status = self._asked(file, turn, len(content))
        end = last if status != 206 or turn.piece is None else min(last, first + turn.piece)
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream",
        }
        if file.etag:
            headers["ETag"] = file.etag
        if file.modified is not None:
            headers["Last-Modified"] = email.utils.formatdate(file.modified, usegmt=True)
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
        if status == 416:
            headers["Content-Range"] = f"bytes */{len(content)}"
        headers |= {"Transfer-Encoding": "chunked"} if turn.chunked else {"Content-Length": str(end - first)}
        self._head(exchange, status, headers | dict(turn.headers))
        if self.command == "GET":
            self._body(exchange, content[first:end], turn)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass

    def _asked(self, file: _File, turn: Turn, size: int) -> tuple[int, int, int]:
        """Where to begin and to end, and the status that says so (RFC 9110, 14.2 and 13.1.5)."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        states = [file.etag, None if file.modified is None else email.utils.formatdate(file.modified, usegmt=True)]
        if not asked or turn.ignore_range or (condition is not None and condition not in states):
            return 0, size, 200
        first = int(asked[1]) + turn.shift
        end = min(size, int(asked[2]) + 1) if asked[2] else size
        return (first, end, 206) if first < size else (size, size, 416)

    def _head(self, exchange: Exchange, status: int, headers: Mapping[str, str]) -> None:
        exchange.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, exchange: Exchange, body: bytes, turn: Turn) -> None:
        end = len(body) if turn.stop_after is None else min(turn.stop_after, len(body))
        for start in range(0, end, turn.block):
            block = body[start : min(start + turn.block, end)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if turn.chunked else block)
            self.wfile.flush()
            exchange.sent += len(block)
            if turn.drip and self.server.owner.stopping.wait(turn.drip):
                break
        if turn.stop_after is not None:
            self._break_off(turn)
        elif turn.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _break_off(self, turn: Turn) -> None:
        self.server.owner.stopping.wait(turn.silence)
        self.close_connection = True
        if turn.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
