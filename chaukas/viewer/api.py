"""
The queries as routes: each is one call of `chaukas.query`, with its arguments as text.

Nothing is decided here: what a call answers is written as JSON, and what it raises is
told in one line. Everything is a GET, since nothing that is read changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from chaukas.query import CursorError, FilterError, NotFoundError, to_json

from .follow import follow

if TYPE_CHECKING:
    from starlette.requests import Request

    from .record import Record, RecordFor

__all__ = ("api_routes", "json_answer")

Parameters = Mapping[str, Callable[[str], object]]

_PAGED: Final[Parameters] = {"filter": str, "cursor": str, "limit": int}
_LONGEST: Final = 4000
"""Characters of one argument; a filter is a line that somebody types."""


def _flag(text: str) -> bool:
    return text not in {"", "0", "false"}


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


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
            "limit": int,
        },
    ),
    "runs": ("runs", {**_PAGED, "sort": str}),
    "tree": ("tree", {"trace_id": str, "limit": int}),
    "event": ("event", {"id": str}),
    "events": ("events", {**_PAGED, "order": str, "whole": _flag}),
    "search": ("search", {"text": str, **_PAGED}),
    "numbers": (
        "numbers",
        {"by": _words, "filter": str, "of": str, "limit": int},
    ),
    "trouble": ("trouble", {"filter": str, "limit": int}),
    "diff": ("diff", {"left": str, "right": str, "limit": int}),
    "prompt": ("prompt", {"id": str}),
    "fields": ("fields", {"field": str, "prefix": str}),
    "labels": ("labels", {"filter": str, "cursor": str}),
}
"""Routes by their name: the method of the query, and how each argument is read."""
_KEYWORDS: Final = {"id": "event_id"}
"""Arguments that have a shorter name in an address."""


def api_routes(record_for: RecordFor, is_stopping: Callable[[], bool]) -> list[Route]:
    """Return the routes below `/api`, for the record of whoever asks."""
    routes = [
        Route(f"/{name}", _endpoint(record_for, method, parameters))
        for name, (method, parameters) in _CALLS.items()
    ]

    def status(request: Request) -> Response:
        return json_answer(record_for(request.state.reader).status())

    async def following(request: Request) -> Response:
        return follow(request, record_for(request.state.reader), is_stopping)

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
        except ValueError as error:
            return json_answer({"error": str(error)}, 400)
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
            raise ValueError(f"{name} must be a whole number") from None
    return arguments


def _answer(record: Record, method: str, arguments: dict[str, object]) -> Response:
    try:
        with closing(record.query()) as query:
            answer = getattr(query, method)(**arguments)
        return json_answer({"items": answer} if type(answer) is list else answer)
    except FilterError as error:
        return json_answer(
            {
                "error": error.message,
                "position": error.position,
                "length": error.length,
                "expected": error.expected,
            },
            400,
        )
    except NotFoundError as error:
        return json_answer({"error": str(error)}, 404)
    except CursorError as error:
        return json_answer({"error": str(error)}, 400)
    except ValueError:
        # An order or a grouping that there is not; the page asks for none.
        return json_answer({"error": "an argument has an unknown value"}, 400)
