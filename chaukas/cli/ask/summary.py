"""`chaukas summary`: one screen about a record."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from chaukas.cli.output import count, say, say_json

from .source import (
    asked,
    filter_option,
    json_option,
    source_argument,
)
from .words import date_time, duration, money, path, short_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Literal

    from chaukas.query import Summary
    from chaukas.store.answers import NumberRow

__all__ = ("lines_of", "summary")


@click.command()
@source_argument
@filter_option
@click.option(
    "--verify", "is_verified", is_flag=True, help="Check the chain of hashes as well."
)
@json_option
def summary(
    source: tuple[Path | str, ...], filter_: str, *, is_verified: bool, as_json: bool
) -> None:
    """
    Show one screen: runs, failures, cost, tokens, the slowest, errors, losses.

    SOURCE is a file (with what its rotation set aside), a folder, a spool, or the
    address of a collector; without it the configured file. Times are UTC.

    Exit code 2: a source cannot be read, or the filter cannot be understood.
    """
    with asked(source) as query:
        found = query.summary(filter_)
    if is_verified:
        found = replace(found, verified=_verified(source))
    if as_json:
        say_json(asdict(found))
        return
    for line in lines_of(found):
        say(line)


def _verified(source: Sequence[Path | str]) -> Literal["whole", "not whole", "broken"]:
    from .verify import checked

    found = checked(source)
    if found.is_broken:
        return "broken"
    return "whole" if found.is_whole else "not whole"


def lines_of(found: Summary) -> Iterator[str]:
    """Yield what a person reads of a summary."""
    yield found.source
    if found.first_us is None or found.last_us is None:
        yield "No events yet."
        return
    tenants = ", ".join(found.tenants)
    yield f"{date_time(found.first_us)} to {date_time(found.last_us)} UTC" + (
        f"  tenants {tenants}" if tenants not in {"", "default"} else ""
    )
    yield ""
    statuses = ", ".join(f"{n:,} {name}" for name, n in found.by_status.items())
    parts = (
        count(found.runs, "run") + (f" ({statuses})" if statuses else ""),
        count(found.sessions, "session"),
        count(found.events, "event"),
    )
    yield "  ".join(parts)
    totals = found.totals
    yield (
        f"{count(totals.count, 'model call')}  {totals.input_tokens:,} tokens in,"
        f" {totals.output_tokens:,} out, {totals.cached_tokens:,} cached"
        f"  {money(totals.cost_usd) or '0'} USD"
    )
    if totals.unpriced_calls:
        yield f"{count(totals.unpriced_calls, 'call')} of unknown price, not added up"
    run = found.run_totals
    if run.count:
        yield (
            f"a run takes {duration(run.duration_p50_ms)} (p50),"
            f" {duration(run.duration_p95_ms)} (p95)"
        )
    yield from _groups("agents", found.agents)
    yield from _groups("models", found.models)
    yield from _groups("tools", found.tools)
    yield from _runs_and_causes(found)
    yield ""
    yield from _trust(found)


def _groups(title: str, rows: Sequence[NumberRow]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield f"{title}:"
    width = min(max(len(row.key[0]) for row in rows), 32)
    for row in rows:
        parts = [f"  {row.key[0][:32]:<{width}}", f"{row.count:>7,}"]
        parts += [f"{row.failed:,} failed"] if row.failed else []
        if row.input_tokens or row.output_tokens:
            parts.append(f"{row.input_tokens:,}+{row.output_tokens:,} tokens")
        parts += [f"{amount} USD"] if (amount := money(row.cost_usd)) else []
        if row.duration_p95_ms is not None:
            parts.append(f"p95 {duration(row.duration_p95_ms)}")
        yield "  ".join(parts)


def _runs_and_causes(found: Summary) -> Iterator[str]:
    if found.slowest:
        yield ""
        yield "slowest:"
    for run in found.slowest:
        yield (
            f"  {short_id(run.trace_id)}  {duration(run.duration_ms)}  {run.status}"
            f"  {path(run.agents)}  {run.input[:60]}"
        )
    if found.causes:
        yield ""
        yield "trouble:"
    for cause in found.causes:
        name = f"{cause.name}: " if cause.name else ""
        text = f"{name}{cause.cause}"[:100]
        yield f"  {cause.count:>5,}  {cause.kind}  {text}"


def _trust(found: Summary) -> Iterator[str]:
    open_ = sum(stream.state == "open" for stream in found.streams)
    died = sum(stream.state == "died" for stream in found.streams)
    states = [f"{open_:,} still recording"] if open_ else []
    states += [f"{died:,} gone without an end"] if died else []
    processes = count(len(found.streams), "process")
    if len(found.streams) == 20:
        processes = f"the latest {processes}"
    yield "  ".join([processes, *states])
    if found.missing or found.dropped:
        yield (
            f"LOST: {count(found.missing, 'event')} missing by number,"
            f" {found.dropped:,} reported as dropped"
        )
    else:
        yield "no event is missing by number, none was reported as dropped"
    words = {
        "not checked": "chain of hashes not checked: add --verify",
        "whole": "chain of hashes verified: nothing altered, missing or moved",
        "not whole": "chain of hashes verified: nothing altered, but not all is there",
        "broken": "chain of hashes BROKEN: see chaukas verify",
    }
    yield words[found.verified]
