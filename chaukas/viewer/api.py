"""
The queries as routes: each is one call of `chaukas.query`, with its arguments as text.

Nothing is decided here: what a call answers is written as JSON, and what it raises is
told in one line. Everything is a GET, since nothing that is read changes anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from chaukas.query import (
    CursorError,
    FilterError,
    NotFoundError,
    Query,
    QuestionError,
    UnreadableError,
    to_json,
)

from .follow import follow

if TYPE_CHECKING:
    from starlette.requests import Request

    from .record import Record, RecordFor

__all__ = ("api_routes", "json_answer")

Parameters = Mapping[str, Callable[[str], object]]

_LONGEST: Final = 4000
"""Characters of one argument; a filter is a line that somebody types."""
_LARGEST: Final = 2**53


def _flag(text: str) -> bool:
    return text not in {"", "0", "false"}


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > _LARGEST:
        raise ValueError
    return number


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


_PAGED: Final[Parameters] = {"filter": str, "cursor": str, "limit": _whole}
_CALLS: Final[dict[str, tuple[str, Parameters]]] = {
    "summary": ("summary", {"filter": str}),
    "sessions": ("sessions", {**_PAGED, "sort": str}),
    "session": (
        "session",
        {
            "session_id": str,
            "tenant": str,
            "project": str,
            "cursor": str,
            "limit": _whole,
        },
    ),
    "runs": ("runs", {**_PAGED, "sort": str}),
    "run": ("run", {"trace_id": str}),
    "find_run": ("find_run", {"text": str}),
    "tree": ("tree", {"trace_id": str, "limit": _whole}),
    "event": ("event", {"id": str}),
    "events": ("events", {**_PAGED, "order": str, "whole": _flag}),
    "events_after": (
        "events_after",
        {"number": _whole, "filter": str, "limit": _whole},
    ),
    "newest_number": ("newest_number", {}),
    "lines_after": ("lines_after", {**_PAGED, "number": _whole, "order": str}),
    "search": ("search", {"text": str, **_PAGED}),
    "numbers": (
        "numbers",
        {"by": _words, "filter": str, "of": str, "limit": _whole},
    ),
    "trouble": ("trouble", {"filter": str, "limit": _whole}),
    "diff": ("diff", {"left": str, "right": str, "limit": _whole}),
    "prompt": ("prompt", {"id": str}),
    "fields": ("fields", {"field": str, "prefix": str}),
    "labels": ("labels", _PAGED),
}
"""Routes by their name: the method of the query, and how each argument is read."""
_KEYWORDS: Final = {"id": "event_id"}
"""Arguments that have a shorter name in an address."""
_REFUSALS: Final[dict[type[Exception], tuple[int, str]]] = {
    NotFoundError: (404, "not found"),
    CursorError: (400, "cursor"),
    QuestionError: (400, "question"),
}
"""Status and kind of what queries raise about a question."""
_WHERE: Final = ("position", "length", "expected")


def api_routes(
    record_for: RecordFor, is_over: Callable[[Request], bool]
) -> list[Route]:
    """Return the routes below `/api`, for the record of whoever asks."""
    routes = [
        Route(f"/{name}", _endpoint(record_for, method, parameters))
        for name, (method, parameters) in _CALLS.items()
    ]

    def status(request: Request) -> Response:
        return json_answer(record_for(request.state.reader).status())

    async def following(request: Request) -> Response:
        return follow(request, record_for(request.state.reader), is_over)

    return [*routes, Route("/status", status), Route("/follow", following)]


def json_answer(answer: object, status: int = 200) -> Response:
    """Return an answer that no cache keeps."""
    return Response(
        to_json(answer),
        status,
        {"cache-control": "no-store"},
        media_type="application/json",
    )


def _endpoint(
    record_for: RecordFor, method: str, parameters: Parameters
) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        try:
            arguments = _arguments(request.query_params, parameters)
            _check_complete(method, arguments)
        except ValueError as error:
            return json_answer({"error": str(error), "kind": "question"}, 400)
        record = record_for(request.state.reader)
        return await run_in_threadpool(_answer, record, method, arguments)

    return endpoint


def _arguments(given: Mapping[str, str], known: Parameters) -> dict[str, object]:
    arguments: dict[str, object] = {}
    for name, read in known.items():
        text = given.get(name)
        if text is None:
            continue
        if len(text) > _LONGEST:
            raise ValueError(f"{name} is longer than {_LONGEST} characters")
        try:
            arguments[_KEYWORDS.get(name, name)] = read(text)
        except ValueError:
            raise ValueError(f"{name} must be a whole number, not too large") from None
    return arguments


def _check_complete(method: str, arguments: Mapping[str, object]) -> None:
    for name, one in inspect.signature(getattr(Query, method)).parameters.items():
        if name != "self" and one.default is one.empty and name not in arguments:
            shown = next((s for s, k in _KEYWORDS.items() if k == name), name)
            raise ValueError(f"{shown} is needed")


def _answer(record: Record, method: str, arguments: dict[str, object]) -> Response:
    try:
        with closing(record.query()) as query:
            answer = getattr(query, method)(**arguments)
        return json_answer({"items": answer} if type(answer) is list else answer)
    except FilterError as error:
        told = {name: getattr(error, name) for name in _WHERE}
        return json_answer({"error": error.message, "kind": "filter", **told}, 400)
    except tuple(_REFUSALS) as error:
        status, kind = _REFUSALS[type(error)]
        return json_answer({"error": str(error), "kind": kind}, status)
    except ValueError:
        text = "an argument has an unknown value"
        return json_answer({"error": text, "kind": "question"}, 400)
    except UnreadableError as error:
        # A collector that the page is shown for, and that does not answer now.
        return json_answer({"error": str(error), "kind": "unreadable"}, 502)
