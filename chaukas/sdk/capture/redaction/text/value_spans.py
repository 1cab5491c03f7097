"""Take a value at its place: between quotes, in brackets, in a call, by itself."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    PLACEHOLDER,
    is_benign_item,
    is_benign_text,
    is_described,
    is_name_like,
    is_piece_of_text,
    is_prose,
    is_said_of,
)
from chaukas.sdk.capture.redaction.names import (
    is_sensitive,
    last_word,
    squeeze,
)
from chaukas.sdk.capture.redaction.phrases import is_called
from chaukas.sdk.capture.redaction.schemas import is_schema_text

__all__ = (
    "BARE",
    "BARE_NAMES",
    "CALL",
    "KEYS",
    "LOOKUP",
    "OPEN",
    "REDACTED",
    "Place",
    "bracket_end",
    "bracket_spans",
    "call_span",
    "is_sentence",
    "is_shown",
    "kept",
    "quote_end",
    "quoted_span",
    "trimmed",
    "tuple_spans",
)

REDACTED: Final = "[REDACTED]"
"""What is shown in the place of a secret."""
OPEN: Final = re.compile(
    r"(?:(?:<<|[bBrRuUfFnN@]{1,2})(?=[\"']))?(\\*(?:\"\"\"|'''|[\"'`]))"
)
BARE: Final = re.compile(r"(?:[^\s\"'&;]|&(?![\w.%\[\]\-]{1,64}=))+")
_OWN_BRACKETS: Final = 4
_OPENING: Final = {")": "(", "]": "[", "}": "{"}
_BRACKET: Final = re.compile(r"[\[\]{}]")
_BRACKETS_LIMIT: Final = 2000
CALL: Final = re.compile(
    # `System.fetch_env!("TOKEN")` of Elixir and Ruby.
    r"[A-Z]\w{0,40}(?:\.\w{1,40}){1,6}[!?]\(|"
    r"(?:await |new |yield )?[$]?[A-Za-z_](?:[\w.]|[?!&]{1,2}\.|::[$]?|-"
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
# Calls that look for a part of a page, and how they say which.
_FINDS: Final = re.compile(
    r"(?:[$]|query\w*|find\w*|locat\w*|getby\w*|getelement\w*|select\w*|waitfor\w*"
    r"|closest|matches|css|xpath|by|within|get)(?:<[^<>]{1,40}>)?\(\Z",
    re.IGNORECASE,
)
_PART_OF_PAGE: Final = re.compile(
    r"(?:By\.\w{1,20}[(,]\s?)?\s{0,8}[\"'`](?:[#.][A-Za-z]|//|(?:[a-z]{1,12})?\[[a-z@])"
)
_KEYWORD: Final = re.compile(r"(?<!\w)(\w{1,32}) ?= ?\Z")
_VALUE_WORDS: Final = frozenset(
    "default value val v data text content s key raw".split()
)
_MAKES: Final = re.compile(
    r"(?:\b(?:md5|sha1|sha256|sha512|hash|hashpw|b64encode|bytes|encode|SecretStr|SecretBytes"
    r"|SecureString|Secret|secret|Some|String|String::from|Buffer\.from|Optional\.of)|_hash|_b64encode)\(\Z",
    re.IGNORECASE,
)
_BASE64: Final = re.compile(
    r"(?!/)(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9+/]{12,}={0,2}"
)
# Where .NET keeps a setting: `config["Jwt:Key"]`.
_CONFIGURED: Final = re.compile(r"[A-Z][A-Za-z]{1,30}(?::[A-Z][A-Za-z]{1,30}){1,5}")
# What a value is looked up by: `keys["eu-west-1"]`.
_KEY: Final = re.compile(r"[A-Za-z_\-.:/]+[0-9]{0,2}")
_TUPLE_PART: Final = (
    r"(?:[bBrRuUfF]{0,2}\\*[\"'](?P<text>[^\"'\\\r\n]{0,200})\\*[\"']"
    r"|[A-Za-z_0-9.]{1,60}(?:[(\[][^()\[\]\n]{0,80}[)\]]){0,3})"
)
_TUPLE_ITEM: Final = re.compile(
    rf"\s{{0,16}}(?P<item>{_TUPLE_PART})\s{{0,16}}(?:,|\Z)?"
)
_ANY_PART: Final = _TUPLE_PART.replace("(?P<text>", "(?:")
_TUPLE: Final = re.compile(
    rf"\(\s{{0,16}}{_ANY_PART}(?:\s{{0,16}},\s{{0,16}}{_ANY_PART}){{0,16}}\s{{0,16}},?\s{{0,16}}\)"
)
_LOGIN_ITEMS: Final = 2
_PLURALS: Final = ("passwords", "secrets", "tokens", "keys", "codes")
_CALL_CHARS: Final = 400
_AFTER_STRING: Final = frozenset(("", *",;:)]}|&>\r\n"))
LOOKUP: Final = re.compile(
    r"(?:(?:os\.environ|os\.getenv|getenv|process\.env|env)\b[.\[(/]"
    r"|(?:self|this|cls|args|kwargs|opts|options|flags|config|cfg|settings|req|request"
    r"|ctx|context|params|props|module|exports|secrets|credentials|var|local)\.[A-Za-z_][A-Za-z_.]*$)"
)
KEYS: Final = re.compile(r"(\w{3,20})\\*[\"']?[ \t]*[:=]")
"""The names of the fields in a record."""
_CLASS: Final = re.compile(r"\[\^?(?:[^\]\s\"']){1,40}\](?:[+*?]|\{[0-9])")
_SENTENCE: Final = re.compile(r"\\*[\"']([^\"']{4,160}?)\\*[\"']")
_OF_LOGIN: Final = re.compile(
    r"\{\s{0,16}\\*[\"']?(?:access|refresh|bearer|id|csrf|session)(?:_?token)?"
    r"\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']",
    re.IGNORECASE,
)
# `{"x1…", "x2…"}` of Python, each with a digit.
_SET: Final = re.compile(
    r"\{\s{0,16}(?:\\*[\"'](?=[^\"'\s\\]{0,64}[0-9])[^\"'\s\\]{6,256}\\*[\"']\s{0,16},?\s{0,16}){1,64}\}"
)
_PARSED_CHARS: Final = 512
_INNER_CHARS: Final = 256
_KEYWORD_CHARS: Final = 10
# What declares a type.
_KEYWORDS: Final = ("type ", "interface ", "enum ", "struct ")
# Where a value is kept: `{name: db, key: password}`.
_KEPT_AT: Final = re.compile(
    r"\s*[\"']?name[\"']?: ?[\"']?[\w.\-]{1,64}[\"']?, ?"
    r"[\"']?key[\"']?: ?[\"']?[\w.\-]{1,64}[\"']?\s*"
)
_SPACES_LIMIT: Final = 2
# Settings and what code works out: `{"ROTATE": True, "TTL": timedelta(minutes=5)}`.
_MEMBER: Final = r"[a-z_]\w{0,40}(?:\.\w{1,40}){1,6}(?:\(\))?"
_SETTING: Final = (
    r"[\"']?[\w.\-]{1,40}[\"']?\s{0,4}[:=]\s{0,4}(?:true|false|null|none|-?[0-9]{1,7}"
    rf"|{_MEMBER}|[a-z_][\w.]{{0,60}}\([\w=, .*]{{0,60}}\))"
)
_CODE_MAP: Final = re.compile(
    rf"\s*{_SETTING}(?:\s{{0,16}},\s{{0,16}}{_SETTING}){{0,24}}\s{{0,8}},?\s*",
    re.IGNORECASE,
)
_LIST_ITEM: Final = (
    rf"(?:''|\"\"|{_MEMBER}|[A-Z]\w{{1,40}}(?:\.[a-z]\w{{0,40}}){{1,4}})"
)
_CODE_LIST: Final = re.compile(
    rf"\s*{_LIST_ITEM}(?:\s{{0,8}},\s{{0,8}}{_LIST_ITEM}){{0,24}}\s{{0,8}},?\s*"
)
BARE_NAMES: Final = re.compile(
    r"\s*[a-z][a-z_\-]{0,24}(?:, ?[a-z][a-z_\-]{0,24}){0,8}\s*"
)
"""The names of what is mounted elsewhere."""
# What a form asks of a field: `['required', 'min:8', 'confirmed']`.
_RULE: Final = (
    r"(?:[\"'][a-z_]{1,24}(?::[\w,.]{1,40})?[\"']"
    r"|(?:new )?[A-Z][\w\\]{0,60}(?:::\w{1,30})?"
    r"(?:\([^()\n]{0,60}\)(?:->\w{1,30}\([^()\n]{0,40}\)){0,6})?)"
)
_RULES: Final = re.compile(
    r"\s*(?:[\"'](?:required|nullable|sometimes|bail|filled|present|string|confirmed"
    r"|unique|password|current_password|hashed|secret|token)\b(?::[\w,.]{1,40})?[\"']"
    r"|[\"'][a-z_]{1,24}:[a-z_,0-9]{1,40}[\"'])"
    rf"(?:\s{{0,16}},\s{{0,16}}{_RULE}){{0,12}}\s{{0,16}},?\s*"
)
# Words of a game: `SECRET_WORDS = ['apple', 'crane']`; a wallet has more.
_PLAIN_WORD: Final = r"[\"']?[a-z]{2,16}[\"']?"
_PLAIN_WORDS: Final = re.compile(
    rf"\s*{_PLAIN_WORD}(?:\s{{0,16}},\s{{0,16}}{_PLAIN_WORD}){{0,7}}\s{{0,16}},?\s*"
)
_OF_WALLET: Final = re.compile(
    r"seed|mnemonic|recover|wallet|phrase|backup", re.IGNORECASE
)
# What a lexer finds: `[(\"IDENT\", \"x\")]`.
_LEXED: Final = re.compile(
    r"\s*(?:[A-Z][A-Za-z]{0,16})?\([\"']?(?P<kind>[A-Z][A-Z_]{1,20})[\"']?,\s{0,8}"
    r"(?:[\"'][^\"'\n]{0,12}[\"']|r[\"'][^\"'\n]{1,80}[\"'])\s{0,4}\)\s*,?"
)
# Where what is given to a container is kept.
_KEPT_ELSEWHERE: Final = re.compile(
    r"\s*\{\s*\\*[\"']?name\\*[\"']?\s{0,4}[:=]\s{0,4}\\*[\"']?[\w.\-]{1,80}\\*[\"']?\s{0,16},?\s{0,16}"
    r"\\*[\"']?valueFrom\\*[\"']?\s{0,4}[:=]\s{0,4}"
    r"(?:\\*[\"'](?:arn:[\w:/.\-]{1,200}|/[\w./\-]{1,120})\\*[\"']|[a-z_]\w{0,40}(?:\.\w{1,40}){1,6})"
    r"\s*\}\s*,?"
)
_KEPT_CHARS: Final = 4096
_PACKAGES: Final = "node_modules/"


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
        if depth == run == 0 and end > start and _is_doubled(text, end, quote):
            end = text.find(quote, end + 2)
            continue
        if run <= depth or (depth == 0 and run % 2 == 0):
            return end - min(run, depth)
        end = text.find(quote, end + 1)
    return len(text)


def _is_doubled(text: str, at: int, quote: str) -> bool:
    """Tell two quotes that stand for one, `'it''s'`, from the ends of two strings."""
    after = text[at + 1 : at + 3]
    if after[:1] != quote or after[1:] in _AFTER_STRING:
        return False
    line_end = text.find("\n", at, at + _CALL_CHARS)
    line_end = line_end if line_end >= 0 else at + _CALL_CHARS
    return text.find(quote, at + 2, line_end) >= 0


def tuple_spans(text: str, name: str, start: int) -> list[tuple[int, int]] | None:
    """
    Find the literals of a tuple, ``("ana", "x1…")``; of a login, not the user.

    Args:
        text: The text.
        name: The sensitive name of the tuple.
        start: Where its bracket stands.

    Returns:
        The spans; none at all if what stands there is no tuple.

    """
    found = _TUPLE.match(text, start)
    if found is None or "," not in found[0]:
        return None
    items = _TUPLE_ITEM.finditer(text, start + 1, found.end() - 1)
    spans = [item.span("text") for item in items]
    if len(spans) == _LOGIN_ITEMS and not name.lower().endswith(_PLURALS):
        del spans[0]
    values = [text[slice(*span)] for span in spans if span[0] >= 0]
    if all(is_shown(name, value) or _is_named(value) for value in values):
        return []
    return [span for span in spans if 0 <= span[0] < span[1]]


def _is_named(value: str) -> bool:
    """Tell the name of a secret or of a symbol from a secret."""
    return is_name_like(value) and (value.isupper() or is_sensitive(value))


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
    if _FINDS.search(call[0]) and _PART_OF_PAGE.match(text, call.end()):
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
        # `Field(default="…")`: said to be the value.
        is_said = keyword is not None and not is_shown(name, literal[2])
        is_said = is_said and literal[2].isalnum() and not is_sensitive(literal[2])
        if is_said or _is_handed(name, call[0], literal[2]):
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
    if not value or any(
        form.fullmatch(value) for form in (_DURATION, _ENCODING, _CONFIGURED)
    ):
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
    if _MAKES.search(call) is not None and not is_said_of(value):
        # A phrase.
        return True
    is_path = "/" in value and _BASE64.fullmatch(value) is None
    return not (" " in value or is_path or value.rstrip().endswith((":", "?")))


def bracket_spans(place: Place, position: int) -> Iterator[tuple[int, int]]:
    """
    Yield a structure, unless it is a placeholder, a schema or a count.

    Args:
        place: The name, and what stands around it.
        position: Where the bracket of the structure stands.

    """
    text = place.text
    is_filled = any(form.match(text, position) for form in (PLACEHOLDER, _CLASS))
    head = place.low[max(0, place.start - _KEYWORD_CHARS) : place.start]
    is_filled = is_filled or head.endswith(_KEYWORDS)
    if is_filled or text.endswith(_PACKAGES, 0, place.start):
        return
    is_map = text[position] == "{"
    if squeeze(place.name) == "tokens" and (
        # The rules of a lexer, and what it has found.
        (
            is_map
            and _OF_LOGIN.match(text, position) is None
            and _SET.match(text, position) is None
        )
        or is_piece_of_text("token", KEYS.findall(text, position, position + 200))
    ):
        return
    end = bracket_end(text, position)
    if (is_map and is_schema_text(text, position, end)) or (
        end - position <= _PARSED_CHARS and _describes(place, position, end)
    ):
        return
    if end - position <= _INNER_CHARS and _holds_none(place, position, end):
        return
    if end - position <= _KEPT_CHARS and _lists_none(place, position + 1, end - 1):
        return
    yield position, end


def _lists_none(place: Place, start: int, end: int) -> bool:
    """Tell a list of places where secrets are kept, or of what a lexer finds."""
    text = place.text
    if text[start - 1] != "[":
        return False
    if _all_items(_KEPT_ELSEWHERE, text, start, end) is not None:
        return True
    if "token" not in place.name.lower():
        return False
    kinds = _all_items(_LEXED, text, start, end)
    return bool(kinds) and any(is_called("token", item["kind"]) for item in kinds or ())


def _all_items(
    form: re.Pattern[str], text: str, start: int, end: int
) -> list[re.Match[str]] | None:
    """Return the items of a list if each of them has a form; none otherwise."""
    items: list[re.Match[str]] = []
    while item := form.match(text, start, end):
        items.append(item)
        start = item.end()
    return items if items and not text[start:end].strip() else None


def _describes(place: Place, position: int, end: int) -> bool:
    """Tell a structure of which every value says something about a secret."""
    if is_described(place.name, place.text[position + 1 : end - 1]):
        return True
    try:
        item = json.loads(place.text[position:end])
    except ValueError:
        return False
    return type(item) is dict and is_benign_item(place.name, item)


def _holds_none(place: Place, position: int, end: int) -> bool:
    """Tell a short structure of types, words, rules and calls."""
    inner = place.text[position + 1 : end - 1]
    # Nothing is in it where a type is meant: `tokens: list[str]`, `= {}`.
    if not inner.strip() or _are_errors(inner):
        return True
    parts = [
        part.rpartition(":")[2].strip(" \t\r\n\\\"'")
        for part in inner.replace(";", ",").split(",")
    ]
    if all(is_shown(place.name, part) or _is_named_so(part) for part in parts):
        return True
    is_game = last_word(place.name) == "word" and not _OF_WALLET.search(place.name)
    if is_game and _PLAIN_WORDS.fullmatch(inner) is not None:
        return True
    forms = [_CODE_MAP, _CODE_LIST, _KEPT_AT]
    if place.text[position] == "[":
        forms.append(_RULES)
        if place.name[-1:] in "sS" and "_" not in place.name:
            # The names of what is mounted elsewhere: `secrets: [pw]`.
            forms.append(BARE_NAMES)
    return any(form.fullmatch(inner) is not None for form in forms)


def _is_named_so(part: str) -> bool:
    """Tell the name of a secret, as `db-password`, from a secret."""
    return is_name_like(part) and is_sensitive(part)


def is_sentence(text: str) -> bool:
    """Tell a sentence from what somebody has chosen."""
    return text[-1:] == "." and text.count(" ") > _SPACES_LIMIT and is_prose(text)


def _are_errors(inner: str) -> bool:
    """Tell the errors of a form: a list of sentences under the name of a field."""
    sentences = _SENTENCE.findall(inner)
    if not sentences or _SENTENCE.sub("", inner).strip(", \\\r\n\t"):
        return False
    return all(is_said_of(said) or is_sentence(said) for said in sentences)
