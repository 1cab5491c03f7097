"""
Maintenance tasks behind the command line: deliver what is left, look around.

None of it belongs into a recorded application, and nothing here enables chaukas.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk import integrations
from chaukas.sdk.delivery.factory import fallback_dir, output_of
from chaukas.sdk.delivery.plan import SpoolPlan
from chaukas.sdk.system.threads import sleep

from . import _runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from chaukas.sdk.delivery.quarantine import PutBack
    from chaukas.sdk.delivery.spool.inspect import SpoolState
    from chaukas.sdk.integrations import Known
    from chaukas.sdk.sinks.collector.responses import Remote
    from chaukas.sdk.sinks.joining import JoiningRemote

    from .config import Config

__all__ = [
    "Delivered",
    "Framework",
    "deliver",
    "frameworks",
    "put_back",
    "remotes_of",
    "sink_keys",
    "spool_dirs",
]

_LOOK_AGAIN_S: Final = 0.02
_PATIENCE_S: Final = 15.0
_PATIENCE_IN_TROUBLE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """What `deliver` did."""

    spools: int = 0
    """Spools of ended processes that are through, and gone."""
    events: int = 0
    """Events of theirs that the sinks took."""
    quarantined: int = 0
    """Events of theirs that a sink refused for good."""
    crash_lost: int = 0
    """Events that had died with a process, reported by a SYSTEM event now."""
    left: tuple[SpoolState, ...] = ()
    """Spools that could not be delivered now."""
    foreign: tuple[SpoolState, ...] = ()
    """Spools of ended processes that were written for other sinks."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """For each sink that takes no events at present: why."""
    unread: tuple[OSError, ...] = ()
    """For each folder that could not be read: why."""


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework or library that chaukas can record, as found here."""

    known: Known
    is_installed: bool
    versions: Mapping[str, str] = field(default_factory=dict)
    hooks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Hook points by what became of them: active, fallback, missing, waiting."""
    error: str = ""
    """Type of what its import raised."""


def spool_dirs(config: Config) -> tuple[str, ...]:
    """Return the folders in which spools may lie: the one set, and its stand-in."""
    named = str(Path(config.spool_dir).absolute())
    return tuple(dict.fromkeys((named, fallback_dir())))


def sink_keys(config: Config) -> tuple[str, ...]:
    """Return the names by which spools know the sinks; none for a file alone."""
    plan = _plan_of(config)
    return () if plan is None else tuple(each.key for each in plan.destinations)


def remotes_of(config: Config) -> tuple[Remote | JoiningRemote, ...]:
    """Return the sinks behind the spool, not yet connected."""
    plan = _plan_of(config)
    return () if plan is None else tuple(each.remote for each in plan.destinations)


def deliver(
    config: Config,
    timeout_s: float,
    on_start: Callable[[Sequence[SpoolState]], None] | None = None,
) -> Delivered:
    """
    Deliver what ended processes left in the spools, as a process at work does.

    What happened to them is reported to the sinks by SYSTEM events of a stream of
    this process's own.

    Args:
        config: Settings in force; only spools for exactly these sinks are touched.
        timeout_s: Longest wait in seconds. It ends earlier when nothing moves.
        on_start: Given the spools, before anything is sent.
    """
    from chaukas.sdk.delivery.spool.inspect import survey

    keys = frozenset(sink_keys(config))
    done = Delivered()
    for place in spool_dirs(config):
        try:
            dead = [s for s in survey(place) if not s.is_alive and not s.trouble]
        except OSError as error:
            done = replace(done, unread=(*done.unread, error))
            continue
        ours = [s for s in dead if s.keys <= keys and (s.keys or not s.written)]
        foreign = tuple(state for state in dead if state not in ours)
        done = replace(done, foreign=done.foreign + foreign)
        if not ours or not keys:
            continue
        if on_start is not None:
            on_start(ours)
        one = _deliver_from(replace(config, spool_dir=Path(place)), ours, timeout_s)
        done = _both(done, one)
    return done


def put_back(config: Config) -> PutBack:
    """
    Have the events that the configured sinks had refused wait in a spool again.

    Raises:
        OSError: A folder or file cannot be read or written.
    """
    from chaukas.sdk.delivery.quarantine import PutBack, put_back
    from chaukas.sdk.sinks.disk import Disk

    keys, disk = sink_keys(config), Disk()
    done = PutBack()
    for place in spool_dirs(config):
        one = put_back(place, keys, disk, limit_bytes=config.spool_limit_bytes)
        done = PutBack(done.events + one.events, done.left + one.left)
    return done


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    # Of a module in a package, that package may be missing.
    except ModuleNotFoundError:
        return False


def frameworks(config: Config) -> Iterator[Framework]:
    """
    Patch each installed framework in this process, see what is found, and undo it.

    Args:
        config: Settings in force; `integrations` does not matter.
    """
    from chaukas.sdk.sinks.memory import MemorySink

    runtime = _runtime.Runtime(config, MemorySink)
    for known in integrations.INTEGRATIONS:
        found = Framework(known, is_installed=False)
        if not _is_installed(known.module):
            yield found
            continue
        try:
            is_the_one = runtime.attach(known)
        # A framework may raise whatever it likes while it is imported.
        except Exception as error:
            yield replace(found, is_installed=True, error=type(error).__name__)
            continue
        if is_the_one:
            integration = runtime.integrations.pop()
            state: Mapping[str, Any] = integration.state()
            integration.uninstall()
            facts = {"versions": state["versions"], "hooks": state["hooks"]}
            found = replace(found, is_installed=True, **facts)
        yield found


def _plan_of(config: Config) -> SpoolPlan | None:
    plan = output_of(config)
    return plan if isinstance(plan, SpoolPlan) else None


def _deliver_from(
    config: Config, ours: Sequence[SpoolState], timeout_s: float
) -> Delivered:
    from chaukas.sdk.delivery.spool.inspect import survey

    runtime = _runtime.Runtime(config, lambda: output_of(config))
    # An event of its own opens the spool of this process, which starts the rest.
    runtime.system("chaukas.flush", "chaukas delivers what ended processes left")
    folders = [state.folder for state in ours]
    _wait(runtime, folders, timeout_s)
    stats = runtime.pipeline.stats()
    runtime.pipeline.close(1.0)
    left = {folder for folder in folders if os.path.lexists(folder)}
    return Delivered(
        spools=len(folders) - len(left),
        events=stats.adopted,
        quarantined=stats.dropped.get("quarantined", 0),
        crash_lost=stats.dropped.get("crash_lost", 0),
        left=tuple(s for s in survey(str(config.spool_dir)) if s.folder in left),
        errors=dict(stats.errors) if left else {},
    )


def _wait(runtime: _runtime.Runtime, folders: Sequence[str], timeout_s: float) -> None:
    """Wait until all folders are gone, or nothing has moved for a while."""
    from chaukas.sdk.delivery.spool.inspect import progress_of

    begun_s = moved_s = time.monotonic()
    before: tuple[int, ...] = ()
    while any(map(os.path.lexists, folders)):
        now_s = time.monotonic()
        progress = tuple(map(progress_of, folders))
        if progress != before:
            before, moved_s = progress, now_s
        errors = runtime.pipeline.stats().errors
        patience_s = _PATIENCE_IN_TROUBLE_S if errors else _PATIENCE_S
        if now_s - begun_s > timeout_s or now_s - moved_s > patience_s:
            return
        sleep(_LOOK_AGAIN_S)


def _both(one: Delivered, other: Delivered) -> Delivered:
    """Return the sums of all counts and lists."""
    pairs = ((getattr(one, row.name), getattr(other, row.name)) for row in fields(one))
    return Delivered(*(a | b if type(a) is dict else a + b for a, b in pairs))
