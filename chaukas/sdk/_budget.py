"""
Count what capturing one event has cost, and say when it is enough.

Kept by itself because copying and redacting spend from the same budget.
"""

from collections.abc import Callable
from typing import Final

from ._limits import Limits

__all__ = ("Budget",)

_TICK_STEPS: Final = 64
_SCAN_CHARS: Final = 65_536
_NS_PER_S: Final = 1_000_000_000


class Budget:
    """
    Hold what is left for one event.

    The clock is looked at every 64 steps and every 64 KiB of text, so that a
    small event never is cut short because the machine was busy with others.

    Args:
        limits: The bounds of the event.
        monotonic_ns: The clock.

    """

    __slots__ = (
        "_clock_ns",
        "_deadline_ns",
        "_scanned_chars",
        "_steps",
        "_time_ns",
        "chars",
        "is_late",
        "nodes",
    )

    def __init__(self, limits: Limits, monotonic_ns: Callable[[], int]) -> None:
        """Begin with all of it."""
        self.nodes = limits.nodes
        """How many more values may be copied."""
        self.chars = 2 * limits.event_bytes
        """How many more letters; twice the event, as it is shrunk to size later."""
        self.is_late = False
        self._clock_ns = monotonic_ns
        self._time_ns = int(limits.time_s * _NS_PER_S)
        self._deadline_ns = 0
        self._scanned_chars = 0
        self._steps = 0

    def step(self) -> bool:
        """Count one step, and tell whether the time is over."""
        self._steps += 1
        if self._steps % _TICK_STEPS == 0:
            self._look()
        return self.is_late

    def scan(self, chars: int) -> bool:
        """Count letters to be searched, and tell whether the time is over."""
        self._scanned_chars += chars
        if self._scanned_chars >= _SCAN_CHARS:
            self._scanned_chars = 0
            self._look()
        return self.is_late

    def _look(self) -> None:
        """Look at the clock; the first look begins the time."""
        now_ns = self._clock_ns()
        if self._deadline_ns == 0:
            self._deadline_ns = now_ns + self._time_ns
        elif now_ns >= self._deadline_ns:
            self.is_late = True
