"""
Recognise secrets by their own form, wherever they stand in a text.

Private keys, headers and credentials in URLs need no name beside them to be known
for what they are; nor do the keys of known makers, which `_redact_keys` finds.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.redaction.benign import PLACEHOLDER
from chaukas.sdk.capture.redaction.phrases import is_substitution

from .search import has_key, key_spans

__all__ = ("PATTERNS", "Pattern", "has_marker", "secret_spans")

_LONG_WORD_CHARS = 16
_DIGIT = re.compile(r"[0-9]")
_MIXED = (re.compile(r"[A-Z]"), re.compile(r"[a-z]"), _DIGIT)


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
    """Tell a credential from a word or a field that happens to follow *bearer*."""
    if re.fullmatch(r"[a-z_]+=[^=]+", token) or PLACEHOLDER.fullmatch(token):
        return False
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


def _is_mixed(token: str) -> bool:
    """Tell an AWS secret from a hash, which has no capitals."""
    return all(letters.search(token) for letters in _MIXED)


# JSON inside JSON escapes a slash with 1, 3, 7 … backslashes.
_AUTHORITY = r":(?:\\{0,15}/){2}"
# What documents write: `scheme://user:password@host`.
_NO_SAMPLE = (
    r"(?!(?i:(?:your_?)?(?:password|passwd|passwort|pass|pwd|secret|token)"
    r"@\[?(?:your[\-_.]?)?(?:host|hostname|server|servername|address|domain|endpoint)"
    r"(?:[:/\]\s,;)\"'`]|\Z)))"
    # The shape of it: `user:password@localhost`.
    r"(?!(?:(?<=/user:)|(?<=/username:))pass(?:word)?@"
    r"(?:localhost|127\.0\.0\.1|host|(?:[a-z]{1,12}\.)?example\.(?:com|org|net))(?![\w.\-]))"
)
_COLOUR = r"(?:(?:\x1b|\\x1b|\\u001b|\\0?33|\\e|\^\[)\[[0-9;]{0,20}[a-z]){0,4}"

# The head and the end of a private key, also as a part of a URL.
_DASHES = r"(?:-|%(?:25){0,3}2d|\\u002d|&#45;){4,5}"
_SPACE = r"(?:[ +_]|%(?:25){0,3}20|\\u0020)"
_LABEL = (
    rf"{_SPACE}(?:(?:[a-z0-9]{{1,20}}{_SPACE}){{0,4}}private{_SPACE}key"
    rf"(?:{_SPACE}block)?|openvpn{_SPACE}static{_SPACE}key{_SPACE}v1){_SPACE}?"
)
_PEM_END = rf"{_DASHES}{_SPACE}?end{_LABEL}{_DASHES}"
_AWS_ID = r"A(?:KIA|SIA)[A-Z0-9]{16}"
_AWS_BESIDE = r"(?<![A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
_NEAR = r"(?:[^A-Za-z0-9/+]{1,4}[A-Za-z_]{0,24}){0,4}?[^A-Za-z0-9/+]{1,4}"


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        ("private", "openvpn"),
        re.compile(
            rf"{_DASHES}{_SPACE}?begin{_LABEL}{_DASHES}(?:.*?{_PEM_END}|.*)", re.DOTALL
        ),
        lowered=True,
    ),
    Pattern(
        ("putty-user-key-file",),
        re.compile(
            r"putty-user-key-file-[0-9]:(.*?private-mac:\s{0,4}[0-9a-f]{1,64}|.*)",
            re.DOTALL,
        ),
        group=1,
        lowered=True,
    ),
    Pattern(
        ("akia", "asia"),
        re.compile(rf"{_AWS_ID}{_NEAR}{_AWS_BESIDE}"),
        group=1,
        accept=_is_mixed,
    ),
    Pattern(
        ("akia", "asia"),
        re.compile(rf"{_AWS_BESIDE}{_NEAR}{_AWS_ID}"),
        group=1,
        accept=_is_mixed,
    ),
    # How passwords are kept: they can be guessed from it.
    Pattern(
        (
            "$1$",
            "$5$",
            "$6$",
            "$8$",
            "$9$",
            "$2",
            "$y$",
            "$apr1$",
            "$argon2",
            "$scrypt$",
            "$pbkdf2",
        ),
        re.compile(
            r"[$](?:[15689y]|apr1|2[abxy]?|7|gy|argon2(?:id|[id])|scrypt|pbkdf2(?:-[a-z0-9]+)?)"
            r"[$][A-Za-z0-9./+=,:$\-]{20,}"
        ),
        accept=lambda found: found.count("$") > 2,
    ),
    Pattern(
        ("pbkdf2", "scram-sha-", "scrypt:"),
        re.compile(
            r"(?:pbkdf2[_:\-](?:sha[0-9]{1,3}[:$])?(?:[0-9]{1,9}[:$])?|scram-sha-[0-9]{1,3}[$]"
            r"|scrypt:[0-9:]{3,24}[$])(?=[^\s$,\"']{0,64}[0-9])[a-z0-9./+=_$:,\-]{24,}"
        ),
        lowered=True,
    ),
    Pattern(
        ("{ssha", "{sha", "{md5", "{smd5", "{crypt"),
        re.compile(r"\{(?:s?sha[0-9]{0,3}|s?md5|crypt)\}([a-z0-9./+=$]{16,})"),
        group=1,
        lowered=True,
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
        re.compile(r"bearer(?:[ \t]+|%20|\+)" + _COLOUR + r"([a-z0-9._~+/=\-]{6,})"),
        group=1,
        lowered=True,
        accept=_is_bearer,
    ),
    Pattern(("ssws",), re.compile(r"ssws[ \t]+([a-z0-9_=\-]{30,})"), 1, lowered=True),
    Pattern(
        ("basic",),
        re.compile(r"basic(?:[ \t]+|%20|\+)" + _COLOUR + r"([a-z0-9+/]{8,}={0,2})"),
        group=1,
        lowered=True,
        accept=_is_basic,
    ),
    Pattern(
        ("@",),
        re.compile(
            _AUTHORITY + r"[^\s/?#:@\"'<>\\]*:" + _NO_SAMPLE + r"([^\s/?#\"'<>]*)@"
        ),
        group=1,
    ),
    Pattern(
        ("@",),
        re.compile(
            _AUTHORITY
            + r"[^\s/?#:@\"'<>\\]{0,128}:(?![0-9]{1,5}[/?#])"
            + _NO_SAMPLE
            + r"([^\s\"'<>@:]{1,128})@"
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


_HAS_CRYPT = re.compile(
    r"\$(?:[156789y]|apr1|2[abxy]?|gy|argon2|scrypt|pbkdf2|(?<=[0-9]\$)[^\s$]{3,64}[$:])"
).search
_HAS_SCHEME = re.compile(r"\{(?:s?sha|s?md5|crypt)").search


def has_marker(text: str, low: str) -> bool:
    """
    Tell whether a text may hold one of the patterns; never misses one.

    Written out as a chain of substring tests, and a rare single letter before
    each longer one, which costs a quarter: it runs for every event.

    Args:
        text: The text, or many joined.
        low: The same in lower case.

    """
    return (
        "bearer" in low
        or "basic" in low
        or "ssws" in low
        or ("/" in low and "hook" in low)
        or ("$" in low and _HAS_CRYPT(low) is not None)
        or ("{" in low and "}" in low and _HAS_SCHEME(low) is not None)
        or ("@" in low and ("://" in low or "\\/" in low))
        or (("-" in low or "%" in low) and _has_dash_marker(low))
        or has_key(text)
    )


def _has_dash_marker(low: str) -> bool:
    """Look for what has a dash in it."""
    return ("begin" in low and ("private" in low or "openvpn" in low)) or (
        "-pbkdf2-" in low
        or ("-u" in low and ("-u " in low or "-u=" in low or "-user" in low))
    )


def secret_spans(
    text: str, low: str, work: Work | None = None
) -> Iterator[tuple[int, int]]:
    """
    Yield where the secrets stand, in no order; they may overlap.

    Args:
        text: The text to search.
        low: The same in lower case, of the same length.
        work: What is left to do.

    """
    yield from key_spans(text, work)
    for pattern in PATTERNS:
        if not any(needle in low for needle in pattern.needles):
            continue
        for match in pattern.regex.finditer(low if pattern.lowered else text):
            start, end = match.span(pattern.group)
            if (
                start < end
                and text[start] in "$%{<[*"
                and (
                    PLACEHOLDER.fullmatch(text, start, end)
                    or is_substitution(text, start)
                )
            ):
                continue
            if pattern.accept is None or pattern.accept(text[start:end]):
                yield start, end
