"""
Serve the page for one record on the loopback interface, until somebody ends it.

The record is read in a thread of its own, again and again: the page shows what is
there, and how far the reading is.
"""

from __future__ import annotations

import socket
import threading
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.routing import Route

from chaukas.query import UnreadableError

from .access import OneTimeAccess
from .app import viewer_app
from .guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.query import OpenedRecord

__all__ = ("USUAL_PORT", "PortTakenError", "serve")

USUAL_PORT: Final = 4190
"""
What a browser keeps, such as saved searches, it keeps by host and port: with one that
stays the same it is there the next time.
"""

_HOST: Final = "127.0.0.1"
_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 30.0


class PortTakenError(Exception):
    """The port that was asked for is in use."""


def serve(
    source: OpenedRecord,
    *,
    port: int | None,
    opens_browser: bool,
    say: Callable[[str], None],
) -> None:
    """
    Serve until Ctrl-C or SIGTERM.

    Args:
        source: The record; it is read while it is served, and not closed.
        port: 0 for any free one; None for the usual one, or any if that is in use.
        opens_browser: Open the page in the user's browser.
        say: Is told the address, once it answers.

    Raises:
        PortTakenError: The port that was asked for is in use.
    """
    with _bound(port) as bound:
        port = bound.getsockname()[1]
        access = OneTimeAccess(port)
        stop = threading.Event()
        app = viewer_app(
            lambda _reader: source,
            access,
            routes=[Route("/open/{token}", access.open)],
            is_over=lambda _request: stop.is_set(),
        )
        hosts = {f"{name}:{port}" for name in (_HOST, "localhost")}
        config = _configured(Guard(app, hosts))
        # Now, so that Ctrl-C finds the server ready and not half loaded.
        config.load()
        server = _Server(config, stop)
        address = f"http://{_HOST}:{port}/open/{access.token}"
        reading = threading.Thread(
            target=_read, args=(source, stop), name="chaukas-read", daemon=True
        )
        reading.start()
        say(f"chaukas: the page is at {address} (works once; Ctrl-C ends it)")
        if opens_browser:
            # It may take seconds, and the server waits for nobody.
            opening = threading.Thread(
                target=webbrowser.open, args=(address,), daemon=True
            )
            opening.start()
        try:
            # Ctrl-C is how it is meant to end.
            with suppress(KeyboardInterrupt):
                server.run(sockets=[bound])
        finally:
            stop.set()
            reading.join(_PATIENCE_S)


class _Server(uvicorn.Server):
    """Tells streams that never end by themselves when the server is about to."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: object) -> None:
        self._stop.set()
        # The type of a frame is not worth an import.
        super().handle_exit(sig, frame)  # type: ignore[arg-type]


def _configured(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        # An application of starlette is one of uvicorn's.
        app,  # type: ignore[arg-type]
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        # The first line of it would hold the token.
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16 * 1024,
    )


def _bound(port: int | None) -> socket.socket:
    wanted = [USUAL_PORT, 0] if port is None else [port]
    for number in wanted:
        # With the protocol named asyncio does not hold back the end of an answer.
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((_HOST, number))
            # From now on whoever connects waits for the server, and is not refused.
            bound.listen(100)
        except OSError:
            bound.close()
        else:
            return bound
    raise PortTakenError(f"port {port} is in use")


class _StoppedError(Exception):
    """Reading ends half way; the next one continues there."""


def _read(source: OpenedRecord, stop: threading.Event) -> None:
    def goes_on(_progress: object) -> None:
        if stop.is_set():
            raise _StoppedError

    while not stop.is_set():
        # Its status says what is wrong, and the file may be whole in a moment.
        with suppress(UnreadableError, _StoppedError):
            source.read(goes_on)
        stop.wait(_EVERY_S)
