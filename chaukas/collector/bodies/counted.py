"""
Counts what is in a request before any of it is made.

A message of two bytes becomes one of a hundred in memory: a small request could else
take gigabytes. Pure, and no slower than reading the request is.
"""

from __future__ import annotations

from typing import Final

__all__ = ("Schema", "is_countable", "values_in_json", "values_in_message")

_FREE_BYTES: Final = 1 << 20
"""Up to here a request can hold no more than is allowed."""

Schema = dict[int, "Schema"]
"""For each field that holds messages the fields of these."""

_DEPTH: Final = 200
"""Of messages inside each other; protobuf itself refuses half of it."""

_FIXED: Final = {1: 8, 5: 4, 3: 0, 4: 0}
"""Bytes of a value by its kind, beside those that say their own length."""

_HEAVY: Final = 20
"""What a span, an event and the like count more: so much more memory they take."""


def is_countable(body: bytes) -> bool:
    """Return whether a request is so large that it may hold too much."""
    return len(body) > _FREE_BYTES


def values_in_json(body: bytes) -> int:
    """Return how many objects, lists and items a JSON text has, about."""
    return sum(map(body.count, (b"{", b"[", b",")))


def values_in_message(
    body: bytes, most: int, schema: Schema, light: tuple[Schema, ...] = ()
) -> int:
    """
    Return how many fields a message has, those that hold messages counted as more.

    What is no such message counts as far as it can be read; reading it will fail.

    Args:
        body: The message.
        most: Where to stop counting.
        schema: Of the message.
        light: Schemas of messages that count no more than other values do.
    """
    above: list[tuple[int, int, Schema]] = []
    at, end, known = 0, len(body), schema
    number = 0
    while number <= most:
        if at >= end:
            if not above:
                break
            at, end, known = above.pop()
            continue
        number += 1
        tag, at = _varint(body, at, end)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(body, at, end)
            inner = known.get(tag >> 3)
            if inner is None:
                at += size
                continue
            if len(above) >= _DEPTH:
                return most + 1
            number += 0 if any(inner is one for one in light) else _HEAVY
            above.append((at + size, end, known))
            end, known = min(end, at + size), inner
        elif kind == 0:
            _, at = _varint(body, at, end)
        else:
            # A group is read on behind its beginning: what is in it counts here.
            at += _FIXED.get(kind, end)
    return number


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and what is behind it; all of the rest if it has no end."""
    value = shift = 0
    while at < end and shift < 70:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, end
