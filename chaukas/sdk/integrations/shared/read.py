"""
Read the objects of frameworks: members, texts, JSON texts, addresses of servers.

For objects of a framework itself; what an application brought is left to the snapshot.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

__all__ = [
    "list_of",
    "parsed",
    "read",
    "read_text",
    "text_of",
    "without_query",
    "without_userinfo",
]

_PARSED_CHARS = 65_536
_LABELLED_URL = re.compile(
    r"(?P<label>[\w-]+: )?(?P<url>[a-z][a-z0-9+.-]*://\S*)", re.IGNORECASE
)
_INVALID_URL = "<invalid-url>"


def text_of(value: object) -> str:
    """Return *value* if it is a text, otherwise an empty one."""
    return value if type(value) is str else ""


def list_of(value: object) -> list[Any]:
    """Return *value* if it is a list, otherwise an empty one."""
    return value if type(value) is list else []


def read(item: Any, name: str) -> Any:
    """Return the member *name* of a dict or an object; None if it has none."""
    return item.get(name) if type(item) is dict else getattr(item, name, None)


def read_text(item: Any, *names: str) -> str:
    """Return the first of the members *names* that is a text and not empty, or one."""
    return next((text for name in names if (text := text_of(read(item, name)))), "")


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


def _split(text: str) -> tuple[str, Any]:
    """Return the label before a URL and its parts; no parts if *text* is no URL."""
    found = _LABELLED_URL.fullmatch(text)
    if found is None:
        return "", None
    label = found["label"] or ""
    try:
        return label, urlsplit(found["url"])
    except ValueError:
        return label, ()


def without_query(text: str) -> str:
    """
    Return a server's name or URL without credentials, query and fragment.

    A name that the SDK made of a URL (`sse: https://…`) keeps its label; what is no
    URL stays as it is.
    """
    label, parts = _split(text)
    if parts is None:
        return text
    if not parts:
        return label + _INVALID_URL
    host = parts.netloc.rpartition("@")[2]
    clean: str = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return label + clean


def without_userinfo(uri: str) -> str:
    """Return the address of a resource without credentials; its query names it."""
    _, parts = _split(uri)
    if not parts:
        return uri if parts is None else _INVALID_URL
    host = parts.netloc.rpartition("@")[2]
    clean: str = urlunsplit(parts._replace(netloc=host))
    return clean
