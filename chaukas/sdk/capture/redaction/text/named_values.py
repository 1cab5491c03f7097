"""
Find the secrets that stand after their name inside a text.

Arguments, tool outputs and errors are often JSON, headers, shell commands, URLs,
configuration or source code in a string: there only the name tells that a value
is a secret. Each stem of a sensitive name is looked for; what stands around it
decides which kind of place it is, and where its value begins and ends.
"""

import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from heapq import merge
from typing import Final

from chaukas.sdk.capture.budget import Work
from chaukas.sdk.capture.redaction.benign import is_name_like
from chaukas.sdk.capture.redaction.languages import (
    FOREIGN_AROUND,
    FOREIGN_FORMS,
    has_foreign_word,
)
from chaukas.sdk.capture.redaction.names import QUERY_NAMES, is_sensitive, squeeze

from .assignments import assigned_spans
from .listed_values import (
    argument_span,
    element_span,
    listed_span,
    spaced_span,
)
from .records import is_field, named_span
from .tables import table_spans
from .value_spans import Place, is_shown

__all__ = ("SOURCES", "STEM_FORMS", "has_pair_marker", "name_start", "pair_spans")

# What a name costs: one seen before and harmless, a new one, one with a value,
# and one that may be the value of a field, for which much around it is read.
_STEP_KNOWN: Final = 1
_STEP_NEW: Final = 4
_STEP_VALUE: Final = 18
_STEP_FIELD: Final = 80
_NO_CELL: Final = (":", "=", "=>", ":=", "==", ">", "(")
_ASSIGNED: Final = (":", "=", "=>")
_NAME_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-."
_NAME_LIMIT: Final = 64
_COMMAND_CHARS: Final = 160
# Each is searched for by itself: many in one pattern would be tried at every
# letter, while one that begins with plain letters is found at full speed.
_STEMS: Final = (
    "pass pwd secret token key auth cookie cred otp jwt sig hmac csrf xsrf"
    " bearer psw pswd psk".split()
)
# Rarer ones, and those that are parts of many words without more around them.
_FORMS: Final = (
    ("conn", r"conn(?:ection|ect)?[\-_. ]?(?:str(?:ing)?|sid)"),
    ("pw", r"pw(?:(?<![a-z]pw)|(?<=bindpw)|(?<=rootpw))(?![a-z])"),
    ("contrase", r"contrase(?:\u00f1|ny?)a"),
    ("mot de pass", "mot de passe"),
    ("_pat", r"_pat(?![a-z])"),
    (
        "code",
        r"code(?:s(?<=[\w\- ]codes)|(?<=[\w\- ?&;]code)(?![a-rt-z])|[\-_]?verifier)",
    ),
    ("client", r"client[\-_]?assertion"),
    ("saml", r"saml"),
    ("sess", r"sess(?:ion)?[\-_]?id"),
    ("mnemonic", "mnemonic"),
    ("salt", r"(?<=[_\-])salt(?![a-z])"),
    ("cv", r"cv[cv]2?(?![a-z])"),
    ("pin", r"(?<![a-z])pin(?![a-z])"),
    ("phrase", "phrase"),
)
# Bare `key` is never a secret but in the query of a URL.
_LEFT: Final = {
    "key": r"(?<=[\w\-.? &;]key)",
    "sig": "",
    "auth": r"(?!or(?:s?\b|it|ed|s_))",
}
# Atomic by way of a lookahead: giving letters back cannot help, only take time.
_TAIL: Final = r"(?=(?P<tail>[\w\-.]{0,40}))(?P=tail)"
_CLOSE: Final = (
    r"(?: provided| is| was)?(?P<close>\\*[\"'`])?(?:\[[0-9]{0,4}\]|\]|\*\*|\?(?=:))?"
)
_SEPARATOR: Final = (
    r"(?P<sep>(?(close)\s{0,16}|[ \t]{0,16})"
    r"(?:=>|->|<-|:=|\+=|\?=|={1,3}|:(?!:)|::(?= ))(?:\*\*)?[ \t]{0,8}"
    r"|[ \t]{0,4}[,|>\t][ \t]{0,16}|\("
    r"|SPACE|[ \t]{0,2}(?=[};\]/<\r\n]|\\+[nr]|$))"
)
_AFTER: Final = _TAIL + _CLOSE + _SEPARATOR
# In prose a name is followed by a space more often than by anything else: only
# where there are options and directives is each of them looked at.
_SPACE_IN_PROSE: Final = (
    r"(?(close)[ \t]+|(?:[ \t]+(?=\\*[\"'`]|(?:as )?[\w:.\-\[\]*]+[ ]?:?=)|[ ]{2,}))"
)
_DIRECTIVES: Final = (
    " -",
    '"-',
    "'-",
    "\n-",
    "env ",
    "arg ",
    "setx ",
    "_header ",
    "requestheader ",
    "export ",
    "requirepass",
    "masterauth",
    "bindpw",
    "rootpw",
    "config",
    "setq ",
)
# A place in a file, as a stack shows it: `token.js:10:5`.
SOURCES: Final = tuple(
    ".js .ts .py .rb .go .rs .php .tsx .java .txt .md .yaml .yml .json .toml .ini .cfg"
    " .conf .log .csv .sh .html .xml .c .h .cpp .cs .kt .swift .sql .tf".split()
)
_LINE_NUMBER: Final = re.compile(r":(?:[0-9]{1,6}| ?[0-9a-f]{40})(?![\w.])")
_PATH: Final = re.compile(r"[\w.\-/:]*\Z")
_FORM_FIELD: Final = re.compile(r"\]=[^\s=]").match
_NO_LINE: Final = frozenset("-?&;/")
_QUOTES: Final = frozenset("\"'`")
_LINE_HEADS: Final = frozenset(
    ("", "-", "+", "export", "set", "#", "- -", "declare -x", "//")
)
# The longer ones first: `code de verification` begins like `code`.
STEM_FORMS: Final = (
    *FOREIGN_FORMS,
    *((word, word + _LEFT.get(word, "")) for word in _STEMS),
    *_FORMS,
)
"""Where a sensitive name may stand: a text that is near it, and the form of it."""


# All that share a letter are looked for at once, around that letter: one more of
# them costs next to nothing, while each search for a word goes through all the text.
_AROUND: Final = {
    "_": "pat|salt",
    "c": "r(?:ed|et(?<=secret))|o(?:nn|d(?:e|ic|ig)|ntrase)|lave|hi?ave|v[cv]",
    "j": "wt",
    "k": "ey|en(?<=token)|ie(?<=cookie)|(?<=psk)",
    "m": "nemonic|ac(?<=hmac)|l(?<=saml)",
    "p": r"ass|w|sw|hrase|in(?<![a-z]pin)(?![a-z])|(?<=otp)",
    "s": "e(?:ss|rtion)|ig|rf",
    "u": "th(?<=auth)",
}


def _around(letter: str) -> Callable[[str], re.Match[str] | None]:
    """Return the search for all that share a letter."""
    parts = (_AROUND.get(letter), FOREIGN_AROUND.get(letter))
    return re.compile(f"{letter}(?:{'|'.join(filter(None, parts))})").search


_HAS_C, _HAS_J, _HAS_K, _HAS_M = map(_around, "cjkm")
_HAS_N, _HAS_P, _HAS_S, _HAS_U = map(_around, "npsu")
_HAS_Z, _HAS_LOW_LINE = map(_around, "z_")


def has_pair_marker(low: str, stems: Collection[str] = ()) -> bool:
    """
    Tell whether `pair_spans` may find anything in a text; never misses.

    Args:
        low: The text, or many joined.
        stems: Parts of further sensitive names.

    """
    return (
        ("k" in low and _HAS_K(low) is not None)
        or ("p" in low and _HAS_P(low) is not None)
        or ("c" in low and _HAS_C(low) is not None)
        or ("u" in low and _HAS_U(low) is not None)
        or ("m" in low and _HAS_M(low) is not None)
        or ("j" in low and _HAS_J(low) is not None)
        or ("z" in low and _HAS_Z(low) is not None)
        or ("_" in low and _HAS_LOW_LINE(low) is not None)
        or ("-" in low and "-salt" in low)
        or _HAS_S(low) is not None
        or _HAS_N(low) is not None
        or "bearer" in low
        or has_foreign_word(low)
        or (bool(stems) and any(stem in low for stem in stems))
    )


@lru_cache(maxsize=32)
def _stems_of(
    extra: frozenset[str], *, in_prose: bool, is_ascii: bool
) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return what to search for: the parts of all names that a text can hold."""
    forms = list(STEM_FORMS)
    for name in sorted(extra):
        words = name.split()
        forms.append((max(words, key=len), r"[\-_. ]?".join(map(re.escape, words))))
    after = _AFTER.replace("SPACE", _SPACE_IN_PROSE if in_prose else r"[ \t]+")
    return tuple(
        (needle, re.compile(form + after))
        for needle, form in forms
        if needle.isascii() or not is_ascii
    )


def pair_spans(
    text: str,
    low: str,
    extra: frozenset[str] = frozenset(),
    work: Work | None = None,
) -> Iterator[tuple[int, int]]:
    """
    Yield where the values of sensitive names stand; they may overlap.

    The work is bounded: once it is done, the rest of the text is one span.

    Args:
        text: The text to search.
        low: The same in lower case, of the same length.
        extra: Further sensitive names, in lower case, words apart.
        work: What is left to do, shared with other searches.

    """
    work = Work() if work is None else work
    squeezed = frozenset(squeeze(name) for name in extra)
    found = _candidates(low, extra)
    position = name_end = table_end = 0
    harmless: set[str] = set()
    for match in found:
        work.left -= _STEP_KNOWN
        if work.left < 0:
            yield match.start(), len(text)
            return
        if match.start() < position or match.start() < name_end:
            continue
        name_end = match.end("tail")
        start = name_start(low, match.start())
        name = text[start:name_end]
        if name in harmless or (
            low[start - 1 : start] in ("[", "=")
            and low[name_end : name_end + 1] == "]"
            # But a field of a form, `user[password]=x`, does.
            and not _FORM_FIELD(low, name_end)
        ):
            # The index in `styles[token] = x` names no value.
            continue
        work.left -= _STEP_NEW
        place = _place_of(text, low, match, start, squeezed)
        if place is None:
            if squeeze(name) not in QUERY_NAMES:
                harmless.add(name)
            continue
        if match.start() >= table_end and place.separator not in _NO_CELL:
            table_end, spans = table_spans(text, place.start, name_end, squeezed)
            work.left -= _STEP_NEW * len(spans)
            yield from spans
        is_plain = place.separator in _ASSIGNED or not is_field(low, start)
        work.left -= _STEP_VALUE if is_plain else _STEP_FIELD
        for span in () if _is_name_of_one(place) else _values(place):
            position = max(position, span[1])
            yield span


def _candidates(low: str, extra: frozenset[str]) -> Iterator[re.Match[str]]:
    """Return where the stems of names stand, in order."""
    in_prose = not low.startswith("-") and not any(map(low.__contains__, _DIRECTIVES))
    stems = _stems_of(extra, in_prose=in_prose, is_ascii=low.isascii())
    return merge(
        *(form.finditer(low) for needle, form in stems if needle in low),
        key=re.Match.start,
    )


def _place_of(
    text: str, low: str, match: re.Match[str], start: int, extra: frozenset[str]
) -> Place | None:
    """Return the name that holds a stem, if its value is to be hidden."""
    end = match.end("tail")
    name = text[start:end]
    if "arn:" in low[max(0, start - _NAME_LIMIT) : start].rpartition(" ")[2]:
        return None
    before = low[start - 1] if start else ""
    if name.endswith(SOURCES) and _LINE_NUMBER.match(low, end) is not None:
        return None
    separator = match["sep"]
    if not separator.isspace():
        separator = separator.strip(" \t\r\n*")
    close = match["close"] or ""
    if close and separator and low[start - 2 : start] == f"={close}":
        # The value of an attribute: what follows it is the next attribute.
        separator = "" if separator == ":" else separator
    if not is_sensitive(name, extra):
        is_query = before in ("?", "&", ";") and squeeze(name) in QUERY_NAMES
        # `const KeyType& key = item.first;`
        is_query = is_query and not name.startswith(" ")
        if not (is_query and before and separator == "="):
            return None
    # A text in quotes may be a line by itself.
    begins_line = before in _QUOTES and not close
    begins_line = begins_line or _begins_line(low, start, before)
    return Place(
        text, low, start, name, before, separator, close, match.end(), end, begins_line
    )


def name_start(low: str, start: int) -> int:
    """Go left to where the name begins of which the stem was found."""
    floor = max(0, start - _NAME_LIMIT)
    head = low[floor:start]
    begin = floor + len(head.rstrip(_NAME_LETTERS))
    # Two words of prose: `api key: x`.
    if (
        begin == start
        and head.endswith(" ")
        and low.startswith(("key", "code", "phrase"), start)
        # But one word of code: `String KEY_TOKEN`.
        and not low.startswith("key_", start)
    ):
        first = floor + len(head[:-1].rstrip(_NAME_LETTERS))
        begin = begin if low[first] == "-" else first
        begin -= len("one ") * low.startswith("one time ", begin - len("one "))
    # The letter of an escaped newline or tab does not belong to the name.
    if low[begin - 1 : begin] == "\\" and low[begin] in "nrt":
        begin += 1
    while begin < start and low[begin] == ".":
        begin += 1
    return begin


def _values(place: Place) -> Iterator[tuple[int, int]]:
    """Yield the spans of the values that belong to a name."""
    separator = place.separator
    named = None
    start = _path_start(place) if place.before in ("/", ":") else place.start
    if separator not in _ASSIGNED and is_field(place.low, start):
        named = named_span(place.text, place.low, start, place.name_end, place.name)
    if named is not None:
        start, end = named
        value = place.text[start:end]
        is_name = "_" in value and is_name_like(value) and is_sensitive(value)
        if not is_name and not is_shown(place.name, value):
            yield start, end
        return
    span: tuple[int, int] | None = None
    if separator == ",":
        span = listed_span(place)
    elif separator == "|":
        # What stands in the next cell is found by its form.
        return
    elif separator == "(":
        span = argument_span(place)
    elif separator == ">":
        span = element_span(place)
    elif separator == "" or separator.isspace():
        span = spaced_span(place)
    else:
        yield from assigned_spans(place)
        return
    if span is not None:
        yield span


def _is_name_of_one(place: Place) -> bool:
    """Tell the name of a secret, behind an option of what manages them."""
    if place.name != "--secret":
        return False
    head = place.low[max(0, place.start - _COMMAND_CHARS) : place.start]
    head = head.rpartition("\n")[2]
    is_known = "gcloud secrets " in head or "gcloud beta secrets " in head
    # What it is set to has a form of its own.
    return is_known or head.endswith(" config set ")


def _path_start(place: Place) -> int:
    """Return where the path begins of which a name is the last part."""
    path = _PATH.search(place.low, max(0, place.start - _NAME_LIMIT), place.start)
    return place.start if path is None else path.start()


def _begins_line(low: str, start: int, before: str) -> bool:
    """Tell whether a line begins with a name, perhaps in quotes."""
    if before in _NO_LINE:
        return False
    if before in _QUOTES:
        start -= 1
    line_at = low.rfind("\n", max(0, start - 64), start) + 1
    if line_at == 0 and start > 64:
        return False
    head = low[line_at:start].strip(" \t")
    return head in _LINE_HEADS or (head.endswith(".") and " " not in head)
