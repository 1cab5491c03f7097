"""
Read the objects of frameworks: members, texts, JSON texts.

For objects of a framework itself; what an application brought is left to the snapshot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

__all__ = [
    "JsonText",
    "is_blank",
    "is_set",
    "list_of",
    "parsed",
    "read",
    "read_json",
    "read_text",
    "text_of",
]

_PARSED_CHARS = 65_536
_PLAIN = frozenset({bool, bytes, dict, float, frozenset, int, list, set, str, tuple})


def text_of(value: object) -> str:
    """Return *value* if it is a text, otherwise an empty one."""
    return value if type(value) is str else ""


def is_blank(value: object) -> bool:
    """Tell whether *value* is None or an empty text; what is neither is not asked."""
    return value is None or (type(value) is str and not value)


def is_set(value: object) -> bool:
    """Tell of plain data what `bool` does; all else but None is set, and not asked."""
    return bool(value) if type(value) in _PLAIN else value is not None


def list_of(value: object) -> list[Any]:
    """Return *value* if it is a list, otherwise an empty one."""
    return value if type(value) is list else []


def read(item: Any, name: str) -> Any:
    """Return the member *name* of a dict or an object; None if it has none."""
    return item.get(name) if type(item) is dict else getattr(item, name, None)


def read_text(item: Any, *names: str) -> str:
    """Return the first of the members *names* that is a text and not empty, or one."""
    is_dict = type(item) is dict
    for name in names:
        value = item.get(name) if is_dict else getattr(item, name, None)
        if type(value) is str and value:
            return value
    return ""


class JsonText(NamedTuple):
    """JSON as a model wrote it, to be read on the writer's thread."""

    text: str


def read_json(value: Any) -> Any:
    """Return what a `JsonText` says, or *value* if it is none."""
    return parsed(value.text) if type(value) is JsonText else value


def parsed(text: Any) -> Any:
    """
    Return what *text* says as JSON: the arguments that a model wrote, as a rule.

    `{}` for an empty text; what is no text, no JSON or longer than 65,536 characters
    stays as it is.
    """
    if type(text) is not str or len(text) > _PARSED_CHARS:
        return text
    try:
        return orjson.loads(text) if text else {}
    except ValueError:
        return text
