"""
Durations in buckets, so that percentiles can be had from sums.

Each bucket is 4 % wide, so what is read out of it is within 2 %. Buckets add up in
any order, which lists of durations sorted somewhere would not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("bucket_of", "quantile_ms")

_STEP: Final = math.log(1.04)
_LEAST_MS: Final = 0.001
_ZERO: Final = -1000
"""Bucket of durations below a microsecond."""


def bucket_of(duration_ms: float) -> int:
    """Return the bucket of a duration in milliseconds."""
    if duration_ms < _LEAST_MS:
        return _ZERO
    return math.floor(math.log(duration_ms) / _STEP)


def quantile_ms(counts: Mapping[int, int], share: float) -> float | None:
    """
    Return the duration that so large a share of all stays below, in milliseconds.

    Args:
        counts: How many durations are in each bucket.
        share: Such as 0.95.
    """
    total = sum(counts.values())
    if not total:
        return None
    wanted = max(1, math.ceil(share * total))
    seen = 0
    found = _ZERO
    for bucket in sorted(counts):
        seen += counts[bucket]
        found = bucket
        if seen >= wanted:
            break
    if found == _ZERO:
        return 0.0
    return float(f"{math.exp((found + 0.5) * _STEP):.3g}")
