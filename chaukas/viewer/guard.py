"""
What every request to the page passes: who is asked, who asks, and what is told.

A page on the loopback interface can be reached by every web site that the user has
open, so each rule is checked before routing and each answer carries the same headers,
errors included.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("HEADERS", "Guard")

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
"""On every answer. Nothing may be loaded, framed or run that is not from here."""

_SAFE: Final = frozenset({"GET", "HEAD"})
_SAME: Final = frozenset({"same-origin", "none"})
_LOG: Final = logging.getLogger("chaukas.viewer")


class Guard:
    """
    Refuses what does not come from the page itself, and hides errors.

    Args:
        app: The routes.
        hosts: Values of the Host header that are ours, each with its port. Another one
            is a name that somebody made to point here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            request_id = uuid.uuid4().hex
            _LOG.exception("request %s failed", request_id)
            if started:
                raise
            text = f"This did not work. The log has the reason: request {request_id}.\n"
            answer = PlainTextResponse(text, 500)
            await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that goes no further."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse("Not the address of this page.\n", 421)
        if not scope["path"].startswith("/"):
            return PlainTextResponse("A request for another host.\n", 400)
        if _is_foreign(scope, headers, hosts[0].lower()):
            return PlainTextResponse("Not for other pages.\n", 403)
        if scope["method"] not in _SAFE and not _is_json(headers):
            return PlainTextResponse("JSON is expected.\n", 415)
        return None


def _is_foreign(scope: Scope, headers: Headers, host: str) -> bool:
    """Return whether another page sent the request, or might have."""
    origins = headers.getlist("origin")
    if any(origin.lower() != f"{scope['scheme']}://{host}" for origin in origins):
        return True
    is_reading = scope["method"] in _SAFE
    site = headers.get("sec-fetch-site")
    if site is None:
        # No browser of today; what changes something must say where it is from.
        return not is_reading and not origins
    # A link on another page may lead here, and that page learns nothing of it.
    is_link = is_reading and headers.get("sec-fetch-mode") == "navigate"
    return site not in _SAME and not is_link


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "application/json"
