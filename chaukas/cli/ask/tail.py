"""`chaukas tail`: events as they come, one line each."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

import click

from chaukas.cli.output import printable, say, say_json, say_styled

from .source import (
    all_of,
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
    source: tuple[Path | str, ...],
    filter_: str,
    limit: int,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """
    Show the latest events, one line each: time, run, what, how it went.

    With -f it goes on as they come, over rotations of the file and restarts of a
    collector too. --json gives the events as recorded. Exit code 2: a source cannot
    be read.
    """
    with opened(source) as found:
        read(found)
        with closing(found.query()) as query:
            # First the place from which to follow: nothing is missed in between.
            last = query.newest_number()
            latest, _ = all_of(
                lambda cursor, size: query.events(
                    filter_, "-time", cursor, size, whole=as_json
                ),
                limit,
            )
        _put(reversed(latest), as_json=as_json)
        if not follow:
            return
        # What came in between is among the latest.
        shown = {row.number for row in latest}
        # Ctrl-C is how it is meant to end.
        with suppress(KeyboardInterrupt):
            for rows in found.follow(last, filter_, _say_trouble):
                _put((row for row in rows if row.number not in shown), as_json=as_json)


def _say_trouble(line: str) -> None:
    say(f"chaukas: {line}", err=True)


def _put(rows: Iterable[EventRow], *, as_json: bool) -> None:
    for row in rows:
        if as_json:
            say_json(row.event)
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
