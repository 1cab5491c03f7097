"""
Record the retries that the openai client hides inside one request.

Seen as the sleep before the next attempt: it tells the time really slept, and the
error in flight tells why.
"""

from __future__ import annotations

import sys
from email.utils import mktime_tz, parsedate_tz
from typing import Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.record.context import CURRENT, Node
from chaukas.sdk.system.internal_errors import report

__all__ = ["Retries"]

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_EXPONENTIAL = "exponential"
"""What the client does, where the server names no wait."""

_SERVER_ERROR = 500
_SERVER_REFUSAL = ("InternalServerError", "Server error")
_REFUSALS = {
    400: ("BadRequestError", "Bad request"),
    401: ("AuthenticationError", "Not authenticated"),
    403: ("PermissionDeniedError", "Not permitted"),
    404: ("NotFoundError", "Not found"),
    408: ("APIStatusError", "Request timed out"),
    409: ("ConflictError", "Conflict"),
    422: ("UnprocessableEntityError", "Not processable"),
    429: ("RateLimitError", "Rate limit exceeded"),
}
"""
Class of the error that the client makes of an answer, and a text for it.

The same spelling as in the ERROR that comes when no further try helps. The API's own
code is in the body, which the client does not read before it tries again.
"""
_OTHER_REFUSAL = ("APIStatusError", "Refused")
_TIMEOUT = "APITimeoutError"
_CONNECTION = "APIConnectionError"
_LONGEST_WAIT_S = 60.0
"""Of clients that do not say it."""


class Retries(Part):
    """
    Wrappers around the sleeps of the openai client.

    Args:
        host: Where to record.
    """

    async def http_sleep(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the asynchronous openai client's sleep before it repeats a request."""
        node = CURRENT.get()
        error = sys.exc_info()[1]
        started_ns = self._recorder.clock.monotonic_ns()
        try:
            return await wrapped(*args, **kwargs)
        finally:
            if node is not None:
                self._note_http(node, kwargs, started_ns, error)

    def http_sleep_sync(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the synchronous openai client's sleep before it repeats a request."""
        node = CURRENT.get()
        error = sys.exc_info()[1]
        started_ns = self._recorder.clock.monotonic_ns()
        try:
            return wrapped(*args, **kwargs)
        finally:
            if node is not None:
                self._note_http(node, kwargs, started_ns, error)

    def _note_http(
        self,
        node: Node,
        kwargs: dict[str, Any],
        started_ns: int,
        error: BaseException | None,
    ) -> None:
        slept_ms = (self._recorder.clock.monotonic_ns() - started_ns) / _NS_PER_MS
        try:
            metadata: dict[str, Any] = {"layer": "http"}
            strategy = _EXPONENTIAL
            message = None
            response = kwargs.get("response")
            if response is not None:
                # The client closes the answer unread; its status says enough.
                metadata["status"] = status = response.status_code
                code, text = _refusal_of(status)
                message = f"{text} (HTTP {status})"
                metadata["error_code"] = code
                headers = response.headers
                metadata["request_id"] = headers.get("x-request-id")
                now_s = self._recorder.clock.time_ns() / _NS_PER_S
                if _names_a_wait(headers, now_s):
                    strategy = "retry_after"
            elif error is not None:
                metadata["error_code"] = _transport_code_of(error)
            run = node.run
            if isinstance(run, AgentRun):
                metadata["model"] = run.last_model
            options = kwargs.get("options")
            metadata["endpoint"] = getattr(options, "url", None)
            record_retry(
                self._recorder,
                run,
                node.parent_span_id,
                error,
                number=kwargs.get("retries_taken", 0) + 1,
                max_attempts=kwargs.get("max_retries", 0),
                slept_ms=slept_ms,
                metadata=metadata,
                strategy=strategy,
                message=message,
            )
        except Exception as problem:
            report("openai retry", problem)


def _refusal_of(status: int) -> tuple[str, str]:
    if status >= _SERVER_ERROR:
        return _SERVER_REFUSAL
    return _REFUSALS.get(status, _OTHER_REFUSAL)


def _transport_code_of(error: BaseException) -> str:
    """Return the error that the client makes of one of its transport's."""
    names = {cls.__name__ for cls in type(error).__mro__}
    is_timeout = bool(names & {"TimeoutException", "TimeoutError"})
    return _TIMEOUT if is_timeout else _CONNECTION


def _names_a_wait(headers: Any, now_s: float) -> bool:
    """Tell whether an answer says how long to wait, and the client will do it."""
    for name, per_s in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name)
        if not text:
            continue
        try:
            wait_s = float(text) / per_s
        except ValueError:
            # A date, or nonsense that the client passes over as well.
            moment = parsedate_tz(text)
            if moment is None:
                continue
            wait_s = mktime_tz(moment) - now_s
        client = sys.modules.get("openai._base_client")
        longest_s = getattr(client, "MAX_RETRY_AFTER_DELAY", _LONGEST_WAIT_S)
        return bool(0 < wait_s <= longest_s)
    return False
