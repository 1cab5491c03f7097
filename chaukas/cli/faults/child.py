"""
The programs that `chaukas doctor --faults` kills, forks and fills up.

Small applications that record: `python -m chaukas.cli.faults.child NAME …`. Settings
come by the environment, as they would to any.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import chaukas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("CHILDREN", "LATE", "NAME", "PROGRAMS", "STAMPS")

NAME: Final = "fault"
"""Name of the events that these programs record; `data.n` numbers them."""
STAMPS: Final = 100_000
"""Most events that a program stamps with the time of their capture."""
CHILDREN: Final = 4
"""Processes that `forking` forks."""
LATE: Final = 3
"""Exit status of a program whose events were not stored in time."""

_DEADLINE_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.002
_ROOM_BYTES: Final = 65_536
_PAYLOAD: Final = "x" * 2000


def _emit(n: int) -> None:
    chaukas.event(NAME, {"n": n, "payload": _PAYLOAD})


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _print_stats(**further: int) -> None:
    stats = chaukas.stats()
    names = ("emitted", "acked", "spooled", "queued")
    numbers = {name: getattr(stats, name) for name in names}
    _say(json.dumps({**numbers, "dropped": dict(stats.dropped), **further}))


def _settle() -> None:
    """Wait until nothing waits in memory; end if that takes too long."""
    end_s = time.monotonic() + _DEADLINE_S
    while chaukas.stats().queued:
        if time.monotonic() > end_s:
            os._exit(LATE)
        time.sleep(_LOOK_AGAIN_S)


def _stamping(path: str, seed: str) -> None:
    """Record until killed; keep the time of each capture where a kill leaves it."""
    rng = random.Random(seed)  # noqa: S311 - a moment to be killed at, no secret
    with Path(path).open("r+b") as file:
        page = mmap.mmap(file.fileno(), STAMPS * 8)
    chaukas.flush(_DEADLINE_S)
    _say("ready")
    for n in range(STAMPS):
        _emit(n)
        struct.pack_into("d", page, n * 8, time.monotonic())
        time.sleep(rng.random() * 0.001)


def _leaving(count: str) -> None:
    """Record, and exit without a handler once all is in the spool."""
    counted = 0
    for n in range(int(count)):
        # One by one: events of chaukas itself are counted there, too.
        before = chaukas.stats().emitted
        _emit(n)
        counted += chaukas.stats().emitted > before
    _settle()
    _print_stats(counted=counted)
    os._exit(0)


def _filling(count: str) -> None:
    """Record while no file may grow, as on a full disk; then let them grow."""
    import resource

    _settle()
    grown = max(
        path.stat().st_size for path in Path(os.environ["SPOOL"]).rglob("*.seg")
    )
    free, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (grown + _ROOM_BYTES, hard))
    for n in range(int(count)):
        _emit(n)
    end_s = time.monotonic() + _DEADLINE_S
    while not chaukas.stats().last_error and time.monotonic() < end_s:
        time.sleep(_LOOK_AGAIN_S)
    _say(str(chaukas.stats().queued))
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    _settle()
    _print_stats()
    os._exit(0)


def _waiting(count: str) -> None:
    """Record in front of a collector that is not there; go when it has all."""
    for n in range(int(count)):
        _emit(n)
    chaukas.flush(_DEADLINE_S)
    _say("ready")
    end_s = time.monotonic() + _DEADLINE_S
    while not chaukas.flush(1.0) and time.monotonic() < end_s:
        time.sleep(_LOOK_AGAIN_S)
    _print_stats()


def _ending(count: str) -> None:
    """Record, and end as any program ends; print when that began."""
    for n in range(int(count)):
        _emit(n)
    _say(repr(time.monotonic()))


def _forking(count: str) -> None:
    """Fork while recording; each child records too."""
    for n in range(int(count)):
        _emit(n)
    pids = []
    for child in range(1, CHILDREN + 1):
        pid = os.fork()
        if not pid:
            for n in range(int(count)):
                _emit(child * int(count) + n)
            chaukas.flush(_DEADLINE_S)
            _settle()
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == LATE:
            os._exit(LATE)
    chaukas.flush(_DEADLINE_S)
    _settle()


def _pacing(count: str) -> None:
    """Record every few milliseconds, each event with the time of its capture."""
    for n in range(int(count)):
        chaukas.event(NAME, {"n": n, "at_s": repr(time.monotonic())})
        time.sleep(0.003)


PROGRAMS: Final[Mapping[str, Callable[..., None]]] = {
    "stamping": _stamping,
    "leaving": _leaving,
    "filling": _filling,
    "waiting": _waiting,
    "ending": _ending,
    "forking": _forking,
    "pacing": _pacing,
}
"""The programs by the names under which they are started; all take texts."""

if __name__ == "__main__":
    chaukas.enable_chaukas(strict=True)
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
