"""
A Redis server for the tour: the real one if it is installed, else a stand-in.

The stand-in knows what a session asks for, so that the tour is whole on any machine.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("redis_url",)

_DEADLINE_S = 10.0


@contextmanager
def redis_url() -> Iterator[str]:
    """Run a server on a socket of its own, and yield the URL of a client."""
    program = shutil.which("redis-server")
    with TemporaryDirectory(prefix="redis") as folder:
        path = Path(folder) / "s"
        with _real(program, path) if program else _stand_in(path):
            yield f"unix://{path}"


@contextmanager
def _real(program: str, path: Path) -> Iterator[None]:
    options = ["--port", "0", "--unixsocket", str(path), "--save", ""]
    # A program of this machine, found by its name alone.
    server = subprocess.Popen(  # noqa: S603
        [program, *options, "--dir", str(path.parent)], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(path)
        yield
    finally:
        server.terminate()
        server.wait(_DEADLINE_S)


def _wait_for(path: Path) -> None:
    until = time.monotonic() + _DEADLINE_S
    with socket.socket(socket.AF_UNIX) as client:
        while client.connect_ex(str(path)) != 0:
            if time.monotonic() > until:
                raise TimeoutError(f"no answer of the Redis server at {path}")
            time.sleep(0.005)


@contextmanager
def _stand_in(path: Path) -> Iterator[None]:
    # Each stand-in with values of its own, shared by its clients.
    handler = type("Handler", (_Handler,), {"values": {}})
    with ThreadingUnixStreamServer(str(path), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(_DEADLINE_S)


class _Handler(StreamRequestHandler):
    """One client of the stand-in."""

    values: dict[bytes, Any]

    def handle(self) -> None:
        """Answer commands until the client leaves."""
        queued: list[list[bytes]] | None = None
        while command := self._read():
            name = command[0].upper()
            if name == b"MULTI":
                queued, answer = [], b"+OK\r\n"
            elif name == b"EXEC":
                answer = _array([self._answer(each) for each in queued or []])
                queued = None
            elif queued is not None:
                queued.append(command)
                answer = b"+QUEUED\r\n"
            else:
                answer = self._answer(command)
            self.wfile.write(answer)

    def _read(self) -> list[bytes]:
        count = self.rfile.readline()[1:]
        parts = []
        for _ in range(int(count or 0)):
            size = int(self.rfile.readline()[1:])
            parts.append(self.rfile.read(size + 2)[:-2])
        return parts

    def _answer(self, command: list[bytes]) -> bytes:
        name, *words = command
        match name.upper():
            case b"RPUSH":
                self.values.setdefault(words[0], []).extend(words[1:])
                answer = b":%d" % len(self.values[words[0]])
            case b"LRANGE":
                kept = self.values.get(words[0], [])
                start = max(int(words[1]), -len(kept))
                return _array([_text(item) for item in kept[start:]])
            case b"HSET" | b"HSETNX":
                self.values.setdefault(words[0], {})[words[1]] = words[2]
                answer = b":1"
            case b"TYPE":
                kinds = {list: b"list", dict: b"hash", type(None): b"none"}
                answer = b"+" + kinds[type(self.values.get(words[0]))]
            case b"HELLO":
                answer = b"%%1\r\n+proto\r\n:%s" % words[0]
            case b"WATCH" | b"UNWATCH" | b"CLIENT" | b"PING":
                answer = b"+OK"
            case _:
                answer = b"-ERR unknown command"
        return answer + b"\r\n"


def _array(answers: list[bytes]) -> bytes:
    return b"*%d\r\n%s" % (len(answers), b"".join(answers))


def _text(item: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(item), item)
