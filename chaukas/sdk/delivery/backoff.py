"""
How long to wait after a failure: full jitter over a doubling window.

Not tenacity's: its jitter draws from the `random` module, so a program that seeded
that would get other numbers, and loading it would put the integration that records
the host's own tenacity loops on record, in a program that has none.
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

    __slots__ = ("_chance",)

    def __init__(self, chance: Callable[[], float] | None = None) -> None:
        # Its own generator: the host may have seeded the common one.
        self._chance = chance or random.Random().random  # noqa: S311 - spreads waits

    def wait_s(self, failures: int) -> float:
        """Return a wait in seconds after so many failures in a row, at least 1."""
        # The exponent is bounded: a float overflows after a thousand failures.
        window_s = _FIRST_S * 2.0 ** min(failures - 1, 16)
        return self._chance() * min(window_s, _LONGEST_S)
