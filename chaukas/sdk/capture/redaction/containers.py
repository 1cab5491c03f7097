"""
Find the values of a container whose names stand beside them.

A name is not always the key of its value: it may be the first of two items, the
head of a column, an option before its argument, or the value of another key.
"""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chaukas.sdk.capture.redaction.text.commands import (
    command_spans,
    has_command_marker,
)
from chaukas.sdk.capture.redaction.text.nearby import looks_secret
from chaukas.sdk.capture.redaction.text.records import (
    ASKING_KEYS,
    NAME_KEYS,
    OF_NAME,
    VALUE_KEYS,
    VERBS,
)

from .benign import (
    BENIGN_WORDS,
    is_benign_item,
    is_benign_text,
    is_name_like,
    is_prose,
    is_word_list,
)
from .names import HEADER_NAMES, squeeze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .redactor import Redactor

__all__ = ("Cell", "placed_secrets", "table_cells")

_HEADER_WORDS: Final = frozenset(
    "accept acceptencoding acceptlanguage origin host date etag referer useragent"
    " cachecontrol connection contenttype contentlength vary range from expect te"
    " xrequestedwith xrequestid pragma upgrade via dnt link location server"
    " ifmatch ifnonematch authorization cookie setcookie xapikey".split()
)
_OPTION_ITEMS: Final = 256
_COMMAND_CHARS: Final = 8192
_ROWS: Final = 2000
# Of options and of the headers that hold a secret.
_FIRST_LETTERS: Final = frozenset({"-", "_", ""}).union(
    *({name[0], name[0].upper()} for name in HEADER_NAMES)
)
_QUESTION_CHARS: Final = 160
_SMALL: Final = 999
_PLAIN_CHARS: Final = 15
_NAMED: Final = re.compile(r"[\w\-]{2,64}")
_HEAD_ITEMS: Final = 64
_KEY_PARTS: Final = frozenset("d p q dp dq qi k oth".split())
_COLUMN_KEYS: Final = frozenset("columns fields header headers head names cols".split())
_ROW_KEYS: Final = frozenset("rows data values records items body".split())
_NAME: Final = re.compile(r"[\w.\-$@:/ \[\]]{1,64}")
_BASE64_LINE: Final = re.compile(r"[A-Za-z0-9+/=\s\\]{8,}")


class Cell(NamedTuple):
    """A cell of a table that is made of lists."""

    row: list[Any]
    at: int
    """Where the row stands among the rows."""
    rows_key: str | None
    """Where the rows stand in their dictionary, if they stand in one."""
    column: int


def placed_secrets(target: Any, redactor: Redactor) -> set[str | int]:
    """
    Return the keys or positions in a container of values that must be hidden.

    Args:
        target: A copy in exact built-in types.
        redactor: What names are sensitive.

    """
    if type(target) is dict:
        found = _named_values(target, redactor)
        if "kty" in target:
            found.update(key for key in target if key in _KEY_PARTS)
        if "kind" in target and target["kind"] == "Secret":
            found.update(key for key in ("data", "stringData") if key in target)
    elif target and any(type(item) is str for item in islice(target, _HEAD_ITEMS)):
        found = set(_listed(target, redactor))
    else:
        found = set()
    found.update(_private_key_parts(target))
    return found


# Dictionaries.


def _named_values(target: dict[str, Any], redactor: Redactor) -> set[str | int]:
    """Find the value of ``{"name": "Authorization", "value": …}``."""
    if len(target) < 2 or len(target) > _HEAD_ITEMS:
        return set()
    squeezed = {squeeze(key): key for key in target if len(key) <= 32}
    values = [key for key in squeezed if key in VALUE_KEYS]
    if "loc" in squeezed and "input" in squeezed:
        loc = target[squeezed["loc"]]
        names = loc if type(loc) is list else [loc]
        if any(_is_sensitive(name, redactor) for name in names):
            return {squeezed["input"]}
    if not values:
        return set()
    for key, original in squeezed.items():
        name = _name_in(target[original])
        if key not in NAME_KEYS and not (key == "type" and name == "password"):
            continue
        items = [(value, target[squeezed[value]]) for value in values if value != key]
        if key in ASKING_KEYS and _asks_secret(name, redactor):
            return {squeezed[value] for value, item in items if _is_answer(name, item)}
        if key not in ASKING_KEYS and _is_sensitive(name, redactor):
            return {
                squeezed[value]
                for value, item in items
                if _is_value_of(key, name, value, item)
            }
    return set()


def _name_in(item: Any) -> Any:
    """Return a name, also of a field that is described by more than that."""
    return item.get("name") if type(item) is dict else item


def _is_value_of(key: str, name: str, value: str, item: Any) -> bool:
    """Tell whether a field holds the value of a name in another field."""
    is_near = type(item) is str and looks_secret(item, is_announced=True)
    is_titled = key in ("name", "id", "type", "title", "label")
    if is_titled and value not in OF_NAME and not is_near:
        return False
    words = name.lower().replace("-", "_").split("_")
    if len(words) > 1 and words[0] in VERBS:
        return False
    if type(item) is str and squeeze(item) == squeeze(name):
        return False
    return not is_benign_item(name, item)


def _is_sensitive(name: Any, redactor: Redactor) -> bool:
    """Tell whether a value is a name, and a sensitive one."""
    if type(name) is not str or _NAME.fullmatch(name) is None or " -" in name:
        return False
    return redactor.is_sensitive(name)


def _asks_secret(name: Any, redactor: Redactor) -> bool:
    """Tell whether a question, or a place in a page, names a secret."""
    if type(name) is not str or len(name) > _QUESTION_CHARS:
        return False
    words = _NAMED.findall(name)
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    return any(map(redactor.is_sensitive, (*words, *pairs)))


def _is_answer(name: str, item: Any) -> bool:
    """Tell what somebody typed from a sentence, a word, or a flag."""
    if type(item) is not str:
        return type(item) is int and abs(item) > _SMALL
    if is_benign_text("password", item) or is_benign_text(name, item):
        return False
    return item.strip(".!?").lower() not in BENIGN_WORDS and not is_prose(item)


# Lists.


def _listed(target: list[Any], redactor: Redactor) -> Iterator[str | int]:
    """Yield the items of a list that belong to the item before them."""
    for at, name in enumerate(target[:-1]):
        if type(name) is not str or len(name) > 64:
            continue
        if len(target) != 2 and name[:1] not in _FIRST_LETTERS:
            continue
        item = target[at + 1]
        if name.startswith("-"):
            is_found = _is_argument(item) and "=" not in name
            is_found = is_found and redactor.is_sensitive(name)
            is_found = is_found and not (len(target) == 2 and _is_help(item))
        elif at % 2 == 0 and _quickly(name) in HEADER_NAMES:
            is_found = not (_is_header_name(item) or _is_sensitive(item, redactor))
        else:
            is_found = len(target) == 2 and _is_pair(name, item, redactor)
        if is_found:
            yield at + 1
    if 1 < len(target) <= _OPTION_ITEMS:
        yield from _command_items(target)


def _quickly(name: str) -> str:
    """Return a name of a header without its usual signs; for many items."""
    return name.replace("-", "").replace("_", "").lower()


def _is_argument(item: Any) -> bool:
    """Tell the argument of an option from the next option."""
    return type(item) is str and not item.startswith("-")


def _is_help(item: str) -> bool:
    """Tell what is said of an option from its argument."""
    return item[:1].isupper() and item.count(" ") > 2 and is_prose(item)


def _is_pair(name: str, item: Any, redactor: Redactor) -> bool:
    """Tell a sensitive name and its value from two names."""
    if not _is_sensitive(name, redactor) or not redactor.hides(name, item):
        return False
    if type(item) is str and item.startswith("--"):
        # The next option.
        return False
    return type(item) is not str or not (is_word_list(item) or _is_help(item))


def _is_header_name(item: Any) -> bool:
    """Tell the next header of a list from the value of the one before."""
    if type(item) is not str:
        return False
    squeezed = squeeze(item) if len(item) <= 40 else ""
    return squeezed in _HEADER_WORDS or item.lower().startswith(
        ("x-", "content-", "accept-", "access-control-", "if-", "sec-")
    )


def _command_items(target: list[Any]) -> Iterator[int]:
    """Yield the arguments of a command that hold its secret."""
    words = [item if type(item) is str else "" for item in target]
    if sum(map(len, words)) > _COMMAND_CHARS:
        return
    # A space inside an argument parts no words.
    line = " " + " ".join(word.replace(" ", "_").replace("\n", "_") for word in words)
    low = line.lower()
    if len(low) != len(line) or not has_command_marker(low):
        return
    spans = list(command_spans(low))
    position = 1
    for at, word in enumerate(words):
        end = position + len(word)
        found = [
            (start <= position and stop >= end)
            for start, stop in spans
            if start < end and stop > position
        ]
        # What is known without the other items is a part of this one.
        if found and (any(found) or not any(command_spans(word.lower()))):
            yield at
        position = end + 1


# Tables, and keys in several parts.


def _private_key_parts(target: Any) -> Iterator[str | int]:
    """Yield the lines of a private key of which the first line is an item."""
    items = target.items() if type(target) is dict else enumerate(target)
    is_open = False
    for key, item in items:
        if type(item) is not str:
            continue
        if "-----BEGIN" in item and "PRIVATE KEY" in item:
            is_open = "-----END" not in item
        elif is_open and "-----END" in item:
            is_open = False
            if not item.startswith("-----END"):
                yield key
        elif is_open and _BASE64_LINE.fullmatch(item) is not None:
            yield key


def table_cells(target: Any, redactor: Redactor) -> Iterator[Cell]:
    """
    Yield the cells below a sensitive name in a table made of lists.

    Args:
        target: A list of rows with the head as the first, or a dictionary with
            the names of the columns beside the rows.
        redactor: What names are sensitive.

    """
    rows, head, key = _table_of(target)
    if type(rows) is not list or type(head) is not list or len(head) > _HEAD_ITEMS:
        return
    columns = _sensitive_columns(head, redactor)
    if not columns:
        yield from _pair_cells(target, redactor)
        return
    for at, row in enumerate(islice(rows, _ROWS)):
        if type(row) is not list or len(row) != len(head) or row is head:
            continue
        for column in columns:
            item = row[column]
            is_word = type(item) is str and len(item) <= _PLAIN_CHARS and item.isalpha()
            if is_word and squeeze(head[column]) in ("token", "tokens"):
                # The words of a text, counted.
                continue
            if redactor.hides(head[column], item):
                yield Cell(row, at, key, column)


def _table_of(target: Any) -> tuple[Any, Any, str | None]:
    """Return the rows, the head, and the key of the rows if they have one."""
    if type(target) is list:
        return target, target[0] if target else None, None
    if len(target) > _HEAD_ITEMS:
        return None, None, None
    names = {squeeze(name): name for name in target if len(name) <= 32}
    heads = [names[name] for name in names if name in _COLUMN_KEYS]
    bodies = [names[name] for name in names if name in _ROW_KEYS]
    if not heads or not bodies:
        return None, None, None
    return target[bodies[0]], target[heads[0]], bodies[0]


def _sensitive_columns(head: list[Any], redactor: Redactor) -> list[int]:
    """Return which cells of a head name a secret; none if it is no head."""
    if len(head) < 2 or not all(
        type(name) is str and is_name_like(name.lower()) for name in head
    ):
        return []
    columns = [at for at, name in enumerate(head) if redactor.is_sensitive(name)]
    return columns if len(columns) < len(head) else []


def _pair_cells(target: Any, redactor: Redactor) -> Iterator[Cell]:
    """Yield the values of a list of pairs of a name and a value."""
    if type(target) is not list or len(target) > _ROWS:
        return
    for row in target:
        if type(row) is not list or len(row) != 2 or type(row[0]) is not str:
            return
    for at, row in enumerate(target):
        if _is_pair(row[0], row[1], redactor):
            yield Cell(row, at, None, 1)
