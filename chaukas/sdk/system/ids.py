"""
Ids as a port: UUIDv7 for events, W3C-sized hex ids for traces and spans.

Spans and traces have the form of `traceparent`, so that a recorded run can be
joined with any OpenTelemetry trace.
"""

from __future__ import annotations

import os
import zlib
from itertools import count
from typing import Protocol

__all__ = ["Ids", "RandomIds", "is_sampled"]

_NS_PER_MS = 1_000_000
_CRC_RANGE = 1 << 32


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

    def secret(self) -> bytes:
        """Return 16 bytes that only this process knows, to key digests with."""
        ...


def is_sampled(trace_id: str, rate: float) -> bool:
    """
    Tell whether the trace *trace_id* is recorded, at a *rate* from 0 to 1.

    By the id alone, so that every process that a trace visits decides alike.
    """
    if rate >= 1:
        return True
    return zlib.crc32(trace_id.encode("utf-8", "surrogatepass")) < rate * _CRC_RANGE


class RandomIds:
    """
    Ids from the operating system's randomness and a process counter.

    `itertools.count` steps atomically, so no lock is needed. Wall time that
    jumps back is held, which keeps the order of events. Trace ids are random in
    all their bits, as W3C level 2 asks: samplers decide by the low ones.
    """

    def __init__(self) -> None:
        """Seed the counters; make a new object after a fork."""
        noise = os.urandom(14)
        self._noise = noise[:4].hex()
        self._next_event = count(int.from_bytes(noise[4:8], "big")).__next__
        self._span_prefix = noise[8:11].hex()
        start = int.from_bytes(noise[11:14], "big") + 1
        self._next_span = count(start).__next__
        self._head: tuple[int, str] = (0, "")

    def event_id(self, time_ns: int) -> str:
        """
        Return a UUIDv7; later calls in one process sort later.

        RFC 9562 method 1: a counter fills rand_a and the head of rand_b, so ids
        made within one millisecond stay ordered. The text of the millisecond is
        kept; threads may race for it, each reads one consistent tuple.
        """
        time_ms = time_ns // _NS_PER_MS
        head = self._head
        if head[0] < time_ms:
            head = (time_ms, f"{time_ms >> 16:08x}-{time_ms & 0xFFFF:04x}-7")
            self._head = head
        count_42 = self._next_event()
        return (
            f"{head[1]}{count_42 >> 30 & 0xFFF:03x}"
            f"-{0x8000 | count_42 >> 16 & 0x3FFF:04x}"
            f"-{count_42 & 0xFFFF:04x}{self._noise}"
        )

    def span_id(self) -> str:
        """Return 16 lower-case hex digits, not all zero."""
        return f"{self._span_prefix}{self._next_span() & 0xFFFFFFFFFF:010x}"

    def trace_id(self) -> str:
        """Return 32 lower-case hex digits, not all zero."""
        return os.urandom(16).hex()

    def secret(self) -> bytes:
        """Return 16 bytes that only this process knows, to key digests with."""
        return os.urandom(16)
