"""`chaukas show | diff`: one event or run as recorded, two runs beside each other."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from chaukas.cli.output import say, say_json
from chaukas.query import NotFoundError

from .source import asked, json_option, limit_option, source_argument
from .tree import run_lines
from .words import clock, date_time, duration, run_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaukas.query import Diff, DiffRow, EventDetail, PromptAnswer

__all__ = ("diff", "show")

_SLOWER_MS = 100.0
_SLOWER_SHARE = 0.2
_CHANGES = {"same": " ", "added": "+", "missing": "-", "changed": "~"}


@click.command()
@click.argument("event")
@source_argument
@click.option("--prompt", is_flag=True, help="Of a model call: its whole prompt.")
@json_option
def show(
    event: str, source: tuple[Path | str, ...], *, prompt: bool, as_json: bool
) -> None:
    """
    Show one event, or one run, whole: as recorded, with its mark of integrity.

    EVENT is the id of an event or of a run, or the end of a run's id. Exit code 1:
    there is none.
    """
    with asked(source) as query:
        if prompt:
            _put_prompt(query.prompt(event), as_json=as_json)
            return
        try:
            detail = query.event(event)
        except NotFoundError:
            trace_id = query.find_run(event)
            if as_json:
                say_json(asdict(query.tree(trace_id)))
                return
            for line in run_lines(query, trace_id, is_full=True):
                say(line)
            return
    if as_json:
        say_json(asdict(detail))
        return
    for line in _detail_lines(detail):
        say(line)


def _detail_lines(detail: EventDetail) -> Iterator[str]:
    row = detail.row
    moment = f"{date_time(row.at_us)[:10]} {clock(row.at_us)} UTC"
    yield f"{row.type}  {moment}  {row.status}"
    marks = {
        "ok": "its hash is right",
        "altered": "ALTERED: its hash is not that of its content",
        "absent": "it carries no hash",
    }
    chains = {
        "ok": "it follows the event before it",
        "broken": "the event before it here is not the one that it names",
        "unknown": "what came before it is not known",
    }
    yield f"{marks[detail.integrity]}; {chains[detail.chain]}"
    for name, value in (
        ("run", row.trace_id),
        ("session", row.session_id),
        ("other half", detail.partner_event_id),
        ("before", detail.previous_event_id),
        ("after", detail.next_event_id),
    ):
        if value:
            yield f"{name}: {value}"
    yield from _json_lines(detail.event)


def _json_lines(value: Any) -> list[str]:
    return json.dumps(value, ensure_ascii=False, indent=2).split("\n")


def _put_prompt(found: PromptAnswer, *, as_json: bool) -> None:
    if as_json:
        say_json(asdict(found))
        return
    if found.system:
        say("system:")
        for line in found.system.split("\n"):
            say(f"  {line}")
    for index, item in enumerate(found.items):
        mark = "new" if index >= found.new_from else "sent before"
        say(f"item {index + 1} of {len(found.items)} ({mark}):")
        if item is None:
            say("  not in this record")
            continue
        for line in _json_lines(item):
            say(f"  {line}")


@click.command()
@click.argument("left")
@click.argument("right")
@source_argument
@click.option("--all", "is_full", is_flag=True, help="What is the same, too.")
@limit_option(1000)
@json_option
def diff(
    left: str,
    right: str,
    source: tuple[Path | str, ...],
    limit: int,
    *,
    is_full: bool,
    as_json: bool,
) -> None:
    """
    Lay two runs beside each other: what is added (+), missing (-), changed (~).

    LEFT and RIGHT are ids of runs, or their ends; `last` is the newest run. Texts of
    prompts, answers, arguments and results are compared line by line; a step that
    took 20 % and 100 ms more or less is shown, too. Exit code 0: both are the same,
    1: they differ, or there is no such run.
    """
    with asked(source) as query:
        found = query.diff(query.find_run(left), query.find_run(right), limit)
    if as_json:
        say_json(asdict(found))
    else:
        for line in _diff_lines(found, is_full=is_full):
            say(line)
    sys.exit(1 if found.added or found.missing or found.changed else 0)


def _diff_lines(found: Diff, *, is_full: bool) -> Iterator[str]:
    yield f"- {run_head(found.left)}"
    yield f"+ {run_head(found.right)}"
    for row in found.rows:
        if row.change != "same" or is_full or _is_other_speed(row):
            yield from _diff_row(row)
    yield (
        f"{found.same:,} the same, {found.changed:,} changed,"
        f" {found.added:,} added, {found.missing:,} missing"
    )


def _is_other_speed(row: DiffRow) -> bool:
    """Return whether a step took so much more or less time that one should know."""
    if row.slower_ms is None or row.left is None:
        return False
    before_ms = row.left.duration_ms or 0.0
    return abs(row.slower_ms) >= max(_SLOWER_MS, _SLOWER_SHARE * before_ms)


def _diff_row(row: DiffRow) -> Iterator[str]:
    span = row.right or row.left
    if span is None:
        return
    indent = "  " * min(row.depth, 32)
    parts = [f"{span.kind} {span.name}".strip()]
    if row.left is None or row.right is None:
        parts.append(span.text)
    elif row.left.status != row.right.status:
        parts.append(f"{row.left.status} → {row.right.status}")
    if row.slower_ms is not None and abs(row.slower_ms) >= 1:
        word = "slower" if row.slower_ms > 0 else "faster"
        parts.append(f"{duration(abs(row.slower_ms))} {word}")
    yield f"{_CHANGES[row.change]} {indent}{'  '.join(part for part in parts if part)}"
    for text in row.texts:
        yield f"  {indent}  {text.field}:"
        for line in text.lines:
            yield f"  {indent}    {line}"
