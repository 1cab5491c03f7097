"""
Durations in buckets, so that percentiles can be had from sums.

Each bucket is 4 % wide, so what is read out of it is within 2 %. Buckets add up in
any order, which lists of durations sorted somewhere would not.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("Histogram", "bucket_of", "quantiles_ms")

_STEP: Final = math.log(1.04)
_LEAST_MS: Final = 0.001
_ZERO: Final = -1000
"""Bucket of durations below a microsecond."""
_NONE: Final = -9999
_BEFORE: Final = -178
"""The bucket before that of a microsecond."""
_LANE_BITS: Final = 32


def bucket_of(duration_ms: float) -> int:
    """Return the bucket of a duration in milliseconds."""
    if duration_ms < _LEAST_MS:
        return _ZERO
    return math.floor(math.log(duration_ms) / _STEP)


class Histogram:
    """
    Durations of a group, as one whole number: 32 bits for the count of each bucket.

    Two are added up by one addition, however many buckets they have. Also an
    aggregate function of SQLite.
    """

    __slots__ = ("lanes",)

    def __init__(self, stored: bytes = b"") -> None:
        self.lanes = int.from_bytes(stored, "little")

    def step(self, bucket: int, count: int) -> None:
        """Add durations of one bucket; fewer than none to take them out."""
        if bucket == _NONE:
            return
        lane = 0 if bucket == _ZERO else bucket - _BEFORE
        self.lanes += count << (lane * _LANE_BITS)

    def finalize(self) -> bytes:
        """Return it as it is stored."""
        return self.lanes.to_bytes((self.lanes.bit_length() + 7) // 8, "little")

    def counts(self) -> dict[int, int]:
        """Return how many durations are in each bucket."""
        size = (self.lanes.bit_length() + _LANE_BITS - 1) // _LANE_BITS
        data = self.lanes.to_bytes(size * 4, "little")
        found = struct.unpack(f"<{size}I", data)
        return {
            lane + _BEFORE if lane else _ZERO: count
            for lane, count in enumerate(found)
            if count
        }


def quantiles_ms(
    counts: Mapping[int, int], shares: Sequence[float]
) -> list[float | None]:
    """
    Return the durations that such shares of all stay below, in milliseconds.

    Args:
        counts: How many durations are in each bucket.
        shares: Such as 0.95, the least first.
    """
    total = sum(counts.values())
    if not total:
        return [None] * len(shares)
    found: list[float | None] = []
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        while len(found) < len(shares):
            if seen < max(1, math.ceil(shares[len(found)] * total)):
                break
            found.append(_middle_ms(bucket))
    return found


def _middle_ms(bucket: int) -> float:
    if bucket == _ZERO:
        return 0.0
    return float(f"{math.exp((bucket + 0.5) * _STEP):.3g}")
