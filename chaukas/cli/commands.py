"""
The commands: arguments, output and exit codes.

Everything that decides lies elsewhere, so that it can be tested and used
without a terminal.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from chaukas.sdk import integrity
from chaukas.sdk._version import VERSION

from .input import (
    Lines,
    UnreadableError,
    files_in,
    oldest_first,
    recorded_event_in,
)
from .output import count, say
from .tree import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.integrity import Report

__all__ = ("main", "tree", "verify")

BROKEN = 1
UNREAD = 2
NOT_WHOLE = 3

_FILE = click.Path(path_type=Path)
_LISTED = 20
"""Streams that are listed one by one."""


_ELSEWHERE = {
    "doctor": "chaukas.cli.doctor:doctor",
    "spool": "chaukas.cli.spool:spool",
    "view": "chaukas.cli.ask.view:view",
    "summary": "chaukas.cli.ask.summary:summary",
    "runs": "chaukas.cli.ask.lists:runs",
    "sessions": "chaukas.cli.ask.lists:sessions",
    "search": "chaukas.cli.ask.lists:search",
    "stats": "chaukas.cli.ask.lists:stats",
    "show": "chaukas.cli.ask.run:show",
    "diff": "chaukas.cli.ask.run:diff",
    "tail": "chaukas.cli.ask.tail:tail",
    "label": "chaukas.cli.ask.label:label",
    "export": "chaukas.cli.ask.export:export",
    "mcp": "chaukas.cli.ask.mcp:mcp",
}
"""Commands of other modules, which are loaded when they are called for."""


class _Commands(click.Group):
    """The commands; a call of one does not load the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded if need be."""
        place = _ELSEWHERE.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="chaukas")
def main() -> None:
    """Inspect what chaukas recorded, and manage its delivery."""


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option(
    "--partial",
    is_flag=True,
    help="Exit code 0 instead of 3: the files are a part of the record, or a process"
    " is still at work.",
)
def verify(files: tuple[Path, ...], *, partial: bool) -> None:
    """
    Check whether events were altered, taken out or moved.

    Give all files of a rotation together, .gz or not, or their folder: they are one
    chain; - is the standard input. The first problem is named with its file and line.

    Exit code 0: the record is whole and unaltered. 1: something is wrong, or a file
    holds no event. 2: a file cannot be read. 3: nothing is wrong, but not all is
    there: a stream begins in another file or has no end, or a line holds half an
    event or repeats one.
    """
    try:
        lines = Lines(oldest_first(files_in(files)))
        report = integrity.verify(lines)
    except UnreadableError as error:
        _end_unread(error)
    for sentence in _sentences(report, lines):
        say(sentence)
    if lines.empty or not report.events or not report.ok:
        sys.exit(BROKEN)
    sys.exit(0 if partial or report.is_whole else NOT_WHOLE)


@main.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option("--run", default="", help="One run: its id or the end of it; last.")
@click.option("--full", is_flag=True, help="With --run: stores too.")
@click.option("--json", "as_json", is_flag=True, help="With --run: as JSON.")
@click.option("--limit", default=20_000, help="With --run: most lines.")
def tree(
    files: tuple[Path, ...], run: str, limit: int, *, full: bool, as_json: bool
) -> None:
    """
    Show what happened, as a tree: sessions, agents, models, tools.

    One line for each pair of START and END, with its outcome, duration and tokens;
    "cut" is what a process that is gone left without its end. Times are UTC. Give
    all files of a rotation together, .gz or not, their folder, or a spool; - is the
    standard input. With --run one run: times count from its start, and what each
    step said is shown.

    Exit code 1: a file holds no event, or there is no such run. 2: a file cannot be
    read.
    """
    if run:
        from .ask.run import show_run

        show_run(files, run, is_full=full, as_json=as_json, limit=limit)
        return
    _show_all(files)


def _show_all(files: tuple[Path, ...]) -> None:
    skipped = 0
    lines = Lines(())

    def events() -> Iterator[dict[str, object]]:
        nonlocal skipped
        for line in lines:
            event = recorded_event_in(line)
            if event is not None:
                yield event
            elif line.strip():
                skipped += 1

    try:
        lines = Lines(oldest_first(files_in(files)))
        shown = render(events())
    except UnreadableError as error:
        _end_unread(error)
    for line in shown:
        say(line)
    for sentence in _without_events(lines, has_events=bool(shown)):
        say(f"chaukas: {sentence}", err=True)
    if skipped and shown:
        text = f"chaukas: {count(skipped, 'line')} skipped: no event in it."
        say(text if skipped == 1 else text.replace("in it", "in them"), err=True)
    if lines.empty or not shown:
        sys.exit(BROKEN)


def _without_events(lines: Lines, *, has_events: bool) -> Iterator[str]:
    """Yield a sentence for each file that is empty, and for files without events."""
    for path in lines.empty:
        yield f"{path}: empty: it holds no event, or was emptied."
    if not has_events and len(lines.empty) < len(lines.files):
        names = ", ".join(str(path) for path in lines.files if path not in lines.empty)
        yield f"{names}: no record of chaukas: not one line holds an event."


def _sentences(report: Report, lines: Lines) -> Iterator[str]:
    yield from _without_events(lines, has_events=report.events > 0)
    problem = report.problem
    found = [] if report.ok or problem is None else [problem]
    for each in [*found, *(one for one in report.remarks if one not in found)]:
        yield f"{lines.place(each.line)}: {each.kind}: {each.sentence}"
    apart = [state for state in report.states if state.state != "complete"]
    for state in apart[:_LISTED]:
        yield f"{lines.place(state.line)}: {state.state}: {state.sentence}"
    if len(apart) > _LISTED:
        yield f"{len(apart) - _LISTED:,} more streams are open or cut."
    if any(state.state == "cut" for state in apart):
        yield "Give all files of a rotation together, if there are more."
    if lines.blanks:
        yield f"{count(lines.blanks, 'blank line')}, skipped."
    yield from _counts(report)


def _counts(report: Report) -> Iterator[str]:
    for number, what in (
        (report.torn, "half events, skipped"),
        (report.repeated, "repeated events"),
        (report.respelled, "events in another spelling"),
    ):
        if number > 1:
            yield f"{number:,} {what}."
    if not report.events:
        return
    states = [state.state for state in report.states]
    found = ", ".join(f"{n:,} {name}" for name, n in Counter(sorted(states)).items())
    streams = count(len(states), "stream")
    yield (
        f"{count(report.events, 'event')} in {streams}"
        f" ({found if len(states) > 1 else states[0]}): {_verdict(report)}."
    )


def _verdict(report: Report) -> str:
    if not report.ok:
        return "BROKEN"
    if not report.is_whole:
        return "nothing altered or moved, but the record is not whole"
    return "nothing altered, missing or moved"


def _end_unread(error: UnreadableError) -> NoReturn:
    say(f"chaukas: {error}", err=True)
    sys.exit(UNREAD)
