"""
Find the secrets that are handed to the client of a service by their place.

``require('twilio')('AC…', '…')``, ``Pusher('12', '…')``, ``FTP(host, 'ana', '…')``.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.redaction.benign import PLACEHOLDER
from chaukas.sdk.capture.redaction.text.nearby import looks_secret

__all__ = ("client_spans", "has_client_call")

_CALLS_PER_STEP: Final = 4
_ARGUMENTS_LIMIT: Final = 8
_CALLEE_CHARS: Final = 64
_KEY_CHARS: Final = 12
_LONG_KEY_CHARS: Final = 16
_PASSWORD_AT: Final = 2
_AFTER_USER: Final = 1
_OPENED: Final = re.compile(r"(?:\(|\.new )(?=\s{0,16}[\"'])")
_ARGUMENT: Final = re.compile(
    r"\s{0,16}(?:(?P<quote>[\"'])(?P<text>[^\"'\n\\]{0,300})(?P=quote)"
    r"|[\w.:\-]{1,60})\s{0,16}(?P<end>[,);\n]|\Z)"
)
# Services whose clients take an identifier and a key one after the other.
_SERVICES: Final = (
    *("twilio", "plivo", "vonage", "nexmo", "mailjet", "algolia", "searchclient"),
    *("pusher", "trello", "oauth1", "oauthhandler", "minio", "twitter", "tumblr"),
    *("flickr", "imgur", "fitbit", "binance", "kraken", "kucoin", "bybit", "alpaca"),
    *("coinbase", "razorpay", "sinch", "telesign", "mailgun", "opentok", "getstream"),
    *("streamchat", "woocommerce", "shopify", "zendesk", "freshdesk", "braintree"),
)
_CLIENT: Final = re.compile(r"client\Z|(?:\A|[.\\:])(?:api|rest|oauth|credentials)\Z")
# What opens a connection with a host, a user and a password.
_LOGIN: Final = re.compile(
    r"(?:ssh\w*|mysql\w*|mariadb|pymssql|sybase|oracledb|cx_oracle)\.connect\Z"
    r"|(?:\A|[.:])s?ftp(?:_tls)?\Z|(?:mysqli|ftp_login|imap_open)\Z"
)
_PAIR: Final = re.compile(
    r"(?:username_pw_set|usernamepassword\w*|userpass\w*"
    r"|(?:password|basic)credentials?)\Z"
)
_NO_PASSWORD: Final = frozenset(("", "root", "utf8", "utf-8", "none", "null"))
_PUBLIC: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|https?:.*|[\w.\-]+\.[a-z]{2,10}(?::\d+)?",
    re.IGNORECASE,
)


def has_client_call(low: str) -> bool:
    """
    Tell whether a text may hold such a call; never misses one.

    Args:
        low: The text, or many joined, in lower case.

    """
    is_call = "(" in low and ("('" in low or '("' in low or _opens_line(low))
    is_call = is_call or ("'" in low and ".new '" in low)
    is_call = is_call or ('"' in low and '.new "' in low)
    return is_call and (
        "client" in low
        or "ftp" in low
        or "connect" in low
        or "username" in low
        or "credential" in low
        or "userpass" in low
        or "api(" in low
        or "rest(" in low
        or any(map(low.__contains__, _SERVICES))
    )


def _opens_line(low: str) -> bool:
    """Tell whether the arguments of a call begin in a line of their own."""
    return "(\n" in low and _OPENED.search(low) is not None


def client_spans(text: str, low: str, work: Work) -> Iterator[tuple[int, int]]:
    """
    Yield the keys and passwords among the literals of a call.

    Args:
        text: The text to search.
        low: The same in lower case, of the same length.
        work: What is left to do; once it is done, the rest of the text is one span.

    """
    if not has_client_call(low):
        return
    for number, opened in enumerate(_OPENED.finditer(low)):
        work.left -= number % _CALLS_PER_STEP == 0
        if work.left < 0:
            yield opened.start(), len(text)
            return
        head = low[max(0, opened.start() - _CALLEE_CHARS) : opened.start()]
        callee = head.replace("new ", "").split(None)[-1:]
        if not callee:
            continue
        name = callee[0].removesuffix(".new")
        is_service = any(map(name.__contains__, _SERVICES))
        is_pair = _PAIR.search(name) is not None
        if is_pair or (not is_service and _LOGIN.search(name) is not None):
            literals = _literals(text, opened.end())
            yield from _password(text, literals, is_pair=is_pair)
        elif is_service or _CLIENT.search(name) is not None:
            literals = _literals(text, opened.end())
            yield from _keys(text, literals, is_known=is_service)


def _literals(text: str, position: int) -> list[tuple[int, int]]:
    """Return where the first arguments of a call stand; nothing for a variable."""
    found: list[tuple[int, int]] = []
    for _ in range(_ARGUMENTS_LIMIT):
        argument = _ARGUMENT.match(text, position)
        if argument is None:
            break
        found.append(argument.span("text"))
        position = argument.end()
        if argument["end"] != ",":
            break
    return found


def _keys(
    text: str, literals: list[tuple[int, int]], *, is_known: bool
) -> Iterator[tuple[int, int]]:
    """Yield what looks like a key behind the identifier that belongs to it."""
    least = _KEY_CHARS if is_known else _LONG_KEY_CHARS
    for start, end in literals[1:]:
        value = text[start:end] if start >= 0 else ""
        if len(value) < least or _PUBLIC.fullmatch(value) is not None:
            continue
        if looks_secret(value, is_announced=is_known):
            yield start, end


def _password(
    text: str, literals: list[tuple[int, int]], *, is_pair: bool
) -> Iterator[tuple[int, int]]:
    """Yield the argument behind the user, of a host and perhaps its port."""
    at = _AFTER_USER if is_pair else _PASSWORD_AT
    # A port is no literal.
    at += not is_pair and len(literals) > at + 1 and literals[1][0] < 0
    for start, end in islice(literals, at, at + 1):
        is_shown = start < 0 or text[start:end].lower() in _NO_PASSWORD
        if not is_shown and PLACEHOLDER.fullmatch(text, start, end) is None:
            yield start, end
