"""
Runs a collector: HTTP and gRPC in one event loop, one writer, one store.

It ends with SIGTERM or Ctrl-C, after it has answered what it took.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sqlite3
import ssl
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import uvicorn
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from chaukas.store.sqlite.copying import size_of_store
from chaukas.viewer.access import OneTimeAccess
from chaukas.viewer.app import viewer_app

from .access.callers import LOCAL, Access, need
from .access.keys import KeyFile, KeyFileError
from .folder import DataFolder
from .ingest import Ingest
from .limits import Limits
from .logs import LoopFailures
from .memory_limit import MemoryLimit
from .metrics import Metrics
from .options import Options, is_every_interface, is_loopback
from .otlp.routes import otlp_routes
from .reading.queries import Queries
from .reading.record import UNREADABLE, TenantRecord
from .refusal import Refusal
from .rpc import Rpc, server_of
from .upkeep import administration
from .upkeep.indexer import Indexer
from .web.connections import connection_class
from .web.guard import Guard
from .web.http import Calls, routes_of
from .web.sign_in import PATH as SIGN_IN
from .web.sign_in import SignIn
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .access.callers import Caller

__all__ = ("Addresses", "CannotListenError", "Collector", "run")

_LOG: Final = logging.getLogger("chaukas.collector")
_GRACE_S: Final = 10
_BACKLOG: Final = 512
_FOLLOW: Final = "/api/follow"


class CannotListenError(Exception):
    """A port cannot be used; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a collector listens."""

    http: str
    grpc: str
    page: str
    """The page with a token that works once, for a browser; empty without a page."""


class Collector:
    """Everything of one collector but its sockets."""

    def __init__(self, options: Options, limits: Limits) -> None:
        self.options = options
        self.limits = limits
        self.is_stopping = False
        folder = DataFolder(options.data)
        folder.prepare()
        self.metrics = Metrics()
        self.store = folder.store(has_words=options.has_words)
        self._indexer = Indexer(self.store) if options.has_words else None
        administration.anchor(folder.administration)
        if not options.has_words:
            _LOG.warning(
                "without full text: events that come now cannot be searched until the"
                " collector has run without --no-search again"
            )
        # A process says when it ends; one that was killed is silent.
        self.store.set_live(None, options.silent_after_s)
        self.writer = Writer(self.store, limits.waiting_bytes, self.metrics.commit)
        is_open = is_loopback(options.host) and not options.is_behind_proxy
        self.access = Access(KeyFile(folder.keys), is_open=is_open)
        self.ingest = Ingest(self.writer, self.access, limits, self.metrics)
        # One for HTTP and gRPC: it is the same memory.
        self._held = MemoryLimit(
            limits.held_bytes, limits.read_bytes, limits.reads, limits.round_s
        )
        self.queries = Queries(self.store, folder.secret(), limits)
        self._folder = folder

    def application(self, port: int) -> ASGIApp:
        """Return all that is answered over HTTP."""
        calls = Calls(
            self.ingest,
            self.access,
            self.limits,
            self._held,
            self.health,
            self.metrics_text,
        )
        page = viewer_app(
            lambda caller: TenantRecord(self.store, caller.tenant),
            lambda request: request.state.reader,
            has_page=self.options.has_page,
            is_over=lambda request: self.is_stopping or not self._may_read(request),
        )
        is_secure = bool(self.options.certificate) or self.options.is_behind_proxy
        self.page_access = OneTimeAccess(port, is_secure=is_secure)
        sign_in = SignIn(self.access, self.limits, port, is_secure=is_secure)

        def reader(request: Request) -> Caller:
            # Whoever read the address where the collector was started is its owner.
            if self.page_access(request):
                return LOCAL
            return sign_in.caller(request) or calls.caller(request)

        further = [
            *self.queries.routes(calls.caller),
            *otlp_routes(calls, self.ingest, self.limits),
            Route("/open/{token}", self.page_access.open),
            *sign_in.routes(),
            Mount("/", _only_read(page, reader, self.limits.follows)),
        ]
        routes = routes_of(calls, further)
        hosts = _hosts(self.options, port)
        return Guard(
            routes,
            hosts,
            self.metrics,
            self.limits.header_bytes,
            is_behind_tls=self.options.is_behind_proxy,
        )

    def _may_read(self, request: Request) -> bool:
        """Return whether the one who asked may still read."""
        key = request.state.reader.key
        try:
            if key is not None:
                return self.access.caller_of(key.id) is not None
            # Who was served as everybody was must show a key once there is one.
            return bool(self.page_access(request)) or self.access.is_open
        except (Refusal, KeyFileError):
            return False

    def rpc(self) -> Rpc:
        """Return all that is answered over gRPC."""
        calls = self.queries.calls()
        return Rpc(
            self.ingest, self.access, self.metrics, self._held, self.limits, calls
        )

    def health(self) -> str:
        """Return why no events can be taken; empty if they can."""
        if self.is_stopping:
            return "stopping"
        # Anybody may ask: the log has the reason.
        return "the store cannot be written" if self.writer.trouble else ""

    def metrics_text(self) -> str:
        """Return the counts."""
        size = size_of_store(self._folder.events)
        try:
            reader = self.store.reader(None)
        except sqlite3.OperationalError:
            raise Refusal(503, UNREADABLE, 5) from None
        try:
            times, events = reader.span_of_time(), reader.event_count()
        finally:
            reader.close()
        return self.metrics.text(
            {
                "store_bytes": ("Size of the store's files.", size),
                "store_events": ("Events in the store.", events),
                "oldest_event_seconds": (
                    "Moment of the oldest event, in seconds since 1970.",
                    times[0] / 1e6 if times else 0,
                ),
            }
        )

    def close(self) -> None:
        """Write what was taken, and let go of the store."""
        if self._indexer is not None:
            self._indexer.close()
        self.writer.close()
        with suppress(sqlite3.DatabaseError):
            self.store.close()


def run(
    options: Options,
    started: Callable[[Addresses], None],
    limits: Limits | None = None,
) -> None:
    """
    Serve until SIGTERM or Ctrl-C.

    Args:
        options: How.
        started: Is told the addresses once they answer.
        limits: Others than usual.

    Raises:
        CannotListenError: A port is in use, or the certificate cannot be read.
        DataFolderError, KeyFileError: What is in the folder cannot be used.
    """
    asyncio.run(_serve(options, started, limits or Limits()))


async def _serve(
    options: Options, started: Callable[[Addresses], None], limits: Limits
) -> None:
    bound = _bound(options.host, options.port, limits)
    collector = Collector(options, limits)
    try:
        await _listen(collector, bound, started)
    finally:
        bound.close()
        collector.close()


async def _listen(
    collector: Collector, bound: socket.socket, started: Callable[[Addresses], None]
) -> None:
    options = collector.options
    stop = asyncio.Event()
    port: int = bound.getsockname()[1]
    config = _configured(collector, port)
    server = _Server(config, collector.limits)
    calls = server_of(collector.rpc(), collector.limits)
    grpc_port = _grpc_bound(calls, options)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(LoopFailures())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, config, options)
    await calls.start()
    serving = loop.create_task(server.serve(sockets=[bound]))
    host = f"[{options.host}]" if ":" in options.host else options.host
    mark = "s" if options.certificate else ""
    http = f"http{mark}://{host}:{port}"
    page = f"{http}/open/{collector.page_access.token}" if options.has_page else ""
    started(Addresses(http, f"grpc{mark}://{host}:{grpc_port}", page))
    waiting = loop.create_task(stop.wait())
    await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    _LOG.info("stopping")
    collector.is_stopping = True
    waiting.cancel()
    server.should_exit = True
    await asyncio.gather(calls.stop(_GRACE_S), serving)


def _only_read(
    page: ASGIApp, reader: Callable[[Request], Caller], most: int
) -> ASGIApp:
    """
    Return the page, for those who may read; nothing is ever sent to it.

    Args:
        page: The page.
        reader: Says who asks.
        most: Streams of events for one of them, so that others find a connection.
    """
    following: Counter[str] = Counter()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise Refusal(404, "Nothing is here: see docs/COLLECTOR.md for the paths.")
        request = Request(scope)
        try:
            caller = reader(request)
        except Refusal as refusal:
            is_page = "text/html" in request.headers.get("accept", "")
            if refusal.status != 401 or not is_page:
                raise
            await RedirectResponse(SIGN_IN, 303)(scope, receive, send)
            return
        request.state.caller = caller.name
        need(caller, "read")
        scope["state"]["reader"] = caller
        if scope["path"] != _FOLLOW:
            await page(scope, receive, send)
            return
        if following[caller.name] >= most:
            raise Refusal(429, "Too many streams of events for one reader.", 5)
        following[caller.name] += 1
        try:
            await page(scope, receive, send)
        finally:
            following[caller.name] -= 1

    return app


class _Server(uvicorn.Server):
    """Leaves signals to the collector, which has two servers to end."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._handshake_s = limits.header_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; uvicorn itself leaves a client a minute for its handshake."""
        loop = asyncio.get_running_loop()
        if self.config.ssl is not None:
            usual = loop.create_server
            within = partial(usual, ssl_handshake_timeout=self._handshake_s)
            # Nothing else of the loop is another than it was.
            loop.create_server = within  # type: ignore[method-assign]
        try:
            await super().startup(sockets)
        finally:
            vars(loop).pop("create_server", None)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configured(collector: Collector, port: int) -> uvicorn.Config:
    options, limits = collector.options, collector.limits
    config = uvicorn.Config(
        collector.application(port),
        http=connection_class(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.keep_alive_s),
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=limits.header_bytes,
        backlog=_BACKLOG,
    )
    config.load()
    if options.certificate:
        config.ssl = _renewable(options)
    return config


class _Renewable(ssl.SSLContext):
    """Lets each new connection have the context that is in use by then."""

    now: ssl.SSLContext

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Return a new connection's TLS; asyncio asks for it."""
        return self.now.wrap_bio(*args, **kwargs)


def _renewable(options: Options) -> ssl.SSLContext:
    context = _Renewable(ssl.PROTOCOL_TLS_SERVER)
    context.now = _tls(options)
    return context


def _tls(options: Options) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Only called where there is one.
    assert options.certificate is not None  # noqa: S101
    try:
        context.load_cert_chain(options.certificate, options.private_key)
        if options.client_ca:
            context.load_verify_locations(options.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        text = f"the certificate cannot be used: {error}"
        raise CannotListenError(text) from None
    return context


def _reload(config: uvicorn.Config, options: Options) -> None:
    """Read the certificate anew: it is for connections from now on."""
    if not isinstance(config.ssl, _Renewable):
        return
    try:
        # Another one, as one forgets no authority, and takes sessions up again of
        # whoever it knew.
        config.ssl.now = _tls(options)
    except CannotListenError as error:
        _LOG.error("%s; the one before stays in use", error)
    else:
        _LOG.info("the certificate was read anew")


def _grpc_bound(calls: Any, options: Options) -> int:
    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.grpc_port}"
    try:
        if options.certificate is None:
            return int(calls.add_insecure_port(address))
        return int(calls.add_secure_port(address, _grpc_tls(options)))
    except RuntimeError:
        raise CannotListenError(_taken(options.host, options.grpc_port)) from None


def _grpc_tls(options: Options) -> Any:
    def configuration() -> Any:
        # Only called where there is one.
        assert options.certificate is not None  # noqa: S101
        chain = options.certificate.read_bytes()
        key = options.private_key.read_bytes() if options.private_key else chain
        roots = options.client_ca.read_bytes() if options.client_ca else None
        return grpc.ssl_server_certificate_configuration([(key, chain)], roots)

    # Read at each handshake, so that a renewed one is found.
    return grpc.dynamic_ssl_server_credentials(
        configuration(), configuration, options.client_ca is not None
    )


def _bound(host: str, port: int, limits: Limits) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sends at once what it is given: an answer in two
    # pieces would otherwise wait for the acknowledgement of the first, some 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it: of one whose client vanished without a word, the system
    # finds out.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        wait_ms = int(limits.body_s * 1000)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait_ms)
    try:
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        text = f"{_taken(host, port)} ({error.strerror})"
        raise CannotListenError(text) from None
    return bound


def _taken(host: str, port: int) -> str:
    return f"cannot listen on {host}, port {port}: give another, or 0 for any free one"


def _hosts(options: Options, port: int) -> frozenset[str]:
    """Return the values of the Host header under which this collector is asked."""
    own = {options.host, *options.names}
    if is_loopback(options.host) or is_every_interface(options.host):
        own |= {"localhost", "127.0.0.1", "[::1]"}
    if not is_loopback(options.host):
        own |= {socket.gethostname(), socket.getfqdn()}
    usual = 443 if options.certificate else 80
    found = set(options.names)
    for name in own:
        has_port = name.rpartition(":")[2].isdigit() and not name.endswith("::1")
        found |= {name} if has_port else {f"{name}:{port}"}
        if port == usual:
            found.add(name)
    return frozenset(name.lower() for name in found)
