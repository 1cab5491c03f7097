"""
Decide by its name whether a field holds a secret.

One decision for dict keys, HTTP headers, URL parameters, command line options
and assignments inside texts, so that no spelling of a name is hidden in one
place and shown in another.
"""

import re
from functools import lru_cache

__all__ = ("HEADER_NAMES", "QUERY_NAMES", "is_sensitive", "squeeze", "words_of")

HEADER_NAMES = frozenset(
    {
        "authorization",
        "proxyauthorization",
        "cookie",
        "setcookie",
        "xapikey",
        "apikey",
        "xauthtoken",
        "xamzsecuritytoken",
        "ocpapimsubscriptionkey",
    }
)
"""Squeezed header names that are hidden in ``[name, value]`` pairs as well."""

QUERY_NAMES = frozenset({"key", "sig", "signature", "hmac"})
"""Squeezed names that hold a secret in the query part of a URL, not elsewhere."""

_EXACT = frozenset({"pass", "auth", "otp", "totp", "jwt", "bearer"})

_PASS_OWNERS = frozenset(
    "db user smtp mysql ftp mail email redis postgres pg admin root http proxy"
    " ssh login basic".split()
)

_STEMS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "privatekey",
    "accesskey",
    "accountkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "sharedkey",
    "subscriptionkey",
    "functionskey",
    "storagekey",
    "sshkey",
    "credential",
    "authorization",
    "cookie",
    "connectionstring",
    "connstr",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "bearertoken",
    "sessiontoken",
    "apitoken",
    "amzsignature",
)

# What a name says *about* a secret is not the secret: `password_length`.
_HARMLESS_LAST = frozenset(
    "count counts limit length len type types name names policy policies url uri"
    " endpoint id ids expiry expires expiration ttl usage used budget size"
    " required enabled disabled strength label description rules scope scopes"
    " version status path file filename dir domain server servers arn ref age"
    " attempts error errors present valid invalid changed secs seconds ms".split()
)

# Tokens of language models and parsers, and those that turn a page. The last
# name a place in a list; hiding them would hide why an agent read on.
_HARMLESS_TOKENS = frozenset(
    "page nextpage next continuation cursor sync eos bos pad unk sep cls mask"
    " stop special first last start end begin per cancel cancellation unexpected"
    " output input prompt completion max min total image audio text new previous"
    " prev".split()
)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_A-Za-z0-9]+")
_NOISE = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def squeeze(name: str) -> str:
    """Return *name* in lower case without separators: ``X-Api_Key``: xapikey."""
    return _NOISE.sub("", name).lower()


def words_of(name: str) -> list[str]:
    """Return the lower-case words of a name, split at separators and capitals."""
    return [word.lower() for word in _WORDS.findall(name)]


@lru_cache(maxsize=4096)
def is_sensitive(name: str, extra: frozenset[str] = frozenset()) -> bool:
    """
    Tell whether a value of this name must be hidden.

    A name is sensitive when it holds the word for a secret, unless its last
    word says that the value is only about the secret. When unsure, it is.

    Args:
        name: As found; its case and separators do not matter.
        extra: Further sensitive names, squeezed.

    """
    squeezed = squeeze(name)
    if squeezed in extra or squeezed in _EXACT or squeezed.endswith("pwd"):
        return True
    words = words_of(name)
    if squeezed.endswith(("token", "otp")):
        return not _is_harmless_token(squeezed, words)
    if squeezed.endswith("pass"):
        return _is_password(squeezed, words)
    searched = squeezed.replace("secretar", "")
    if not any(stem in searched for stem in _STEMS):
        return False
    return words[-1] not in _HARMLESS_LAST


def _is_password(squeezed: str, words: list[str]) -> bool:
    """Tell ``smtp_pass`` from ``first_pass`` and ``bypass``."""
    if words[-1] == "pass" and len(words) > 1:
        return words[-2] in _PASS_OWNERS
    return squeezed[: -len("pass")] in _PASS_OWNERS


def _is_harmless_token(squeezed: str, words: list[str]) -> bool:
    """Tell model, parser and page tokens from those that open doors."""
    if squeezed.endswith("otp"):
        return words[-1] != "otp"
    if words[-1] == "token" and len(words) > 1:
        return words[-2] in _HARMLESS_TOKENS
    return squeezed[: -len("token")] in _HARMLESS_TOKENS
