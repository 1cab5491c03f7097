"""
Recognise the tenacity loops of an application as retries.

| tenacity moment | events |
|---|---|
| a loop that failed slept, and begins its next attempt | RETRY |

Only what concerns agents is recorded: loops inside a run, under the tool or the
model call in force, under the model call that failed and may go on, and loops around
runs, under the session of the run that failed. A loop that an HTTP client makes itself
is of the layer `http`, with the status of the answer.
For tenacity 8 and 9: functions, coroutines, decorators and `for attempt in …`.

Two points are patched. `prepare_for_next_attempt` is where every loop forgets its
failure and goes to sleep; `iter` is where it wakes up. So the wait is measured, and a
loop that is cancelled while it sleeps has retried nothing.

Not seen: what a loop makes of a failed last attempt; that is the error that it raises.
"""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

from chaukas.sdk.events import EventType
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.errors import status_of
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import (
    error_chain,
    error_code_of,
    error_text,
    ms_between,
    without_defaults,
)
from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import class_name_of

from .base import BaseIntegrationWrapper, Host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import Run
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["TenacityWrapper", "attempts_limit_of", "strategy_of"]

_STRATEGIES = {
    "wait_exponential": "exponential",
    "wait_exponential_jitter": "exponential",
    "wait_random_exponential": "exponential",
    "wait_fixed": "fixed",
    "wait_incrementing": "linear",
    "wait_none": "immediate",
    "wait_random": "random",
}
_STOPS_DEPTH = 4
_LAYERS = 8
_CLIENTS = ("aiohttp", "google.genai", "httpx", "httpx2", "litellm")
"""Packages whose own loops repeat an HTTP request."""


class _Asleep(NamedTuple):
    """A RETRY that is one as soon as its loop wakes up."""

    run: Run
    parent_span_id: str
    capture: DeferredCapture
    content: dict[str, Any]
    since_ns: int


def attempts_limit_of(stop: Any, depth: int = 0) -> int:
    """Return after how many attempts *stop* ends a loop; 0 if it does not say."""
    fields = _fields_of(stop)
    if class_name_of(stop) == "stop_after_attempt":
        limit = fields.get("max_attempt_number")
        return limit if type(limit) is int else 0
    stops = fields.get("stops")
    if class_name_of(stop) != "stop_any" or type(stops) is not tuple:
        return 0
    if depth >= _STOPS_DEPTH:
        return 0
    limits = [attempts_limit_of(each, depth + 1) for each in stops]
    return min(filter(None, limits), default=0)


def strategy_of(wait: Any) -> str:
    """Return the name of the backoff that *wait* makes; empty if it has none."""
    cls = type(wait)
    return _STRATEGIES.get(cls.__name__, "") if _is_own(cls) else ""


def _is_own(cls: type) -> bool:
    module = cls.__module__
    return type(module) is str and module.partition(".")[0] == "tenacity"


def _fields_of(strategy: Any) -> dict[str, Any]:
    """Return the fields of one of tenacity's own objects; others may be anything."""
    return vars(strategy) if _is_own(type(strategy)) else {}


def _plain(function: Any) -> FunctionType | None:
    """Return the function that is called in the end, where no stranger is asked."""
    for _ in range(_LAYERS):
        if type(function) is MethodType:
            function = function.__func__
        elif type(function) is partial:
            function = function.func
    return function if type(function) is FunctionType else None


def _facts_of(function: Any, error: BaseException | None) -> dict[str, Any]:
    """Return layer and name of what a loop repeats, and how a request failed."""
    found = _plain(function)
    name = found.__qualname__ if found is not None else ""
    module = found.__module__ if found is not None else ""
    is_http = type(module) is str and any(
        module == client or module.startswith(f"{client}.") for client in _CLIENTS
    )
    if not is_http:
        return {"layer": "tenacity", "function": name}
    status = 0 if error is None else status_of(error)
    return {"layer": "http", "function": name, "status": status}


class TenacityWrapper(BaseIntegrationWrapper):
    """The integration that chaukas installs for tenacity."""

    name: ClassVar[str] = "tenacity"
    packages: ClassVar[tuple[str, ...]] = ("tenacity",)
    landmarks: ClassVar[tuple[str, ...]] = (
        "tenacity:BaseRetrying",
        "tenacity:RetryCallState",
    )

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        # Weakly: a loop that is cancelled in its sleep never wakes up.
        self._sleeping: WeakKeyDictionary[Any, _Asleep] = WeakKeyDictionary()

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(
                "tenacity:RetryCallState.prepare_for_next_attempt",
                self.fall_asleep,
                ("RETRY",),
            ),
            Patch("tenacity:BaseRetrying.iter", self.wake, ("RETRY",), subclasses=True),
        )

    def fall_asleep(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `RetryCallState.prepare_for_next_attempt`, which drops the outcome."""
        try:
            asleep = self._asleep_of(instance)
            if asleep is not None:
                self._sleeping[instance] = asleep
        except Exception as problem:
            report("tenacity", problem)
        return wrapped(*args, **kwargs)

    def wake(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `iter` of every kind of loop, which decides what comes next."""
        state = args[0] if args else kwargs.get("retry_state")
        try:
            asleep = self._sleeping.pop(state, None)
            if asleep is not None:
                self._note(asleep)
        except Exception as problem:
            report("tenacity", problem)
        return wrapped(*args, **kwargs)

    def _asleep_of(self, state: Any) -> _Asleep | None:
        """Return the retry to come; None if it has nothing to do with agents."""
        recorder = self.host.recorder
        outcome = state.outcome
        error = outcome.exception() if outcome is not None else None
        place = self._place(recorder, error)
        if place is None:
            return None
        capture = recorder.capture(place[0])
        metadata = _facts_of(state.fn, error)
        content: dict[str, Any] = {
            "attempt": state.attempt_number,
            "max_attempts": attempts_limit_of(state.retry_object.stop),
            "strategy": strategy_of(state.retry_object.wait),
            "retryable": True,
        }
        # The text now: keeping the error would keep the host's frames alive.
        if error is not None:
            message = error_text(error)
            content["error_message"] = capture.text(message, "retry.error_message")
            metadata["error_code"] = error_code_of(error)
        content["metadata"] = without_defaults(metadata)
        return _Asleep(*place, capture, content, recorder.clock.monotonic_ns())

    def _note(self, asleep: _Asleep) -> None:
        recorder = self.host.recorder
        slept_ms = ms_between(asleep.since_ns, recorder.clock.monotonic_ns())
        content = {**asleep.content, "backoff_ms": int(slept_ms)}
        recorder.emit(
            EventType.RETRY,
            asleep.run,
            {"retry": without_defaults(content)},
            parent_span_id=asleep.parent_span_id,
            capture=asleep.capture,
        )

    def _place(
        self, recorder: Recorder, error: BaseException | None
    ) -> tuple[Run, str] | None:
        """Return where the retry stands, if anywhere."""
        key: Any = None
        if error is not None:
            keys = map(recorder.retries.explain, error_chain(error))
            key = next((found for found in keys if found is not None), None)
        node = node_in_force()
        if node is not None:
            failed = None if error is None else node.run.pair_that_holds(error)
            return node.run, failed.span_id if failed else node.parent_span_id
        if key is None:
            return None
        session = self.host.sessions.get(key[:3])
        if session is None or session.scope is None or session.pair is None:
            return None
        return session.scope, session.pair.span_id
