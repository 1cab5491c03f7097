"""
How long a collector asks to wait before the next request.

Apart from the answers because the same wish comes in four spellings, each of which
a broken or hostile server can get wrong.
"""

from __future__ import annotations

import re
from datetime import timezone
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.system.fork_guard import holding_forks

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LONGEST_WAIT_S", "pushback_s", "retry_after_s"]

LONGEST_WAIT_S: Final = 300.0
"""Seconds that a server can ask for at most: it may be wrong, or be gone by then."""

_SECONDS: Final = re.compile(r"\d+(\.\d*)?", re.ASCII)
_TEXT_CHARS: Final = 64
_DIGITS: Final = 9
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"
_DETAILS: Final = "grpc-status-details-bin"
_PUSHBACK: Final = "grpc-retry-pushback-ms"
_STATUS_DETAILS: Final = 3
_RETRY_DELAY: Final = 1
"""Numbers of fields in google.rpc."""


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
    with holding_forks():
        # Loading protobuf takes longer than loading all of the SDK.
        from google.protobuf.any_pb2 import Any as Detail
        from google.protobuf.duration_pb2 import Duration
        from google.protobuf.message import DecodeError

    try:
        for detail in map(Detail.FromString, _parts(status, _STATUS_DETAILS)):
            if detail.type_url == _RETRY_INFO:
                delay = Duration()
                for part in _parts(detail.value, _RETRY_DELAY):
                    delay.MergeFromString(part)
                return delay.seconds + delay.nanos / 1e9
    # From the network: whatever is wrong with them, they ask for nothing.
    except DecodeError:
        return None
    return None


def _parts(data: bytes, number: int) -> list[bytes]:
    """
    Return what a protobuf message has in a field of bytes or of messages.

    The message has no class here: its package would be one more dependency, and
    its name could be taken by another copy in the process.

    Raises:
        DecodeError: The bytes are no message.
    """
    with holding_forks():
        # As above.
        from google.protobuf.empty_pb2 import Empty
        from google.protobuf.unknown_fields import UnknownFieldSet

    # Its stubs do not know that it can be iterated.
    fields: Any = UnknownFieldSet(Empty.FromString(data))
    return [
        each.data
        for each in fields
        if each.field_number == number and type(each.data) is bytes
    ]
