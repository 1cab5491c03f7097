"""`chaukas tail`: events as they come, one line each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from chaukas.cli.output import printable, say_styled
from chaukas.query import UnreadableError, to_json

from .source import (
    filter_option,
    json_option,
    limit_option,
    opened,
    read,
    source_argument,
)
from .table import rendered, style_of
from .words import clock, duration, money, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from chaukas.store.answers import EventRow

__all__ = ("event_line", "tail")

_LOOK_AGAIN_S: Final = 0.25
_KINDS: Final = {
    "error": "bold red",
    "retry": "yellow",
    "policy": "yellow",
    "input": "bold",
    "output": "bold",
    "data": "dim",
    "state": "dim",
    "system": "dim",
}


@click.command()
@source_argument
@click.option(
    "-f", "--follow", is_flag=True, help="Go on as events come, until Ctrl-C."
)
@filter_option
@limit_option(20)
@json_option
def tail(
    source: tuple[Path, ...],
    filter_: str,
    limit: int,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """
    Show the latest events, one line each: time, run, what, how it went.

    With -f it goes on as they come, over rotations of the file too. --json gives
    the events as recorded. Exit code 2: a file cannot be read.
    """
    with opened(source) as opened_source:
        read(opened_source)
        query = opened_source.query()
        # First the place from which to follow: nothing is missed in between.
        last = query.newest_number()
        page = query.events(filter_, "-time", limit=limit, whole=as_json)
        _put(reversed(page.items), as_json=as_json)
        try:
            while follow:
                rows, last = query.events_after(last, filter_)
                _put(rows, as_json=as_json)
                if not rows:
                    time.sleep(_LOOK_AGAIN_S)
                try:
                    opened_source.read()
                except UnreadableError:
                    # In the midst of a rotation; the next look finds the file.
                    continue
        except KeyboardInterrupt:
            pass
        finally:
            query.close()


def _put(rows: Iterable[EventRow], *, as_json: bool) -> None:
    for row in rows:
        if as_json:
            say_styled(printable(to_json(row.event).decode()))
        else:
            say_styled(event_line(row))


def event_line(row: EventRow) -> str:
    """Return the line of one event, coloured where colours are wanted."""
    from rich.text import Text

    what = row.kind
    if row.type.endswith("_START"):
        what += " …"
    status = "" if row.status in {"completed", "started", "in_progress"} else row.status
    parts = [
        (clock(row.at_us), "dim"),
        (short_id(row.trace_id) or "-" * 8, "dim"),
        (f"{what:<8}", _KINDS.get(row.kind, "")),
        (row.name, "bold" if row.kind in {"agent", "model", "tool"} else ""),
        (status, style_of(status)),
        (duration(row.duration_ms), ""),
        (money(row.cost_usd or 0.0), ""),
        (row.text, style_of(status)),
    ]
    line = Text(no_wrap=True, overflow="ellipsis")
    for text, style in parts:
        if text:
            line.append(printable(text), style)
            line.append("  ")
    line.rstrip()
    return rendered(line)
