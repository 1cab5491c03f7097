"""
What an OTLP request is answered: a partial success, or the status of a refusal.

Written by hand, as JSON or as protobuf: a refusal must be told where the official
messages are not installed, too.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import orjson

from chaukas.collector.bodies.decode import JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaukas.collector.refusal import Refusal

__all__ = ("STATUS_DETAILS", "partial_success", "status_of")

STATUS_DETAILS: Final = "grpc-status-details-bin"
"""Trailing metadata in which gRPC tells more of a status."""

_CODES: Final = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 8, 415: 3, 421: 9,
    429: 8, 431: 3, 500: 13, 503: 14,
}  # fmt: skip
"""Numbers of the gRPC status codes that mean what an HTTP status does."""
_UNKNOWN: Final = 2
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"


def partial_success(rejected: Mapping[str, str], kind: str) -> bytes:
    """
    Return an ExportTraceServiceResponse.

    Args:
        rejected: For each span that was rejected a reason.
        kind: Content type of the request, which is that of the answer.
    """
    text = _reasons(rejected)
    if kind == JSON:
        # 64 bits are a text in the JSON of protobuf.
        partial = {"rejectedSpans": str(len(rejected)), "errorMessage": text}
        return orjson.dumps({"partialSuccess": partial if rejected else {}})
    if not rejected:
        return b""
    inner = _number(1, len(rejected)) + _bytes(2, text.encode())
    return _bytes(1, inner)


def _reasons(rejected: Mapping[str, str]) -> str:
    """Return in one line how many spans were rejected, and why."""
    counts = sorted(Counter(rejected.values()).items())
    return ", ".join(f"{reason}: {number}" for reason, number in counts)


def status_of(refusal: Refusal, kind: str) -> bytes:
    """Return a google.rpc.Status; when to come again is told in it, too."""
    code = _CODES.get(refusal.status, _UNKNOWN)
    if kind == JSON:
        status: dict[str, object] = {"code": code, "message": refusal.text}
        if refusal.retry_after_s:
            delay = f"{refusal.retry_after_s}s"
            status["details"] = [{"@type": _RETRY_INFO, "retryDelay": delay}]
        return orjson.dumps(status)
    body = _number(1, code) + _bytes(2, refusal.text.encode())
    if refusal.retry_after_s:
        info = _bytes(1, _number(1, refusal.retry_after_s))
        body += _bytes(3, _bytes(1, _RETRY_INFO.encode()) + _bytes(2, info))
    return body


def _number(field: int, value: int) -> bytes:
    """Return a field of protobuf that holds a whole number."""
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    """Return a field of protobuf that holds a text, bytes or a message."""
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])
