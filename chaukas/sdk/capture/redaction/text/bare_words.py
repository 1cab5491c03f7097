"""
Tell a variable, a type or a word of prose from a secret that stands without quotes.

Source code and sentences are full of them: ``token = self.token``, ``token: str``,
``password: see below``.
"""

import re
from typing import Final

from chaukas.sdk.capture.redaction.benign import (
    is_benign_text,
    is_name_like,
    is_own_name,
    is_prose,
    is_said_of,
)
from chaukas.sdk.capture.redaction.names import QUERY_NAMES, is_sensitive, squeeze

from .value_spans import LOOKUP, Place

__all__ = ("LINE_REST", "PROSE_WORD", "is_counted", "is_other", "is_token", "is_word")

LINE_REST: Final = re.compile(r"[^\r\n]*")
PROSE_WORD: Final = re.compile(r"[^\W\d_][^\W\d_A-Z]{0,14}")
_CODE_SIGNS: Final = frozenset("?()[]")
_GAP_CHARS: Final = 64
_SYMBOLS_LIMIT: Final = 4
_GIVEN: Final = re.compile(r"[ \t]+(?:=[ \t]|\|[ \t]*[A-Z\"'])")
_TYPE: Final = re.compile(
    r"(?:[a-z_]{1,30}\.){0,4}_?(?:[A-Z]{1,5}[a-z]{1,20}){2,6}|Path|Any|Callable|Literal|Annotated|Union|Sequence"
    r"|(?:Option|Optional|Vec|Box|Arc|Rc|Promise|Array|Set|List|Result)<[\w<>, ]{1,60}>"
    r"|Mapping|Dict|List|Tuple|Type|Final|ClassVar|Self|Buffer|Bytes|Text|Date|Long|Byte"
)
_DEMANDED: Final = re.compile(r"\[?[A-Z][A-Za-z]{1,30}!?\]?!\):?|[A-Za-z]{1,20}\):")
# Of code: what they are given is a variable.
_OBJECTS: Final = ("self.", "this.", "cls.")
_POINTERS: Final = frozenset("&*[?")
_POINTER: Final = re.compile(r"^[&*?]*(?:mut |const )?\[?")
_FIELD: Final = re.compile(r"[a-z_]{1,20}=")
_SYMBOL: Final = re.compile(r"[A-Z]{2,6}(?:[0-9](?:\.[0-9])?|-[0-9]{1,4})?")
_PRICE: Final = re.compile(r"[0-9]{0,5}(?:\.[0-9]{1,12})?")
_DOTTED: Final = re.compile(r"[A-Za-z_]{1,40}(?:[?!]?\.[A-Za-z_]{1,40}){1,8};?")


def is_other(place: Place, value: str, end: int) -> bool:
    """Tell a name that is given a value itself, and the next part of a path."""
    # `E/Auth: WRONG_PASSWORD: try again`.
    is_label = value.endswith(":") and place.text.startswith(" ", end)
    value = value.rstrip(":")
    if not value.replace(".", "_").isidentifier():
        return False
    # `Task :auth:compileKotlin`.
    is_path = place.before == ":" and place.value_at == place.name_end + 1
    is_path = is_path and is_name_like(value)
    return is_path or is_label or _GIVEN.match(place.text, end) is not None


def is_counted(text: str, name: str, start: int) -> bool:
    """Tell a count or plain words after `cookies` and `tokens`."""
    if squeeze(name) not in ("cookies", "tokens"):
        return False
    line = LINE_REST.match(text, start)
    return line is not None and is_benign_text(name, line[0][:200])


def is_word(place: Place, value: str, end: int) -> bool:
    """
    Tell a variable, a lookup or a word of prose from a secret.

    Only for short values: a long one must be hidden, and so passed over, or
    many names in one long word would cost the square of its length.
    """
    name, text = place.name, place.text
    is_short = len(value) < _SYMBOLS_LIMIT
    if is_short and (squeeze(value) == "" or value.lstrip("-").isdigit()):
        return True
    if LOOKUP.match(value) or is_own_name(name, value):
        return True
    if place.separator == ":":
        return _is_said(place, value, end)
    if place.separator in ("==", "===") and not place.close:
        # What code compares with: `token === t ? a : b`.
        return is_name_like(value) or not _CODE_SIGNS.isdisjoint(value)
    # Code that hands on a variable: `settings.API_KEY`, `token == expected_token`.
    last = value.rpartition(".")[2].rstrip(";")
    if _DOTTED.fullmatch(value) and (is_sensitive(last) or last in QUERY_NAMES):
        return True
    is_code = text[end - len(value) - 1] == " " or "_" in value
    is_code = is_code and not name.isupper()
    is_variable = is_name_like(value.lstrip("_")) and is_sensitive(value)
    is_variable = is_variable or (name.startswith(_OBJECTS) and value.isidentifier())
    return is_code and is_variable


def _is_said(place: Place, value: str, end: int) -> bool:
    """Tell a word of a sentence after a colon from a secret."""
    name, text = place.name, place.text
    if _is_typed(name, value):
        return True
    if name.lower().endswith(("token", "auth", "bearer")):
        return (
            PROSE_WORD.fullmatch(value) is not None
            or _PRICE.fullmatch(value) is not None
        )
    if name[-1:] == "s" and value.islower() and PROSE_WORD.fullmatch(value):
        # Several of them are said to be something: `api_keys: beta`.
        return True
    line = LINE_REST.match(text, end - len(value), end + _GAP_CHARS)
    is_verb = name.lower() == "pass" and value.isalpha() and not place.begins_line
    if name == "PASS" or is_verb or (line is not None and is_prose(line[0])):
        return True
    following = text[end : end + 40].split(None, 1)
    is_word = value.isalpha() and not place.begins_line and text[end : end + 1] == " "
    return is_word and bool(following) and following[0].strip(".,;:!?)").isalpha()


def _is_typed(name: str, value: str) -> bool:
    """Tell a type, money that is traded, and a field of a log."""
    low = name.lower()
    return (
        _TYPE.fullmatch(value) is not None
        or _DEMANDED.fullmatch(value) is not None
        # `Token: USDC`
        or (low == "token" and _SYMBOL.fullmatch(value) is not None)
        # The part of a program that has written the line.
        or (low == "auth" and _FIELD.match(value) is not None)
        or (value[:1] in _POINTERS and is_said_of(_POINTER.sub("", value).rstrip("]")))
    )


def is_token(name: str) -> bool:
    """Tell `token`, which is also a word of a language; not the plural."""
    return name.lower().endswith("token") or name.lower().startswith("token.")
