"""
Time as a port: wall time for events, monotonic time for durations.

Wall time may jump; only events carry it. Tests replace both with one fake.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock", "timestamp_of"]

_NS_PER_S = 1_000_000_000
_NS_PER_US = 1_000


class Clock(Protocol):
    """What chaukas asks of time."""

    def time_ns(self) -> int:
        """Return wall time, in nanoseconds since 1970."""
        ...

    def monotonic_ns(self) -> int:
        """Return a time that never goes back, in nanoseconds."""
        ...


class SystemClock:
    """The clocks of the machine."""

    time_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


_second_text: tuple[int, str] = (-1, "")


def timestamp_of(time_ns: int) -> str:
    """
    Render wall time as RFC 3339 in UTC with six fractional digits.

    The text of the current second is kept: events come many to a second, and
    `strftime` costs more than the rest of an event's frame. Threads may race
    for the cache; each reads one consistent tuple.
    """
    global _second_text
    second, rest_ns = divmod(time_ns, _NS_PER_S)
    cached = _second_text
    if cached[0] != second:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        cached = _second_text = (second, text)
    return f"{cached[1]}.{rest_ns // _NS_PER_US:06d}Z"
