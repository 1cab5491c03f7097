"""
Ids as a port: UUIDv7 for events, W3C-sized hex ids for traces and spans.

Spans and traces have the form of `traceparent`, so that a recorded run can be
joined with any OpenTelemetry trace.
"""

from __future__ import annotations

import os
from itertools import count
from typing import Protocol

__all__ = ["Ids", "RandomIds", "uuid7_of"]

_COUNTER_BITS = 42
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1
_NS_PER_MS = 1_000_000


class Ids(Protocol):
    """What chaukas asks of ids: unique, and for events ordered."""

    def event_id(self, time_ns: int) -> str:
        """Return a UUIDv7; later calls in one process sort later."""
        ...

    def span_id(self) -> str:
        """Return 16 lower-case hex digits, not all zero."""
        ...

    def trace_id(self) -> str:
        """Return 32 lower-case hex digits, not all zero."""
        ...


def uuid7_of(time_ms: int, counter: int, noise: int) -> str:
    """
    Build a UUIDv7 from *time_ms*, a 42-bit *counter* and 32 bits of *noise*.

    RFC 9562 method 1: the counter fills rand_a and the head of rand_b, so ids
    made within one millisecond stay ordered.
    """
    high = counter >> 30
    low = counter & 0x3FFFFFFF
    text = f"{time_ms:012x}7{high:03x}{(2 << 62) | (low << 32) | noise:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class RandomIds:
    """
    Ids from the operating system's randomness and a process counter.

    `itertools.count` steps atomically, so no lock is needed. Wall time that
    jumps back is held, which keeps the order of events.
    """

    def __init__(self) -> None:
        """Seed the counters; make a new object after a fork."""
        noise = os.urandom(20)
        self._noise = int.from_bytes(noise[:4], "big")
        self._next_event = count(int.from_bytes(noise[4:8], "big")).__next__
        self._span_prefix = noise[8:11].hex()
        start = int.from_bytes(noise[11:14], "big") + 1
        self._next_span = count(start).__next__
        self._trace_prefix = noise[14:20].hex() + noise[:5].hex()
        self._next_trace = count(start).__next__
        self._last_ms = 0

    def event_id(self, time_ns: int) -> str:
        """Return a UUIDv7; later calls in one process sort later."""
        time_ms = time_ns // _NS_PER_MS
        if time_ms < self._last_ms:
            time_ms = self._last_ms
        else:
            self._last_ms = time_ms
        return uuid7_of(time_ms, self._next_event() & _COUNTER_MASK, self._noise)

    def span_id(self) -> str:
        """Return 16 lower-case hex digits, not all zero."""
        return f"{self._span_prefix}{self._next_span() & 0xFFFFFFFFFF:010x}"

    def trace_id(self) -> str:
        """Return 32 lower-case hex digits, not all zero."""
        return f"{self._trace_prefix}{self._next_trace() & 0xFFFFFFFFFF:010x}"
