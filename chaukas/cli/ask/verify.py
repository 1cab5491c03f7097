"""`chaukas verify`: whether a record is as it was written."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from chaukas.cli.input import Lines, event_in, files_in, oldest_first
from chaukas.cli.output import count, say
from chaukas.query import store_in
from chaukas.sdk import integrity
from chaukas.sdk.integrity import Problem, Removed, Sent

from .source import asked, files_named, reading, source_argument
from .tree import nothing_there, without_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.query import Questions
    from chaukas.sdk.integrity import Report

__all__ = ("Checked", "checked", "verify")

BROKEN: Final = 1
NOT_WHOLE: Final = 3

_LISTED: Final = 20
"""Problems, and streams, that are listed one by one."""


@click.command()
@source_argument
@click.option(
    "--partial",
    is_flag=True,
    help="Exit code 0 instead of 3: the files are a part of the record, or a process"
    " is still at work.",
)
def verify(source: tuple[Path | str, ...], *, partial: bool) -> None:
    """
    Check whether events were altered, taken out or moved.

    Give all files of a rotation together, .gz or not, or their folder: they are one
    chain; - is the standard input. Each problem is named with its file and line.

    Of a collector, give its folder, or a copy of its store, or its address: then what
    the key may read is checked, stream by stream. What was removed on record is told,
    and is no problem.

    Exit code 0: the record is whole and unaltered. 1: something is wrong, or there is
    no event. 2: a source cannot be read. 3: nothing is wrong, but not all is there: a
    stream begins in another file or has no end, a line holds half an event or repeats
    one, or a stream has events of other tenants.
    """
    store = store_in(Path(source[0])) if len(source) == 1 else None
    if store is not None:
        from chaukas.cli.collector.upkeep import say_findings

        sys.exit(say_findings(store, store.with_name("administration.jsonl")))
    found = checked(source)
    for sentence in found.sentences:
        say(sentence)
    if found.is_broken:
        sys.exit(BROKEN)
    sys.exit(0 if partial or found.is_whole else NOT_WHOLE)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    sentences: Sequence[str]
    """For people, one line each; the verdict is the last."""
    is_broken: bool
    """Something is altered, missing or moved, or there is no event at all."""
    is_whole: bool
    """All is there, from the beginning of each stream to its end."""


def checked(source: Sequence[Path | str]) -> Checked:
    """Check the chains of a record; end the command if it cannot be read."""
    files = files_named(source)
    if files is None:
        with asked(source) as query:
            return _checked_there(query)
    with reading():
        lines = Lines(oldest_first(files_in(files)))
        report = integrity.verify(lines)
    is_broken = bool(lines.empty) or not report.events or not report.ok
    return Checked(tuple(_of_files(report, lines)), is_broken, report.is_whole)


@dataclass(slots=True)
class _Seen:
    """What went by beside the chains."""

    bare: int = 0
    """Events without hash and stream, such as those of OpenTelemetry."""
    removed: int = 0
    shared: list[str] = field(default_factory=list)
    """Streams that have events of others, too."""


def _checked_there(query: Questions) -> Checked:
    name = query.status().source
    seen = _Seen()
    report = integrity.verify(_chained(query.chains(), seen))
    if not (report.events or report.problems or seen.bare):
        return Checked((nothing_there(name),), is_broken=True, is_whole=False)
    is_whole = report.is_whole and not seen.shared
    return Checked(tuple(_of_collector(name, report, seen)), not report.ok, is_whole)


def _chained(
    items: Iterator[bytes | Removed | Sent], seen: _Seen
) -> Iterator[bytes | Removed | Sent]:
    """Yield what has a hash, and note what else there is."""
    is_in_stream = False
    for item in items:
        if isinstance(item, Removed):
            seen.removed += item.last - item.first + 1
        elif isinstance(item, Sent):
            is_in_stream = True
            seen.shared += [item.stream] if item.is_shared else []
        elif not is_in_stream and not (event_in(item) or {}).get("content_hash"):
            seen.bare += 1
            continue
        yield item


def _of_files(report: Report, lines: Lines) -> Iterator[str]:
    yield from without_events(lines, has_events=report.events > 0)
    # Of what is no record one line says enough.
    number = report.problem_count if report.events else min(1, report.problem_count)
    yield from _findings(report, report.problems, number, lines.place)
    if any(state.state == "cut" for state in report.states):
        yield "Give all files of a rotation together, if there are more."
    if lines.blanks:
        yield f"{count(lines.blanks, 'blank line')}, skipped."
    yield from _counts(report)
    if report.events:
        yield _verdict(report, is_ok=report.ok, is_whole=report.is_whole)


def _of_collector(name: str, report: Report, seen: _Seen) -> Iterator[str]:
    number = report.problem_count
    yield from _findings(report, report.problems, number, lambda _line: name)
    yield from _counts(report)
    for stream in seen.shared[:_LISTED]:
        yield (
            f"{name}: shared: Stream {stream!r} has events of other tenants, which"
            " this key does not show: whether one is missing between is not known."
        )
    if len(seen.shared) > _LISTED:
        yield f"{len(seen.shared) - _LISTED:,} more streams have events of others."
    if seen.removed:
        yield f"{count(seen.removed, 'event')} removed on record."
    if seen.bare:
        yield f"{count(seen.bare, 'event')} without hash, as from OpenTelemetry."
    is_whole = report.is_whole and not seen.shared
    yield _verdict(report, is_ok=report.ok, is_whole=is_whole)


def _findings(
    report: Report,
    problems: Sequence[Problem],
    number: int,
    place: Callable[[int], str],
) -> Iterator[str]:
    """Yield what is wrong, what is worth a remark, and streams that are not whole."""
    shown = problems[: min(number, _LISTED)]
    for each in [*shown, *report.remarks]:
        yield f"{place(each.line)}: {each.kind}: {each.sentence}"
    if number > _LISTED:
        yield f"{number - _LISTED:,} more problems."
    apart = [state for state in report.states if state.state != "complete"]
    for state in apart[:_LISTED]:
        yield f"{place(state.line)}: {state.state}: {state.sentence}"
    if len(apart) > _LISTED:
        yield f"{len(apart) - _LISTED:,} more streams are open or cut."


def _counts(report: Report) -> Iterator[str]:
    for number, what in (
        (report.torn, "half events, skipped"),
        (report.repeated, "repeated events"),
        (report.respelled, "events in another spelling"),
    ):
        if number > 1:
            yield f"{number:,} {what}."


def _verdict(report: Report, *, is_ok: bool, is_whole: bool) -> str:
    states = [state.state for state in report.states]
    found = ", ".join(f"{n:,} {name}" for name, n in Counter(sorted(states)).items())
    how = found if len(states) > 1 else "".join(states)
    text = f"{count(report.events, 'event')} in {count(len(states), 'stream')}"
    text = f"{text} ({how})" if how else text
    if not is_ok:
        return f"{text}: BROKEN."
    if not is_whole:
        return f"{text}: nothing altered or moved, but the record is not whole."
    return f"{text}: nothing altered, missing or moved."
