"""
A proxy that knows CONNECT, and black holes to connect to.

Small, because only what a client sends to a proxy is of interest.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Tunnel", "listening")


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """Yield a port where connections are taken, and nothing is ever read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@final
class Tunnel:
    """Relays whatever follows a CONNECT; keeps the heads of the requests."""

    def __init__(self, status: int = 200) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._status = status
        self.heads: list[str] = []
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        # close() alone leaves a thread in accept().
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(
                    target=self._serve, args=(client,), daemon=True
                ).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.heads.append(head.decode())
            host, _, port = head.split()[1].decode().rpartition(":")
            client.sendall(b"HTTP/1.1 %d Answer\r\n\r\n" % self._status)
            if self._status != 200:
                return
            with socket.create_connection((host, int(port))) as target:
                back = threading.Thread(target=_relay, args=(target, client))
                back.start()
                _relay(client, target)
                back.join()


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
