"""
What every request to the page passes: who is asked, who asks, and what is told.

A page on the loopback interface can be reached by every web site that the user has
open, so each rule is checked before routing and each answer carries the same headers,
errors included. A collector checks the same rules in front of all that it serves, the
page among it.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ("HEADERS", "OTHER_ADDRESS", "Guard", "Objection", "objection_to")

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


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a request goes no further: status and text of the answer."""

    status: int
    text: str


OTHER_ADDRESS: Final = Objection(421, "Not the address of this page.")
"""The name in the address is not ours."""
OTHER_PAGE: Final = Objection(403, "Not for pages of other sites.")
"""Another page sent it, or might have."""


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

        objection = objection_to(scope, self._hosts)
        if objection is not None:
            answer = PlainTextResponse(f"{objection.text}\n", objection.status)
            await answer(scope, receive, send_with_headers)
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


def objection_to(
    scope: Scope,
    hosts: Collection[str],
    *,
    has_clients: bool = False,
    is_behind_tls: bool = False,
) -> Objection | None:
    """
    Return why a request goes no further; None if it may.

    Args:
        scope: The request.
        hosts: Values of the Host header that are ours, in lower case, each with its
            port.
        has_clients: Whether programs other than browsers send too, as to a collector:
            those with a key of their own are no page, none says where it is from, and
            which content they may send is decided by the route.
        is_behind_tls: Whether a proxy in front speaks TLS: what a browser calls
            `https` comes here without.
    """
    headers = Headers(scope=scope)
    named = headers.getlist("host")
    if len(named) != 1 or named[0].lower() not in hosts:
        return OTHER_ADDRESS
    if not scope["path"].startswith("/"):
        return Objection(400, "A request for another host.")
    if has_clients and _has_key(headers):
        return None
    schemes = {scope["scheme"], "https"} if is_behind_tls else {scope["scheme"]}
    own = {f"{scheme}://{named[0].lower()}" for scheme in schemes}
    if _is_foreign(scope, headers, own):
        return OTHER_PAGE
    is_change_by_page = scope["method"] not in _SAFE and not has_clients
    return _objection_to_change(headers) if is_change_by_page else None


def _objection_to_change(headers: Headers) -> Objection | None:
    if "origin" not in headers and "sec-fetch-site" not in headers:
        # No browser of today; what changes something must say where it is from.
        return OTHER_PAGE
    return None if _is_json(headers) else Objection(415, "JSON is expected.")


def _has_key(headers: Headers) -> bool:
    # No browser adds one by itself, unlike a cookie, or a name before the host.
    return headers.get("authorization", "").lower().startswith("bearer ")


def _is_foreign(scope: Scope, headers: Headers, own: Collection[str]) -> bool:
    """Return whether another page sent the request; *own* are our origins."""
    if any(origin.lower() not in own for origin in headers.getlist("origin")):
        return True
    # A link on another page may lead here, and that page learns nothing of it.
    is_link = scope["method"] in _SAFE and headers.get("sec-fetch-mode") == "navigate"
    return headers.get("sec-fetch-site", "none") not in _SAME and not is_link


def _is_json(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "application/json"
