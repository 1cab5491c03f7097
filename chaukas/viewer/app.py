"""
The page as an application: the files, the queries, the export, and who may see them.

`chaukas view` serves it for one record; a collector mounts the same for its store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route, Router

from .api import api_routes
from .export import export_route
from .files import Files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .record import Authorise, RecordFor

__all__ = ("viewer_app",)


def viewer_app(
    record_for: RecordFor,
    authorise: Authorise,
    *,
    routes: Sequence[BaseRoute] = (),
    has_page: bool = True,
    is_over: Callable[[Request], bool] = lambda _request: False,
) -> ASGIApp:
    """
    Return the page and its routes, to be put behind a guard by whoever serves them.

    Args:
        record_for: Returns the record that the one who asks may read; it is called
            with what `authorise` returned.
        authorise: Returns who sends a request, or None for nobody known. It is asked
            for everything but `routes`.
        routes: Further ones, which decide themselves who may use them, such as the
            address that exchanges a token for a cookie.
        has_page: Whether the files of the page are served, beside its queries.
        is_over: Whether the stream of events that answers a request must end: the
            server stops, or whoever asked may not read any more.
    """
    queries = [*api_routes(record_for, is_over), export_route(record_for)]
    own: list[BaseRoute] = [Mount("/api", routes=queries)]
    if has_page:
        own.append(Route("/{path:path}", Files().answer))
    # Routers alone: an application of starlette would answer errors before the guard.
    private = Router(own, redirect_slashes=False)
    return Router([*routes, Mount("/", app=_Authorised(private, authorise))])


class _Authorised:
    """Lets through who is known, and says who it is in `request.state.reader`."""

    def __init__(self, app: ASGIApp, authorise: Callable[[Request], object]) -> None:
        self._app = app
        self._authorise = authorise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = self._authorise(Request(scope))
        if reader is None:
            text = "Open the address that chaukas view printed.\n"
            await PlainTextResponse(text, 401)(scope, receive, send)
            return
        scope.setdefault("state", {})["reader"] = reader
        await self._app(scope, receive, send)
