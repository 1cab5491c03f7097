"""
A way through the network that can be broken, between a client and a server.

Bytes are passed on and not understood, so that HTTP and gRPC meet the same faults
on real sockets.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("PASS", "Relay", "Way", "black_hole")

_SLICE_BYTES = 65536


@dataclass(frozen=True)
class Way:
    """What happens to a connection that is made from now on."""

    is_hole: bool = False
    """It is taken, and nothing is ever read from it."""
    reset_after_bytes: int | None = None
    """So much of what the client sends passes, then it is reset."""
    close_after_bytes: int | None = None
    """So much of the answers passes, then it is closed."""
    pause_s: float = 0.0
    """Answers pass one byte at a time, with this pause before each."""


PASS = Way()


@final
class Relay:
    """
    Listen on the loopback interface and pass everything on to a port there.

    Args:
        target: The port.
    """

    def __init__(self, target: int) -> None:
        self.way = PASS
        """For connections made from now on."""
        self.hits = 0
        """Connections that were broken."""
        self._target = target
        self._open: set[_Pair] = set()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        # close() alone leaves a thread in accept().
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        self.cut()

    def cut(self) -> None:
        """Reset every connection there is."""
        with self._lock:
            pairs, self._open = self._open, set()
        for pair in pairs:
            pair.reset()

    def join(self, client: socket.socket) -> None:
        """Serve a client that came some other way, on the way of this moment."""
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        with self._lock:
            pair = _Pair(client, server, self.way, self)
            self._open.add(pair)
        pair.start()

    def freeze(self) -> None:
        """Swallow silently what comes over the connections there are."""
        with self._lock:
            for pair in self._open:
                pair.is_frozen = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.join(self._server.accept()[0])


class _Pair:
    def __init__(
        self, client: socket.socket, server: socket.socket, way: Way, relay: Relay
    ) -> None:
        self.is_frozen = False
        self._client, self._server, self._way = client, server, way
        self._relay = relay
        self._ended = threading.Event()
        self._running = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        if self._way.is_hole:
            self._relay.hits += 1
            return
        for run in (self._up, self._down):
            threading.Thread(target=self._run, args=(run,), daemon=True).start()

    def reset(self) -> None:
        """Close both ends; the client's with a reset."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        # A thread in recv() holds the socket open, so it is woken first.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RD)
        self._client.close()
        self._server.close()

    def _run(self, run: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            assert callable(run)
            run()
        with self._lock:
            self._running -= 1
            is_last = not self._running
        if is_last and not self.is_frozen:
            self._client.close()
            self._server.close()

    def _up(self) -> None:
        left = self._way.reset_after_bytes
        while data := self._client.recv(_SLICE_BYTES):
            if self.is_frozen:
                continue
            if left is not None:
                data, left = data[:left], left - len(data)
            self._server.sendall(data)
            if left is not None and left <= 0:
                self._relay.hits += 1
                self.reset()
                return
        self._server.shutdown(socket.SHUT_WR)

    def _down(self) -> None:
        left = self._way.close_after_bytes
        while data := self._server.recv(_SLICE_BYTES):
            if self.is_frozen:
                continue
            if left is not None:
                data, left = data[:left], left - len(data)
            self._pass(data)
            if left is not None and left <= 0:
                self._relay.hits += 1
                break
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
        self._server.shutdown(socket.SHUT_RDWR)

    def _pass(self, data: bytes) -> None:
        if not self._way.pause_s:
            self._client.sendall(data)
            return
        self._relay.hits += 1
        for place in range(len(data)):
            if self._ended.wait(self._way.pause_s):
                return
            self._client.sendall(data[place : place + 1])


@contextlib.contextmanager
def black_hole(port: int = 0) -> Iterator[int]:
    """
    Yield a port where no connection is refused, and none is ever made.

    Its queue is full, so the system drops whatever knocks.
    """
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hole.bind(("127.0.0.1", port))
        hole.listen(0)
        place = hole.getsockname()
        while True:
            knocking = stack.enter_context(socket.socket())
            knocking.settimeout(0.3)
            try:
                knocking.connect(place)
            except TimeoutError:
                break
        yield place[1]
