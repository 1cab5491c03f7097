"""
Who may read: the one who has the address that `chaukas view` printed.

The address holds a token that works once. It is exchanged for a cookie that no script
can read and no other site can send, so that nothing secret stays in the address line,
in the browser's history, or in a log.
"""

from __future__ import annotations

import hmac
import secrets
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal

from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ("OneTimeAccess",)

_BYTES: Final = 32


class OneTimeAccess:
    """
    One token, one cookie, one browser.

    Args:
        port: Of the server. Cookies are shared by all ports of a host, so that its
            name holds the port: two pages at a time do not log each other out.
        is_secure: Whether browsers reach it over TLS only.
    """

    def __init__(self, port: int, *, is_secure: bool = False) -> None:
        self.token = secrets.token_urlsafe(_BYTES)
        """What the address holds; None is left of it once it was used."""
        self._cookie = f"chaukas_{port}"
        self._value = secrets.token_urlsafe(_BYTES)
        self._is_used = False
        self._is_secure = is_secure
        self._lock = Lock()

    def __call__(self, request: Request) -> Literal["local"] | None:
        """Return who asks: whoever has the cookie, or nobody."""
        given = request.cookies.get(self._cookie, "")
        return "local" if _equal(given, self._value) else None

    def open(self, request: Request) -> Response:
        """Answer the address with the token: a cookie, the first time."""
        if self(request):
            return RedirectResponse("/", 303)
        with self._lock:
            is_right = _equal(request.path_params["token"], self.token)
            is_good = is_right and not self._is_used
            self._is_used = self._is_used or is_good
        if not is_good:
            text = "This address was used, or is another's. Start chaukas view again.\n"
            return PlainTextResponse(text, 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            self._cookie,
            self._value,
            path="/",
            httponly=True,
            samesite="strict",
            secure=self._is_secure,
        )
        answer.headers["cache-control"] = "no-store"
        return answer


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
