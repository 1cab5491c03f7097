"""Sends OTLP over gRPC, on the channel of the collector's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.responses import no_verdict

from .answers import ADVICE, answer_of_partial, rejected_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.sinks.collector.responses import Answer

__all__ = ["OtlpGrpcClient"]

_METHODS: Final = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_PORT: Final = 4317


class OtlpGrpcClient(GrpcSink):
    """
    Calls the services of a receiver; the metadata say who sends.

    Args:
        endpoint: `grpc(s)://host[:port]`; `http(s)` means the same. Port 4317 if none
            is given.
        headers: Sent with each call; they say who sends.
        is_gzip: Whether calls are compressed.
        **options: Of `CollectorSink`: certificates, times, clocks.
    """

    advice = ADVICE

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        is_gzip: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(_with_port(endpoint), **options)
        # Names of metadata are in lower case, by the rules of gRPC.
        self._headers = tuple((name.lower(), text) for name, text in headers.items())
        self._is_gzip = is_gzip

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """See `OtlpClient`."""
        rejected = rejected_in(self.call(_METHODS[signal], body))
        if rejected is None:
            return no_verdict(self.place, "gRPC OK", "another message")
        return answer_of_partial(rejected, lines)

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
