"""
Types that more than one part speaks.

Kept apart so that type checkers and readers find them in one place.
"""

from __future__ import annotations

from typing import Any, Union

__all__ = ["Event", "Json"]

# The operator does not take quoted names at run time, and the type is recursive.
Json = Union[  # noqa: UP007
    None, bool, int, float, str, list["Json"], dict[str, "Json"]
]
"""A JSON tree of exact built-in types, as the snapshot makes it."""

Event = dict[str, Any]
"""One event in its JSON form (docs/EVENTS.md), before it is encoded."""
