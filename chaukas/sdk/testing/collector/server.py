"""
The fake collector for tests, which can be made to fail as networks and servers do.

On real sockets of the loopback interface, because the faults that matter happen
there and not in a mock.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .http_server import HttpServer
from .rules import Rules

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType

    from chaukas.sdk.typing import Event

    from .grpc_server import GrpcServer

__all__ = ["FakeCollector"]


@final
class FakeCollector(Rules):
    """
    Take events over HTTP and gRPC, keep one copy of each, and answer by a script.

        with FakeCollector() as collector:
            collector.script(Reply(status=503), Reply(fault=Fault.LOST_ACK))
            chaukas.enable_chaukas(endpoint=collector.endpoint)
            ...
            assert collector.wait_for(9)

    Not there: queries, stats and the JSON of the published OpenAPI.

    Args:
        keys: API keys that are valid; all are if there are none.
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
        unreadable: Says whether an event makes its whole batch unreadable.
        certificate: PEM file; with it both servers speak TLS.
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
        super().__init__()
        self.keys, self.refuse, self.unreadable = keys, refuse, unreadable
        self.ingest = ("protobuf",) if is_published else ingest
        self.encodings = () if is_published else encodings
        self.max_batch_events, self.max_body_bytes = max_batch_events, max_body_bytes
        self.is_published, self.is_single = is_published, is_single
        self._services = services
        self._pem = (certificate, private_key, client_ca)
        self._http: HttpServer | None = None
        self._grpc: GrpcServer | None = None
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

    def start(self) -> None:
        """Listen; after a `stop` on the same ports, with all events still there."""
        self.stopped.clear()
        self._http = HttpServer(self, self._ports["http"], self._tls())
        self._ports["http"] = self._http.port
        if self._ports["grpc"]:
            self._open_grpc()

    def stop(self) -> None:
        """Refuse connections, cut off clients, and end every wait."""
        self.stopped.set()
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
        """Address of the HTTP server, once it was started."""
        scheme = "http" if self._pem[0] is None else "https"
        return f"{scheme}://{self._host}:{self._ports['http']}"

    @property
    def grpc_endpoint(self) -> str:
        """Address of the gRPC server, which starts when this is first asked for."""
        if not self._ports["grpc"]:
            self._open_grpc()
        scheme = "grpc" if self._pem[0] is None else "grpcs"
        return f"{scheme}://{self._host}:{self._ports['grpc']}"

    @property
    def _host(self) -> str:
        # Certificates are made for names.
        return "127.0.0.1" if self._pem[0] is None else "localhost"

    def _open_grpc(self) -> None:
        # Loading grpc takes longer than loading all of the SDK.
        from chaukas.sdk.ingest.calls import SERVICES

        from .grpc_server import GrpcServer

        services = self._services or SERVICES
        port = self._ports["grpc"]
        self._grpc = GrpcServer(self, port, self._credentials(), services)
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
