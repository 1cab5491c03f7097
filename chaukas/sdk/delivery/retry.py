"""
When to send to a sink again: the wait after a failure, and the circuit breaker.

Pure, with the time and the chance given by the caller, so that a minute of waiting
is tested in a microsecond. Not tenacity's: its jitter draws from the `random` module,
so a program that seeded that would get other numbers, and loading it would switch on
the integration that records the host's own tenacity loops.
"""

from __future__ import annotations

import random
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff", "Breaker", "State"]

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
_OPEN_AFTER: Final = 5
_LONGEST_ASKED_S: Final = 300.0
_FIRST_PROBE_S: Final = 30.0
_LONGEST_PROBE_S: Final = 300.0


class Backoff:
    """
    Draws waits with full jitter: between 0 and 0.5·2ⁿ s, at most 30 s.

    Args:
        chance: Returns numbers from 0 to 1; tests pass their own.
    """

    __slots__ = ("_chance",)

    def __init__(self, chance: Callable[[], float] | None = None) -> None:
        # Its own generator: the host may have seeded the common one.
        self._chance = chance or random.Random().random  # noqa: S311 - spreads waits

    def wait_s(self, failures: int) -> float:
        """Return a wait in seconds after so many failures in a row, at least 1."""
        # The exponent is bounded: a float overflows after a thousand failures.
        window_s = _FIRST_S * 2.0 ** min(failures - 1, 16)
        return self._chance() * min(window_s, _LONGEST_S)


class State(Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything: the last batch went well, or too few failed in a row."""
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
        self.succeed()

    def succeed(self) -> None:
        """Note that the sink took a batch, or said what is wrong with one."""
        self.failures = 0
        """Failures since the last success."""
        self._probes = 0
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
        self._probes = 0
        self._is_parked = False
        self._wait(now_s, backoff_s, asked_s)

    def park(self, now_s: float, asked_s: float | None = None) -> None:
        """Note, like `fail`, what only people can heal: try after 30 s … 5 min."""
        probe_s = min(_FIRST_PROBE_S * 2.0 ** min(self._probes, 10), _LONGEST_PROBE_S)
        self._probes += 1
        self._is_parked = True
        self._wait(now_s, probe_s, asked_s)

    def _wait(self, now_s: float, own_s: float, asked_s: float | None) -> None:
        self.failures += 1
        asked_s = min(max(asked_s or 0.0, 0.0), _LONGEST_ASKED_S)
        self._at_least_s = now_s + asked_s
        self._retry_at_s = now_s + max(own_s, asked_s)

    def hurry(self) -> None:
        """Wait no longer than the sink asked for: someone wants to know now."""
        self._retry_at_s = min(self._retry_at_s, self._at_least_s)

    def wait_s(self, now_s: float) -> float:
        """Return for how long nothing may be sent, in seconds; 0 for not at all."""
        return max(0.0, self._retry_at_s - now_s)

    def is_asked_to_wait(self, now_s: float) -> bool:
        """Whether the sink itself asked for a wait that is not over."""
        return now_s < self._at_least_s

    def state(self, now_s: float) -> State:
        """Return what is let through at a monotonic time."""
        if not self.is_tripped:
            return State.CLOSED
        if not self.wait_s(now_s):
            return State.HALF_OPEN
        return State.PARKED if self._is_parked else State.OPEN

    @property
    def is_tripped(self) -> bool:
        """Whether the sink counts as unreachable: open, half-open or parked."""
        return self._is_parked or self.failures >= _OPEN_AFTER
