"""
How much each key may send in a second, and how often an address may guess a key.

Memory is bounded: whoever comes with a million keys fills nothing.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

__all__ = ("Rates",)

_KEPT: Final = 10_000
_BURST_S: Final = 2.0
"""A bucket holds what flows into it in so many seconds."""


class Rates:
    """Buckets by name, the least used of which are forgotten; of one thread."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, amount: float, per_s: float, now_s: float) -> int:
        """
        Take from a bucket, and say how long to wait if it does not hold so much.

        One that is full gives any amount and owes the rest, so that what is larger
        than a bucket goes through in its time too.

        Args:
            name: Of the bucket.
            amount: What is taken.
            per_s: What flows into it.
            now_s: Monotonic time.

        Returns:
            Whole seconds to wait; 0 if it was taken.
        """
        size = per_s * _BURST_S
        level, at_s = self._buckets.get(name, (size, now_s))
        level = min(size, level + (now_s - at_s) * per_s)
        if level < min(amount, size):
            missing = min(amount, size) - level
            return max(1, math.ceil(missing / per_s))
        self._buckets[name] = (level - amount, now_s)
        self._buckets.move_to_end(name)
        while len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return 0
