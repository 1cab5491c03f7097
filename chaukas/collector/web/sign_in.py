"""
The page for those who have a key: it is typed in once, and a cookie stands for it.

A browser cannot send a key with each request of a page. The cookie is random, no script
can read it and no other site can send it; what it allows is asked of the key anew with
each request, so that a revoked key ends its pages too.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chaukas.collector.access.callers import need
from chaukas.collector.memory_limit import MemoryLimit
from chaukas.collector.refusal import Refusal

from .request_body import body_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from chaukas.collector.access.callers import Access, Caller
    from chaukas.collector.limits import Limits

__all__ = ("PATH", "SignIn")

PATH: Final = "/sign-in"
_FOR_S: Final = 12 * 3600
_KEPT: Final = 10_000
_BYTES: Final = 32
_FORM: Final = "application/x-www-form-urlencoded"
_HELD_BYTES: Final = 256 << 10
"""Of all forms that are read at a time."""


class SignIn:
    """
    Exchanges keys for cookies; of the event loop's thread.

    Args:
        access: Knows the keys.
        limits: Of the requests.
        port: Of the server. Cookies are shared by all ports of a host.
        is_secure: Whether browsers reach it over TLS only.
    """

    def __init__(
        self, access: Access, limits: Limits, port: int, *, is_secure: bool
    ) -> None:
        self._access = access
        self._limits = limits
        self._held = MemoryLimit(_HELD_BYTES)
        self._cookie = f"chaukas_key_{port}"
        self._is_secure = is_secure
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """Id of the key, and when the session ends, by the value of the cookie."""

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(PATH, self._form, methods=["GET"]),
            Route(PATH, self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        ]

    def caller(self, request: Request) -> Caller | None:
        """Return who asks, by the cookie; None without a valid one."""
        key_id, until_s = self._sessions.get(self._given(request), ("", 0.0))
        if time.monotonic() >= until_s:
            return None
        return self._access.caller_of(key_id)

    def _given(self, request: Request) -> str:
        return request.cookies.get(self._cookie, "")

    async def _form(self, request: Request) -> Response:
        request.state.call = "sign-in"
        text = _SIGNED_IN if self.caller(request) else _SIGNED_OUT
        return _page(text)

    async def _sign_in(self, request: Request) -> Response:
        request.state.call = "sign-in"
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != _FORM:
            raise Refusal(415, f"Content-Type must be {_FORM}.")
        stated = request.headers.get("content-length")
        body = await body_of(request.receive, stated, self._limits, self._held)
        self._held.release(len(body))
        key = _key_in(body)
        peer = request.client.host if request.client else ""
        try:
            caller = self._access.caller(f"Bearer {key}", peer)
            need(caller, "read")
        except Refusal as refusal:
            return _page(_SIGNED_OUT, refusal)
        request.state.caller = caller.name
        answer = RedirectResponse("/", 303)
        if caller.key is not None:
            self._keep(answer, caller.key.id)
        return answer

    def _keep(self, answer: Response, key_id: str) -> None:
        value = secrets.token_urlsafe(_BYTES)
        self._sessions[value] = (key_id, time.monotonic() + _FOR_S)
        while len(self._sessions) > _KEPT:
            self._sessions.popitem(last=False)
        answer.set_cookie(
            self._cookie,
            value,
            path="/",
            httponly=True,
            samesite="strict",
            secure=self._is_secure,
        )

    async def _sign_out(self, request: Request) -> Response:
        request.state.call = "sign-in"
        self._sessions.pop(self._given(request), None)
        answer = RedirectResponse(PATH, 303)
        answer.delete_cookie(self._cookie, path="/")
        return answer


def _key_in(form: bytes) -> str:
    try:
        fields = parse_qs(form.decode("latin-1"), max_num_fields=8)
    except ValueError:
        return ""
    return fields.get("key", [""])[0].strip()


def _page(form: str, refusal: Refusal | None = None) -> Response:
    # The text of a refusal is a constant of ours.
    reason = f"<p role=alert>{refusal.text}</p>" if refusal else ""
    text = _PAGE.format(reason=reason, form=form)
    status = refusal.status if refusal else 200
    return Response(text, status, media_type="text/html; charset=utf-8")


# Without a referrer a browser would not say that the form is ours: Origin were `null`.
_PAGE: Final = """\
<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width">
<meta name=referrer content=same-origin>
<title>chaukas</title>
<h1>chaukas</h1>
{reason}
{form}
"""
_SIGNED_OUT: Final = """\
<form method=post action=/sign-in>
<p><label>Key with the scope read:
<input type=password name=key size=60 autocomplete=current-password required autofocus>
</label>
<p><button>Show the record</button>
</form>"""
_SIGNED_IN: Final = """\
<p><a href=/>The record</a>
<form method=post action=/sign-out><button>Sign out</button></form>"""
