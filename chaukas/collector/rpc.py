"""The collector's gRPC calls, under all three service names."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import grpc
import grpc.aio

from chaukas.sdk.ingest.bodies import messages_of
from chaukas.sdk.ingest.calls import GRPC_CODES, SERVICES
from chaukas.sdk.wire.proto import query_pb2, service_pb2

from .access.callers import need, only
from .bodies.decode import PROTOBUF
from .otlp.answers import STATUS_DETAILS, partial_success, status_of
from .otlp.reading import SpanBody
from .refusal import Refusal
from .web.http import CAPABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .access.callers import Access, Caller
    from .ingest import Ingest
    from .limits import Limits
    from .memory_limit import MemoryLimit, Slot
    from .metrics import Metrics

    Answer = Callable[[Caller, bytes], Awaitable[bytes]]

__all__ = ("Rpc", "server_of")

_LOG: Final = logging.getLogger("chaukas.collector")
_ACCESS: Final = logging.getLogger("chaukas.collector.access")
_PUSHBACK: Final = "grpc-retry-pushback-ms"
EXPORT: Final = "Export"
TRACE_SERVICES: Final = ("opentelemetry.proto.collector.trace.v1.TraceService",)


class Rpc:
    """
    Answers calls; of the event loop's thread.

    Args:
        ingest: Takes events.
        access: Knows who calls.
        metrics: Where calls are counted.
        held: Counts the bytes of messages that are being answered.
        limits: What holds.
        queries: Answers QueryEvents and GetEventStats, by the name of the call.
    """

    def __init__(
        self,
        ingest: Ingest,
        access: Access,
        metrics: Metrics,
        held: MemoryLimit,
        limits: Limits,
        queries: dict[str, Answer] | None = None,
    ) -> None:
        self._limits = limits
        self._ingest = ingest
        self._access = access
        self._metrics = metrics
        self._held = held
        self._calls = 0
        self.answers: dict[str, Answer] = {
            "GetCapabilities": _capabilities,
            "IngestEvent": self._one,
            "IngestEventBatch": self._batch,
            EXPORT: self._export,
            **(queries or {}),
        }

    async def _one(self, caller: Caller, body: bytes) -> bytes:
        verdict = await self._ingest.take(caller, body, is_batch=False)
        event_id = messages_of(body, is_batch=False)[0].event_id
        return verdict.as_single_message(event_id, int(time.time() * 1000))

    async def _batch(self, caller: Caller, body: bytes) -> bytes:
        verdict = await self._ingest.take(caller, body)
        return verdict.as_message(uuid.uuid4().hex)

    async def _export(self, caller: Caller, body: bytes) -> bytes:
        reading = SpanBody(PROTOBUF, self._limits, caller)
        verdict = await self._ingest.take_as(caller, body, reading)
        return partial_success(reading.rejected_spans(verdict.rejected), PROTOBUF)

    async def _answered(self, name: str, caller: Caller, context: Any) -> bytes:
        """Read the message of a known caller, and answer it."""
        if self._calls >= self._limits.calls:
            raise Refusal(503, "Too many calls at a time: come again.", 1)
        self._calls += 1
        size = 0
        try:
            async with self._held.slot() as slot:
                body = await self._read(context, slot)
                self._held.add(len(body))
                size = len(body)
            return await self.answers[name](caller, body)
        finally:
            self._calls -= 1
            self._held.release(size)

    async def _read(self, context: Any, slot: Slot) -> bytes:
        """Return the message of a call."""
        try:
            body = await slot.wait_for(context.read(), self._limits.body_s)
        except asyncio.TimeoutError:
            raise Refusal(408, "The message came too slowly.") from None
        if not isinstance(body, bytes):
            raise Refusal(400, "The call has no message.")
        return body

    async def call(self, name: str, context: Any) -> bytes:
        """Answer one call, or end it with a status other than OK."""
        begun_s = time.perf_counter()
        status, who = 200, ""
        peer = _host_of(context.peer())
        try:
            if name == "Healthz":
                return b""
            metadata = context.invocation_metadata() or ()
            given = [_text(value) for key, value in metadata if key == "authorization"]
            caller = self._access.caller(only(given), peer)
            who = caller.name
            return await self._answered(name, caller, context)
        except Refusal as refusal:
            status = refusal.status
            if refusal.retry_after_s:
                wait_ms = str(refusal.retry_after_s * 1000)
                details = status_of(refusal, PROTOBUF)
                context.set_trailing_metadata(
                    ((_PUSHBACK, wait_ms), (STATUS_DETAILS, details))
                )
            return await _ended(context, status, refusal.text)
        except asyncio.CancelledError:
            # Its client has left: nothing is answered.
            status = 499
            raise
        except Exception:
            status = 500
            request_id = uuid.uuid4().hex
            _LOG.exception("call %s failed", request_id)
            text = f"This did not work; the log has the reason: request {request_id}."
            return await _ended(context, status, text)
        finally:
            self._metrics.requests[f"grpc {name}", status] += 1
            took_ms = round((time.perf_counter() - begun_s) * 1000, 2)
            facts = {
                "method": "grpc", "path": name, "status": status, "ms": took_ms,
                "caller": who, "peer": peer,
            }  # fmt: skip
            _ACCESS.info("request", extra={"facts": facts})


async def _ended(context: Any, status: int, text: str) -> bytes:
    name = GRPC_CODES.get(status, "UNAVAILABLE")
    words = f"{text} Received message larger than max." if status == 413 else text
    # What it raises is gRPC's own way out.
    await context.abort(grpc.StatusCode[name], words)
    return b""


async def _capabilities(caller: Caller, _body: bytes) -> bytes:
    need(caller, "ingest" if "ingest" in caller.scopes else "read")
    flags = dict.fromkeys(CAPABLE, True)
    response = service_pb2.GetCapabilitiesResponse(
        capabilities=query_pb2.Capabilities(**flags)
    )
    return response.SerializeToString()


class _Handler(grpc.GenericRpcHandler):
    """Finds the answer to a call by its name, whatever its service is called."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def service(self, handler_call_details: Any) -> Any:
        """Return the method's handler; None if there is no such call."""
        service, _, name = handler_call_details.method[1:].rpartition("/")
        known = name == "Healthz" or name in self._rpc.answers
        services = TRACE_SERVICES if name == EXPORT else SERVICES
        if service not in services or not known:
            return None

        async def call(_messages: object, context: Any) -> bytes:
            return await self._rpc.call(name, context)

        # On the wire the same as a call with one message. Here we decide when it is
        # read: after its sender is known, and for no longer than is allowed.
        return grpc.stream_unary_rpc_method_handler(call)


def server_of(rpc: Rpc, limits: Limits) -> Any:
    """Return a server that has no port yet."""
    return grpc.aio.server(
        handlers=[_Handler(rpc)],
        options=[
            # Another server on this port would else take half of the calls.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", limits.body_bytes),
            ("grpc.max_metadata_size", limits.header_bytes),
            ("grpc.max_allowed_incoming_connections", _connections(limits)),
            # The client connects anew when it has something to say.
            ("grpc.max_connection_idle_ms", int(limits.keep_alive_s * 1000)),
            ("grpc.max_concurrent_streams", limits.streams),
            # Else each connection is let send up to megabytes that nobody reads yet.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.server_handshake_timeout_ms", int(limits.header_s * 1000)),
            # A client that vanished without a word is found out, and let go of.
            ("grpc.keepalive_time_ms", int(limits.keep_alive_s * 1000)),
            ("grpc.keepalive_timeout_ms", int(limits.body_s * 1000)),
        ],
    )


def _connections(limits: Limits) -> int:
    """Return how many connections there may be, so that files are left for HTTP."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = files == resource.RLIM_INFINITY
    return limits.calling if unlimited else min(limits.calling, max(files // 2, 1))


def _host_of(peer: str) -> str:
    """Return the address in what gRPC says of a peer, such as `ipv4:127.0.0.1:1`."""
    return peer.partition(":")[2].rpartition(":")[0]


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
