"""
The test kit: record into memory, or send to a collector that can be made to fail.

    with capture_events() as events:
        Runner.run_sync(agent, "Hi")
    assert [e["type"] for e in events()] == [...]

Public, so that an application can test what its runs record.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from chaukas.sdk import _runtime
from chaukas.sdk.config import load
from chaukas.sdk.errors import ConfigError
from chaukas.sdk.sinks.memory import MemorySink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.sdk.system.clock import Clock
    from chaukas.sdk.system.ids import Ids
    from chaukas.sdk.testing.collector.replies import Fault, Reply, Request
    from chaukas.sdk.testing.collector.server import FakeCollector
    from chaukas.sdk.typing import Event

__all__ = [
    "FakeClock",
    "FakeCollector",
    "Fault",
    "MemorySink",
    "Reply",
    "Request",
    "SequentialIds",
    "capture_events",
]

_COLLECTOR = {
    "FakeCollector": "collector.server",
    "Fault": "collector.replies",
    "Reply": "collector.replies",
    "Request": "collector.replies",
}


def __getattr__(name: str) -> Any:
    """Load the collector when it is asked for: most tests need no server."""
    module = _COLLECTOR.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{module}"), name)


_START_NS = 1_767_268_800_000_000_000


class FakeClock:
    """
    A clock that steps by itself, the same at every run.

    Args:
        start_ns: First wall time; 2026-01-01T12:00:00Z if left out.
        step_ns: How far each reading moves it; 1 ms if left out.
    """

    def __init__(self, start_ns: int = _START_NS, step_ns: int = 1_000_000) -> None:
        self._start_ns = start_ns
        self._elapsed_ns = count(0, step_ns)
        self._skipped_ns = 0

    def time_ns(self) -> int:
        """Return wall time in nanoseconds, and step."""
        return self._start_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Return time since the start in nanoseconds, and step."""
        return next(self._elapsed_ns) + self._skipped_ns

    def skip(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self._skipped_ns += int(seconds * 1_000_000_000)


class SequentialIds:
    """Ids that count: `…0001`, `…0002`, each kind for itself."""

    def __init__(self) -> None:
        self._events = count(1)
        self._spans = count(1)
        self._traces = count(1)

    def event_id(self, time_ns: int) -> str:
        """Return the next event id; *time_ns* does not matter."""
        del time_ns
        return f"00000000-0000-7000-8000-{next(self._events):012x}"

    def span_id(self) -> str:
        """Return the next span id."""
        return f"{next(self._spans):016x}"

    def trace_id(self) -> str:
        """Return the next trace id."""
        return f"{next(self._traces):032x}"

    def secret(self) -> bytes:
        """Return the same key in every process, which is none."""
        return b"chaukas"


@contextmanager
def capture_events(
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    **settings: Any,
) -> Iterator[Callable[[], list[Event]]]:
    """
    Enable chaukas into memory for a `with` block, and disable it afterwards.

    Args:
        clock: Source of time, such as `FakeClock()`.
        ids: Source of ids, such as `SequentialIds()`.
        **settings: As for `enable_chaukas`; the environment is not looked at.

    Yields:
        A function that returns the events so far; after the block all of them,
        those of the end included.

    Raises:
        ConfigError: Settings that cannot be used.
        RuntimeError: chaukas is enabled already.
    """
    loaded = load(settings, None, {})
    if loaded.problems:
        raise ConfigError(*loaded.problems)
    sink = MemorySink()
    runtime = _runtime.Runtime(loaded.config, lambda: sink, clock=clock, ids=ids)
    if not _runtime.start(runtime):
        message = "chaukas is enabled already: disable it before capture_events()"
        raise RuntimeError(message)

    def events() -> list[Event]:
        runtime.pipeline.flush(10.0)
        return sink.events

    try:
        yield events
    finally:
        if _runtime.active() is runtime:
            _runtime.stop("disabled", 10.0)
