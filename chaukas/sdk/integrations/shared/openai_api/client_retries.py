"""
Record the retries that the openai client makes by itself, whoever called it.

And those of the anthropic client, which is generated alike. Each is seen as the sleep
before the next attempt: it tells the time really slept, and the error in flight tells
why.
"""

from __future__ import annotations

import sys
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import ms_between
from chaukas.sdk.system.internal_errors import guarded
from chaukas.sdk.system.introspect import attributes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.record.context import Node

__all__ = ["ClientRetries"]

_NS_PER_S = 1_000_000_000
_EXPONENTIAL = "exponential"

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


class ClientRetries(Part):
    """Wrappers around the sleeps of a client."""

    def patches(self, package: str = "openai", **options: Any) -> Sequence[Patch]:
        """
        Return the patches.

        Args:
            package: Of the client: `openai` or `anthropic`.
            **options: As for `Patch`.
        """
        base = f"{package}._base_client"
        return tuple(
            Patch(f"{base}:{name}._sleep_for_retry", wrap, ("RETRY",), **options)
            for name, wrap in (
                ("SyncAPIClient", self.sleep_sync),
                ("AsyncAPIClient", self.sleep),
            )
        )

    async def sleep(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the asynchronous client's sleep before it repeats a request."""
        node, error = node_in_force(), sys.exc_info()[1]
        started_ns = self._recorder.clock.monotonic_ns()
        try:
            return await wrapped(*args, **kwargs)
        finally:
            self._note(node, kwargs, started_ns, error)

    def sleep_sync(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the synchronous client's sleep before it repeats a request."""
        node, error = node_in_force(), sys.exc_info()[1]
        started_ns = self._recorder.clock.monotonic_ns()
        try:
            return wrapped(*args, **kwargs)
        finally:
            self._note(node, kwargs, started_ns, error)

    @guarded(None, where="client retry")
    def _note(
        self,
        node: Node | None,
        kwargs: dict[str, Any],
        started_ns: int,
        error: BaseException | None,
    ) -> None:
        """Record the RETRY; outside of any run there is nothing that it repeats."""
        if node is None:
            return
        recorder = self._recorder
        now_ns = recorder.clock.monotonic_ns()
        options, response = kwargs.get("options"), kwargs.get("response")
        metadata: dict[str, Any] = {
            "layer": "http",
            "model": _model_in(options),
            "endpoint": attributes_of(options).get("url"),
        }
        message, strategy = None, _EXPONENTIAL
        if response is not None:
            # The client closes the answer unread; its status says enough.
            status, headers = response.status_code, response.headers
            code, text = _refusal_of(status)
            message = f"{text} (HTTP {status})"
            metadata |= {"status": status, "error_code": code}
            names = ("x-request-id", "request-id")
            metadata["request_id"] = next(filter(None, map(headers.get, names)), None)
            if _names_a_wait(headers, recorder.clock.time_ns() / _NS_PER_S):
                strategy = "retry_after"
        elif error is not None:
            metadata["error_code"] = _transport_code_of(error)
        record_retry(
            recorder,
            node.run,
            node.parent_span_id,
            error,
            number=kwargs.get("retries_taken", 0) + 1,
            max_attempts=kwargs.get("max_retries", 0),
            slept_ms=ms_between(started_ns, now_ns),
            strategy=strategy,
            metadata=metadata,
            message=message,
        )


def _model_in(options: Any) -> Any:
    """Return the model that a request names, or None."""
    held = attributes_of(options)
    bodies = (held.get(name) for name in ("extra_json", "json_data"))
    return next((b["model"] for b in bodies if type(b) is dict and "model" in b), None)


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
