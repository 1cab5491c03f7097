"""
The fake collector's HTTP server, on a real socket.

The standard library's server is enough, and leaves the socket within reach of those
faults that no framework lets one make.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .replies import Fault, Reply, Request
from .rules import Outcome

if TYPE_CHECKING:
    import ssl

    from .rules import Rules

__all__ = ["HttpServer"]

_POLL_S = 0.02
_TRICKLE_S = 1.0
_CLOSING = frozenset({Fault.CLOSED, Fault.LOST_ACK})


class HttpServer(ThreadingHTTPServer):
    """
    Listens until it is closed.

    Args:
        rules: Decides on the answers.
        port: Port on the loopback interface; 0 for a free one.
        tls: Makes it HTTPS.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, rules: Rules, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.rules = rules
        self.port: int = self.server_address[1]
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut off whoever is connected."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, on its own thread; a failed handshake ends it."""
        self._open.add(request)
        try:
            # A client that fails or gives up is what this server is for.
            with contextlib.suppress(OSError):
                if self._tls is None:
                    super().finish_request(request, client_address)
                    return
                with self._tls.wrap_socket(request, server_side=True) as secured:
                    self._open.add(secured)
                    super().finish_request(secured, client_address)
                    self._open.discard(secured)
        finally:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: the test that caused it looks at its own end."""


class _Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    server: HttpServer
    protocol_version = "HTTP/1.1"
    server_version = "FakeCollector"
    # Without it a small answer waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer health and capabilities."""
        rules = self.server.rules
        path = _path_of(self.path)
        outcome = Outcome(404)
        if path == "/healthz":
            outcome = Outcome(200)
        elif path.endswith("/v1/capabilities"):
            is_authorized = rules.is_authorized(self.headers.get("authorization"))
            outcome = rules.capabilities() if is_authorized else Outcome(401)
        elif rules.is_ingest(path):
            outcome = Outcome(405)
        self._note(b"", outcome.status)
        self._send(outcome, Reply())

    def do_POST(self) -> None:
        """Take events, or do what the script says."""
        rules = self.server.rules
        path = _path_of(self.path)
        if not rules.is_ingest(path):
            self._note(self._body(), 404)
            self._send(Outcome(404), Reply())
            return
        reply = rules.next_reply()
        if reply.fault in (Fault.SILENCE, Fault.RESET):
            self._break_off(reply.fault)
            return
        body = self._body()
        if reply.raw is not None:
            self._note(body, 0)
            self.close_connection = True
            self.wfile.write(reply.raw)
            return
        outcome = self._outcome(path, body, reply)
        rules.stopped.wait(0.0 if reply.fault is Fault.TRICKLE else reply.delay_s)
        if reply.fault in _CLOSING:
            self._note(body, 0)
            self.close_connection = True
            return
        self._note(body, outcome.status)
        self._send(outcome, reply)

    def _outcome(self, path: str, body: bytes, reply: Reply) -> Outcome:
        rules = self.server.rules
        if reply.fault is Fault.CLOSED:
            return Outcome(0)
        if reply.status:
            return Outcome(reply.status, reply.body)
        if not rules.is_authorized(self.headers.get("authorization")):
            return Outcome(401)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return rules.take(path, headers, body)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _break_off(self, fault: Fault) -> None:
        self._note(b"", 0)
        self.close_connection = True
        if fault is Fault.SILENCE:
            self.server.rules.stopped.wait()
            return
        self.rfile.read(int(self.headers.get("content-length") or 0) // 2)
        # Closing with a linger time of zero sends a reset.
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.connection.close()

    def _send(self, outcome: Outcome, reply: Reply) -> None:
        kind = {"content-type": outcome.kind} if outcome.kind else {}
        headers = {
            **kind,
            "content-length": str(len(outcome.body)),
            **{name.lower(): value for name, value in reply.headers.items()},
        }
        head = [f"HTTP/1.1 {outcome.status} Answer"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        data = "\r\n".join([*head, "", ""]).encode("latin-1") + outcome.body
        if reply.fault is Fault.HALF:
            self.close_connection = True
            data = data[: -(len(outcome.body) // 2) or len(data) // 2]
        if reply.fault is Fault.TRICKLE:
            self._trickle(data, reply.delay_s or _TRICKLE_S)
        else:
            self.wfile.write(data)
        self.wfile.flush()

    def _trickle(self, data: bytes, pause_s: float) -> None:
        self.close_connection = True
        for place in range(len(data)):
            if self.server.rules.stopped.wait(pause_s):
                return
            self.wfile.write(data[place : place + 1])
            self.wfile.flush()

    def _note(self, body: bytes, status: int) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.rules.note(
            Request("http", self.command, self.path, headers, body, status)
        )


def _path_of(target: str) -> str:
    """Return the path of a request; clients of a proxy write the whole address."""
    return urlsplit(target).path
