"""Show where a server is without what gives access to it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["without_query", "without_userinfo"]

_LABELLED_URL = re.compile(
    r"(?P<label>[\w-]+: )?(?P<url>[a-z][a-z0-9+.-]*://\S*)", re.IGNORECASE
)
_INVALID_URL = "<invalid-url>"


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
