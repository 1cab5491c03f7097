"""Sends spans as OTLP over gRPC, on the channel of the collector's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.responses import no_verdict

from .answers import ADVICE, answer_of_partial, rejected_in
from .sink import OtlpSink

if TYPE_CHECKING:
    from collections.abc import Mapping as Headers
    from collections.abc import Sequence

    from chaukas.sdk.sinks.collector.responses import Answer

    from .encode import Resource
    from .mapping.spans import Mapping

__all__ = ["OtlpGrpc"]

_METHODS: Final = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_PORT: Final = 4317


class OtlpGrpc(OtlpSink):
    """
    Calls the trace service of a receiver.

    Args:
        endpoint: `grpc(s)://host[:port]`; `http(s)` means the same. Port 4317 if none
            is given.
        mapping: How spans are written.
        resource: What is the same for all of them.
        headers: Sent with each call; they say who sends.
        is_gzip: Whether calls are compressed.
        signals: What is sent, of `traces`, `logs` and `metrics`.
        **options: Of `CollectorSink`: certificates, times, clocks.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        mapping: Mapping,
        resource: Resource,
        headers: Headers[str, str],
        is_gzip: bool = True,
        signals: Sequence[str] = ("traces",),
        **options: Any,
    ) -> None:
        super().__init__(mapping, resource, signals)
        self._client = _Client(_with_port(endpoint), headers, is_gzip, **options)
        self.place = self._client.place

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """See `OtlpSink`."""
        return self._client.answered(lambda: self._post_once(signal, body, lines))

    def close(self) -> None:
        """Close the channel; a later `send` opens another."""
        self._client.close()

    def abandon(self) -> None:
        """Forget the inherited channel, without running any code of it."""
        self._client.abandon()

    def _post_once(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        answer = self._client.call(_METHODS[signal], body)
        rejected = rejected_in(answer)
        if rejected is None:
            return no_verdict(self.place, "gRPC OK", "another message")
        return answer_of_partial(rejected, lines)


class _Client(GrpcSink):
    """A channel whose metadata say who sends."""

    advice = ADVICE

    def __init__(
        self, endpoint: str, headers: Headers[str, str], is_gzip: object, **options: Any
    ) -> None:
        super().__init__(endpoint, **options)
        # Names of metadata are in lower case, by the rules of gRPC.
        self._headers = tuple((name.lower(), text) for name, text in headers.items())
        self._is_gzip = bool(is_gzip)

    @property
    def credential(self) -> str:
        """What is sent to say who we are, as messages call it."""
        return "key" if self._headers else "no key"

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers."""
        return self._headers

    def options(self) -> dict[str, Any]:
        """Return how calls are compressed."""
        # Late, as it takes longer than loading all of the SDK; by now it is loaded.
        import grpc

        return {"compression": grpc.Compression.Gzip} if self._is_gzip else {}


def _with_port(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.port is not None:
        return endpoint
    return parts._replace(netloc=f"{parts.netloc}:{_PORT}").geturl()
