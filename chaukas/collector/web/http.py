"""The collector's HTTP routes: taking events, what it can do, how it is."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Final

import orjson
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router

from chaukas.collector.access.callers import need, only
from chaukas.collector.bodies.decode import JSON, type_of
from chaukas.collector.bodies.expand import encodings
from chaukas.collector.refusal import Refusal
from chaukas.query import to_json
from chaukas.query.answers import Identity
from chaukas.sdk._version import VERSION
from chaukas.sdk.ingest.calls import FLAGS, INGEST_PATHS, offer_of

from .request_body import body_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from chaukas.collector.access.callers import Access, Caller
    from chaukas.collector.ingest import Ingest
    from chaukas.collector.limits import Limits
    from chaukas.collector.memory_limit import MemoryLimit
    from chaukas.sdk.ingest.verdict import Verdict

    Take = Callable[[Request, Caller, bytes, str], Awaitable[Verdict]]

__all__ = ("CAPABLE", "Calls", "routes_of")

CAPABLE: Final = frozenset({"policy_decisions", "data_access_events"})
"""Of the published flags those that hold."""
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OLD_CLIENT: Final = "chaukas-sdk/0.1"


class Calls:
    """Answers requests; of the event loop's thread."""

    def __init__(
        self,
        ingest: Ingest,
        access: Access,
        limits: Limits,
        held: MemoryLimit,
        health: Callable[[], str],
        metrics_text: Callable[[], str],
    ) -> None:
        self._ingest = ingest
        self._access = access
        self._limits = limits
        self._health = health
        self._metrics_text = metrics_text
        self._held = held

    def caller(self, request: Request) -> Caller:
        """
        Return who sends a request.

        Raises:
            Refusal: Nobody known.
        """
        peer = request.client.host if request.client else ""
        given = request.headers.getlist("authorization")
        caller = self._access.caller(only(given), peer)
        request.state.caller = caller.name
        return caller

    async def take(self, request: Request) -> Response:
        """Take events."""
        request.state.call = "ingest"
        if request.method != "POST":
            raise Refusal(405, "Events are sent with POST.")
        caller = self.caller(request)
        need(caller, "ingest")
        try:
            verdict = await self.taken(request, caller, self._take_events)
        except Refusal as refusal:
            agent = request.headers.get("user-agent", "")
            if refusal.status == 413 and agent.startswith(_OLD_CLIENT):
                # The one answer to which that client sends a batch in halves.
                raise Refusal(503, "high memory usage", 1) from None
            raise
        answer = verdict.as_json(uuid.uuid4().hex)
        return Response(answer, 202, media_type=JSON)

    async def _take_events(
        self, request: Request, caller: Caller, body: bytes, coding: str
    ) -> Verdict:
        kind = type_of(request.headers["content-type"])
        is_batch = INGEST_PATHS[request.url.path]
        return await self._ingest.take(caller, body, kind, coding, is_batch=is_batch)

    async def taken(self, request: Request, caller: Caller, take: Take) -> Verdict:
        """
        Read a request's body and take what is in it.

        Args:
            request: The request.
            caller: Who sends it.
            take: Takes the body, with the encoding that it still has.

        Raises:
            Refusal: Nothing was taken.
        """
        headers = request.headers
        codings = headers.getlist("content-encoding")
        if len(codings) > 1 or len(headers.getlist("content-type")) != 1:
            raise Refusal(415, "One Content-Type and one Content-Encoding at most.")
        stated = headers.get("content-length")
        body = await body_of(request.receive, stated, self._limits, self._held)
        try:
            coding = codings[0] if codings else ""
            verdict = await take(request, caller, body, coding)
        finally:
            self._held.release(len(body))
        request.state.events = verdict.accepted
        return verdict

    async def capabilities(self, request: Request) -> Response:
        """Say what is offered."""
        request.state.call = "capabilities"
        self.caller(request)
        limits = self._limits
        offer = offer_of(
            ("protobuf", "ndjson"),
            encodings(),
            max_batch_events=limits.batch_events,
            max_body_bytes=limits.body_bytes,
            max_event_bytes=limits.event_bytes,
        )
        flags = {flag: flag in CAPABLE for flag in FLAGS}
        return Response(orjson.dumps({**flags, **offer}), media_type=JSON)

    async def identity(self, request: Request) -> Response:
        """Say whom a client is taken for, and what time it is here."""
        request.state.call = "whoami"
        caller = self.caller(request)
        answer = Identity(
            key=caller.name,
            tenant="*" if caller.tenant is None else caller.tenant,
            project=caller.project,
            scopes=tuple(sorted(caller.scopes)),
            version=VERSION,
            now_us=time.time_ns() // 1000,
        )
        return Response(to_json(answer), media_type=JSON)

    async def alive(self, request: Request) -> Response:
        """Say that the process answers."""
        request.state.call = "health"
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """Say whether events can be taken."""
        request.state.call = "health"
        trouble = self._health()
        if trouble:
            return PlainTextResponse(f"{trouble}\n", 503, {"retry-after": "5"})
        return PlainTextResponse("ready\n")

    async def metrics(self, request: Request) -> Response:
        """Return the counts, which are of all tenants."""
        request.state.call = "metrics"
        need(self.caller(request), "admin")
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self._metrics_text(), media_type=kind)


def routes_of(calls: Calls, further: Sequence[BaseRoute]) -> Router:
    """Return all routes."""
    routes: list[BaseRoute] = [
        # Of another method too, which else the page would answer.
        Route(path, calls.take, methods=_METHODS)
        for path in INGEST_PATHS
    ]
    routes += [
        Route("/healthz", calls.alive),
        Route("/readyz", calls.ready),
        Route("/metrics", calls.metrics),
        Route("/v1/capabilities", calls.capabilities),
        Route("/v1/whoami", calls.identity),
        *further,
    ]
    return Router(routes, redirect_slashes=False)
