"""The address of a collector, as a person writes it."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from .failures import CollectorError

__all__ = ("address_of",)


def address_of(text: str) -> str:
    """
    Return the address of a collector's root, without a slash at its end.

    That of its page will do as well, in whichever state: what a browser shows behind
    `#` or `?`, and the token of a first visit, are no part of it.

    Raises:
        CollectorError: It is none, or holds a password.
    """
    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise CollectorError(
            f"no source is read by {scheme}://. Give a collector's HTTP address, such"
            " as http://127.0.0.1:4180, or a file."
        )
    if parts.username is not None:
        raise CollectorError(
            "an address with a user or a password in it can be seen by others. Take"
            " that out, and set CHAUKAS_API_KEY."
        )
    try:
        is_good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise CollectorError(
            "the address names no host and port. Write it as http://127.0.0.1:4180."
        )
    path = parts.path.partition("/open/")[0].rstrip("/")
    return urlunsplit((scheme, parts.netloc, path, "", ""))
