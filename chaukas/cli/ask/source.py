"""
The source that a command reads: opened, read with a progress bar, asked.

Errors that a person can mend end the command with one line and exit code 2.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from chaukas.cli.output import say
from chaukas.cli.settings import loaded_with
from chaukas.query import (
    CursorError,
    FilterError,
    NotFoundError,
    UnreadableError,
    open_source,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.query import Query, Source
    from chaukas.store.files.index import Progress

__all__ = (
    "MISSING",
    "UNREAD",
    "asked",
    "configured_file",
    "fail",
    "filter_option",
    "json_option",
    "limit_option",
    "opened",
    "read",
    "source_argument",
)

MISSING: Final = 1
"""Exit code: what was asked for is not there."""
UNREAD: Final = 2
"""Exit code: a file cannot be read, or the question cannot be understood."""
_PATIENCE_S: Final = 1.0

Command = "Callable[..., Any]"

source_argument = click.argument(
    "source", metavar="[SOURCE]...", nargs=-1, type=click.Path(path_type=Path)
)
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


def configured_file() -> Path:
    """Return the file that chaukas writes to, as far as the environment says."""
    return loaded_with(()).config.output_file


@contextmanager
def opened(paths: Sequence[Path]) -> Iterator[Source]:
    """Open a source; the configured file if none was named. It is not read yet."""
    named = list(paths) or [configured_file()]
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
    except CursorError as error:
        fail(str(error))
    finally:
        source.close()


@contextmanager
def asked(paths: Sequence[Path]) -> Iterator[Query]:
    """Open and read a source; yield what can be asked."""
    with opened(paths) as source:
        read(source)
        query = source.query()
        try:
            yield query
        finally:
            query.close()


def read(source: Source) -> None:
    """Read what is new in a source, with a progress bar if it takes long."""
    try:
        with _bar(f"Reading {source.name}") as progress:
            source.read(progress)
    except UnreadableError as error:
        # What came before the damage can be asked.
        say(f"chaukas: {error}", err=True)
        if not source.status().events:
            sys.exit(UNREAD)


@contextmanager
def _bar(text: str) -> Iterator[Callable[[Progress], None]]:
    """Yield what to call with the progress; a bar appears after a second."""
    begun = time.monotonic()
    bar: Any = None
    task: Any = None
    is_shown = sys.stderr is not None and sys.stderr.isatty()

    def note(progress: Progress) -> None:
        nonlocal bar, task
        if not is_shown:
            return
        if bar is None:
            if time.monotonic() - begun < _PATIENCE_S:
                return
            bar, task = _start(text, progress.total_bytes)
        bar.update(task, completed=progress.done_bytes, total=progress.total_bytes)

    try:
        yield note
    finally:
        if bar is not None:
            bar.stop()


def _start(text: str, total: int) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from chaukas.cli.output import printable

    bar = Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.start()
    return bar, bar.add_task(escape(printable(text)[:60]), total=total)
