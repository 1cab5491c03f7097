"""
Find the columns of tables whose head names a secret.

Files with commas, tabs or bars, tables of Markdown and of database clients, and
columns that are held apart by spaces.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from chaukas.sdk.capture.redaction.benign import (
    BENIGN_WORDS,
    is_benign_text,
    is_name_like,
)
from chaukas.sdk.capture.redaction.names import is_sensitive, last_word

__all__ = (
    "ROWS_LIMIT",
    "cell_span",
    "cells_of",
    "columns_of",
    "grid_spans",
    "table_spans",
)

ROWS_LIMIT: Final = 500
"""Rows looked at in one table; what follows the last of them is hidden."""

_RULE: Final = re.compile(r"[ \t|+:\-=]*-[ \t|+:\-=]*")
# Of some languages, the vowels are signs and no letters.
_CELL: Final = re.compile(
    r"[ \t\"'`*\\]*"
    r"([\w .\-/#()'\u2019\u0300-\u036f\u0900-\u0dff\u0e31-\u0e4e]{0,40}?)"
    r"[ \t\"'`*\\]*"
)
# The table may itself stand in quotes, such as a field of JSON.
_OPENED: Final = re.compile(r".*[:\[({=] ?(\\*[\"'])")
_QUOTE: Final = re.compile(r"\\*[\"']")
# What Go says of a field: `json:"password,omitempty"`.
_STRUCT_TAG: Final = re.compile(r"`\w{1,20}:\"")
_GAP: Final = re.compile(r"[ ]{2,}")
_PLAIN_CELL: Final = re.compile(r"[A-Za-z_][\w\-]{0,40}(?: [\w\-]{1,40})?")
_QUOTED_CELL: Final = re.compile(r"\"(?:[^\"\r\n]|\"\"){0,4096}\"|[^,;\t\r\n]*")
_PROSE: Final = re.compile(r"[^\W\d_A-Z]{1,15}")
_HEAD_CHARS: Final = 1000
_WORDS_LIMIT: Final = 3
_VARIABLE: Final = re.compile(r"[A-Z]{2,}(?:_[A-Z]+)+")
_COOKIE_NAME: Final = re.compile(r"[A-Za-z_*][A-Za-z_\-.*]{1,40}")
_APART: Final = re.compile(r"\S+(?: \S+)*")
_PAIR_ROWS: Final = 64
_NO_NAME: Final = re.compile(
    r"[0-9]+(?:\.[0-9]+)?[a-z%]{0,3}|[^/]*/[^/]*/.*|(?:self|this|cls)\..*"
    # A date: of a row, not of a head.
    r"|.*[0-9]{4}-[0-9]{2}.*|.* ago"
)
_NAME_HEADS: Final = frozenset(
    "key name variable setting parameter option property field item env".split()
)
_VALUE_HEADS: Final = frozenset("value val content current setting_value".split())
# What begins a line of code with commas in it.
_STATEMENTS: Final = (
    *("for ", "from ", "import ", "return ", "def ", "del ", "global ", "yield "),
    *("raise ", "assert ", "print ", "use ", "let ", "const ", "var ", "func "),
)
_NO_HEADS: Final = frozenset(
    "string integer int number boolean bool text bytes varchar required optional true"
    " false null none yes no opaque".split()
)


def columns_of(head: list[str], extra: frozenset[str]) -> list[int]:
    """Return which cells of a head name a secret; none if it is no head."""
    if len(head) < 2:
        return []
    if head[0].lower().startswith(_STATEMENTS):
        return []
    for cell in head:
        if len(cell) > 40 or len(cell.split()) > _WORDS_LIMIT or "  " in cell:
            return []
        if (
            cell.startswith("#define")
            or cell.lower() in _NO_HEADS
            or _NO_NAME.fullmatch(cell) is not None
        ):
            # A row that describes a field, or that has a number or a path in it.
            return []
    return [at for at, cell in enumerate(head) if cell and is_sensitive(cell, extra)]


def table_spans(
    text: str, start: int, end: int, extra: frozenset[str]
) -> tuple[int, list[tuple[int, int]]]:
    """
    Return the cells below a sensitive name, if it stands in the head of a table.

    Args:
        text: The text.
        start: Where the name begins.
        end: Where it ends.
        extra: Further sensitive names, squeezed.

    Returns:
        Where the head ends, so that it is looked at once; and the spans.

    """
    line_at = text.rfind("\n", max(0, start - _HEAD_CHARS), start) + 1
    line_end = text.find("\n", end, end + _HEAD_CHARS)
    if line_end < 0 and len(text) - end <= _HEAD_CHARS:
        # The last line may be a row, though it is no head.
        line_end = len(text)
    if line_end < 0 or (line_at == 0 and start > _HEAD_CHARS):
        return end, []
    is_tag = _STRUCT_TAG.search(text, line_at, start) is not None
    opened = _OPENED.match(text, line_at, start)
    # A quote that is closed again before the name holds no table.
    if opened is not None and _is_open(text, line_at, opened):
        line_at = opened.end()
    line = text[line_at:line_end]
    separator = "" if is_tag else _separator_of(line)
    parting = separator or ("  " if _GAP.search(line.strip()) else "")
    if parting:
        pair = _pair_row(text, line_at, line, parting, extra)
        if pair:
            return end, pair
    if not separator or _follows_row(text, line_at, separator, line):
        return end, []
    head = [_inner(cell) for cell in _split(line, separator)]
    inner = head[1:-1] if separator == "|" else head
    if "" in inner or any("\0" in cell for cell in head):
        return end, []
    columns = columns_of(head, extra)
    is_title = len(inner) == 1 and _is_title(text, line_end + 1)
    if is_title or not columns or len(columns) == len(list(filter(None, head))) > 2:
        return end, []
    spans = _row_spans(text, line_end + 1, separator, head, columns, line)
    return line_end if spans else end, spans


def _is_title(text: str, position: int) -> bool:
    """Tell the title of a table by the rule below it, which parts several columns."""
    rule = _RULE.match(text, position)
    return rule is not None and rule[0].count("+") > len("++")


def _is_open(text: str, line_at: int, opened: re.Match[str]) -> bool:
    """Tell a quote that begins a text from one that has ended it."""
    quotes = _QUOTE.findall(text, line_at, opened.end())
    return quotes.count(opened[1]) % 2 == 1


def _pair_row(
    text: str, line_at: int, line: str, separator: str, extra: frozenset[str]
) -> list[tuple[int, int]]:
    """Return the value of a row whose first cell is its name, below `key | value`."""
    cells = _placed(line) if separator == "  " else cells_of(line, separator)
    position = line_at
    for _ in range(_PAIR_ROWS):
        before_at = text.rfind("\n", 0, max(0, position - 1)) + 1
        if position == 0 or separator not in text[before_at:position]:
            break
        position = before_at
    if position == line_at:
        return []
    head_line = text[position : text.find("\n", position)]
    head = [_inner(cell).lower() for cell in _split(head_line, separator)]
    names = [at for at, cell in enumerate(head) if cell in _NAME_HEADS]
    values = [at for at, cell in enumerate(head) if cell in _VALUE_HEADS]
    if not names or not values or max(names[0], values[0]) >= len(cells):
        return []
    name = _inner(cells[names[0]][0])
    if not is_sensitive(name, extra):
        return []
    cell, start = cells[values[0]]
    return _shifted(line_at, cell_span(name, cell, start))


def _placed(line: str) -> list[tuple[str, int]]:
    """Return what stands apart in a line by more than one space, and where."""
    return [(cell[0], cell.start()) for cell in _APART.finditer(line)]


def _separator_of(line: str) -> str:
    """Return what parts the cells of a line; empty if it has only one."""
    for sign in ("|", "\t", ";", ","):
        if sign in line:
            return sign
    is_aligned = _GAP.search(line.strip()) is not None and _is_plain_head(line)
    return "  " if is_aligned else ""


def _follows_row(text: str, line_at: int, separator: str, line: str) -> bool:
    """Tell whether the line before has as many cells: then this is no head."""
    before, before_at = _line_before(text, line_at)
    if before and not before.startswith("+") and _RULE.fullmatch(before) is not None:
        # The rule below a head.
        before, _ = _line_before(text, before_at)
    if not before.strip() or before.lstrip().startswith(("+", "$ ", "> ", "PS ")):
        return False
    return len(_split(before, separator)) == len(_split(line, separator))


def _line_before(text: str, line_at: int) -> tuple[str, int]:
    """Return the line before another, and where it begins; empty if there is none."""
    at = text.rfind("\n", max(0, line_at - 1 - _HEAD_CHARS), max(0, line_at - 1)) + 1
    return text[at : max(0, line_at - 1)], at


def _is_plain_head(line: str) -> bool:
    """Tell the head of columns from a line of code with spaces in it."""
    return all(_PLAIN_CELL.fullmatch(cell) for cell in _GAP.split(line.strip()))


def _split(line: str, separator: str) -> list[str]:
    """Return the cells of a line."""
    if separator == "  ":
        return _GAP.split(line.strip())
    if '"' in line and separator in ",;\t":
        return [text for text, _ in cells_of(line, separator)]
    return line.split(separator)


def cells_of(line: str, separator: str) -> list[tuple[str, int]]:
    """Return the cells of a line with quotes, and where they begin."""
    cells: list[tuple[str, int]] = []
    position = 0
    while position <= len(line) and len(cells) < 64:
        cell = _QUOTED_CELL.match(line, position)
        end = position
        if line[position : position + 1] == '"' and cell is not None:
            end = cell.end()
        stop = line.find(separator, end)
        stop = stop if stop >= 0 else len(line)
        cells.append((line[position:stop], position))
        position = stop + 1
    return cells


def _inner(cell: str) -> str:
    """Return the text of a cell of a head; a zero if it is no name."""
    found = _CELL.fullmatch(cell.strip("\r"))
    # A bracket that is open is one of code.
    is_name = found is not None and found[1].count("(") == found[1].count(")")
    return found[1].strip() if found is not None and is_name else "\0"


def _row_spans(
    text: str,
    position: int,
    separator: str,
    head: list[str],
    columns: list[int],
    head_line: str,
) -> list[tuple[int, int]]:
    """Return the spans of some columns in the rows that follow a head."""
    spans: list[tuple[int, int]] = []
    offsets = [_offset(head_line, head[column]) for column in columns]
    for _ in range(ROWS_LIMIT):
        if position >= len(text):
            return spans
        end = text.find("\n", position)
        end = end if end >= 0 else len(text)
        line = text[position:end].rstrip("\r")
        if _RULE.fullmatch(line) is not None:
            position = end + 1
            continue
        if separator == "  ":
            found = _aligned(line, head, columns, offsets)
        else:
            is_known = bool(spans) or separator in ",;\t"
            found = _separated(line, separator, head, columns, is_known=is_known)
        if found is None:
            return spans
        spans += [(position + start, position + stop) for start, stop in found]
        position = end + 1
    spans.append((position, len(text)))
    return spans


def _offset(line: str, name: str) -> int:
    return line.find(name)


def _separated(
    line: str,
    separator: str,
    head: list[str],
    columns: list[int],
    *,
    is_known: bool = False,
) -> list[tuple[int, int]] | None:
    """Return the cells of a row; none if it is no row of this table."""
    cells = cells_of(line, separator)
    if not line.strip() or len(cells) < len(head) - 1:
        return None
    found: list[tuple[int, int]] = []
    for column in columns:
        if column >= len(cells):
            continue
        cell, start = cells[column]
        # A value with a comma in it: all that is left belongs to it.
        if len(cells) > len(head) and column == len(head) - 1:
            cell = line[start:]
        found += cell_span(head[column], cell, start, is_known=is_known)
    return found


def _aligned(
    line: str, head: list[str], columns: list[int], offsets: list[int]
) -> list[tuple[int, int]] | None:
    """Return the cells of a row whose columns begin below their names."""
    words = line.split()
    if len(words) < 2 or len(words) > 4 * len(head):
        return None
    found: list[tuple[int, int]] = []
    for column, offset in zip(columns, offsets, strict=True):
        if len(words) == len(head):
            start = _nth(line, column)
        elif offset < len(line) and (offset == 0 or line[offset - 1] == " "):
            start = offset
        else:
            return None
        gap = line.find("  ", start)
        cell = line[start : gap if gap >= 0 else len(line)]
        if len(words) == len(head):
            cell = cell.split(" ", 1)[0]
        found += cell_span(head[column], cell, start)
    return found


def _nth(line: str, column: int) -> int:
    """Return where a word of a line begins."""
    position = 0
    for at, word in enumerate(line.split()):
        position = line.find(word, position)
        if at == column:
            break
        position += len(word)
    return position


def cell_span(
    name: str, cell: str, start: int, *, is_known: bool = False
) -> list[tuple[int, int]]:
    """Return the span of a cell, unless it shows no secret; below others, it is one."""
    value = cell.strip(" \t\"'`\\\r")
    if not value or value.lower() in BENIGN_WORDS or is_benign_text(name, value):
        return []
    if last_word(name) == "cookie" and _COOKIE_NAME.fullmatch(value) is not None:
        # What a page says of its cookies: their names.
        return []
    # A table of settings has words in its cells, such as `required`.
    if value.lower() in ("✓", "✗", "x", "n/a", "pass", "fail") or (
        " " in value and not is_known and is_name_like(value.lower())
    ):
        return []
    if last_word(name) == name.lower().rstrip("s") == "token" and (
        len(value) < 4 or _PROSE.fullmatch(value)
    ):
        # The words and signs of a text, counted.
        return []
    if _VARIABLE.fullmatch(name) and _VARIABLE.fullmatch(value):
        # A list of the names of variables.
        return []
    at = start + cell.find(value)
    return [(at, at + len(value))]


# Tables that are not made of lines with one sign between the cells.

_GRIDS_LIMIT: Final = 32
_JSON_HEAD: Final = re.compile(
    r"[\"'](?:columns?|fields?|headers?|head|cols|names)\\*[\"']\s{0,8}:\s{0,8}"
    r"\[(?P<head>[^\[\]{}]{1,2000})\]"
)
_JSON_BODY: Final = re.compile(
    r"[\"'](?:rows|data|values|records|items|body)\\*[\"']\s{0,8}:\s{0,8}\["
)
_JSON_ROW: Final = re.compile(r"[\s,]{0,64}\[(?P<row>[^\[\]]{0,4000})\]")
_JSON_CELL: Final = re.compile(
    r"\s{0,64}(?:\\*\"(?P<text>(?:[^\"\\]|\\+[^\"\\]){0,2000})\\*\"|(?P<bare>[^,\"]{1,200}))\s{0,64}(?:,|$)"
)
_HTML_ROW: Final = re.compile(
    r"<tr\b[^<>]{0,200}>(?P<row>.{0,8000}?)(?:</tr>|(?=<tr\b)|$)", re.DOTALL
)
_HTML_CELL: Final = re.compile(
    r"<(?P<tag>th|td)\b[^<>]{0,200}>(?P<cell>.{0,4000}?)(?=</t[hdr]|<t[hdr]\b|$)",
    re.DOTALL,
)
_TAG: Final = re.compile(r"<[^<>]{0,200}>")
_FRAME_HEAD: Final = re.compile(r"(?:^|\n)([ \t]+\S[^\r\n]{0,1000})\r?\n")


def grid_spans(
    low: str, extra: frozenset[str] = frozenset()
) -> Iterator[tuple[int, int]]:
    """
    Yield the cells below a sensitive name in tables of JSON, HTML and data frames.

    Args:
        low: The text, in lower case.
        extra: Further sensitive names, squeezed.

    """
    if "[" in low and ":" in low:
        for head in islice(_JSON_HEAD.finditer(low), _GRIDS_LIMIT):
            yield from _json_rows(low, head, extra)
    if "<tr" in low:
        yield from _html_rows(low, extra)
    if "\n0 " in low or "\n1 " in low or "\n2" in low or "\nid" in low:
        for head in islice(_FRAME_HEAD.finditer(low), _GRIDS_LIMIT):
            yield from _frame_rows(low, head, extra)


def _json_rows(
    low: str, head: re.Match[str], extra: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Yield the cells of lists beside the list of the columns."""
    names = [cell.strip(" \t\r\n\\\"'") for cell in head["head"].split(",")]
    columns = columns_of(names, extra)
    if not columns or len(columns) == len(names):
        return
    body = _JSON_BODY.search(low, head.end(), head.end() + _HEAD_CHARS)
    body = body or _JSON_BODY.search(
        low, max(0, head.start() - _HEAD_CHARS), head.start()
    )
    position = -1 if body is None else body.end()
    for _ in range(ROWS_LIMIT):
        row = _JSON_ROW.match(low, position) if position >= 0 else None
        if row is None:
            return
        for at, cell in enumerate(
            islice(_JSON_CELL.finditer(low, *row.span("row")), 64)
        ):
            start, end = cell.span("text" if cell["text"] is not None else "bare")
            if at in columns and at < len(names):
                yield from _shifted(start, cell_span(names[at], low[start:end], 0))
        position = row.end()
    yield position, len(low)


def _html_rows(low: str, extra: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yield the cells of rows below a row of names."""
    names: list[str] = []
    columns: list[int] = []
    position = 0
    for number, row in enumerate(_HTML_ROW.finditer(low)):
        if number >= ROWS_LIMIT:
            yield position, len(low)
            return
        position = row.end()
        cells = list(islice(_HTML_CELL.finditer(low, *row.span("row")), 64))
        texts = [_TAG.sub("", cell["cell"]).strip() for cell in cells]
        if cells and cells[-1]["tag"] == "th":
            names, columns = texts, columns_of(texts, extra)
            continue
        for at in columns:
            if at < len(cells) and texts[at]:
                start = cells[at].start("cell") + cells[at]["cell"].find(texts[at])
                if start >= cells[at].start("cell"):
                    yield from _shifted(start, cell_span(names[at], texts[at], 0))
                elif cell_span(names[at], texts[at], 0):
                    yield cells[at].span("cell")


def _frame_rows(
    low: str, head: re.Match[str], extra: frozenset[str]
) -> Iterator[tuple[int, int]]:
    """Yield the cells of a data frame, whose rows have a word more than the head."""
    names = head[1].split()
    if not all(map(_PLAIN_CELL.fullmatch, names)):
        return
    columns = [at for at, name in enumerate(names) if is_sensitive(name, extra)]
    if not columns:
        return
    ends = [match.end() for match in re.finditer(r"\S+", head[1])]
    position = head.end()
    for number in range(ROWS_LIMIT):
        end = low.find("\n", position)
        end = end if end >= 0 else len(low)
        line = low[position:end].rstrip("\r")
        words = [match.span() for match in re.finditer(r"\S+", line[:4096])]
        if number == 0 and len(words) == 1:
            # The name of the index.
            position = end + 1
            continue
        if len(words) < 2 or line[:1] in " \t":
            return
        for at in columns:
            if len(words) == len(names) + 1:
                start, stop = words[at + 1]
            elif len(line) >= ends[at]:
                start, stop = (ends[at - 1] if at else words[0][1]), ends[at]
            else:
                continue
            yield from _shifted(
                position + start, cell_span(names[at], line[start:stop], 0)
            )
        position = end + 1
        if position >= len(low):
            return
    yield position, len(low)


def _shifted(start: int, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans of a part at their place in the whole."""
    return [(start + begin, start + end) for begin, end in spans]
