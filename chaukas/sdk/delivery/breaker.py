"""
When to try a sink again.

Pure, with the time and the chance given by the caller, so that a minute of waiting
is tested in a microsecond.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["Breaker", "State"]

_OPEN_AFTER: Final = 5
_LONGEST_ASKED_S: Final = 300.0
_FIRST_PROBE_S: Final = 30.0
_LONGEST_PROBE_S: Final = 300.0


class State(Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything: the last batch went well, or too few failed to tell."""
    OPEN = "open"
    """Nothing before a point in time."""
    HALF_OPEN = "half-open"
    """One batch, to see whether the sink is back."""
    PARKED = "parked"
    """Nothing before a point in time, because somebody has to change something."""


class Breaker:
    """
    Counts failures in a row and says how long to wait.

    Five of them open it. A success closes it, and the backlog goes at full speed.
    """

    __slots__ = ("_at_least_s", "_is_parked", "_probes", "_retry_at_s", "failures")

    def __init__(self) -> None:
        self.failures = 0
        """Failures since the last success."""
        self._probes = 0
        self._is_parked = False
        self._retry_at_s = 0.0
        self._at_least_s = 0.0

    def succeed(self) -> None:
        """Note that the sink took a batch, or said what is wrong with one."""
        self.failures = self._probes = 0
        self._is_parked = False
        self._retry_at_s = self._at_least_s = 0.0

    def fail(
        self, now_s: float, *, backoff_s: float, asked_s: float | None = None
    ) -> None:
        """
        Note a failure that time may heal.

        Args:
            now_s: Monotonic time in seconds.
            backoff_s: Own wait, with chance in it.
            asked_s: Wait that the sink asked for: a minimum, at most 300 s.
        """
        self.failures += 1
        self._probes = 0
        self._is_parked = False
        asked_s = min(max(asked_s or 0.0, 0.0), _LONGEST_ASKED_S)
        self._at_least_s = now_s + asked_s
        self._retry_at_s = now_s + max(backoff_s, asked_s)

    def park(self, now_s: float, asked_s: float | None = None) -> None:
        """
        Note a refusal that only people can heal: look again after 30 s … 5 min.

        Args:
            now_s: Monotonic time in seconds.
            asked_s: Wait that the sink asked for: a minimum, at most 300 s.
        """
        self.failures += 1
        self._is_parked = True
        asked_s = min(max(asked_s or 0.0, 0.0), _LONGEST_ASKED_S)
        probe_s = min(_FIRST_PROBE_S * 2.0 ** min(self._probes, 10), _LONGEST_PROBE_S)
        self._probes += 1
        self._at_least_s = now_s + asked_s
        self._retry_at_s = now_s + max(probe_s, asked_s)

    def hurry(self) -> None:
        """Wait no longer than the sink asked for: someone wants to know now."""
        self._retry_at_s = min(self._retry_at_s, self._at_least_s)

    def wait_s(self, now_s: float) -> float:
        """Return for how long nothing may be sent, in seconds; 0 for not at all."""
        return max(0.0, self._retry_at_s - now_s)

    def is_told_to_wait(self, now_s: float) -> bool:
        """Whether the sink itself asked for a wait that is not over."""
        return now_s < self._at_least_s

    def state(self, now_s: float) -> State:
        """Return what is let through at a monotonic time."""
        if self._is_parked:
            return State.PARKED if self.wait_s(now_s) else State.HALF_OPEN
        if self.failures < _OPEN_AFTER:
            return State.CLOSED
        return State.OPEN if self.wait_s(now_s) else State.HALF_OPEN

    @property
    def is_tripped(self) -> bool:
        """Whether the sink counts as unreachable: open, half-open or parked."""
        return self._is_parked or self.failures >= _OPEN_AFTER
