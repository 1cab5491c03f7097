"""
A collector for tests, which can be made to fail in every way that networks know.

On real sockets of the loopback interface, because the faults that matter happen
there and not in a mock.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .http_server import HttpDoor
from .rules import Desk

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType

    from chaukas.sdk.typing import Event

    from .grpc_server import GrpcDoor
    from .replies import Reply, Request

__all__ = ["FakeCollector"]


@final
class FakeCollector:
    """
    Take events over HTTP and gRPC, keep one copy of each, and answer as told.

        with FakeCollector() as collector:
            collector.script(Reply(status=503), Reply(fault=Fault.LOST_ACK))
            chaukas.enable_chaukas(endpoint=collector.endpoint)
            ...
            assert collector.wait_for(9)

    Not there: queries, stats and the JSON of the published OpenAPI.

    Args:
        keys: API keys that are welcome; all are if there are none.
        ingest: Formats offered over HTTP, of `protobuf` and `ndjson`.
        encodings: Compressions offered over HTTP.
        max_batch_events: Most events of an HTTP request.
        max_body_bytes: Most bytes of an HTTP request, before and after
            decompression.
        is_published: Behave as the published backend: its own capabilities, no
            compression, protobuf only, empty answers.
        is_single: Know only the call for a single event.
        services: gRPC service names that it answers to; all three if empty.
        refuse: Returns the reason why an event is not stored, or an empty text.
        unreadable: Tells of an event that makes its whole batch unreadable.
        certificate: PEM file; with it both doors speak TLS.
        private_key: PEM file of its key.
        client_ca: PEM file; clients must show a certificate of it.

    .. versionadded:: 0.2.0
    """

    def __init__(
        self,
        *,
        keys: tuple[str, ...] = (),
        ingest: tuple[str, ...] = ("protobuf", "ndjson"),
        encodings: tuple[str, ...] = ("gzip",),
        max_batch_events: int = 1000,
        max_body_bytes: int = 8 << 20,
        is_published: bool = False,
        is_single: bool = False,
        services: tuple[str, ...] = (),
        refuse: Callable[[Event], str] | None = None,
        unreadable: Callable[[Event], bool] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        private_key: str | os.PathLike[str] | None = None,
        client_ca: str | os.PathLike[str] | None = None,
    ) -> None:
        desk = self._desk = Desk()
        desk.keys, desk.refuse, desk.unreadable = keys, refuse, unreadable
        desk.ingest = ("protobuf",) if is_published else ingest
        desk.encodings = () if is_published else encodings
        desk.max_batch_events, desk.max_body_bytes = max_batch_events, max_body_bytes
        desk.is_published, desk.is_single = is_published, is_single
        self._services = services
        self._pem = (certificate, private_key, client_ca)
        self._http: HttpDoor | None = None
        self._grpc: GrpcDoor | None = None
        self._ports = {"http": 0, "grpc": 0}

    def __enter__(self) -> FakeCollector:
        """Start, if that has not been done."""
        if self._http is None:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    # --- running -------------------------------------------------------------

    def start(self) -> None:
        """Listen; after a `stop` on the same ports, with all events still there."""
        self._desk.stopped.clear()
        self._http = HttpDoor(self._desk, self._ports["http"], self._tls())
        self._ports["http"] = self._http.port
        if self._ports["grpc"]:
            self._open_grpc()

    def stop(self) -> None:
        """Refuse connections, cut off clients, and end every wait."""
        self._desk.stopped.set()
        http, self._http = self._http, None
        grpc, self._grpc = self._grpc, None
        if http is not None:
            http.close()
        if grpc is not None:
            grpc.close()

    def restart(self) -> None:
        """Stop and start at once: clients of gRPC are sent GOAWAY."""
        self.stop()
        self.start()

    @property
    def endpoint(self) -> str:
        """Address of the HTTP door, once it was started."""
        scheme = "http" if self._pem[0] is None else "https"
        return f"{scheme}://{self._host}:{self._ports['http']}"

    @property
    def grpc_endpoint(self) -> str:
        """Address of the gRPC door, which opens when this is first asked for."""
        if not self._ports["grpc"]:
            self._open_grpc()
        scheme = "grpc" if self._pem[0] is None else "grpcs"
        return f"{scheme}://{self._host}:{self._ports['grpc']}"

    # --- answers -------------------------------------------------------------

    def script(self, *replies: Reply) -> None:
        """Answer the next batches with these, one each; `always` comes after them."""
        self._desk.add(*replies)

    @property
    def is_script_done(self) -> bool:
        """Whether every scripted answer was given."""
        return not self._desk.waiting()

    @property
    def always(self) -> Reply | None:
        """The answer to batches that no script is for; None for the verdict."""
        return self._desk.always

    @always.setter
    def always(self, reply: Reply | None) -> None:
        """Answer so from now on, once the script is done."""
        self._desk.always = reply

    @property
    def keys(self) -> tuple[str, ...]:
        """API keys that are welcome; set it to rotate them."""
        return self._desk.keys

    @keys.setter
    def keys(self, keys: tuple[str, ...]) -> None:
        """Welcome these from now on."""
        self._desk.keys = keys

    # --- what came -----------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """The stored events, one copy of each, in the order of their arrival."""
        return [item.event() for item in self._desk.shelf.items()]

    @property
    def event_ids(self) -> list[str]:
        """Their ids; cheap, also with many events."""
        return [item.event_id for item in self._desk.shelf.items()]

    @property
    def duplicates(self) -> int:
        """How many events came again after they had been stored."""
        return self._desk.shelf.duplicates

    @property
    def requests(self) -> list[Request]:
        """The last 10,000 requests, capabilities among them, oldest first."""
        return list(self._desk.requests)

    def wait_for(self, count: int, timeout_s: float = 10.0) -> bool:
        """
        Wait until events are stored.

        Args:
            count: How many, in all.
            timeout_s: Longest wait, in seconds.

        Returns:
            Whether they are.
        """
        return self._desk.shelf.wait_for(count, timeout_s)

    # --- doors ---------------------------------------------------------------

    @property
    def _host(self) -> str:
        # Certificates are made for names.
        return "127.0.0.1" if self._pem[0] is None else "localhost"

    def _open_grpc(self) -> None:
        # Loading grpc takes longer than loading all of the SDK.
        from .grpc_server import SERVICES, GrpcDoor

        services = self._services or SERVICES
        port = self._ports["grpc"]
        self._grpc = GrpcDoor(self._desk, port, self._credentials(), services)
        self._ports["grpc"] = self._grpc.port

    def _tls(self) -> ssl.SSLContext | None:
        certificate, private_key, client_ca = self._pem
        if certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private_key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _credentials(self) -> Any:
        certificate, private_key, client_ca = self._pem
        if certificate is None:
            return None
        # As above.
        import grpc

        chain = Path(certificate).read_bytes()
        key = chain if private_key is None else Path(private_key).read_bytes()
        roots = None if client_ca is None else Path(client_ca).read_bytes()
        pairs = [(key, chain)]
        return grpc.ssl_server_credentials(pairs, roots, client_ca is not None)
