"""
How long a collector asks to be left alone.

Apart from the answers because the same wish comes in four spellings, each of which
a broken or hostile server can get wrong.
"""

from __future__ import annotations

import re
from datetime import timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LONGEST_WAIT_S", "pushback_s", "retry_after_s"]

LONGEST_WAIT_S: Final = 300.0
"""Seconds that a server can ask for at most: it may be wrong, or be gone by then."""

_SECONDS: Final = re.compile(r"\d+(\.\d*)?", re.ASCII)
_TEXT_CHARS: Final = 64
_DIGITS: Final = 9
_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"
_DETAILS: Final = "grpc-status-details-bin"
_PUSHBACK: Final = "grpc-retry-pushback-ms"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BITS: Final = 63


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """
    Return the wait that a `Retry-After` header asks for, at most `LONGEST_WAIT_S`.

    Args:
        text: The header's value: seconds, or a date; anything else asks for nothing.
        now_s: Wall time in seconds, which a date is compared with.

    Returns:
        Seconds from now; None if it cannot be read. A date that is past gives 0.
    """
    text = "" if text is None else text.strip()
    if not text or len(text) > _TEXT_CHARS:
        return None
    if _SECONDS.fullmatch(text):
        whole = text.partition(".")[0]
        return _within(LONGEST_WAIT_S if len(whole) > _DIGITS else float(text))
    # Not free to import, and hardly ever needed.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return _within(moment.timestamp() - now_s)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def pushback_s(trailers: Mapping[str, str | bytes]) -> float | None:
    """
    Return the wait that the trailers of a gRPC answer ask for.

    Both ways are read: RetryInfo among the status details, and the pushback of
    gRPC's own retries.

    Args:
        trailers: Trailing metadata by lower-case name.

    Returns:
        Seconds, at most `LONGEST_WAIT_S`; None if the server asks for none.
    """
    details = trailers.get(_DETAILS)
    if isinstance(details, bytes):
        wait_s = _retry_info_s(details)
        if wait_s is not None:
            return _within(wait_s)
    text = trailers.get(_PUSHBACK)
    if isinstance(text, str) and re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return _within(int(text) / 1000)
    return None


def _within(wait_s: float) -> float:
    return min(max(wait_s, 0.0), LONGEST_WAIT_S)


def _retry_info_s(status: bytes) -> float | None:
    """Find google.rpc.RetryInfo in a google.rpc.Status; None if there is none."""
    try:
        for number, detail in _fields(status):
            if number == 3 and type(detail) is bytes:
                parts = dict(_fields(detail))
                if parts.get(1) == _RETRY_INFO:
                    return _delay_s(parts.get(2, b""))
    # Bytes of a stranger: whatever is wrong with them, they ask for nothing.
    except (ValueError, IndexError):
        return None
    return None


def _delay_s(retry_info: int | bytes) -> float:
    """Return RetryInfo.retry_delay; one that is left out is zero."""
    info = dict(_fields(retry_info)) if isinstance(retry_info, bytes) else {}
    delay = info.get(1, b"")
    duration = dict(_fields(delay)) if isinstance(delay, bytes) else {}
    seconds, nanos = duration.get(1, 0), duration.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        return 0.0
    # A negative number fills the whole varint, and asks for nothing.
    if seconds >> _VARINT_BITS or nanos >> _VARINT_BITS:
        return 0.0
    return seconds + nanos / 1e9


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """
    Yield the fields of a protobuf message.

    The message has no class here: its package would be one more dependency, and
    its name could be taken by another copy in the process.

    Raises:
        ValueError: A wire type that no message has.
        IndexError: The bytes end too early.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError
        if place + size > len(data):
            raise IndexError
        yield tag >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError
