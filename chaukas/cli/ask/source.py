"""
The source that a command reads: opened, read with a progress bar, asked.

Errors that a person can mend end the command with one line and exit code 2.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from chaukas.cli.bars import progress
from chaukas.cli.named import NAMED
from chaukas.cli.output import say
from chaukas.cli.settings import loaded_with
from chaukas.query import (
    CursorError,
    FilterError,
    NotFoundError,
    QuestionError,
    Source,
    UnreadableError,
    is_of_files,
    open_source,
)
from chaukas.sdk.config import endpoint_without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.query import OpenedRecord, Questions
    from chaukas.store.answers import Page

__all__ = (
    "MISSING",
    "UNREAD",
    "all_of",
    "asked",
    "fail",
    "files_named",
    "filter_option",
    "json_option",
    "limit_option",
    "opened",
    "read",
    "reading",
    "source_argument",
)

MISSING: Final = 1
"""Exit code: what was asked for is not there."""
UNREAD: Final = 2
"""Exit code: a file cannot be read, or the question cannot be understood."""
_PAGE: Final = 1000

Row = TypeVar("Row")

source_argument = click.argument("source", metavar="[SOURCE]...", nargs=-1, type=NAMED)
filter_option = click.option(
    "-q",
    "--filter",
    "filter_",
    default="",
    metavar="FILTER",
    help="Such as 'agent:billing status:failed cost>0.1 since:1h'; see docs/VIEWER.md.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON, one object a line."
)


def limit_option(number: int) -> Callable[..., Any]:
    """Return the option `--limit` with its default."""
    return click.option(
        "-n",
        "--limit",
        type=click.IntRange(1, 1_000_000),
        default=number,
        show_default=True,
        help="Most rows.",
    )


def fail(text: str, code: int = UNREAD) -> NoReturn:
    """End the command with one line for people."""
    say(f"chaukas: {text}", err=True)
    sys.exit(code)


def _configured() -> Path:
    """Return the configured file; end the command if events go to a collector only."""
    config = loaded_with(()).config
    path = config.output_file
    if config.endpoint and not path.exists():
        place = endpoint_without_secrets(config.endpoint)
        text = f"there is no file {str(path)!r}: events go to {place}."
        fail(f"{text} Give the address of the collector as SOURCE.")
    return path


def files_named(named: Sequence[Path | str]) -> list[Path] | None:
    """Return the files that were named, or the configured one; None for a collector."""
    if not is_of_files(named):
        return None
    return [Path(one) for one in named] or [_configured()]


@contextmanager
def reading() -> Iterator[None]:
    """End the command with one line if a file cannot be read."""
    try:
        yield
    except UnreadableError as error:
        fail(str(error))


def all_of(
    page: Callable[[str, int], Page[Row]], limit: int
) -> tuple[list[Row], int | None]:
    """Return the rows of as many pages as are needed, and how many match in all."""
    rows: list[Row] = []
    matched: int | None = None
    cursor = ""
    while len(rows) < limit:
        found = page(cursor, min(_PAGE, limit - len(rows)))
        rows += found.items
        matched = found.matched if matched is None else matched
        cursor = found.next_cursor
        if not cursor:
            break
    return rows, matched


@contextmanager
def opened(paths: Sequence[Path | str]) -> Iterator[OpenedRecord]:
    """Open a source; the configured file if none was named. It is not read yet."""
    named = list(paths) or [_configured()]
    try:
        source = open_source(named)
    except UnreadableError as error:
        fail(str(error))
    try:
        yield source
    except FilterError as error:
        fail(f"--filter: {error.message}")
    except NotFoundError as error:
        fail(str(error), MISSING)
    except (CursorError, QuestionError, UnreadableError) as error:
        fail(str(error))
    except sqlite3.DatabaseError as error:
        fail(f"{source.name} cannot be read: {error}. Try again; is it damaged?")
    finally:
        source.close()


@contextmanager
def asked(paths: Sequence[Path | str]) -> Iterator[Questions]:
    """Open and read a source; yield what can be asked."""
    with opened(paths) as source:
        read(source)
        query = source.query()
        try:
            yield query
        finally:
            query.close()


def read(source: OpenedRecord) -> None:
    """Read what is new in a source, with a progress bar if it takes long."""
    try:
        with progress(f"Reading {source.name}") as noted:
            source.read(lambda at: noted(at.done_bytes, at.total_bytes))
    except UnreadableError as error:
        if not isinstance(source, Source):
            fail(str(error))
        # What came before the damage can be asked.
        say(f"chaukas: {error}", err=True)
        if not source.status().events:
            sys.exit(UNREAD)
    status = source.status()
    if not status.events and status.skipped_lines:
        text = f"{source.name}: no record of chaukas: not one line holds an event."
        fail(text, MISSING)
    if not status.events and source.whose:
        text = f"{source.name} has no event of the tenant {source.whose!r}, whose"
        say(f"chaukas: {text} this key is.", err=True)
