"""
A receiver of OpenTelemetry spans on the loopback interface, with the official decoder.

Small, and real: what it shows is what any OTLP backend is sent.
"""

from __future__ import annotations

import gzip
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Answer", "ReceivedLog", "ReceivedSpan", "SpanReceiver", "spans_in")


@dataclass(frozen=True)
class Answer:
    """What the receiver answers to one request instead of taking it."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/x-protobuf"
    headers: dict[str, str] = field(default_factory=dict)
    is_kept: bool = False
    """Whether the spans are kept all the same."""


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as it came over the wire."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_span_id: str
    start_ns: int
    end_ns: int
    status: int
    status_message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[str]
    resource: dict[str, Any]
    scope: str
    schema_url: str


@dataclass(frozen=True)
class ReceivedLog:
    """A log record as it came over the wire."""

    name: str
    severity: int
    body: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]


class SpanReceiver:
    """
    Takes spans over HTTP, until its block ends.

        with SpanReceiver() as receiver:
            ...
            receiver.wait_for(5)

    Args:
        port: Port to listen at; any that is free if left out.
    """

    def __init__(self, port: int = 0) -> None:
        self.spans: list[ReceivedSpan] = []
        self.logs: list[ReceivedLog] = []
        self.metrics: list[Any] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path and headers of each request, the names in lower case."""
        self.answers: deque[Answer] = deque()
        """For the next requests, one each; then all are taken."""
        self.rule: Callable[[list[ReceivedSpan]], Answer | None] = lambda _: None
        """Given the spans of a request, may answer in another way."""
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._server.daemon_threads = True

        self._grpc: Any = None

    @property
    def grpc_endpoint(self) -> str:
        """Address of a gRPC server beside it, which is started for who asks."""
        if self._grpc is None:
            self._grpc = _grpc_server_of(self)
        return f"grpc://127.0.0.1:{self._grpc[1]}"

    @property
    def endpoint(self) -> str:
        """Its address, without the path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    # `Self` comes with Python 3.11.
    def __enter__(self) -> SpanReceiver:  # noqa: PYI034
        """Listen."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.daemon = True
        thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        if self._grpc is not None:
            self._grpc[0].stop(None).wait()

    def wait_for(self, count: int, timeout_s: float = 30.0) -> bool:
        """Wait until so many spans have come; return whether they have."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.spans) >= count, timeout_s)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Decode a request, keep what is in it, and answer."""
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = self.answers.popleft() if self.answers else None
        with self._arrived:
            self.requests.append((path, headers))
            if path.endswith("/v1/logs"):
                self.logs += _logs_in(body)
            elif path.endswith("/v1/metrics"):
                self.metrics += _metrics_in(body)
            else:
                spans = spans_in(body)
                answer = answer or self.rule(spans)
                if answer is None or answer.is_kept:
                    self.spans += spans
            self._arrived.notify_all()
        return answer or Answer()


def _handler_of(receiver: SpanReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.take(self.path, headers, body)
            self.send_response(answer.status)
            self.send_header("content-type", answer.media_type)
            self.send_header("content-length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        # The base class names it so.
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Print nothing."""

    return Handler


def _grpc_server_of(receiver: SpanReceiver) -> tuple[Any, int]:
    # Late, so that programs over HTTP work without the package.
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def export(body: bytes, context: Any) -> bytes:
        pairs = context.invocation_metadata()
        headers = {name: str(value) for name, value in pairs}
        answer = receiver.take(_GRPC_PATH, headers, body)
        if answer.status >= 300:
            context.abort(grpc.StatusCode[_CODES[answer.status]], "as told")
        return answer.body

    handler = grpc.unary_unary_rpc_method_handler(export)
    server = grpc.server(ThreadPoolExecutor(2))
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


_GRPC_PATH = "gRPC"
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def spans_in(body: bytes) -> list[ReceivedSpan]:
    """Return the spans of an ExportTraceServiceRequest."""
    # Late, so that scripts and servers work without the package.
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

    request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
    return [
        _received(span, whole, scope)
        for whole in request.resource_spans
        for scope in whole.scope_spans
        for span in scope.spans
    ]


def _received(span: Any, whole: Any, scope: Any) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=span.status.code,
        status_message=span.status.message,
        attributes=_attributes_of(span.attributes),
        events=[(each.name, _attributes_of(each.attributes)) for each in span.events],
        links=[each.span_id.hex() for each in span.links],
        resource=_attributes_of(whole.resource.attributes),
        scope=scope.scope.name,
        schema_url=scope.schema_url,
    )


def _logs_in(body: bytes) -> list[ReceivedLog]:
    # As above.
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

    request = logs_service_pb2.ExportLogsServiceRequest.FromString(body)
    return [
        ReceivedLog(
            record.event_name,
            record.severity_number,
            record.body.string_value,
            record.trace_id.hex(),
            record.span_id.hex(),
            _attributes_of(record.attributes),
        )
        for whole in request.resource_logs
        for scope in whole.scope_logs
        for record in scope.log_records
    ]


def _metrics_in(body: bytes) -> list[Any]:
    # As above.
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
    return [
        metric
        for whole in request.resource_metrics
        for scope in whole.scope_metrics
        for metric in scope.metrics
    ]


def _attributes_of(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value_of(pair.value) for pair in pairs}


def _value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value_of(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
