"""
Find the secrets that stand after their name inside a text.

Arguments, tool outputs and errors are often JSON, headers, shell commands, URLs
or source code in a string: there only the name tells that a value is a secret.
"""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from ._redact_names import HEADER_NAMES, QUERY_NAMES, is_sensitive, squeeze, words_of

__all__ = ("REDACTED", "has_pair_marker", "pair_spans")

REDACTED = "[REDACTED]"
"""What is shown in the place of a secret."""

_LINE_NAMES = frozenset({"authorization", "proxyauthorization", "cookie", "setcookie"})
_WORD_LIMIT = 128
_SYMBOLS_LIMIT = 4

# Each is searched for by itself: many in one pattern would be tried at every
# letter, while one that begins with plain letters is found at full speed.
_STEMS = tuple(
    (needle, re.compile(form))
    for needle, form in (
        *((word, word) for word in "pass pwd secret token key auth cookie".split()),
        *((word, word) for word in "cred otp jwt sig hmac".split()),
        ("conn", r"conn(?:ection)?[\-_. ]?str"),
    )
)
_KEY_KINDS = tuple(
    f"{kind} "
    for kind in "api access secret private account signing encryption master"
    " shared storage subscription functions ssh".split()
)
# Atomic by way of a lookahead: giving letters back cannot help, only take time.
_TAIL = r"(?=(?P<tail>[\w\-]{0,40}))(?P=tail)"
_CLOSE = r"(?: provided)?(?P<close>\\{0,7}[\"'`])?\]?"
_SEPARATOR = (
    r"(?P<sep>[ \t]{0,4}(?:=>|:=|={1,3}|:(?!:)|,|>|%3[ad]|\\u003[ad])[ \t]{0,4}"
    r"|[ \t]+)"
)
_AFTER = re.compile(_TAIL + _CLOSE + _SEPARATOR)
_OPEN = re.compile(r"(?:[bBrRuUfF]{1,2}(?=[\"']))?(\\{0,7}(?:\"\"\"|'''|[\"'`]))")
_BARE = re.compile(r"(?:[^\s\"'&;]|&(?![\w.%\[\]\-]{1,64}=))+")
_LINE = re.compile(r"(?:[^\r\n\\]|\\(?![rn]))+")
_BRACKET = re.compile(r"[\[\]{}]")
_NAMED = re.compile(
    r"\s{0,64}(?:\\{1,7}n\s{0,64})?\\{0,7}[\"']value\\{0,7}[\"']\s{0,4}[:=]\s{0,4}"
)
_TYPED = re.compile(r"[ \t]*=[ \t]*")
_PLACEHOLDER = re.compile(
    r"\$\{[^{}]*\}|\$[A-Z_]+|\{\{[^{}]*\}\}|\{[A-Za-z_][\w.]*\}|%s|%\(\w+\)s"
    r"|<[^<>]*>|[*.\-_]+|\[redacted\]",
    re.IGNORECASE | re.ASCII,
)
_LOOKUP = re.compile(r"(?:os\.environ|os\.getenv|getenv|process\.env|env)\b[.\[(]")
_PROSE = re.compile(r"[a-z]{1,15}")
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_NAME_LIMIT = 64

_TYPES = frozenset(
    "none null nil undefined true false str string bytes int integer number bool"
    " boolean any object optional required text varchar char secretstr enabled"
    " disabled yes no missing invalid expired unset empty".split()
)


def has_pair_marker(low: str, *, paired: bool, stems: Collection[str] = ()) -> bool:
    """
    Tell whether `pair_spans` may find anything in a text; never misses.

    Args:
        low: The text, or many joined.
        paired: Names and values may be separate texts, without a separator.
        stems: Parts of further sensitive names.

    """
    if not (
        paired
        or ":" in low
        or "=" in low
        or ">" in low
        or ("-" in low and "--" in low)
        or ("%" in low and "%3" in low)
        or ("\\" in low and "\\u003" in low)
        or ("'" in low and "'," in low)
        or ('"' in low and '",' in low)
        or ("`" in low and "`," in low)
    ):
        return False
    return (
        "token" in low
        or "key" in low
        or "pass" in low
        or "secret" in low
        or "auth" in low
        or "cookie" in low
        or "cred" in low
        or "pwd" in low
        or "conn" in low
        or "otp" in low
        or "jwt" in low
        or "sig" in low
        or "hmac" in low
        or (bool(stems) and any(stem in low for stem in stems))
    )


@lru_cache(maxsize=32)
def _stems_of(extra: frozenset[str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return what to search for: the parts of all sensitive names."""
    own = []
    for name in sorted(extra):
        words = name.split()
        form = r"[\-_. ]?".join(re.escape(word) for word in words)
        own.append((max(words, key=len), re.compile(form)))
    return (*_STEMS, *own)


def pair_spans(
    text: str, low: str, extra: frozenset[str] = frozenset()
) -> Iterator[tuple[int, int]]:
    """
    Yield where the values of sensitive names stand, in order, apart.

    Args:
        text: The text to search.
        low: The same in lower case, of the same length.
        extra: Further sensitive names, in lower case, words apart.

    """
    squeezed = frozenset(squeeze(name) for name in extra)
    found = [
        stem.span()
        for needle, form in _stems_of(extra)
        if needle in low
        for stem in form.finditer(low)
    ]
    found.sort()
    position = 0
    for stem_start, stem_end in found:
        if stem_start < position:
            continue
        match = _AFTER.match(low, stem_end)
        if match is None:
            continue
        start = _name_start(low, stem_start)
        name = text[start : match.end("tail")]
        if _is_pair(name, low[start - 1 : start], match, squeezed):
            span = _value_span(text, start, name, match)
            position = position if span is None else span[1]
            if span is not None:
                yield span


def _name_start(low: str, start: int) -> int:
    """Go left to where the name begins of which the stem was found."""
    floor = max(0, start - _NAME_LIMIT)
    if low.endswith(_KEY_KINDS, floor, start):
        start -= 1
    while start > floor and low[start - 1] in _NAME_CHARS:
        start -= 1
    # The letter of an escaped newline or tab does not belong to the name.
    if low[start - 1 : start] == "\\" and low[start] in "nrt":
        start += 1
    return start


def _is_pair(
    name: str, before: str, match: re.Match[str], extra: frozenset[str]
) -> bool:
    """Decide on a name with what stands around it."""
    separator = match["sep"].strip()
    is_option = name.startswith("--")
    squeezed = squeeze(name)
    if separator == "":
        return is_option and is_sensitive(name, extra)
    if separator == ",":
        if not match["close"]:
            return False
        return is_option or squeezed in HEADER_NAMES or is_sensitive(name, extra)
    if separator == ">" and before != "<":
        return False
    if before in ("?", "&", ";") and squeezed in QUERY_NAMES:
        return separator in ("=", "%3d")
    return is_sensitive(name, extra)


def _value_span(
    text: str, start: int, name: str, match: re.Match[str]
) -> tuple[int, int] | None:
    """Find where the value begins and ends; none if there is nothing to hide."""
    position = match.end()
    if match["sep"].strip() == ",":
        return _listed_span(text, position, name)
    if match["sep"].strip() == ">":
        end = text.find("<", position)
        return _kept(text, position, end if end >= 0 else len(text))
    return _plain_span(text, start, name, match)


def _plain_span(
    text: str, start: int, name: str, match: re.Match[str]
) -> tuple[int, int] | None:
    """Find a value that follows its name and a sign such as a colon."""
    position = match.end()
    if text.startswith(REDACTED, position):
        return None
    opened = _OPEN.match(text, position)
    if opened is not None:
        return _quoted_span(text, opened)
    if _is_line(text[start - 1 : start], name, match):
        return _header_span(text, start, position)
    if text[position : position + 1] in ("{", "["):
        if _PLACEHOLDER.match(text, position):
            return None
        return position, _bracket_end(text, position)
    return _bare_span(text, name, match)


def _listed_span(text: str, position: int, name: str) -> tuple[int, int] | None:
    """
    Find the value in ``("Authorization", "…")`` or ``"name": "…", "value": "…"``.

    After another name, the next item of a list is more likely another name, as
    in the list of the fields that a form requires.
    """
    named = _NAMED.match(text, position)
    if named is not None:
        opened = _OPEN.match(text, named.end())
    elif name.startswith("--") or squeeze(name) in HEADER_NAMES:
        opened = _OPEN.match(text, position)
    else:
        return None
    return None if opened is None else _quoted_span(text, opened)


def _quoted_span(text: str, opened: re.Match[str]) -> tuple[int, int] | None:
    """Take a value between quotes."""
    return _kept(text, opened.end(), _quote_end(text, opened.end(), opened[1]))


def _is_line(before: str, name: str, match: re.Match[str]) -> bool:
    """Tell whether the whole line is the value, as in a header."""
    if match["close"] or squeeze(name) not in _LINE_NAMES:
        return False
    return before not in ("?", "&", ";")


def _kept(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span unless it is empty or shows no secret."""
    if start >= end or _PLACEHOLDER.fullmatch(text, start, end) is not None:
        return None
    return start, end


def _quote_end(text: str, start: int, opened: str) -> int:
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


def _header_span(text: str, start: int, position: int) -> tuple[int, int] | None:
    """Take a header's value: to the end of the line, or of the quoted header."""
    before = text[start - 1 : start]
    end = text.find(before, position) if before and before in "\"'`" else -1
    line = _LINE.match(text, position, end if end >= 0 else len(text))
    if line is None:
        return None
    end = line.end()
    value = text[position:end].rstrip()
    if value.lower() in _TYPES:
        return None
    return _kept(text, position, position + len(value.rstrip("\\")))


def _bracket_end(text: str, start: int) -> int:
    """Find where a structure ends; one without an end goes to the last letter."""
    depth = 0
    for match in _BRACKET.finditer(text, start):
        depth += 1 if match[0] in "[{" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _bare_span(text: str, name: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Take an unquoted value, unless it is a type, a variable or a word."""
    bare = _BARE.match(text, match.end())
    if bare is None:
        return None
    value = bare[0].rstrip(",.)]}\\")
    separator = match["sep"].strip()
    if value.lower().rstrip("?!") in _TYPES:
        typed = _TYPED.match(text, match.end() + len(value))
        if separator != ":" or typed is None:
            return None
        return _assigned_span(text, typed.end())
    if len(value) <= _WORD_LIMIT and _is_word(value, name, separator):
        return None
    return _kept(text, match.end(), match.end() + len(value))


def _is_word(value: str, name: str, separator: str) -> bool:
    """
    Tell a variable, a lookup or a word of prose from a secret.

    Only for short values: a long one must be hidden, and so passed over, or
    many names in one long word would cost the square of its length.
    """
    if _LOOKUP.match(value) or squeeze(value) == squeeze(name):
        return True
    if len(value) < _SYMBOLS_LIMIT and squeeze(value) == "":
        return True
    if separator == "" and value.startswith("-"):
        return True
    if separator == ":" and words_of(name)[-1] in ("token", "auth"):
        return _PROSE.fullmatch(value) is not None
    return value.rpartition(".")[2] == name.rpartition(".")[2]


def _assigned_span(text: str, position: int) -> tuple[int, int] | None:
    """Take the value of a name that is declared with its type."""
    opened = _OPEN.match(text, position)
    if opened is not None:
        return _quoted_span(text, opened)
    bare = _BARE.match(text, position)
    if bare is None or bare[0].rstrip(",.)]}").lower() in _TYPES:
        return None
    return _kept(text, position, bare.end())
