"""New events as they come, as server-sent events."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from chaukas.query import FilterError, UnreadableError, to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from .record import Record

__all__ = ("follow",)

_EVERY_S: Final = 0.5
_ALIVE_S: Final = 10.0
_AT_ONCE: Final = 500
_NUMBER: Final = re.compile("[0-9]{1,18}")


def follow(
    request: Request, record: Record, is_over: Callable[[Request], bool]
) -> StreamingResponse:
    """Return the stream: `status` when it changes, `event` for each new event."""
    line = request.query_params.get("filter", "")
    given = request.headers.get("last-event-id") or request.query_params.get("after")
    after = int(given) if given and _NUMBER.fullmatch(given) else None
    return StreamingResponse(
        _messages(request, record, line, after, is_over),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


async def _messages(
    request: Request,
    record: Record,
    line: str,
    after: int | None,
    is_over: Callable[[Request], bool],
) -> AsyncIterator[bytes]:
    status, silent_s = b"", _ALIVE_S
    while not is_over(request) and not await request.is_disconnected():
        try:
            rows, after = await run_in_threadpool(_new, record, line, after)
        except FilterError as error:
            yield _message("refused", to_json({"error": error.message}))
            return
        except UnreadableError:
            # A collector that does not answer now: its status says so.
            rows = []
        for row in rows:
            yield _message("event", to_json(row), row.number)
        now = to_json(await run_in_threadpool(record.status))
        if now != status or silent_s >= _ALIVE_S:
            status, silent_s = now, 0.0
            # With a number: whoever comes again goes on from there.
            yield _message("status", status, after)
        if len(rows) < _AT_ONCE:
            await asyncio.sleep(_EVERY_S)
            silent_s += _EVERY_S


def _new(record: Record, line: str, after: int | None) -> tuple[list[Any], int]:
    with closing(record.query()) as query:
        if after is None:
            # Only what comes from now on; numbers count the events of all tenants.
            return [], query.newest_number()
        return query.events_after(after, line, _AT_ONCE)


def _message(kind: str, data: bytes, number: int | None = None) -> bytes:
    place = b"" if number is None else b"id: %d\n" % number
    return b"event: %s\n%sdata: %s\n\n" % (kind.encode(), place, data)
