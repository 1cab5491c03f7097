"""
Find the secrets in rows without a head whose columns a command has named.

``op item get x --fields username,password``, ``psql -At -c "select user, password …"``.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from chaukas.sdk.capture.redaction.names import is_sensitive

from .tables import ROWS_LIMIT, cell_span, cells_of

__all__ = ("printed_row_spans",)

_COMMANDS_LIMIT: Final = 64
_LISTS_LIMIT: Final = 16
_COMMAND: Final = re.compile(
    r"(?:\A|\n)(?:[^\s$#%>]{1,60}[ ]?)?[$#%>+] (?P<command>[^\n]{4,600})\r?\n"
)
_PROMPT: Final = re.compile(r"(?:[^\s$#%>]{1,60}[ ]?)?[$#%>+] \S")
# `username, password`, `.login.username,.login.password`, `NAME:.x,PASSWORD:.y`
_ITEM: Final = r"[\w.:=\-]{1,80}(?:\[\])?"
_LIST: Final = re.compile(rf"(?<![\w.:=\-]){_ITEM}(?:[ ]?,[ ]?{_ITEM}){{1,15}}")
# `HMGET user:7 name password` of Redis, and what it answers.
_ASKED: Final = re.compile(
    r"\bhmget \S{1,80}(?P<names>(?: [\w.:\-]{1,64}){1,16})", re.IGNORECASE
)
_NUMBERED: Final = re.compile(r"[ ]*[0-9]{1,3}\) \"(?P<cell>[^\"\n]*)\"\r?(?:\n|\Z)")
_LAST: Final = re.compile(r"\w+\Z")
_SEPARATORS: Final = ("\t", "|", ",", ";")
_APART: Final = (re.compile(r"\S+(?: \S+)*"), re.compile(r"\S+"))


def printed_row_spans(
    text: str, extra: frozenset[str] = frozenset()
) -> Iterator[tuple[int, int]]:
    """
    Yield the cells of the columns that are named like a secret.

    Args:
        text: The text to search.
        extra: Further sensitive names, squeezed.

    """
    if "\n" not in text:
        return
    for command in islice(_COMMAND.finditer(text), _COMMANDS_LIMIT):
        asked = _ASKED.search(command["command"])
        if asked is not None:
            asked_names = asked["names"].split()
            yield from _numbered(text, command.end(), asked_names, extra)
            continue
        names = _names_in(command["command"], extra)
        if names:
            yield from _row_spans(text, command.end(), names, extra)


def _numbered(
    text: str, position: int, names: list[str], extra: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Yield the answers to the names of secrets, each in its line."""
    for name in names:
        answer = _NUMBERED.match(text, position)
        if answer is None:
            return
        if is_sensitive(name, extra):
            start = answer.start("cell")
            yield from cell_span(name, answer["cell"], start)
        position = answer.end()


def _names_in(command: str, extra: frozenset[str]) -> list[str]:
    """Return the last names that a command lists, if one of them is of a secret."""
    found: list[str] = []
    for listed in islice(_LIST.finditer(command), _LISTS_LIMIT):
        parts = [part.strip().rstrip("[]") for part in listed[0].split(",")]
        lasts = [_LAST.search(part) for part in parts]
        names = ["" if last is None else last[0] for last in lasts]
        if any(is_sensitive(name, extra) for name in names):
            found = names
    return found


def _row_spans(
    text: str, position: int, names: list[str], extra: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Yield the cells of the rows up to the next command."""
    columns = [at for at, name in enumerate(names) if is_sensitive(name, extra)]
    for number in range(ROWS_LIMIT):
        end = text.find("\n", position)
        end = end if end >= 0 else len(text)
        line = text[position:end].rstrip("\r")
        if not line.strip() or _PROMPT.match(line) is not None:
            return
        cells = _cells(line, len(names))
        if not cells:
            # Each value in its own line, one record after the other.
            at = number % len(names)
            cells = [("", 0)] * at + [(line, 0)]
            cells += [("", 0)] * (len(names) - len(cells))
            if any(sign in line for sign in ", |\t;:"):
                return
        for column in columns:
            cell, start = cells[column]
            for begin, stop in cell_span(names[column], cell, start, is_known=True):
                yield position + begin, position + stop
        position = end + 1
        if position >= len(text):
            return
    yield position, len(text)


def _cells(line: str, count: int) -> list[tuple[str, int]]:
    """Return the cells of a line that has so many, and where they begin."""
    for separator in _SEPARATORS:
        if separator in line:
            cells = cells_of(line, separator)
            if len(cells) == count:
                return cells
    for form in _APART:
        cells = [(cell[0], cell.start()) for cell in form.finditer(line[:4096])]
        if len(cells) == count:
            return cells
    return []
