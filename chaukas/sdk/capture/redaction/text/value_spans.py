"""Take a value at its place: between quotes, in brackets, in a call, by itself."""

import re
from itertools import islice
from typing import Final, NamedTuple

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    PLACEHOLDER,
    is_benign_text,
    is_name_like,
)
from chaukas.sdk.capture.redaction.names import is_sensitive

__all__ = (
    "BARE",
    "CALL",
    "LOOKUP",
    "OPEN",
    "REDACTED",
    "Place",
    "bracket_end",
    "call_span",
    "is_shown",
    "kept",
    "quote_end",
    "quoted_span",
    "trimmed",
)

REDACTED: Final = "[REDACTED]"
"""What is shown in the place of a secret."""
OPEN: Final = re.compile(r"(?:[bBrRuUfFnN@]{1,2}(?=[\"']))?(\\*(?:\"\"\"|'''|[\"'`]))")
BARE: Final = re.compile(r"(?:[^\s\"'&;]|&(?![\w.%\[\]\-]{1,64}=))+")
_OWN_BRACKETS: Final = 4
_OPENING: Final = {")": "(", "]": "[", "}": "{"}
_BRACKET: Final = re.compile(r"[\[\]{}]")
_BRACKETS_LIMIT: Final = 2000
CALL: Final = re.compile(
    r"(?:await |new |yield )?[$]?[A-Za-z_](?:[\w.]|::[$]?|-"
    r">){0,64}(?:<[\w<>, ?\[\]]{1,40}>)?(?:\(|\[)"
)
_LITERAL: Final = re.compile(r"(\\*[\"'])([^\"'\\\r\n]{0,400})\\*[\"']")
_DURATION: Final = re.compile(r"[0-9]{1,4} ?(?:ms|s|m|h|d|w|min|minutes|hours|days)")
_ENCODING: Final = re.compile(
    r"utf-?(?:8|16|32)(?:le|be)?|ascii|latin-?1|base(?:16|32|64)(?:url)?|hex|binary",
    re.IGNORECASE,
)
# Calls that look for what the text is like.
_LOOKS: Final = re.compile(r"(?:\bre\.\w+|RegExp|Regex|Pattern\.compile)\(\Z")
_KEYWORD: Final = re.compile(r"(?<!\w)(\w{1,32}) ?= ?\Z")
_VALUE_WORDS: Final = frozenset(
    "default value val v data text content s key raw".split()
)
_MAKES: Final = re.compile(
    r"(?:\b(?:md5|sha1|sha256|sha512|hash|hashpw|b64encode|bytes|encode|SecretStr|SecretBytes"
    r"|SecureString|Secret|Token|secret)|_hash|_b64encode)\(\Z",
    re.IGNORECASE,
)
_BASE64: Final = re.compile(
    r"(?!/)(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9+/]{12,}={0,2}"
)
# What a value is looked up by: `keys["eu-west-1"]`.
_KEY: Final = re.compile(r"[A-Za-z_\-.:/]+[0-9]{0,2}")
_CALL_CHARS: Final = 400
LOOKUP: Final = re.compile(
    r"(?:(?:os\.environ|os\.getenv|getenv|process\.env|env)\b[.\[(/]"
    r"|(?:self|this|cls|args|kwargs|opts|options|flags|config|cfg|settings|req|request"
    r"|ctx|context|params|props|module|secrets|credentials|var|local)\.[A-Za-z_][A-Za-z_.]*$)"
)


class Place(NamedTuple):
    """A sensitive name in a text, and what stands around it."""

    text: str
    low: str
    start: int
    name: str
    before: str
    separator: str
    close: str
    value_at: int
    name_end: int
    begins_line: bool
    """Whether a line begins with the name, as in a file of settings."""


def is_shown(name: str, value: str) -> bool:
    """Tell whether a value may be shown."""
    if len(value) > 256:
        return False
    return is_benign_text(name, value) or value.strip().lower() in BENIGN_WORDS


def bracket_end(text: str, start: int) -> int:
    """Find where a structure ends; one without an end goes to the last letter."""
    depth = 0
    for match in islice(_BRACKET.finditer(text, start), _BRACKETS_LIMIT):
        depth += 1 if match[0] in "[{" else -1
        if depth == 0:
            return match.end()
    return len(text)


def quoted_span(text: str, opened: re.Match[str], name: str) -> tuple[int, int] | None:
    """Take a value between quotes, or between three of them."""
    triple = opened[1] * 3
    if text.startswith(triple, opened.start(1)):
        start = opened.start(1) + len(triple)
        end = text.find(triple, start)
        return kept(text, name, start, end if end >= 0 else len(text))
    return kept(text, name, opened.end(), quote_end(text, opened.end(), opened[1]))


def kept(text: str, name: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span unless it is empty or shows no secret."""
    if start >= end or PLACEHOLDER.fullmatch(text, start, end) is not None:
        return None
    if end - start <= 256 and is_benign_text(name, text[start:end]):
        return None
    return start, end


def quote_end(text: str, start: int, opened: str) -> int:
    """
    Find the end of a quoted value, at whatever depth of escaping.

    A quote with more backslashes than the opening one belongs to the value. One
    with fewer ends a string further out, and so this value too. A value without
    an end was cut: all that is left belongs to it.
    """
    quote = opened.lstrip("\\")
    depth = len(opened) - len(quote)
    end = text.find(quote, start)
    while end >= 0:
        slashes = end
        while slashes > start and text[slashes - 1] == "\\":
            slashes -= 1
        run = end - slashes
        if run <= depth or (depth == 0 and run % 2 == 0):
            return end - min(run, depth)
        end = text.find(quote, end + 1)
    return len(text)


def trimmed(bare: re.Match[str]) -> tuple[int, int]:
    """Return a bare value without the signs that follow it."""
    value = bare[0].rstrip(",.)]}\\`")
    # Brackets of its own stay: `${TOKEN}`.
    for sign in bare[0][len(value) : len(value) + _OWN_BRACKETS]:
        opening = _OPENING.get(sign)
        if opening is None or value.count(opening) <= value.count(sign):
            break
        value += sign
    # `def f(token=None):`
    value = value[:-2] if value.endswith("):") and value[:-2].isalnum() else value
    return bare.start(), bare.start() + len(value)


def call_span(text: str, name: str, call: re.Match[str]) -> tuple[int, int] | None:
    """Take the literal that is handed to a call, if it is more than a name."""
    if _LOOKS.search(call[0]) is not None:
        return None
    end = _arguments_end(text, call.end())
    closed = text.find(")" if call[0].endswith("(") else "]", call.end(), end)
    if closed < 0 and not text[call.end() : end].strip():
        return None
    if closed < 0:
        bare = BARE.match(text, call.start())
        return None if bare is None else kept(text, name, *trimmed(bare))
    first: tuple[int, int] | None = None
    for literal in _LITERAL.finditer(text, call.end(), end):
        if literal.start() > closed:
            break
        keyword = _KEYWORD.search(text, max(0, literal.start() - 40), literal.start())
        if keyword is not None and not _is_of_secret(keyword[1]):
            continue
        if _is_handed(name, call[0], literal[2]):
            first = (literal.start(2) if first is None else first[0], literal.end(2))
    return first


def _is_of_secret(keyword: str) -> bool:
    """Tell the argument that holds a secret from one that says where it is kept."""
    return keyword.lower() in _VALUE_WORDS or is_sensitive(keyword)


def _arguments_end(text: str, start: int) -> int:
    """Return how far the arguments of a call may reach: this line, or the next ones."""
    end = min(len(text), start + _CALL_CHARS)
    stop = text.find("\n", start, end)
    return end if stop < 0 or not text[start:stop].strip() else stop


def _is_handed(name: str, call: str, value: str) -> bool:
    """Tell a secret that is handed to a call from a name, a path and a sentence."""
    if not value or any(form.fullmatch(value) for form in (_DURATION, _ENCODING)):
        return False
    if call.endswith("[") and _KEY.fullmatch(value) is not None:
        return False
    bare_name = value.rstrip("0123456789")
    if is_name_like(bare_name) and is_sensitive(bare_name):
        return False
    # Whatever is handed to these is the secret itself.
    is_plain = is_name_like(value) and _MAKES.search(call) is None
    if is_plain or is_benign_text(name, value):
        return False
    is_path = "/" in value and _BASE64.fullmatch(value) is None
    return not (" " in value or is_path or value.rstrip().endswith((":", "?")))
