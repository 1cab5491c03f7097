"""The queries of the published spec as HTTP routes and as gRPC calls."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.responses import Response
from starlette.routing import Route

from chaukas.collector.access.callers import need
from chaukas.collector.bodies.decode import JSON, UNREAD, event_of, type_of
from chaukas.collector.memory_limit import MemoryLimit
from chaukas.collector.refusal import Refusal
from chaukas.collector.web.request_body import body_of
from chaukas.sdk.ingest.published import as_published
from chaukas.sdk.wire import to_message
from chaukas.sdk.wire.proto import query_pb2, service_pb2

from .published_query import Question, moment_of, page_of, question_of, stats_of
from .record import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from chaukas.collector.access.callers import Caller
    from chaukas.collector.limits import Limits
    from chaukas.sdk.wire.proto import events_pb2
    from chaukas.store.sqlite import SqliteReader, SqliteStore

    CallerOf = Callable[[Request], Caller]
    Answer = Callable[[Caller, bytes], Awaitable[bytes]]

__all__ = ("Queries",)

_NO_MOMENT: Final = "A time of the question is none of the calendar."


class Queries:
    """
    Answers QueryEvents and GetEventStats.

    Args:
        store: What is asked.
        secret: What page tokens are signed with.
        limits: Of the requests.
    """

    def __init__(self, store: SqliteStore, secret: bytes, limits: Limits) -> None:
        self._store = store
        self._secret = secret
        self._limits = limits
        self._held = MemoryLimit(limits.held_bytes, limits.read_bytes, limits.reads)

    def routes(self, caller_of: CallerOf) -> list[Route]:
        """Return the routes; `caller_of` says who sends a request."""

        async def query(request: Request) -> Response:
            request.state.call = "query"
            caller = caller_of(request)
            need(caller, "read")
            question = question_of(await self._json(request))
            events, token = await asyncio.to_thread(self._page, caller, question)
            shown = [as_published(event) for event in events]
            answer = {"events": shown, "next_page_token": token}
            return Response(orjson.dumps(answer), media_type=JSON)

        async def stats(request: Request) -> Response:
            request.state.call = "stats"
            caller = caller_of(request)
            need(caller, "read")
            given = request.query_params
            tenant, project = given.get("tenant_id", ""), given.get("project_id", "")
            times = (moment_of(given.get("start")), moment_of(given.get("end")))
            answer = await asyncio.to_thread(
                self._stats, caller, tenant, project, *times
            )
            return Response(orjson.dumps(answer), media_type=JSON)

        return [
            Route("/v1/query", query, methods=["POST"]),
            Route("/v1/stats", stats, methods=["GET"]),
        ]

    def calls(self) -> dict[str, Answer]:
        """Return the gRPC calls by name."""
        return {"QueryEvents": self._query_call, "GetEventStats": self._stats_call}

    async def _json(self, request: Request) -> Any:
        if type_of(request.headers.get("content-type", "")) != JSON:
            raise Refusal(415, f"Content-Type must be {JSON}.")
        stated = request.headers.get("content-length")
        body = await body_of(request.receive, stated, self._limits, self._held)
        self._held.release(len(body))
        try:
            return orjson.loads(body)
        except ValueError:
            raise Refusal(400, "The body is no JSON.") from None

    async def _query_call(self, caller: Caller, body: bytes) -> bytes:
        need(caller, "read")
        request = _read(service_pb2.QueryEventsRequest, body).query
        question = _question(request)
        events, token = await asyncio.to_thread(self._page, caller, question)
        answer = query_pb2.QueryResponse(next_page_token=token)
        answer.events.extend(map(_message, events))
        return service_pb2.QueryEventsResponse(response=answer).SerializeToString()

    async def _stats_call(self, caller: Caller, body: bytes) -> bytes:
        need(caller, "read")
        request = _read(service_pb2.GetEventStatsRequest, body)
        texts = (request.tenant_id, request.project_id)
        times = _times(request.time_range)
        found = await asyncio.to_thread(self._stats, caller, *texts, *times)
        return service_pb2.GetEventStatsResponse(**found).SerializeToString()

    def _reader(self, caller: Caller) -> SqliteReader:
        try:
            return self._store.reader(caller.tenant)
        except sqlite3.OperationalError:
            # Too many files are open, or the like.
            raise Refusal(503, UNREADABLE, 5) from None

    def _page(
        self, caller: Caller, question: Question
    ) -> tuple[list[dict[str, Any]], str]:
        reader = self._reader(caller)
        try:
            return page_of(reader, caller.tenant, question, self._secret)
        finally:
            reader.close()

    def _stats(
        self,
        caller: Caller,
        tenant: str,
        project: str,
        since_us: int | None,
        until_us: int | None,
    ) -> dict[str, Any]:
        if "*" in tenant + project:
            raise Refusal(400, "tenant_id and project_id must be one id each.")
        reader = self._reader(caller)
        try:
            return stats_of(reader, tenant, project, since_us, until_us)
        finally:
            reader.close()


def _read(kind: Any, body: bytes) -> Any:
    # Loading protobuf takes longer than loading all of the SDK.
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        raise Refusal(400, "The message is none of this call.") from None


def _question(request: Any) -> Question:
    """Return what a QueryRequest asks, as its JSON form would."""
    # As above.
    from google.protobuf.json_format import Error, MessageToDict

    try:
        form = MessageToDict(request, preserving_proto_field_name=True)
    except (Error, ValueError):
        raise Refusal(400, _NO_MOMENT) from None
    return question_of({"filter": {}, **form})


def _times(time: Any) -> tuple[int | None, int | None]:
    found: list[int | None] = []
    for name in ("start", "end"):
        moment = getattr(time, name)
        is_there = time.HasField(name)
        try:
            found.append(moment.ToMicroseconds() if is_there else None)
        except ValueError:
            raise Refusal(400, _NO_MOMENT) from None
    return found[0], found[1]


def _unread(raw: str, event: dict[str, Any]) -> events_pb2.Event | None:
    """Return the message that was taken; None if a client says one that was not."""
    # As above.
    from google.protobuf.message import DecodeError

    from chaukas.sdk.wire.proto import events_pb2

    try:
        data = base64.b64decode(raw)
        if event_of(events_pb2.Event.FromString(data)) != event:
            return None
    except (DecodeError, ValueError):
        return None
    return events_pb2.Event.FromString(data)


def _message(event: dict[str, Any]) -> events_pb2.Event:
    """Return an event as a message; as it came, if it came as one with more in it."""
    # As above.
    from chaukas.sdk.wire.proto import events_pb2

    raw = event.get(UNREAD)
    if type(raw) is str and (message := _unread(raw, event)) is not None:
        return message
    try:
        return to_message(event)
    except ValueError:
        # It has no wire form: its ids say at least which it is.
        return events_pb2.Event(event_id=str(event.get("event_id", "")))
