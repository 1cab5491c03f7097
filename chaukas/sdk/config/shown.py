"""
Shows the value of a setting to people: in one line, without a secret.

A value may be any object of the application, so none of its own code is run; and
anything may stand in a variable by mistake, an API key too.
"""

from __future__ import annotations

import re
from typing import Any

from chaukas.sdk.system.introspect import qualname_of

__all__ = (
    "closest",
    "endpoint_without_secrets",
    "hidden",
    "is_of",
    "items_of",
    "plain_text",
    "shown",
    "shown_endpoint",
    "shown_names",
)

_SHOWN_CHARS = 60
_SHOWN_ITEMS = 8
_SEARCHED_CHARS = 2_000
_HUGE_BITS = 60
_NAME_CHARS = 100


def shown(value: object) -> str:
    """
    Return a value as one short line, without running code of its type.

    Builtin scalars are shown; all else only by the name of its type. What looks
    like a secret is hidden: it may stand in the wrong variable.
    """
    text = plain_text(value)
    if text is not None:
        text = _without_secrets(text[:_SEARCHED_CHARS])
        text = repr(text) if text.isprintable() else ascii(text)
    elif type(value) is int and value.bit_length() > _HUGE_BITS:
        text = "<huge number>"
    elif type(value) in (int, float, bool):
        text = repr(value)
    else:
        name = qualname_of(type(value))
        text = f"<{name if name.isprintable() else ascii(name)}>"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _without_secrets(text: str) -> str:
    # Only needed when something is wrong, and not free to import.
    from chaukas.sdk.capture.redaction.redactor import Redactor

    try:
        return Redactor().redact(text)
    # Whatever is wrong with it: what cannot be searched is not shown.
    except Exception:
        return "<hidden>"


def closest(name: object, known: tuple[str, ...], cutoff: float = 0.6) -> str | None:
    """Return the known name that *name* is likely a typing error for."""
    # Only needed when something is wrong, and not free to import.
    from difflib import get_close_matches

    if type(name) is not str or len(name) > _NAME_CHARS:
        return None
    found = get_close_matches(name, known, n=1, cutoff=cutoff)
    return found[0] if found else None


def endpoint_without_secrets(endpoint: str) -> str:
    """Return an endpoint for people: no user, no password, no query."""
    scheme, separator, rest = endpoint.rpartition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def hidden(_value: object) -> str:
    """Return what stands for a value that is never shown."""
    return "<hidden>"


def shown_names(value: object) -> str:
    """Return a list of names as one short line."""
    items = items_of(value)
    if items is None:
        return shown(value)
    text = ", ".join(shown(item) for item in items[:_SHOWN_ITEMS])
    more = "" if len(items) <= _SHOWN_ITEMS else ", …"
    return f"[{_cut(text)}{more}]"


def shown_endpoint(value: object) -> str:
    """Return an unreadable endpoint, unless it may be a secret."""
    # A value without a colon or a space may be an API key in the wrong variable.
    text = plain_text(value)
    if text is not None and (not re.search("[: ]", text) or re.search("[@?#]", text)):
        return "<hidden>"
    return shown(value)


def is_of(value: object, *kinds: type) -> bool:
    """Return whether a value is of a type, past a `__class__` of its own."""
    return issubclass(type(value), kinds)


def plain_text(value: object) -> str | None:
    """Return the exact string of a `str`, also of a subclass, else None."""
    # The application's own `__str__` is not called.
    return str.__str__(value) if is_of(value, str) else None


def items_of(value: object) -> list[object] | None:
    """Return the items of a builtin list, tuple or set, also of a subclass."""
    kinds: tuple[Any, ...] = (list, tuple, set, frozenset)
    kind = next((each for each in kinds if is_of(value, each)), None)
    if kind is None:
        return None
    # Past an `__iter__` of the subclass.
    items = list(kind.__iter__(value))
    return items if kind in (list, tuple) else sorted(items, key=_text_of)


def _text_of(item: object) -> str:
    # Only texts have an order that is the same in every process.
    return plain_text(item) or ""
