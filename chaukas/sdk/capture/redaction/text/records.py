"""
Find a value whose name stands beside it as the value of another field.

``{"name": "DB_PASSWORD", "value": "…"}`` of clouds, ``<add key=… value=…>``,
``- name: …`` of Kubernetes, the ``loc`` and ``input`` of a validation error.
"""

import re
from typing import Final

from .value_spans import quote_end

__all__ = (
    "ASKING_KEYS",
    "NAME_KEYS",
    "OF_NAME",
    "VALUE_KEYS",
    "VERBS",
    "is_field",
    "named_span",
)

NAME_KEYS: Final = frozenset(
    "name key header field fieldname param parameter variable var env property"
    " label id attribute option setting k n envvar title parametername headername"
    " keyname parameterkey column path slug identifier question q prompt selector"
    " locator target element css xpath".split()
)
"""Squeezed names of fields that hold the name of a value."""

ASKING_KEYS: Final = frozenset(
    "question q prompt selector locator target element css xpath".split()
)
"""Those of them that hold a question, or a place in a page."""

VALUE_KEYS: Final = frozenset(
    "value val v content contents text data default defaultvalue stringvalue"
    " secretstring secretvalue plaintext string answer currentvalue newvalue"
    " parametervalue fieldvalue values new to response reply a input fill typed keys"
    " newval".split()
)
"""Squeezed names of fields that hold the value itself."""

_NAMES: Final = (
    r"name|key|header|field(?:[\-_]?name)?|param(?:eter)?(?:[\-_]?(?:name|key))?|variable|var"
    r"|env(?:[\-_]?var)?|property|label|attribute|option|setting|k|n|column|id|type|loc"
)
_VALUES: Final = (
    r"value|val|v|contents?|text|data|default(?:[\-_]?value)?|string[\-_]?value|field[\-_]?value|answer"
    r"|secret[\-_]?string|plain[\-_]?text|current[\-_]?value|(?:new|parameter)[\-_]?value|string|input"
    r"|new|newval|response|reply"
)
# Which sibling holds the value: of a message with a name, it is not its text.
OF_NAME: Final = frozenset(
    "value val v default defaultvalue stringvalue answer response reply new newvalue"
    " newval".split()
)

_BEFORE: Final = re.compile(
    rf"(?:^|[^\w$])(?P<key>{_NAMES})(?:\\*[\"'])?(?:\s|\\+[nrt]){{0,16}}[:=](?:\s|\\+[nrt]){{0,16}}"
    r"(?:[\[(][^\[\]()]{0,80})?(?:\\*[\"'])?$"
)
_VARIABLE: Final = re.compile(r"(?:^|[\s\"'])variable[ \t]+\\*\"$")
_AFTER: Final = re.compile(
    rf"(?:[^\w$.])(?P<key>{_VALUES})(?:\\*[\"'])?\s{{0,16}}[:=](?:\s|\\+[nrt]){{0,16}}"
)
_DEFAULT: Final = re.compile(r"\bdefault\s{0,16}=\s{0,16}")
_ELEMENT_BEFORE: Final = re.compile(
    r"<(?P<tag>key|name|field|param|property|header|variable|dt|th|td|label|span|strong"
    r"|b|p|div|li)(?:\s[^<>]{0,80})?>\s{0,16}$"
)
_ELEMENT_AFTER: Final = re.compile(
    r"\s{0,16}:?\s{0,16}</[\w:]{1,32}>(?:\s|\\+[nrt]){0,32}<(?!th\b|input\b)[\w:]{1,32}"
    r"(?:\s[^<>]{0,80})?>(?:<[a-z]{1,12}(?:\s[^<>]{0,80})?>){0,2}([^<]{1,4096})"
)
_TAG_CONTENT: Final = re.compile(
    r"\\*[\"'](?:\s[^<>/]{0,120})?>"
    r"(?:\s{0,64}<(?:value|val|string)>)?([^<]{1,4096})</"
)
_FORM_DATA: Final = re.compile(
    r"\\*[\"'](?:;[^\r\n]{0,80})?(?:\r?\n(?!\r?\n)[^\r\n]{1,200}){0,4}\r?\n\r?\n([^\r\n]{1,4096})"
)
_LIST_ITEM: Final = re.compile(r"(?:\n|\\n)[ \t]*(?:-[ \t]|\r?\n)")
_QUOTED: Final = re.compile(r"(\\*[\"'])")
_BARE: Final = re.compile(r"[^\s,;}\])>]+")
VERBS: Final = frozenset(
    "get set reset check validate verify create generate revoke rotate change"
    " update delete forgot has is require required show hide test list find read"
    " confirm".split()
)
_PARTS_OF_PAGE: Final = frozenset("span strong b p div li".split())
_REACH_CHARS: Final = 400
_NAME_REACH_CHARS: Final = 120


def is_field(low: str, start: int) -> bool:
    """
    Tell quickly whether a name may be the value of a field; costs little.

    Args:
        low: The text in lower case.
        start: Where the name begins.

    """
    head = low[max(0, start - 8) : start].rstrip(" \t\\\"'.")
    return not head or head[-1] in ":=[(>\n," or head.endswith("variable"[-len(head) :])


def named_span(
    text: str, low: str, start: int, end: int, name: str
) -> tuple[int, int] | None:
    """
    Find the value of a name that is itself the value of a field.

    Args:
        text: The text.
        low: The same in lower case.
        start: Where the sensitive name begins.
        end: Where it ends.
        name: The name.

    Returns:
        The span of the value; none if the name stands there otherwise.

    """
    before = low[start - 1] if start else "\n"
    if before == "\n" or (before == "." and "\n" in low[max(0, start - 40) : start]):
        return _reported(text, end)
    head = low[max(0, start - _NAME_REACH_CHARS) : start]
    if before == ">":
        return _element(text, low, head, end)
    field = _BEFORE.search(head)
    if field is None:
        if _VARIABLE.search(head) is not None:
            return _default(text, low, end)
        return None
    return _sibling(text, low, start, end, field["key"], name)


def _reported(text: str, end: int) -> tuple[int, int] | None:
    """Find the ``input_value`` that an error of validation shows below a name."""
    if text[end : end + 1] not in ("\n", "\r"):
        return None
    line_at = text.find("\n", end) + 1
    line_end = text.find("\n", line_at)
    line_end = line_end if line_end >= 0 else len(text)
    start = text.find("input_value=", line_at, line_end)
    if start < 0 or text.find("[type=", line_at, start) < 0:
        return None
    if text.find("[type=missing", line_at, start) >= 0:
        # What is shown is the record that lacks the name.
        return None
    stop = text.rfind(", input_type=", start, line_end)
    return _unquoted(text, start + len("input_value="), stop if stop >= 0 else line_end)


def _element(text: str, low: str, head: str, end: int) -> tuple[int, int] | None:
    """Find ``<key>password</key><string>…</string>``."""
    label = _ELEMENT_BEFORE.search(head)
    if label is None:
        return None
    value = _ELEMENT_AFTER.match(low, end)
    # What stands for any part of a page says less.
    if value is not None and label["tag"] in _PARTS_OF_PAGE:
        value = value if any(map(str.isdigit, value[1])) else None
    return None if value is None else _stripped(text, *value.span(1))


def _default(text: str, low: str, end: int) -> tuple[int, int] | None:
    """Find the default of a variable of Terraform."""
    stop = low.find("}", end, end + _REACH_CHARS)
    value = _DEFAULT.search(low, end, stop if stop >= 0 else end + _REACH_CHARS)
    return None if value is None else _value_at(text, value.end())


def _sibling(
    text: str, low: str, start: int, end: int, key: str, name: str
) -> tuple[int, int] | None:
    """Find the field beside the one that holds the name, in the same record."""
    if key == "type" and name.lower() != "password":
        return None
    first = name.lower().replace("-", "_").partition("_")[0]
    if first in VERBS and first != name.lower():
        return None
    opening, stop = _record(low, start, end)
    if low.startswith("<", opening):
        content = _TAG_CONTENT.match(low, end)
        if content is not None and key != "type" and content[1].strip():
            return _stripped(text, *content.span(1))
    form = _FORM_DATA.match(low, end)
    if form is not None and "form-data" in low[max(0, start - 80) : start]:
        return form.span(1)
    for at, until in ((end, stop), (opening, start)):
        for value in _AFTER.finditer(low, at, until):
            kind = value["key"].replace("_", "").replace("-", "")
            is_tag = low.startswith("<", opening)
            if key in ("name", "id", "type") and kind not in OF_NAME and not is_tag:
                continue
            if (kind == "input") != (key == "loc") or value.end() >= len(low):
                continue
            return _value_at(text, value.end())
    return None


def _record(low: str, start: int, end: int) -> tuple[int, int]:
    """Return where the record around a name begins and ends."""
    floor = max(0, start - _REACH_CHARS)
    opening = max(low.rfind(sign, floor, start) for sign in ("{", "<", "}"))
    for item in _LIST_ITEM.finditer(low, floor, start):
        opening = max(opening, item.start())
    opening = max(opening, floor)
    stop = end + _REACH_CHARS
    item_after = _LIST_ITEM.search(low, end, stop)
    if item_after is not None:
        stop = item_after.start()
    for sign in ("}", ">") if low.startswith("<", opening) else ("}", "{"):
        at = low.find(sign, end, stop)
        stop = at if at >= 0 else stop
    return opening, stop


def _value_at(text: str, position: int) -> tuple[int, int] | None:
    """Take the value that begins at a place."""
    if text.startswith(("{", "[", "|", ">"), position):
        return None
    quoted = _QUOTED.match(text, position)
    if quoted is not None:
        return quoted.end(), quote_end(text, quoted.end(), quoted[1])
    bare = _BARE.match(text, position)
    return None if bare is None else bare.span()


def _unquoted(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a span without the quotes around it."""
    if end - start >= 2 and text[start] in "\"'" and text[end - 1] == text[start]:
        start, end = start + 1, end - 1
    return (start, end) if start < end else None


def _stripped(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a span without the spaces around it."""
    value = text[start:end]
    start += len(value) - len(value.lstrip())
    end -= len(value) - len(value.rstrip())
    return (start, end) if start < end else None
