"""
The canonical form of numbers and times.

Protobuf knows only doubles, JSON knows many ways to write a number or a time;
events are equal, and hash alike, if everything has one spelling.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

__all__ = ("EXACT", "number", "time_parts", "time_text")

EXACT = 2**53
"""Integers up to this magnitude survive as doubles."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
_LAST = datetime.max.replace(tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?"
    r"(?:Z|([+-]\d\d:\d\d))?",
    re.ASCII,
)


def number(value: float) -> int | float | str:
    """
    Return the JSON form of a number.

    Integral and within ±2^53: an int (so -0.0 is 0). Otherwise a float; NaN and
    the infinities, which JSON lacks, become the strings of the protobuf mapping.

    Raises:
        OverflowError: An int is larger than any double.
    """
    if type(value) is int:
        if -EXACT <= value <= EXACT:
            return value
        value = float(value)
    if -EXACT <= value <= EXACT:
        return int(value) if value.is_integer() else value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def time_parts(text: str) -> tuple[int, int]:
    """
    Return whole seconds since 1970 and nanoseconds of an RFC 3339 time.

    A time without zone is UTC, as in the files of the published SDK.

    Raises:
        ValueError: It is not such a time.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        message = f"not an RFC 3339 time: {text[:64]!r}"
        raise ValueError(message)
    day, clock, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{zone or '+00:00'}")
    if not _FIRST <= moment <= _LAST:
        message = f"not a time of the years 1 to 9999 in UTC: {text!r}"
        raise ValueError(message)
    nanos = int(fraction.ljust(9, "0")) if fraction else 0
    return (moment - _EPOCH) // _SECOND, nanos


def time_text(seconds: int, nanos: int) -> str:
    """
    Return the RFC 3339 form: UTC with `Z` and six digits of the second.

    Digits beyond the microsecond are cut.

    Raises:
        ValueError: It lies outside the years 1 to 9999.
    """
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        message = f"not a time of the years 1 to 9999: {seconds} s"
        raise ValueError(message) from None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
