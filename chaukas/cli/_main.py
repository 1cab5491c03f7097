"""
The commands: what they take, what they print, how they end.

Everything that decides lies elsewhere, so that it can be tested and used
without a terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from chaukas.sdk import integrity

from ._doctor import doctor
from ._input import UNREADABLE, Lines, event_in, oldest_first, reason_of
from ._say import say
from ._spool import spool
from ._tree import render

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("main", "tree", "verify")

BROKEN = 1
UNREAD = 2

_FILE = click.Path(path_type=Path)


@click.group()
def main() -> None:
    """Look at what chaukas recorded, and after its delivery."""


main.add_command(doctor)
main.add_command(spool)


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
def verify(files: tuple[Path, ...]) -> None:
    """
    Tell whether events were altered, taken out or moved.

    Give all files of a rotation together, .gz or not: they are one chain. The
    first problem is named with its file and line. Exit code 0: nothing wrong,
    1: something is, 2: a file cannot be read.
    """
    try:
        lines = Lines(oldest_first(files))
        report = integrity.verify(lines)
    except UNREADABLE as error:
        _end_unread(error)
    for sentence in _sentences(report, lines):
        say(sentence)
    sys.exit(0 if report.ok else BROKEN)


@main.command()
@click.argument("file", metavar="FILE", type=_FILE)
def tree(file: Path) -> None:
    """
    Show what happened, as a tree: sessions, agents, models, tools.

    One line for each pair of START and END, with its outcome, duration and
    tokens. Exit code 2: the file cannot be read.
    """
    skipped = 0

    def events() -> Iterator[dict[str, object]]:
        nonlocal skipped
        for line in Lines([file]):
            event = event_in(line)
            if event is not None:
                yield event
            elif line.strip():
                skipped += 1

    try:
        shown = render(events())
    except UNREADABLE as error:
        _end_unread(error)
    for line in shown:
        say(line)
    if skipped:
        say(f"chaukas: {skipped} line(s) held no event and were skipped.", err=True)


def _sentences(report: integrity.Report, lines: Lines) -> Iterator[str]:
    problem = report.problem
    if problem is not None:
        yield f"{lines.place(problem.line)}: {problem.kind}: {problem.sentence}"
    verdict = "nothing altered, missing or moved" if report.ok else "BROKEN"
    yield f"{report.events:,} event(s) in {report.streams:,} stream(s): {verdict}."
    if report.torn:
        yield f"{report.torn:,} line(s) hold no whole event and were skipped."
    if report.repeated:
        yield f"{report.repeated:,} line(s) repeat the event before them."
    if report.midway:
        yield (
            f"{report.midway:,} stream(s) begin in another file: what came before "
            "is not checked."
        )


def _end_unread(error: Exception) -> NoReturn:
    name = getattr(error, "filename", None)
    place = f" {str(name)!r}" if name else ""
    say(
        f"chaukas: cannot read{place}: {reason_of(error)}. Give a file of events, "
        "such as chaukas_events.jsonl.",
        err=True,
    )
    sys.exit(UNREAD)
