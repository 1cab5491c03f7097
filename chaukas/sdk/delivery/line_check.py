"""
Checks by its hash whether a line is still the event that was spooled.

Only lines of other processes are looked at: those of one's own were just written.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Final

__all__ = ["LineCheck"]

_TAIL: Final = re.compile(
    rb',"content_hash":"([0-9a-f]{64})"(?:,"hash_prev":"[0-9a-f]{64}")?\}\n\Z'
)
_TAIL_BYTES: Final = 200


class LineCheck:
    """Checks the lines of one spool; once one had a hash, all must have one."""

    __slots__ = ("_is_hashed",)

    def __init__(self) -> None:
        self._is_hashed = False

    def is_sound(self, line: bytes) -> bool:
        """Return whether a line, with its line feed, is the event that was written."""
        match = _TAIL.search(line, max(0, len(line) - _TAIL_BYTES))
        if match is not None:
            self._is_hashed = True
            digest = sha256(line[: match.start()])
            digest.update(b"}")
            return digest.hexdigest().encode() == match[1]
        return not self._is_hashed and _is_object(line)


def _is_object(line: bytes) -> bool:
    try:
        return type(json.loads(line)) is dict
    except (ValueError, RecursionError):
        return False
