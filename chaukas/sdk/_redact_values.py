"""
Recognise secrets by their own form, wherever they stand in a text.

Keys of known makers, tokens, private keys and credentials in URLs need no name
beside them to be known for what they are.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

__all__ = ("PATTERNS", "Pattern", "has_marker", "secret_spans")

_LONG_WORD_CHARS = 16
_DIGIT = re.compile(r"[0-9]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One form of secret, and the cheap test that comes before it."""

    needles: tuple[str, ...]
    """Lower-case texts of which any match contains at least one."""
    regex: re.Pattern[str]
    """Linear in the length of the text: no quantifier inside another."""
    group: int | str = 0
    """The part of the match that is the secret."""
    lowered: bool = False
    """Search the lower-case text; used instead of ignoring the case, for speed."""
    accept: Callable[[str], bool] | None = None
    """Has the last word on a matched secret; keeps prose out."""


def _is_bearer(token: str) -> bool:
    """Tell a credential from a word that happens to follow *bearer*."""
    return len(token) >= _LONG_WORD_CHARS or _DIGIT.search(token) is not None


def _is_basic(token: str) -> bool:
    """Tell the base64 form of ``user:password`` from a word after *basic*."""
    if token.endswith("="):
        return True
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return False
    has_digit = _DIGIT.search(token) is not None
    mixed = token not in (token.lower(), token.upper())
    return b":" in decoded or (has_digit and mixed)


def _is_jwt(token: str) -> bool:
    """Tell a JWS or JWE from other dotted words that begin like one."""
    head, _, rest = token.partition(".")
    if rest.startswith("eyJ"):
        return True
    return len(head) >= _LONG_WORD_CHARS and "." in rest


_GITLAB_KINDS = r"(?:pat|ptt|dt|rt|cbt|ft|imt|agent|soat)-"
_HAS_GITLAB = re.compile("gl" + _GITLAB_KINDS).search
# JSON inside JSON escapes a slash with 1, 3, 7 … backslashes.
_AUTHORITY = r":(?:\\{0,15}/){2}"


def _token(prefix: str, form: str, *needles: str) -> Pattern:
    """
    Build the pattern of a maker's key, written as it is: case matters.

    A key begins a word. The letter before it is looked at after the prefix, as
    only a pattern that begins with plain letters is searched for at full speed.
    It may also follow an escaped newline of JSON text or a %-code of a URL,
    whose last letter would otherwise count as the beginning of a longer word.
    """
    plain = re.escape(prefix)
    edge = (
        rf"(?:(?<![A-Za-z0-9]{plain})|(?<=\\[nrtbf]{plain})"
        rf"|(?<=\\u[0-9a-fA-F]{{4}}{plain})|(?<=%[0-9a-fA-F]{{2}}{plain}))"
    )
    return Pattern(needles or (prefix.lower(),), re.compile(plain + edge + form))


PATTERNS: tuple[Pattern, ...] = (
    _token("sk-", r"[A-Za-z0-9_\-]{16,}"),
    _token("AKIA", r"[A-Z0-9]{16}"),
    _token("ASIA", r"[A-Z0-9]{16}"),
    _token("gh", r"[pousr]_[A-Za-z0-9]{16,}"),
    _token("github_pat_", r"[A-Za-z0-9_]{16,}"),
    _token("gl", _GITLAB_KINDS + r"[A-Za-z0-9_\-]{16,}"),
    _token("xox", r"[abeoprs]-[A-Za-z0-9\-]{10,}"),
    _token("xapp-", r"[0-9]-[A-Za-z0-9\-]{10,}"),
    _token("AIza", r"[A-Za-z0-9_\-]{30,}"),
    _token("ya29.", r"[A-Za-z0-9_\-]{16,}"),
    _token("GOCSPX-", r"[A-Za-z0-9_\-]{16,}"),
    _token("sk_", r"(?:live|test)_[A-Za-z0-9]{10,}"),
    _token("rk_", r"(?:live|test)_[A-Za-z0-9]{10,}"),
    _token("whsec_", r"[A-Za-z0-9+/=]{16,}"),
    _token("npm_", r"[A-Za-z0-9]{20,}"),
    _token("hf_", r"[A-Za-z0-9]{20,}"),
    _token("SG.", r"[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}"),
    _token("LS0tLS1CRUdJTi", r"[A-Za-z0-9+/=]{8,}"),
    replace(
        _token("eyJ", r"[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*){0,4}"),
        accept=_is_jwt,
    ),
    Pattern(
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:.*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|.*)",
            re.DOTALL,
        ),
    ),
    Pattern(
        ("hooks.slack",),
        re.compile(r"hooks\.slack(?:-gov)?\.com/[a-z]{1,20}/([^\s\"'<>\\]+)"),
        group=1,
        lowered=True,
    ),
    Pattern(
        ("webhook",),
        re.compile(
            r"(?:discord(?:app)?\.com/api/webhooks|webhook\.office\.com"
            r"|office\.com/webhook)[a-z0-9]{0,8}/([^\s\"'<>\\]+)"
        ),
        group=1,
        lowered=True,
    ),
    Pattern(
        ("bearer",),
        re.compile(r"bearer(?:[ \t]+|%20|\+)([a-z0-9._~+/=\-]{6,})"),
        group=1,
        lowered=True,
        accept=_is_bearer,
    ),
    Pattern(
        ("basic",),
        re.compile(r"basic(?:[ \t]+|%20|\+)([a-z0-9+/]{8,}={0,2})"),
        group=1,
        lowered=True,
        accept=_is_basic,
    ),
    Pattern(
        ("@",),
        re.compile(_AUTHORITY + r"[^\s/?#:@\"'<>\\]*:([^\s/?#\"'<>]*)@"),
        group=1,
    ),
    Pattern(
        ("@",),
        re.compile(
            _AUTHORITY + r"[^\s/?#:@\"'<>\\]{0,128}:(?![0-9]{1,5}[/?#])"
            r"([^\s\"'<>@:]{1,128})@"
        ),
        group=1,
    ),
    Pattern(
        ("@",),
        re.compile(_AUTHORITY + r"([^\s/?#:@\"'<>\\]{16,}):?@"),
        group=1,
        accept=lambda user: _DIGIT.search(user) is not None,
    ),
    Pattern(
        ("-u ", "-u=", "-user"),
        re.compile(
            r"-(?<![\w\-]-)(?:u|-user|-proxy-user)[ =]{1,4}[\"']?"
            r"(?![0-9]+:)[^\s:\"'/]{1,128}:(?!//)([^\s\"']+)"
        ),
        group=1,
    ),
)
"""
The forms that are hidden by default.

Payment cards and mail addresses are not among them: agents work with them, and
who must not record them adds a pattern or turns the content off.
"""


def has_marker(text: str, low: str) -> bool:
    """
    Tell whether a text may hold one of the patterns; never misses one.

    Written out as a chain of substring tests, and a rare single letter before
    each longer one, which costs a quarter: it runs for every event on the
    host's thread.

    Args:
        text: The text, or many joined.
        low: The same in lower case.

    """
    return (
        ("J" in text and "eyJ" in text)
        or ("A" in text and ("AKIA" in text or "ASIA" in text or "AIza" in text))
        or ("G" in text and "SG." in text)
        or ("0" in text and "LS0tLS1" in text)
        or ("9" in text and "ya29." in text)
        or "bearer" in low
        or "basic" in low
        or ("/" in low and "hook" in low)
        or ("@" in low and ("://" in low or "\\/" in low))
        or ("-" in low and _has_dash_marker(low))
        or ("_" in low and _has_bar_marker(low))
    )


def _has_dash_marker(low: str) -> bool:
    """Look for the beginnings that end in a dash."""
    return (
        "sk-" in low
        or "xox" in low
        or "xapp-" in low
        or "gocspx-" in low
        or "private key" in low
        or "-u " in low
        or "-u=" in low
        or "-user" in low
        or ("gl" in low and _HAS_GITLAB(low) is not None)
    )


def _has_bar_marker(low: str) -> bool:
    """Look for the beginnings that end in an underscore."""
    return (
        "gh" in low
        or "github_" in low
        or "_live_" in low
        or "_test_" in low
        or "whsec_" in low
        or "npm_" in low
        or "hf_" in low
    )


def secret_spans(text: str, low: str) -> Iterator[tuple[int, int]]:
    """
    Yield where the secrets stand, in no order; they may overlap.

    Args:
        text: The text to search.
        low: The same in lower case, of the same length.

    """
    for pattern in PATTERNS:
        if not any(needle in low for needle in pattern.needles):
            continue
        for match in pattern.regex.finditer(low if pattern.lowered else text):
            start, end = match.span(pattern.group)
            if pattern.accept is None or pattern.accept(text[start:end]):
                yield start, end
