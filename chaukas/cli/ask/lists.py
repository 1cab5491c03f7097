"""`chaukas runs | sessions | search | stats`: tables of what a record holds."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from chaukas.cli.output import count, printable, say, say_json
from chaukas.query import QuestionError

from .source import (
    MISSING,
    all_of,
    asked,
    fail,
    filter_option,
    json_option,
    limit_option,
    source_argument,
)
from .table import Column, csv_line, print_table
from .words import date_time, duration, money, number, path, short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from chaukas.store.answers import NumberRow, RunRow, SessionRow

__all__ = (
    "RUN_COLUMNS",
    "number_cells",
    "run_cells",
    "runs",
    "search",
    "sessions",
    "stats",
)

_csv_option = click.option("--csv", "as_csv", is_flag=True, help="CSV with a head.")

RUN_COLUMNS = (
    Column("started", 19, 3),
    Column("run", 8, 0),
    Column("status", 9, 0),
    Column("agents", 18, 1),
    Column("duration", 9, 2, is_right=True),
    Column("tokens", 12, 5, is_right=True),
    Column("USD", 8, 4, is_right=True),
    Column("calls", 5, 9, is_right=True),
    Column("tools", 5, 9, is_right=True),
    Column("errors", 6, 6, is_right=True),
    Column("retries", 7, 7, is_right=True),
    Column("denials", 7, 7, is_right=True),
    Column("tenant", 10, 8),
    Column("input", 16, 3, grows=True),
)
_SESSION_COLUMNS = (
    Column("last", 19, 3),
    Column("session", 16, 0),
    Column("status", 9, 0),
    Column("runs", 5, 1, is_right=True),
    Column("failed", 6, 2, is_right=True),
    Column("agents", 18, 4),
    Column("tokens", 12, 5, is_right=True),
    Column("USD", 8, 4, is_right=True),
    Column("errors", 6, 6, is_right=True),
    Column("retries", 7, 7, is_right=True),
    Column("tenant", 10, 8),
    Column("user", 10, 8),
)
NUMBER_COLUMNS = (
    Column("count", 7, 0, is_right=True),
    Column("failed", 6, 1, is_right=True),
    Column("retries", 7, 5, is_right=True),
    Column("in", 10, 3, is_right=True),
    Column("out", 10, 3, is_right=True),
    Column("cached", 8, 6, is_right=True),
    Column("USD", 10, 2, is_right=True),
    Column("p50", 9, 4, is_right=True),
    Column("p95", 9, 2, is_right=True),
    Column("sum", 9, 7, is_right=True),
)


def _list_options(orders: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a command the options of a list, `orders` for its `--sort`."""
    sort_option = click.option(
        "--sort", default="-time", help=f"{orders}, - first for the largest."
    )
    options = (
        source_argument, filter_option, sort_option, limit_option(50), json_option,
        _csv_option,
    )  # fmt: skip

    def given(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return given


@click.command()
@_list_options("time duration cost tokens errors retries")
def runs(**how: Any) -> None:
    """
    List runs, the newest last: agents, outcome, duration, tokens, cost, first input.

    SOURCE is a file (with what its rotation set aside), a folder, a spool, or the
    address of a collector; without it the configured file. Times are UTC; a run goes
    by the end of its id.

    Exit code 2: a source cannot be read, or the filter cannot be understood.
    """
    _show_list("run", RUN_COLUMNS, run_cells, **how)


@click.command()
@_list_options("time cost tokens runs errors")
def sessions(**how: Any) -> None:
    """
    List sessions, the latest last: runs, failures, agents, tokens, cost.

    SOURCE and exit codes as of `chaukas runs`.
    """
    _show_list("session", _SESSION_COLUMNS, _session_cells, **how)


def _show_list(
    what: Literal["run", "session"],
    columns: Sequence[Column],
    cells: Callable[[Any], list[str]],
    *,
    source: tuple[Path | str, ...],
    filter_: str,
    sort: str,
    limit: int,
    as_json: bool,
    as_csv: bool,
) -> None:
    with asked(source) as query:
        ask: Any = query.runs if what == "run" else query.sessions
        found, matched = all_of(
            lambda cursor, size: ask(filter_, sort, cursor, size), limit
        )
    _put(found, columns, cells, as_json=as_json, as_csv=as_csv)
    if not as_json and not as_csv:
        _say_matched(len(found), matched, what)


@click.command()
@click.argument("text")
@source_argument
@filter_option
@limit_option(20)
@json_option
def search(
    text: str,
    source: tuple[Path | str, ...],
    filter_: str,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """
    Find words in inputs, outputs, arguments, results and errors; the latest last.

    All words of TEXT must occur in one event; "words in quotes" stand together, and
    a * at the end stands for more letters. Exit code 1: nothing was found.
    """
    with asked(source) as query:
        found, _ = all_of(
            lambda cursor, size: query.search(text, filter_, cursor, size), limit
        )
    if not found:
        if not as_json:
            say(f"chaukas: {text!r} is nowhere in it.", err=True)
        sys.exit(MISSING)
    for hit in reversed(found):
        if as_json:
            say_json(asdict(hit))
            continue
        row = hit.row
        say(
            f"{date_time(row.at_us)}  {short_id(row.trace_id)}  {row.event_id}"
            f"  {row.kind} {row.name}"
        )
        say(f"    {hit.snippet}")


@click.command()
@source_argument
@click.option(
    "--by",
    default="model",
    show_default=True,
    metavar="WORDS",
    help="Comma list of day hour minute time agent model tool server to tenant project"
    " framework user session status.",
)
@click.option(
    "--of",
    default="",
    help="run model tool mcp agent handoff; if left out, what --by is about.",
)
@filter_option
@limit_option(100)
@json_option
@_csv_option
def stats(
    source: tuple[Path | str, ...],
    by: str,
    of: str,
    filter_: str,
    limit: int,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """
    Add up calls or runs by groups: number, failures, tokens, cost, p50 and p95.

    For example `--by day,model`, `--by tool`, `--by tenant --of run`. "+?" behind an
    amount: calls of unknown price are not in it.
    """
    words = [word.strip() for word in by.split(",") if word.strip()]
    with asked(source) as query:
        try:
            found = query.numbers(words, filter_, of, limit)
        except QuestionError as error:
            fail(f"--by {by}: {error}")
    if as_json:
        for row in found.rows:
            say_json({**dict(zip(found.by, row.key, strict=True)), **asdict(row)})
        return
    keys = [Column(word, 14, 0) for word in found.by]
    columns = (*keys, *NUMBER_COLUMNS)
    if as_csv:
        say(csv_line(column.title for column in columns))
        for row in found.rows:
            say(csv_line([*row.key, *_plain_numbers(row)]))
        return
    cells = [[*row.key, *number_cells(row)] for row in found.rows]
    total = ["total", *[""] * (len(keys) - 1), *number_cells(found.total)]
    print_table(columns, [*cells, total[len(total) - len(columns) :]])
    if found.is_cut:
        say(f"The first {len(found.rows):,} groups: more with --limit.")


def _put(
    rows: Sequence[Any],
    columns: Sequence[Column],
    cells: Callable[[Any], list[str]],
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print rows, the last one first: what is newest is next to the prompt."""
    if as_json:
        for row in reversed(rows):
            say_json(asdict(row))
    elif as_csv:
        for line in _csv_of(reversed(rows)):
            say(line)
    elif rows:
        print_table(columns, [cells(row) for row in reversed(rows)])


def _csv_of(rows: Iterable[Any]) -> Iterator[str]:
    is_first = True
    for row in rows:
        fields = asdict(row)
        if is_first:
            yield csv_line(fields)
            is_first = False
        yield csv_line(_cell(value) for value in fields.values())


def _cell(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return " > ".join(str(one) for one in value)
    # No line break inside of a cell: one row is one line.
    return printable(value) if type(value) is str else value


def _say_matched(shown: int, matched: int | None, what: str) -> None:
    if matched is not None and matched > shown:
        say(f"{shown:,} of {count(matched, what)}: more with --limit.", err=True)
    elif not shown:
        say(f"chaukas: no {what} matches.", err=True)


def run_cells(run: RunRow) -> list[str]:
    """Return the cells of a run, as `RUN_COLUMNS`."""
    return [
        date_time(run.first_us),
        short_id(run.trace_id),
        run.status,
        path(run.agents),
        duration(run.duration_ms),
        _tokens(run.input_tokens, run.output_tokens),
        money(run.cost_usd, run.unpriced_calls),
        number(run.model_calls),
        number(run.tool_calls),
        number(run.errors),
        number(run.retries),
        number(run.denials),
        "" if run.tenant_id == "default" else run.tenant_id,
        run.input,
    ]


def _session_cells(session: SessionRow) -> list[str]:
    return [
        date_time(session.last_us),
        session.session_id,
        session.status,
        number(session.runs),
        number(session.failed_runs),
        ", ".join(session.agents),
        _tokens(session.input_tokens, session.output_tokens),
        money(session.cost_usd, session.unpriced_calls),
        number(session.errors),
        number(session.retries),
        "" if session.tenant_id == "default" else session.tenant_id,
        session.user_id,
    ]


def _tokens(given: int, made: int) -> str:
    return f"{given:,}+{made:,}" if given or made else ""


def number_cells(row: NumberRow) -> list[str]:
    """Return the cells of a group, as `NUMBER_COLUMNS`."""
    return [
        f"{row.count:,}",
        number(row.failed),
        number(row.retries),
        number(row.input_tokens),
        number(row.output_tokens),
        number(row.cached_tokens),
        money(row.cost_usd, row.unpriced_calls),
        duration(row.duration_p50_ms),
        duration(row.duration_p95_ms),
        duration(row.duration_sum_ms) if row.duration_sum_ms else "",
    ]


def _plain_numbers(row: NumberRow) -> list[object]:
    return [
        row.count,
        row.failed,
        row.retries,
        row.input_tokens,
        row.output_tokens,
        row.cached_tokens,
        row.cost_usd,
        row.duration_p50_ms,
        row.duration_p95_ms,
        row.duration_sum_ms,
    ]
