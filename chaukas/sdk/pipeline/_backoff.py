"""
How long to wait after a failure: full jitter over a doubling window.

The window is tenacity's; the chance is our own, because its jitter draws from the
`random` module, and a program that seeded that would get other numbers.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0


class Backoff:
    """
    Draws waits between 0 and 0.5·2ⁿ s, at most 30 s.

    Args:
        chance: Returns numbers from 0 to 1; tests pass their own.
    """

    __slots__ = ("_chance", "_window")

    def __init__(self, chance: Callable[[], float] | None = None) -> None:
        # Late: loaded at the first failure, by the thread that waits anyway.
        from tenacity import RetryCallState, Retrying, wait_exponential

        state = RetryCallState(Retrying(), None, (), {})
        wait = wait_exponential(multiplier=_FIRST_S, max=_LONGEST_S)

        def window_s(failures: int) -> float:
            state.attempt_number = failures
            return float(wait(state))

        self._window = window_s
        self._chance = chance or random.Random().random  # noqa: S311 - spreads waits

    def wait_s(self, failures: int) -> float:
        """Return a wait in seconds after so many failures in a row, at least 1."""
        return self._chance() * self._window(failures)
