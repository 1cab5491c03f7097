"""
Tables for a terminal of any width, for a pipe, and as CSV.

Cells come from strangers: they are escaped before they are laid out, and never read
as markup. A column that has no room is left out, the least important first.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaukas.cli.output import printable, say_styled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

__all__ = ("Column", "csv_line", "print_table", "rendered", "style_of", "width_of")

_GAP: Final = 2
_PIPE_WIDTH: Final = 160
_MARKS: Final = {
    "completed": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "waiting": "cyan",
    "open": "cyan",
    "died": "red",
}
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""With these a spreadsheet takes a cell for a formula."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    least: int
    """Fewest characters with which it says something."""
    rank: int
    """The higher, the sooner it is left out."""
    is_right: bool = False
    grows: bool = False
    """Takes what room is left."""


def style_of(status: str) -> str:
    """Return the colour of a status; colours never say what words do not."""
    return _MARKS.get(status, "")


def width_of() -> int:
    """Return how many characters a line may have."""
    named = os.environ.get("COLUMNS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    if sys.stdout is not None and sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return _PIPE_WIDTH


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; the cell of a column `status` is coloured by its word."""
    from rich.table import Table
    from rich.text import Text

    safe = [[printable(cell) for cell in row] for row in rows]
    kept = _fitting(columns, safe, width_of())
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for index in kept:
        column = columns[index]
        table.add_column(
            Text(column.title),
            justify="right" if column.is_right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if column.grows else None,
            min_width=None if column.grows else min(column.least, width_of()),
        )
    for row in safe:
        cells = [Text(row[index], style=style_of(row[index])) for index in kept]
        table.add_row(*cells)
    say_styled(rendered(table))


def rendered(what: RenderableType) -> str:
    """Return what rich draws, with colours only where they are wanted."""
    from rich.console import Console

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(
        file=io.StringIO(),
        width=width_of(),
        force_terminal=is_terminal,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
    )
    with console.capture() as capture:
        console.print(what)
    lines = capture.get().rstrip("\n").split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _fitting(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> list[int]:
    """Return the columns that have room; empty ones have nothing to say."""
    kept = [
        index
        for index, column in enumerate(columns)
        if column.rank == 0 or any(row[index] for row in rows)
    ]
    while len(kept) > 1:
        needed = sum(_needed(columns[i], i, rows) + _GAP for i in kept)
        worst = max(kept, key=lambda index: columns[index].rank)
        if needed <= width or columns[worst].rank == 0:
            break
        kept.remove(worst)
    return kept


def _needed(column: Column, index: int, rows: Sequence[Sequence[str]]) -> int:
    longest = max((len(row[index]) for row in rows), default=0)
    return min(max(longest, len(column.title)), column.least)


def csv_line(cells: Iterable[object]) -> str:
    """Return a line of CSV in which no cell is a formula to a spreadsheet."""
    file = io.StringIO()
    csv.writer(file, lineterminator="").writerow([_harmless(cell) for cell in cells])
    return file.getvalue()


def _harmless(cell: object) -> object:
    if type(cell) is str and cell.startswith(_RISKY):
        return "'" + cell
    return cell
