"""
`chaukas export`: a record, or a part of it, for other programs.

Events as recorded, or the tables that docs/VIEWER.md describes.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn, cast

import click
import orjson

from chaukas.cli.bars import progress
from chaukas.cli.input import Lines, files_in, oldest_first
from chaukas.cli.output import printable, printable_json, say
from chaukas.cli.settings import set_option
from chaukas.cli.spans import send_spans
from chaukas.query import Source
from chaukas.store.sqlite import SqliteStore

from .source import (
    asked,
    fail,
    files_named,
    filter_option,
    opened,
    read,
    source_argument,
)
from .table import csv_line
from .view import require_page
from .words import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chaukas.query import OpenedRecord, Questions

__all__ = ("TABLES", "export")

TABLES: Final = (
    "runs",
    "model_calls",
    "tool_calls",
    "messages",
    "troubles",
    "handoffs",
    "labels",
)
"""What can be exported as rows; the views of the index."""
_FORMATS: Final = ("jsonl", "csv", "parquet", "sqlite", "html")
_PAGE: Final = 1000
_MANY: Final = 10_000


@click.command()
@source_argument
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="jsonl",
    show_default=True,
    help="sqlite: one file with all tables. parquet: a folder with all tables, or one"
    " file with --table. html: one run as a page that opens offline.",
)
@click.option("--table", type=click.Choice(TABLES), help="Rows of one table.")
@click.option("--run", default="", help="One run alone: its id, or the end of it.")
@filter_option
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File or folder to write."
)
@click.option(
    "--otlp",
    "endpoint",
    metavar="ENDPOINT",
    default="",
    help="Send all events as spans to this OTLP receiver instead:"
    " http(s)://… or grpc(s)://host:port.",
)
@set_option
def export(
    source: tuple[Path | str, ...],
    format_: str,
    table: str | None,
    run: str,
    filter_: str,
    output: Path | None,
    endpoint: str,
    given: tuple[str, ...],
) -> None:
    """
    Write events or tables for other programs: JSONL, CSV, Parquet, SQLite, HTML, OTLP.

    JSONL without --table gives the events as they were recorded, of which --filter
    and --run take a part. CSV, and JSONL with --table, give the rows of a table; a
    cell of CSV that a spreadsheet could take for a formula gets an apostrophe.
    Parquet needs `pip install 'chaukas-sdk[view]'`.

    --otlp sends spans, with the ids of the record; headers are read from
    CHAUKAS_OTLP_HEADERS or OTEL_EXPORTER_OTLP_HEADERS. Give all files of a rotation
    together. A span without END is sent as one that its process left open.

    Exit code 1: there is no such run, or something was not sent. 2: something cannot
    be read or written, or the address is none.
    """
    if endpoint:
        if not source or table or run or filter_ or output is not None:
            text = "--otlp sends all events of the SOURCE that is named, and no part."
            raise click.UsageError(text)
        _send(source, endpoint, given)
    if given:
        raise click.UsageError("--set goes with --otlp.")
    if format_ in {"parquet", "sqlite"} and output is None:
        raise click.UsageError(f"--format {format_} needs --output.")
    if format_ == "csv" and table is None:
        raise click.UsageError(f"--format csv needs --table {'|'.join(TABLES)}.")
    if (filter_ or run) and (table or format_ in {"parquet", "sqlite"}):
        text = "--filter and --run go with events and HTML; of tables, ask with SQL."
        raise click.UsageError(text)
    with opened(source) as found, closing(_read_query(found)) as query:
        try:
            _write(found, query, format_, table, (run, filter_), output)
        except OSError as error:
            fail(f"cannot write {str(output)!r}: {error.strerror or error}.")


def _send(
    source: tuple[Path | str, ...], endpoint: str, given: tuple[str, ...]
) -> NoReturn:
    files = files_named(source)
    if files is None:
        with asked(source) as query:
            send_spans(query.lines(), endpoint, given)
    send_spans(_lines_of(files), endpoint, given)


def _lines_of(files: Sequence[Path]) -> Iterator[bytes]:
    # Not before the settings were looked at.
    yield from Lines(oldest_first(files_in(files)))


def _read_query(source: OpenedRecord) -> Questions:
    read(source)
    return source.query()


def _write(
    source: OpenedRecord,
    query: Questions,
    format_: str,
    table: str | None,
    part: tuple[str, str],
    output: Path | None,
) -> None:
    run, filter_ = part
    if format_ == "sqlite" and output is not None:
        with _index_of(source, query) as index:
            _copy(index, output)
    elif format_ == "parquet" and output is not None:
        with _index_of(source, query) as index:
            _to_parquet(index, table, output)
    elif format_ == "html":
        with _file(output) as file:
            file.write(_page(source, query, run).encode())
    elif table is not None:
        with _index_of(source, query) as index, _file(output) as file:
            file.writelines(_rows(index, table, as_csv=format_ == "csv"))
    else:
        if run:
            filter_ = f"{filter_} trace:{quoted(query.find_run(run))}".strip()
        with _file(output) as file:
            # A file holds what was recorded; a terminal shows the same JSON.
            shown = _printable if output is None and file.isatty() else bytes
            file.writelines(shown(line) + b"\n" for line in query.lines(filter_))


def _printable(line: bytes) -> bytes:
    return printable_json(line.decode("utf-8", "replace")).encode()


@contextmanager
def _index_of(source: OpenedRecord, query: Questions) -> Iterator[Path]:
    """Yield the SQLite file with the tables; that of a collector is made for now."""
    if isinstance(source, Source):
        yield source.index_path
        return
    with TemporaryDirectory(prefix="chaukas-") as folder:
        path = Path(folder) / "events.sqlite"
        with closing(SqliteStore(path, is_durable=False, has_words=False)) as store:
            # As the collector has it: a process says when it ends.
            store.set_live(None)
            _fetch(source, query, store)
        yield path


def _fetch(source: OpenedRecord, query: Questions, store: SqliteStore) -> None:
    """Copy all events of a collector, with a bar if it takes long."""
    lines = query.lines()
    total, number = source.status().events, 0
    with progress(f"Fetching {source.name}") as noted:
        while batch := list(islice(lines, _PAGE)):
            store.ingest(batch)
            number += len(batch)
            noted(number, max(total, number))


@contextmanager
def _file(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        if sys.stdout is None:
            fail("the standard output is closed.")
        binary = cast("BinaryIO", sys.stdout.buffer)
        yield binary
        binary.flush()
        return
    # What is exported is as private as the record is.
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        yield file


def _page(source: OpenedRecord, query: Questions, run: str) -> str:
    if not run:
        raise click.UsageError("--format html needs --run.")
    require_page()
    from chaukas.viewer.export import exported_run

    return exported_run(query, source.status(), query.find_run(run))


def _rows(index: Path, table: str, *, as_csv: bool) -> Iterator[bytes]:
    """Yield the rows of a table as lines, CSV with a head."""
    with closing(_connected(index)) as sql:
        # A name of `TABLES`.
        cursor = sql.execute(f"SELECT * FROM {table}")  # noqa: S608
        names = [column[0] for column in cursor.description]
        if as_csv:
            yield csv_line(names).encode() + b"\n"
        for row in cursor:
            if as_csv:
                cells = [printable(c) if type(c) is str else c for c in row]
                yield csv_line(cells).encode("utf-8", "replace") + b"\n"
            else:
                yield _printable(orjson.dumps(dict(zip(names, row, strict=True))))
                yield b"\n"


def _connected(index: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(index)
    connection.execute("PRAGMA query_only = 1")
    return connection


def _copy(index: Path, output: Path) -> None:
    if output.exists():
        fail(f"{str(output)!r} is there already: name another file.")
    with closing(sqlite3.connect(index)) as sql:
        sql.execute("VACUUM INTO ?", (str(output),))
    output.chmod(0o600)


def _to_parquet(index: Path, table: str | None, output: Path) -> None:
    try:
        import duckdb
    except ImportError:
        fail("Parquet needs: pip install 'chaukas-sdk[view]'.")
    if table is None:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in TABLES if table is None else (table,):
        path = output / f"{name}.parquet" if table is None else output
        with closing(duckdb.connect()) as duck:
            _fill(duck, index, name)
            # The path is quoted; the table has one name.
            quoted = str(path).replace("'", "''")
            duck.execute(f"COPY rows TO '{quoted}' (FORMAT parquet, COMPRESSION zstd)")
        path.chmod(0o600)
        say(f"{path}", err=True)


def _fill(duck: Any, index: Path, name: str) -> None:
    """Copy a table into DuckDB, whose own reader of SQLite would be a download."""
    with closing(_connected(index)) as sql:
        # A name of `TABLES`.
        cursor = sql.execute(f"SELECT * FROM {name}")  # noqa: S608
        columns = [column[0] for column in cursor.description]
        types = [_PARQUET.get(column, "VARCHAR") for column in columns]
        listed = ", ".join(f'"{c}" {t}' for c, t in zip(columns, types, strict=True))
        duck.execute(f"CREATE TABLE rows ({listed})")
        marks = ", ".join("?" * len(columns))
        while rows := cursor.fetchmany(_MANY):
            duck.executemany(f"INSERT INTO rows VALUES ({marks})", rows)  # noqa: S608


_PARQUET: Final = {
    **dict.fromkeys(
        "input_tokens output_tokens cached_tokens reasoning_tokens events model_calls"
        " tool_calls unpriced unpriced_calls errors retries denials turn".split(),
        "BIGINT",
    ),
    **dict.fromkeys("duration_ms first_token_ms cost_usd wait_ms".split(), "DOUBLE"),
    **dict.fromkeys("started ended moment".split(), "TIMESTAMPTZ"),
    "day": "DATE",
}
"""Types of the columns that are no texts."""
