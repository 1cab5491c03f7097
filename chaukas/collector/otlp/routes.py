"""The paths of OTLP over HTTP, which answer as its specification says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from chaukas.collector.access.callers import need
from chaukas.collector.bodies.decode import JSON, PROTOBUF, type_of
from chaukas.collector.refusal import Refusal

from .answers import partial_success, status_of
from .reading import SpanBody

if TYPE_CHECKING:
    from starlette.requests import Request

    from chaukas.collector.access.callers import Caller
    from chaukas.collector.ingest import Ingest
    from chaukas.collector.limits import Limits
    from chaukas.collector.web.http import Calls
    from chaukas.sdk.ingest.verdict import Verdict

__all__ = ("otlp_routes",)

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OTHERS: Final = (
    "Only traces are taken, at /v1/traces: set OTEL_METRICS_EXPORTER=none and"
    " OTEL_LOGS_EXPORTER=none, or send these elsewhere."
)


class _Spans:
    """Answers exporters; of the event loop's thread."""

    def __init__(self, calls: Calls, ingest: Ingest, limits: Limits) -> None:
        self._calls = calls
        self._ingest = ingest
        self._limits = limits

    async def take(self, request: Request) -> Response:
        """Take spans."""
        request.state.call = "otlp"
        kind = type_of(request.headers.get("content-type", ""))
        try:
            return await self._taken(request, kind)
        except Refusal as refusal:
            return _answer(refusal, kind)

    async def _taken(self, request: Request, kind: str) -> Response:
        if request.method != "POST":
            raise Refusal(405, "Spans are sent with POST.")
        caller = self._calls.caller(request)
        need(caller, "ingest")
        reading = SpanBody(kind, self._limits, caller)

        async def take(
            _request: Request, caller: Caller, body: bytes, coding: str
        ) -> Verdict:
            return await self._ingest.take_as(caller, body, reading, coding)

        verdict = await self._calls.taken(request, caller, take)
        rejected = reading.rejected_spans(verdict.rejected)
        return Response(partial_success(rejected, kind), 200, media_type=kind)

    async def refuse(self, request: Request) -> Response:
        """Say that metrics and logs are none of a collector's."""
        request.state.call = "otlp"
        kind = type_of(request.headers.get("content-type", ""))
        return _answer(Refusal(404, _OTHERS), kind)


def _answer(refusal: Refusal, kind: str) -> Response:
    kind = PROTOBUF if kind == PROTOBUF else JSON
    headers = {}
    if refusal.retry_after_s:
        headers["retry-after"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status in (408, 413):
        # What is left of the body is not waited for.
        headers["connection"] = "close"
    body = status_of(refusal, kind)
    return Response(body, refusal.status, headers, media_type=kind)


def otlp_routes(calls: Calls, ingest: Ingest, limits: Limits) -> list[Route]:
    """Return the routes of traces, and of what is not taken."""
    spans = _Spans(calls, ingest, limits)
    return [
        Route("/v1/traces", spans.take, methods=_METHODS),
        Route("/v1/metrics", spans.refuse, methods=_METHODS),
        Route("/v1/logs", spans.refuse, methods=_METHODS),
    ]
