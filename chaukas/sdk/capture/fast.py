"""
Copy what is small and plain, which is nearly everything, without any bookkeeping.

The thorough walk of the snapshot gives the same for these values; this only gets there
sooner, and gives up at the first thing that is not plain.
"""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = ("NOT_PLAIN", "QUICK_DEPTH", "QUICK_NODES", "plain_copy")

NOT_PLAIN: Final = object()
"""Returned for values that need the thorough walk."""
QUICK_DEPTH: Final = 8
"""Containers inside one another, at most."""
_ITEMS: Final = 16
_TEXTS: Final = 128
QUICK_NODES: Final = _ITEMS * _TEXTS
"""Upper bound of the values in a copy, whatever their arrangement."""
_EXACT_INT: Final = 2**53


# Two loops in one function, because a call for each value costs more than both.
def plain_copy(  # noqa: C901, PLR0911
    value: Any,
    texts: list[str],
    safe_names: set[str],
    text_chars: int,
    depth: int = 0,
) -> Any:
    """
    Return a copy of *value* if it is made of few exact built-in values only.

    Args:
        value: Any object; nothing but its exact type is looked at first.
        texts: Takes the texts that were copied, to be searched for secrets.
        safe_names: Keys known to be harmless; any other key ends the attempt.
        text_chars: Longest text that is copied.
        depth: Containers around *value*.

    Returns:
        The copy, or `NOT_PLAIN`.
    """
    kind = type(value)
    if kind is dict:
        if depth >= QUICK_DEPTH or len(value) > _ITEMS or len(texts) > _TEXTS:
            return NOT_PLAIN
        # Containers count as texts, so that numbers alone have a bound too.
        texts.append("")
        target: dict[str, Any] = {}
        try:
            for name, item in value.items():
                if type(name) is not str or name not in safe_names:
                    return NOT_PLAIN
                if type(item) is str and len(item) <= text_chars:
                    texts.append(item)
                    target[name] = item
                    continue
                copied = plain_copy(item, texts, safe_names, text_chars, depth + 1)
                if copied is NOT_PLAIN:
                    return NOT_PLAIN
                target[name] = copied
        except RuntimeError:
            # Another thread changed it meanwhile; the thorough walk copes.
            return NOT_PLAIN
        return target
    if kind is list or kind is tuple:
        if depth >= QUICK_DEPTH or len(value) > _ITEMS or len(texts) > _TEXTS:
            return NOT_PLAIN
        texts.append("")
        items: list[Any] = []
        for item in value:
            if type(item) is str and len(item) <= text_chars:
                texts.append(item)
                items.append(item)
                continue
            copied = plain_copy(item, texts, safe_names, text_chars, depth + 1)
            if copied is NOT_PLAIN:
                return NOT_PLAIN
            items.append(copied)
        return items
    return _plain_leaf(value, texts, text_chars)


def _plain_leaf(value: Any, texts: list[str], text_chars: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -_EXACT_INT <= value <= _EXACT_INT else NOT_PLAIN
    if kind is str and len(value) <= text_chars:
        texts.append(value)
        return value
    if kind is float and math.isfinite(value):
        if not value.is_integer():
            return value
        return int(value) if -_EXACT_INT <= value <= _EXACT_INT else value
    return NOT_PLAIN
