"""
Shrinks an event that a collector refused as too large.

What is left says what it was, and has a hash of its own again.
"""

from __future__ import annotations

import json
from typing import Any, Final

from chaukas.sdk.integrity import content_hash

__all__ = ["smaller"]

_LEAST_BYTES: Final = 2048


def smaller(line: bytes) -> bytes | None:
    r"""
    Return the event at about half its size, or None if that cannot be.

    Its longest texts lose their middle. `metadata.chaukas.shrunk_from_bytes` is
    the size that it had at first; `hash_prev` stays.

    Args:
        line: One JSON object and a `\n`.
    """
    limit_bytes = len(line) // 2
    if limit_bytes < _LEAST_BYTES:
        return None
    try:
        event: dict[str, Any] = json.loads(line)
        own = event.setdefault("metadata", {}).setdefault("chaukas", {})
        own.setdefault("shrunk_from_bytes", len(line))
        is_hashed = event.pop("content_hash", None) is not None
        previous = event.pop("hash_prev", None)
        # Late: who only looks into a spool waits twice as long with all of the capture.
        from chaukas.sdk.capture.snapshot import shrink

        event = shrink(event, limit_bytes)
        if is_hashed:
            event["content_hash"] = content_hash(event)
        if previous is not None:
            event["hash_prev"] = previous
        text = json.dumps(
            event, ensure_ascii=False, separators=(",", ":"), sort_keys=True
        )
        made = text.encode() + b"\n"
    except (AttributeError, TypeError, ValueError, RecursionError):
        # No event of ours, so nobody knows what in it can be spared.
        return None
    return made if len(made) < len(line) else None
