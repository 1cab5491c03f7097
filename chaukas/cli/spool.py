"""
`chaukas spool`: lists what waits and what was refused, and delivers what was left.

The commands parse and print; the SDK inspects and delivers.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from chaukas.cli.tree.line import shown
from chaukas.sdk.delivery.spool.inspect import Refused, quarantined, survey
from chaukas.sdk.maintenance import deliver, put_back, sink_keys, spool_dirs

from .input import event_in, reason_of
from .output import age, count, say, say_json, seconds_of, size, time_of
from .settings import loaded_with, set_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chaukas.sdk.config import Config
    from chaukas.sdk.delivery.spool.inspect import SpoolState
    from chaukas.sdk.maintenance import Delivered

__all__ = ("flush", "lines_of", "list_", "quarantine", "retry", "show", "spool")

LEFT = 1
UNREAD = 2
_NAME_CHARS = 64
_PLACE_CHARS = 200
_PREFIX = "EVENT_TYPE_"


_timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Longest wait, in seconds.",
)


@click.group()
def spool() -> None:
    """Events that wait on this machine for a collector."""


@spool.command("list")
@set_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each spool.")
def list_(given: tuple[str, ...], *, as_json: bool) -> None:
    """
    List the spools: whose, how much waits, for which sink, since when.

    Exit code 2: the folder cannot be read.
    """
    config = loaded_with(given).config
    states: list[SpoolState] = []
    refused = 0
    unread: list[OSError] = []
    for place in spool_dirs(config):
        try:
            states += survey(place)
            refused += sum(1 for _ in quarantined(place))
        # PERF203: there are two of them.
        except OSError as error:  # noqa: PERF203
            unread.append(error)
    for state in states:
        if as_json:
            say_json(_object_of(state))
            continue
        for line in lines_of(state, sink_keys(config)):
            say(line)
    if not states and not unread and not as_json:
        say(f"No spool in {' or '.join(spool_dirs(config))}: nothing waits.")
    if refused and not as_json:
        say(
            f"{count(refused, 'event')} in quarantine. "
            "See: chaukas spool quarantine show"
        )
    _end_if_unread(unread)


@spool.command()
@set_option
@_timeout_option
def flush(given: tuple[str, ...], timeout_s: float) -> None:
    """
    Deliver what ended processes left, with the configured sinks.

    Exit code 0: all of it was delivered, 1: something is left, 2: no collector is
    configured, or the folder cannot be read.
    """
    _deliver_now(_with_collector(given), timeout_s)


def _with_collector(given: tuple[str, ...]) -> Config:
    """Return the settings, or end because they name no collector."""
    loaded = loaded_with(given)
    for problem in loaded.problems:
        say(str(problem), err=True)
    if not sink_keys(loaded.config):
        say(
            "chaukas: no collector is configured: nothing can be delivered."
            " Set CHAUKAS_ENDPOINT, or give --set endpoint=…. What waits, and for which"
            " endpoint, tenant and project: chaukas spool list",
            err=True,
        )
        sys.exit(UNREAD)
    return loaded.config


def _deliver_now(config: Config, timeout_s: float) -> None:
    done = deliver(config, timeout_s, _print_start)
    for line in _report(done):
        say(line)
    _end_if_unread(done.unread)
    sys.exit(LEFT if done.left else 0)


@spool.group()
def quarantine() -> None:
    """Events that a collector refused for good."""


@quarantine.command()
@set_option
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line, events whole."
)
def show(given: tuple[str, ...], *, as_json: bool) -> None:
    """
    Show what was refused, when, by which sink, and why.

    The content of an event appears with --json only. Exit code 2: a file cannot
    be read.
    """
    shown_any = False
    try:
        for refused in _all_refused(loaded_with(given).config):
            shown_any = True
            if as_json:
                event = event_in(refused.event.encode())
                say_json({**asdict(refused), "event": event or refused.event})
            else:
                say(_line_of(refused))
    except OSError as error:
        _end_if_unread([error])
    if not shown_any and not as_json:
        say("Nothing is in quarantine.")


@quarantine.command()
@set_option
@_timeout_option
def retry(given: tuple[str, ...], timeout_s: float) -> None:
    """
    Send again what the configured sinks had refused, once that was mended.

    What is refused once more goes to quarantine once more. Exit code 0: all of it was
    delivered or refused, 1: something is left, 2: no collector is configured, or a
    file cannot be read.
    """
    config = _with_collector(given)
    try:
        done = put_back(config)
    except OSError as error:
        _end_if_unread([error])
        return
    if done.left:
        say(
            f"{count(done.left, 'event')} of other sinks, or beyond spool_limit, stay"
            " in quarantine."
        )
    if not done.events:
        say("Nothing to send again is in quarantine.")
        return
    say(f"{count(done.events, 'event')} taken out of quarantine.")
    _deliver_now(config, timeout_s)


def lines_of(state: SpoolState, keys: Sequence[str]) -> Iterator[str]:
    """
    Yield what a person reads of one spool.

    Args:
        state: The spool.
        keys: The sinks that are configured here.
    """
    if state.trouble:
        yield f"{shown(state.stream, _NAME_CHARS)}  {state.trouble}"
        return
    owner = "in use by a process" if state.is_alive else "left by an ended process"
    lost = f", {count(state.crash_lost, 'event')} died with it"
    if state.is_loss_unknown:
        lost = ", nothing tells how many events died with it"
    is_lossy = state.crash_lost or state.is_loss_unknown
    dropped = f", {count(state.dropped, 'event')} dropped" if state.dropped else ""
    if state.about.pid:
        owner += f" ({state.about.pid})"
    yield f"{state.stream}  {owner}{lost if is_lossy else ''}{dropped}"
    for backlog in state.backlogs:
        name = _destination_of(state, backlog.key)
        whose = "" if backlog.key in keys else ", not the one configured here"
        rest = f"  {size(backlog.size_bytes)}" if backlog.events else ""
        yield f"  {name}{whose}: {count(backlog.events, 'event')} waiting{rest}"
    if state.oldest:
        since_s = seconds_of(state.oldest)
        ago = "" if since_s is None else f", {age(time.time() - since_s)} ago"
        yield f"  oldest: {shown(state.oldest, _NAME_CHARS)}{ago}"


def _destination_of(state: SpoolState, key: str) -> str:
    """Return what a person calls a sink: its kind, and where it sends for whom."""
    about = state.about
    name = key.partition("-")[0]
    if place := about.places.get(key):
        name += f" {shown(place, _PLACE_CHARS)}"
    if about.tenant_id or about.project_id:
        name += f" (tenant {shown(about.tenant_id, _NAME_CHARS)},"
        name += f" project {shown(about.project_id, _NAME_CHARS)})"
    return name


def _object_of(state: SpoolState) -> dict[str, Any]:
    since_s = seconds_of(state.oldest)
    return {
        "stream": state.stream,
        **asdict(state),
        "crash_lost": None if state.is_loss_unknown else state.crash_lost,
        "oldest_age_s": None if since_s is None else round(time.time() - since_s, 1),
    }


def _all_refused(config: Config) -> Iterator[Refused]:
    for place in spool_dirs(config):
        yield from quarantined(place)


def _line_of(refused: Refused) -> str:
    event = event_in(refused.event.encode()) or {}
    kind = event.get("type")
    name = kind.removeprefix(_PREFIX) if type(kind) is str else "?"
    parts = (
        time_of(refused.at_s),
        shown(refused.sink, _NAME_CHARS),
        shown(refused.reason, _NAME_CHARS),
        shown(name, _NAME_CHARS),
        shown(event.get("event_id"), _NAME_CHARS) or "?",
        shown(event.get("timestamp"), _NAME_CHARS),
    )
    return "  ".join(parts).rstrip()


def _print_start(states: Sequence[SpoolState]) -> None:
    waiting = sum(state.waiting for state in states)
    say(
        f"{count(len(states), 'spool')} left by ended processes:"
        f" {count(waiting, 'event')} to deliver."
    )


def _report(done: Delivered) -> Iterator[str]:
    if done.spools or done.events:
        yield (
            f"Delivered {count(done.events, 'event')};"
            f" {count(done.spools, 'spool')} done."
        )
    if done.quarantined:
        yield (
            f"{count(done.quarantined, 'event')} refused for good. "
            "See: chaukas spool quarantine show"
        )
    if done.crash_lost:
        yield (
            f"{count(done.crash_lost, 'event')} had died with a process before being"
            " written; the collector was told how many."
        )
    for state in done.left:
        yield f"Left: {state.stream}, {count(state.waiting, 'event')} waiting."
    yield from done.errors.values()
    if done.foreign:
        waiting = sum(state.waiting for state in done.foreign)
        yield (
            f"Not touched: {count(len(done.foreign), 'spool')} with"
            f" {count(waiting, 'event')} written for another endpoint, tenant,"
            " project or output file. Run this with those settings."
        )
    if not (done.spools or done.left or done.foreign or done.unread):
        yield "Nothing was left behind."


def _end_if_unread(errors: Sequence[OSError]) -> None:
    for error in errors:
        place = f" {str(error.filename)!r}" if error.filename else ""
        say(
            f"chaukas: cannot read{place}: {reason_of(error)}. Run this as the user"
            " whose events they are, or name another folder by --set spool_dir=….",
            err=True,
        )
    if errors:
        sys.exit(UNREAD)
