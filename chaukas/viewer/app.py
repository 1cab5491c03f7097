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
from .guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from .record import Authorise, RecordFor

__all__ = ("viewer_app",)


def viewer_app(
    record_for: RecordFor,
    authorise: Authorise,
    *,
    hosts: Collection[str],
    routes: Sequence[BaseRoute] = (),
    is_stopping: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """
    Return the page and its routes.

    Args:
        record_for: Returns the record that the one who asks may read; it is called
            with what `authorise` returned.
        authorise: Returns who sends a request, or None for nobody known. It is asked
            for everything but `routes`.
        hosts: Values of the Host header that are ours, each with its port.
        routes: Further ones, which decide themselves who may use them, such as the
            address that exchanges a token for a cookie.
        is_stopping: Whether the server is about to end: streams of events end then.
    """
    files = Files()
    # Routers alone: an application of starlette would answer errors before the guard.
    private = Router(
        routes=[
            Mount(
                "/api",
                routes=[
                    *api_routes(record_for, is_stopping),
                    export_route(record_for),
                ],
            ),
            Route("/{path:path}", files.answer),
        ],
        redirect_slashes=False,
    )
    app = Router([*routes, Mount("/", app=_Authorised(private, authorise))])
    return Guard(app, hosts)


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
