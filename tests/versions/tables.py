"""Tables in documents that a run of the version checks writes and compares."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ("markdown", "rows_in", "with_table")

_END = "<!-- end -->\n"


def _begin(name: str) -> str:
    return f"<!-- generated: {name} -->\n"


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_table(text: str, name: str, table: str) -> str:
    """Return *text* with *table* in the place that is marked for it."""
    before, begin, rest = text.partition(_begin(name))
    _, end, after = rest.partition(_END)
    if not begin or not end:
        sys.exit(
            f"The document has no place for the table: {_begin(name)!r} … {_END!r}"
        )
    return before + begin + table + end + after


def rows_in(text: str, name: str) -> list[list[str]]:
    """Return the cells of the rows of a table, its heads left out."""
    table = text.partition(_begin(name))[2].partition(_END)[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
