"""Cursors of pages: what the last row was ordered by, as an opaque text."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import orjson

from .protocol import CursorError

__all__ = ("cursor_of", "read_cursor")

_MOST: Final = 2**63 - 1
"""Largest number that a store can be asked about."""


def cursor_of(kind: str, *last: Any) -> str:
    """
    Return the cursor behind a row.

    Args:
        kind: The call and its order; a cursor of another one is refused.
        last: What the row was ordered by: texts and numbers.
    """
    data = orjson.dumps([kind, *last])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_cursor(cursor: str, kind: str, *types: type) -> list[Any] | None:
    """
    Return what the last row was ordered by; None at the beginning.

    Raises:
        CursorError: No call of this kind gave it.
    """
    if not cursor:
        return None
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError):
        found = None
    if type(found) is not list or found[:1] != [kind] or len(found) != len(types) + 1:
        raise CursorError("this cursor is of no such list: begin without one.")
    values = found[1:]
    for value, wanted in zip(values, types, strict=True):
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise CursorError("this cursor is damaged: begin without one.")
        if type(value) is int and abs(value) > _MOST:
            raise CursorError("this cursor is damaged: begin without one.")
    return values
