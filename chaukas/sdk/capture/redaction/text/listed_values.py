"""
Find the values that follow their name and a comma, a bracket or a space.

Lists of arguments, elements of XML, options, directives.
"""

import re
from typing import Final

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    SCHEMES,
    is_own_name,
    is_word_list,
)
from chaukas.sdk.capture.redaction.names import is_sensitive, words_of

from .value_spans import BARE, LOOKUP, OPEN, Place, kept, quoted_span, trimmed

__all__ = ("argument_span", "element_span", "listed_span", "spaced_span")

_WORD_LIMIT: Final = 128
_CDATA: Final = re.compile(r"\s*<!\[CDATA\[")
_INNER: Final = re.compile(r"\s{0,32}<(?:value|string|text|plaintext|data)>")
_TAG_REST: Final = re.compile(r"[ \t]+[\w:.\-]+=[^<>]{0,300}>")
_DIRECTIVE: Final = re.compile(
    r"(?:^|[\n;&|(\"']|\\n|[$#>%] )[ \t]*(?:env|arg|\(setq|setenv|setx|set(?: -\w+)?"
    r"|export|proxy_set_header|add_header|requestheader"
    r"|(?:\S+ ){0,3}(?:config|configure)(?: set)?)[ \t]+(?:set[ \t]+)?[$]?[\w.\-/:]*$"
    r"|(?:^|\W)set\([\w.\-]*$"
)
# `token string = "…"` of Go and SQL.
_TYPED: Final = re.compile(
    r"(?:as )?[\[\]*]{0,4}[a-z][\w.]{1,24}(?:\([0-9]{1,5}\))?[ \t]{1,8}:?="
    r"[ \t]{1,8}n?(\\*[\"'`])",
    re.IGNORECASE,
)
# `with password "x1…"`: one word with a digit.
_QUOTED_VALUE: Final = re.compile(
    r"\\*[\"'`](?=[^\"'`\s\\]{0,64}[0-9])([^\"'`\s\\]{4,256})\\*[\"'`](?!\s*[:=]\s)"
)
_QUOTED_LINE: Final = re.compile(r"\"([^\"\n]{4,256})\"[ \t;]*(?:\r?\n|$)")
_ASKED: Final = re.compile(
    r"\b(?:get|show|read|find|list|edit|rm|delete|insert|the) \Z"
)
# Calls that set a value under a name, or take the second if there is none.
_SETTER: Final = re.compile(
    r"(?:\b(?:set|put|add|append|with|define|store)\w{0,24}|header|environ|setdefault|(?<![a-z])env"
    r"|getenv|environ\.get|fetch|options|property|values ?)\((?:[\w.]{1,24}, ?){0,2}\Z"
)
_PAIR: Final = re.compile(r"[\[,]\s{0,8}[(\[]b?\Z")
_PAIR_END: Final = re.compile(r"\\*[\"']\s{0,4}[)\]]")
_KEY_END: Final = re.compile(r"\\*[\"']\s{0,4}:(?!:)")
_LINE_END: Final = re.compile(r"[ \t]*(?:\r?\n|\Z)")
_TUPLE_END: Final = re.compile(r"\\*[\"'](?:>>)?\s{0,4}\}")
_SETTING: Final = (["set"], ["with"], ["use"])
_ARGUMENT_END: Final = re.compile(r"\\*[\"'`]\s{0,4}\)")
_LEAST_CHARS: Final = 6
_SHORT_CHARS: Final = 10
_SET_CHARS: Final = 16
_SETS: Final = re.compile(
    r"(?:^|[\n;&|>$#%] ?)(?:setx|set -[a-z]{1,3}|setenv|env|arg) $"
)
_FIELD_NAMES: Final = BENIGN_WORDS | frozenset(
    "username email user login name required string integer boolean secretstr address"
    " confirmed min max length unique".split()
)
_DIRECTIVE_NAMES: Final = ("requirepass", "masterauth", "bindpw", "rootpw")
_OPTION_DEFAULT: Final = re.compile(r"[^\n)]{0,120}?\bdefault\s?=\s?(\\*[\"'])")
# What a lexer is to show: `--dump-tokens file.c`.
_DUMPS: Final = re.compile(r"--?(?:dump|print|emit)-tokens")
# Where openssl reads one: `-passin env:PW`.
_FROM_ELSEWHERE: Final = re.compile(r"stdin|(?:env|file|fd):\S+")
_SAID_OF_OPTION: Final = re.compile(
    r"(?:flags?|options?|arguments?|parameters?|switch|is|are|was|to|and|or|in|with|for|from|if|when"
    r"|must|should|can|cannot|instead|as|on|the|a)\b(?![\-_.])"
)
_METAVARS: Final = frozenset(
    "key api_key apikey token password secret string text value pass pw str file"
    " credential credentials cookie user:password name env var envvar variable path url"
    " id ids code pin otp hash type num number format uri ref arn".split()
)


def listed_span(place: Place) -> tuple[int, int] | None:
    """
    Find the value in ``("Authorization", "…")`` and ``["--token", "…"]``.

    After another name, the next item of a list is more likely another name, as
    in the list of the fields that a form requires.
    """
    close, name, text = place.close, place.name, place.text
    if place.before == "{" and not close and name.islower():
        return _tuple_span(place)
    if not close or close.endswith("`"):
        return None
    opened = OPEN.match(text, place.value_at)
    if opened is None and name.startswith("-"):
        opened = _OPTION_DEFAULT.match(text, place.value_at)
    is_quoted = opened is not None and not opened[1].endswith("`")
    span = quoted_span(text, opened, name) if opened and is_quoted else None
    if span is None:
        return None
    value = text[span[0] : span[1]]
    if _KEY_END.match(text, span[1]) is not None:
        # The key of the next entry: `"type": "API_KEY", "next": …`.
        return None
    is_option = name.startswith("-")
    if is_option or value.startswith("--"):
        # What begins with a dash is the next option.
        return None if value.startswith("-") else span
    head = place.low[max(0, place.start - 64) : place.start].rstrip("\\\"' ")
    # A pair among pairs: `[('password', 'x1…')]`.
    is_pair = (
        _PAIR.search(head) is not None
        and _PAIR_END.match(text, span[1]) is not None
        and not _is_field_name(value)
    )
    is_set = is_pair or _SETTER.search(head) is not None
    return span if is_set or not is_word_list(value) else None


def _tuple_span(place: Place) -> tuple[int, int] | None:
    """Find the value of ``{password, "x1…"}`` of Erlang."""
    opened = OPEN.match(place.text, place.value_at)
    span = None if opened is None else quoted_span(place.text, opened, place.name)
    is_closed = span and _TUPLE_END.match(place.text, span[1]) is not None
    return span if is_closed else None


def _is_field_name(value: str) -> bool:
    """Tell another name, a type or a part of speech from a value."""
    scheme, _, rest = value.partition(" ")
    value = rest if rest and scheme.lower() in SCHEMES else value
    is_short = len(value) < _LEAST_CHARS or value.isupper()
    return is_short or value.lower() in _FIELD_NAMES or is_sensitive(value)


def argument_span(place: Place) -> tuple[int, int] | None:
    """Find the value in ``.with_token("…")``, ``setPassword("…")``."""
    text, name = place.text, place.name
    if words_of(name.rpartition(".")[2])[:1] not in _SETTING:
        return None
    opened = OPEN.match(text, place.value_at)
    span = None if opened is None else quoted_span(text, opened, name)
    if span is None or _ARGUMENT_END.match(text, span[1]) is None:
        return None
    value = text[slice(*span)]
    words = value.split()
    is_said = len(words) > 1 and (
        not _is_password(name) or any(map(is_sensitive, words))
    )
    return None if is_said or is_sensitive(value) else span


def _is_password(name: str) -> bool:
    """Tell the name of what may have spaces in it."""
    return name.lower().endswith(("password", "passwd", "passphrase", "pwd"))


def element_span(place: Place) -> tuple[int, int] | None:
    """Find the content of ``<password>…</password>``."""
    text, position = place.text, place.value_at
    if place.close or place.before not in ("<", ":") or position >= len(text):
        return None
    inner = _INNER.match(place.low, position)
    position = position if inner is None else inner.end()
    cdata = _CDATA.match(text, position)
    if cdata is not None:
        end = text.find("]]>", cdata.end())
        return kept(text, place.name, cdata.end(), end if end >= 0 else len(text))
    end = text.find("<", position)
    if (
        text[place.start - 1] == "<"
        and text[max(0, place.start - 2) : place.start - 1].isalnum()
    ):
        # `Option<Token> f()` and `(?P<token>…)` are no elements, without an end.
        tag = f"</{place.name}"
        if end < 0 or not text.startswith(tag, end):
            return None
    is_apart = inner is None and text[position - 1] in " \t"
    if not text.startswith("</", end) and (
        is_apart or text[position] in " \t\r\n\"'`),]@/:&"
    ):
        # `<your-token>` at the end of a line is no element that was cut.
        return None
    return kept(text, place.name, position, end if end >= 0 else len(text))


def spaced_span(place: Place) -> tuple[int, int] | None:
    """Find the value of ``--password x``, of a directive, and of an element."""
    text, position, name = place.text, place.value_at, place.name
    if place.before == "<" or (place.before == ":" and not name.startswith("-")):
        tag = _TAG_REST.match(text, place.name_end)
        if tag is not None:
            return element_span(
                place._replace(value_at=tag.end(), close="", before="<")
            )
    is_option = name.startswith("-")
    if not is_option and (literal := _literal_span(place)) is not None:
        return literal
    is_taken = is_option or _is_directive(place)
    if not place.separator or place.close or not is_taken or _DUMPS.fullmatch(name):
        return None
    opened = OPEN.match(text, position)
    if opened is not None:
        return quoted_span(text, opened, name)
    bare = BARE.match(text, position)
    if bare is None or bare[0].startswith("-"):
        return None
    start, end = trimmed(bare)
    is_shown = len(bare[0]) <= _WORD_LIMIT and _is_shown(place, text[start:end])
    return None if is_shown else kept(text, name, start, end)


def _literal_span(place: Place) -> tuple[int, int] | None:
    """Find a literal behind a type, at the end of a line, or of one word."""
    text, position, name = place.text, place.value_at, place.name
    typed = _TYPED.match(text, position) if place.separator else None
    if typed is not None:
        return quoted_span(text, typed, name)
    if not place.separator or place.close:
        return None
    quoted = _QUOTED_LINE.match(text, position) if place.begins_line else None
    if quoted is None and not name.lower().endswith("secret"):
        is_asked = _ASKED.search(place.low, max(0, place.start - 12), place.start)
        quoted = None if is_asked else _QUOTED_VALUE.match(text, position)
    return None if quoted is None else kept(text, name, *quoted.span(1))


def _is_shown(place: Place, value: str) -> bool:
    """Tell the name of an argument, a lookup or a variable from a secret."""
    if value.isupper() and value.lower() in _METAVARS:
        return True
    if value.startswith("string") and value.isalpha():
        # How programs in Go tell the type of an option: `--secret stringArray`.
        return True
    is_read = place.name.startswith("-pass") and _FROM_ELSEWHERE.fullmatch(value)
    if is_read or LOOKUP.match(value) or _SAID_OF_OPTION.match(value):
        return True
    if place.name.lower() in _DIRECTIVE_NAMES:
        # Alone in its line.
        return _LINE_END.match(place.text, place.value_at + len(value)) is None
    is_short = value.isalpha() and len(value) <= _SHORT_CHARS
    if is_short and not place.name.startswith(("-", "_")) and not _is_set(place, value):
        return True
    return is_own_name(place.name, value) and not place.name.startswith("-")


def _is_set(place: Place, value: str) -> bool:
    """Tell a variable of a shell, at the end of its line: ``setx TOKEN sunflower``."""
    head = place.low[max(0, place.start - _SET_CHARS) : place.start]
    is_set = place.name.isupper() and _SETS.search(head) is not None
    end = place.value_at + len(value)
    return is_set and _LINE_END.match(place.text, end) is not None


def _is_directive(place: Place) -> bool:
    """Tell ``ENV TOKEN x`` and ``:password "x"`` from two words of a sentence."""
    if place.before == ":" and OPEN.match(place.text, place.value_at) is not None:
        return True
    if place.name.lower() in _DIRECTIVE_NAMES:
        return True
    head = place.low[max(0, place.start - 80) : place.start]
    return _DIRECTIVE.search(head) is not None
