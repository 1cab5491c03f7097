"""
What every HTTP request passes: whose address it uses, who sent it, what is logged.

Each rule is checked before routing, each answer carries the same headers, and every
request is one line of the log. A failure is told as a constant text with the number
of the request, under which the log has the reason.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from chaukas.collector.refusal import Refusal
from chaukas.viewer.guard import HEADERS, OTHER_ADDRESS, objection_to

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from chaukas.collector.metrics import Metrics

__all__ = ("Guard", "answer_of")

_LOG: Final = logging.getLogger("chaukas.collector")
_ACCESS: Final = logging.getLogger("chaukas.collector.access")
_SECRET: Final = re.compile(r"(open/+|ck_[A-Za-z0-9]*_)[^/\s]+")


class Guard:
    """
    Hands on what may go on, and answers the rest.

    Args:
        app: The routes.
        hosts: Values of the Host header that are ours, in lower case.
        metrics: Where requests are counted.
        header_bytes: Most bytes of all headers.
        is_behind_tls: Whether a proxy in front speaks TLS.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        metrics: Metrics,
        header_bytes: int = 16 << 10,
        *,
        is_behind_tls: bool = False,
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._metrics = metrics
        self._header_bytes = header_bytes
        self._is_behind_tls = is_behind_tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        begun_s = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["x-request-id"] = request_id
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, noting)
        except Refusal as refusal:
            if not status:
                await answer_of(refusal, request_id)(scope, receive, noting)
        except Exception:
            _LOG.exception("request %s failed", request_id)
            if not status:
                failure = Refusal(500, "This did not work; the log has the reason.")
                await answer_of(failure, request_id)(scope, receive, noting)
        finally:
            self._note(scope, status, time.perf_counter() - begun_s, request_id)

    def _check(self, scope: Scope) -> None:
        sizes = [len(name) + len(value) for name, value in scope["headers"]]
        if sum(sizes) + len(scope["query_string"]) > self._header_bytes:
            text = f"Headers may have {self._header_bytes} bytes at most."
            raise Refusal(431, text)
        objection = objection_to(
            scope, self._hosts, has_clients=True, is_behind_tls=self._is_behind_tls
        )
        if objection is OTHER_ADDRESS:
            text = "Not an address of this collector: start it with --name HOST."
            raise Refusal(421, text)
        if objection is not None:
            raise Refusal(objection.status, objection.text)
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            # A proxy in front might see the end of the request elsewhere than we do.
            raise Refusal(400, "A body has one length: stated, or in chunks.")

    def _note(
        self, scope: Scope, status: int, duration_s: float, request_id: str
    ) -> None:
        call = scope["state"].get("call", "page")
        self._metrics.requests[call, status] += 1
        facts: dict[str, Any] = {
            "request_id": request_id,
            "method": _shown(scope["method"]),
            "path": _shown(scope["path"]),
            "status": status,
            "ms": round(duration_s * 1000, 2),
            "caller": scope["state"].get("caller", ""),
            "peer": (scope.get("client") or ("",))[0],
            "events": scope["state"].get("events"),
        }
        _ACCESS.info("request", extra={"facts": facts})


def _shown(text: str) -> str:
    """Return a path, or what stands for one, without the token or key in it."""
    return _SECRET.sub(r"\1…", text)[:200]


def answer_of(refusal: Refusal, request_id: str) -> Response:
    """Return the answer to a request that is refused."""
    headers = {}
    if refusal.retry_after_s:
        headers["retry-after"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if refusal.status in (400, 408, 413):
        # What is left of the body is not waited for.
        headers["connection"] = "close"
    body = orjson.dumps({"error": refusal.text, "request_id": request_id})
    return Response(body, refusal.status, headers, "application/json")
