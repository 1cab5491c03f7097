"""New events as they come, as server-sent events."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from chaukas.query import FilterError, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from .record import Record

__all__ = ("follow",)

_EVERY_S: Final = 0.5
_ALIVE_S: Final = 10.0
_AT_ONCE: Final = 500


def follow(
    request: Request, record: Record, is_stopping: Callable[[], bool]
) -> StreamingResponse:
    """Return the stream: `status` when it changes, `event` for each new event."""
    line = request.query_params.get("filter", "")
    given = request.headers.get("last-event-id") or request.query_params.get("after")
    after = int(given) if given and given.isdigit() else None
    return StreamingResponse(
        _messages(request, record, line, after, is_stopping),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


async def _messages(
    request: Request,
    record: Record,
    line: str,
    after: int | None,
    is_stopping: Callable[[], bool],
) -> AsyncIterator[bytes]:
    status, silent_s = b"", _ALIVE_S
    while not is_stopping() and not await request.is_disconnected():
        now = to_json(record.status())
        if now != status or silent_s >= _ALIVE_S:
            status, silent_s = now, 0.0
            yield _message("status", status)
        try:
            rows, after = await run_in_threadpool(_new, record, line, after)
        except FilterError as error:
            yield _message("refused", to_json({"error": error.message}))
            return
        for row in rows:
            yield _message("event", to_json(row), row.number)
        if len(rows) < _AT_ONCE:
            await asyncio.sleep(_EVERY_S)
            silent_s += _EVERY_S


def _new(record: Record, line: str, after: int | None) -> tuple[list[Any], int]:
    if after is None:
        # Only what comes from now on: events are numbered as they arrive.
        return [], record.status().events
    with closing(record.query()) as query:
        return query.events_after(after, line, _AT_ONCE)


def _message(kind: str, data: bytes, number: int | None = None) -> bytes:
    name = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: %s\n\n" % (name, kind.encode(), data)
