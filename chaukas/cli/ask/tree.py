"""`chaukas tree`: what happened, as a tree."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from chaukas.cli.input import (
    Lines,
    files_in,
    is_written,
    oldest_first,
    recorded_event_in,
)
from chaukas.cli.output import count, say, say_json
from chaukas.cli.tree import render, render_run

from .source import (
    MISSING,
    all_of,
    asked,
    files_named,
    json_option,
    reading,
    source_argument,
)
from .words import quoted, run_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from chaukas.query import Questions

__all__ = ("nothing_there", "run_lines", "tree", "without_events")

_SPANS = 20_000
"""Most steps of a run as JSON, if nothing else is said."""
_RUNS = 1_000_000


@click.command()
@source_argument
@click.option("--run", default="", help="One run: its id, or the end of it; last.")
@click.option(
    "--full",
    is_flag=True,
    help="With the time of each step, and what models and tools answered.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 1_000_000),
    help="Most lines; as JSON most steps of a run, 20,000 if it is left out.",
)
@json_option
def tree(
    source: tuple[Path | str, ...],
    run: str,
    limit: int | None,
    *,
    full: bool,
    as_json: bool,
) -> None:
    """
    Show what happened, as a tree: sessions, agents, models, tools.

    One line for each pair of START and END, with its outcome, duration and tokens;
    "cut" is what a process that is gone left without its end. Times are UTC. Give
    all files of a rotation together, .gz or not, their folder, or a spool; - is the
    standard input; or give the address of a collector. With --run one run. --json
    gives each run as an object.

    Exit code 1: a file holds no event, or there is no such run. 2: a source cannot
    be read.
    """
    if as_json:
        with asked(source) as query:
            for trace_id in _runs_in(query, run):
                say_json(asdict(query.tree(trace_id, limit or _SPANS)))
        return
    if run:
        with asked(source) as query:
            shown = run_lines(query, query.find_run(run), is_full=full)
        _put(shown, limit)
        return
    files = files_named(source)
    if files is None:
        _put_record(source, limit, is_full=full)
    else:
        _put_files(files, limit, is_full=full)


def run_lines(query: Questions, trace_id: str, *, is_full: bool) -> list[str]:
    """Return one run as lines; for `is_full` see `render`."""
    run = query.run(trace_id)
    # The same id may be one of another tenant's, too.
    whose = f" tenant:{quoted(run.tenant_id)}" if run.tenant_id else ""
    lines = query.lines(f"trace:{quoted(trace_id)}{whose}")
    events = (event for line in lines if (event := recorded_event_in(line)))
    is_gone = run.status == "died"
    return render_run(run_head(run), events, is_gone=is_gone, is_full=is_full)


def _runs_in(query: Questions, run: str) -> list[str]:
    if run:
        return [query.find_run(run)]
    rows, _ = all_of(
        lambda cursor, size: query.runs(sort="time", cursor=cursor, limit=size), _RUNS
    )
    return [row.trace_id for row in rows]


def _put(lines: Sequence[str], limit: int | None) -> None:
    for line in lines[:limit]:
        say(line)
    more = len(lines) - limit if limit else 0
    if more > 0:
        say(f"chaukas: {count(more, 'more line')}: raise --limit.", err=True)


def _put_record(
    source: Sequence[Path | str], limit: int | None, *, is_full: bool
) -> None:
    with asked(source) as query:
        name = query.status().source
        lines = query.lines()
        events = (event for line in lines if (event := recorded_event_in(line)))
        shown = render(events, is_full=is_full)
    _put(shown, limit)
    if not shown:
        say(f"chaukas: {nothing_there(name)}", err=True)
        sys.exit(MISSING)


def _put_files(files: Sequence[Path], limit: int | None, *, is_full: bool) -> None:
    skipped = 0

    def events(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        nonlocal skipped
        for line in lines:
            event = recorded_event_in(line)
            if event is not None:
                yield event
            elif line.strip():
                skipped += 1

    with reading():
        lines = Lines(oldest_first(files_in(files, with_labels=True)))
        are_gone = not is_written(files)
        shown = render(events(lines), are_gone=are_gone, is_full=is_full)
    _put(shown, limit)
    for sentence in without_events(lines, has_events=bool(shown)):
        say(f"chaukas: {sentence}", err=True)
    if skipped and shown:
        text = f"chaukas: {count(skipped, 'line')} skipped: no event in it."
        say(text if skipped == 1 else text.replace("in it", "in them"), err=True)
    if lines.empty or not shown:
        sys.exit(MISSING)


def nothing_there(name: str) -> str:
    """Return that a collector has no event, as far as one may see."""
    return f"{name}: empty: it holds no event that you may read."


def without_events(lines: Lines, *, has_events: bool) -> Iterator[str]:
    """Yield a sentence for each file that is empty, and for files without events."""
    for path in lines.empty:
        yield f"{path}: empty: it holds no event, or was emptied."
    if not has_events and len(lines.empty) < len(lines.files):
        names = ", ".join(str(path) for path in lines.files if path not in lines.empty)
        yield f"{names}: no record of chaukas: not one line holds an event."
