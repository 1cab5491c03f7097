"""
Record the retry loops of frameworks, as seen by the operation that they repeat.

A loop that keeps its sleep to itself is measured from outside: from the failure of one
attempt to the begin of the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.record.errors import error_code_of, error_text, status_of
from chaukas.sdk.record.recorder import ms_between, without_defaults
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["Loop"]

_WHERE = "retry loop"


class _Failure(NamedTuple):
    message: Any
    facts: dict[str, Any]
    at_ns: int


class Loop:
    """
    One loop, and what its last attempt failed of: as text, since errors are not kept.

    Args:
        recorder: Where to record.
        run: Run that it belongs to.
        span_id: The call that is repeated.
        layer: Who repeats it.
        limit: How often it may be repeated.
        strategy: How the waits are chosen.
    """

    def __init__(
        self,
        recorder: Recorder,
        run: Run,
        span_id: str,
        *,
        layer: str,
        limit: int = 0,
        strategy: str = "",
    ) -> None:
        self._recorder, self._run, self._span_id = recorder, run, span_id
        self._layer, self._limit, self._strategy = layer, limit, strategy
        self._failure: _Failure | None = None
        self.attempts = 0

    def observed(self, operation: Callable[[], Any]) -> Callable[[], Any]:
        """Return *operation*, with its attempts counted."""

        def observed() -> Any:
            attempt(_WHERE, self.begins)
            try:
                return operation()
            except Exception as error:
                attempt(_WHERE, self.failed, error)
                raise

        return observed

    def observed_async(
        self, operation: Callable[[], Awaitable[Any]]
    ) -> Callable[[], Awaitable[Any]]:
        """Return *operation*, a coroutine function, with its attempts counted."""

        async def observed() -> Any:
            attempt(_WHERE, self.begins)
            try:
                return await operation()
            except Exception as error:
                attempt(_WHERE, self.failed, error)
                raise

        return observed

    def failed(self, error: Exception) -> None:
        """Note what an attempt failed of."""
        capture = self._recorder.capture(self._run)
        facts = {"error_code": error_code_of(error), "status": status_of(error)}
        self._failure = _Failure(
            capture.text(error_text(error), "retry.error_message"),
            without_defaults(facts),
            self._recorder.clock.monotonic_ns(),
        )

    def failed_unseen(self) -> None:
        """Note that an attempt failed, if nothing tells of what."""
        if self._failure is None:
            self._failure = _Failure("", {}, self._recorder.clock.monotonic_ns())

    def begins(self) -> None:
        """Note that an attempt begins: after a failure it is a repetition."""
        failure, self._failure = self._failure, None
        number, self.attempts = self.attempts, self.attempts + 1
        if failure is None:
            return
        now_ns = self._recorder.clock.monotonic_ns()
        record_retry(
            self._recorder,
            self._run,
            self._span_id,
            None,
            number=number,
            max_attempts=self._limit,
            slept_ms=ms_between(failure.at_ns, now_ns),
            strategy=self._strategy,
            metadata={"layer": self._layer, **failure.facts},
            message=failure.message,
        )
