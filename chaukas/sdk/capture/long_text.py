"""Hold of a text that is too long to be held what its record shows: its two ends."""

from __future__ import annotations

from typing import Final

__all__ = ("HELD_CHARS", "LongText", "missing_chars_of", "outer_parts")

HELD_CHARS: Final = 1 << 20
"""
Of one value. Of a text that is longer the two ends are held; what else is larger is
captured at once, which is bounded.
"""
_JOINT: Final = "\n… password="
"""Between the two parts of a long text; what began between them may be a secret."""


class LongText(str):
    """The beginning and the end of a text that is too long to be held."""

    __slots__ = ("missing_chars",)
    missing_chars: int
    """How much longer the text is."""


def outer_parts(
    text: str, head_chars: int, held_chars: int = HELD_CHARS
) -> LongText | None:
    """
    Return the beginning and the end of a text that is too long to be held.

    Both are long enough for whatever cuts the text in its middle and searches what is
    left for secrets: that gives the same then.

    Args:
        text: Longer than *held_chars*.
        head_chars: How much of its beginning is needed.
        held_chars: How much of it is held.

    Returns:
        The two parts; None if as much is needed as cannot be held.
    """
    if head_chars > held_chars // 2:
        return None
    parts = LongText(text[:head_chars] + _JOINT + text[head_chars - held_chars :])
    parts.missing_chars = len(text) - len(parts)
    return parts


def missing_chars_of(text: str) -> int:
    """Return how much longer a text is than what is held of it."""
    return text.missing_chars if type(text) is LongText else 0
