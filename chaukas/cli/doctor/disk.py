"""
The check of the disk: the file of events, and the spool folder.

Writing is tried, since rights say little of it; nothing is left behind.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chaukas.cli.input import reason_of
from chaukas.cli.output import count, ms, size
from chaukas.sdk.delivery.spool.inspect import quarantined, set_aside, survey
from chaukas.sdk.maintenance import sink_keys, spool_dirs

from .finding import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.config import Config
    from chaukas.sdk.delivery.spool.inspect import SpoolState

    from .finding import Finding

__all__ = ("check_disk", "existing_above", "free_bytes")

_LITTLE_BYTES = 100_000_000
_FLUSH = "The next process delivers them; or now: chaukas spool flush"
_FLUSH_ELSEWHERE = (
    "No collector is configured here. The next process with their collector delivers"
    " them; or now: chaukas spool flush --set endpoint=…, with the settings of theirs"
)
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_disk(config: Config) -> Iterator[Finding]:
    """Yield what is found of the file and of the spools."""
    if "file" in config.sinks:
        yield _check_file(config.output_file.absolute())
    if not sink_keys(config):
        yield ok("spool", "not needed: the file is written directly")
    else:
        yield from _check_spool_dir(Path(config.spool_dir).absolute(), config)
    yield from _check_waiting(config)


def existing_above(path: Path) -> Path:
    """Return *path* or the nearest folder above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def free_bytes(path: Path) -> int:
    """Return how much this user can write to the disk of a path that is there."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _check_file(path: Path) -> Finding:
    shown = repr(str(path))
    remedy = "Allow this user to write there, or set CHAUKAS_OUTPUT_FILE."
    there = existing_above(path)
    try:
        if there == path:
            if path.is_dir():
                return fail("file", f"{shown} is a folder", "Name a file in it.")
            _open_for_writing(path)
        else:
            _try_out(there)
        free = free_bytes(there)
    except OSError as error:
        return fail("file", f"{shown} cannot be written ({reason_of(error)})", remedy)
    if free < _LITTLE_BYTES:
        return warn(
            "file", f"{shown} has {size(free)} left on its disk", "Free some space."
        )
    text = "can be written" if there == path else "can be made"
    return ok("file", f"{shown} {text}, {size(free)} free", free_bytes=free)


def _open_for_writing(path: Path) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK
    os.close(os.open(path, flags))


def _check_spool_dir(path: Path, config: Config) -> Iterator[Finding]:
    shown = repr(str(path))
    remedy = "Allow this user to write there, or set CHAUKAS_SPOOL_DIR."
    there = existing_above(path)
    try:
        status = there.stat()
        if not stat.S_ISDIR(status.st_mode):
            yield fail(
                "spool", f"{str(there)!r} is no folder", "Set CHAUKAS_SPOOL_DIR to one."
            )
            return
        taken_ms = _try_out(there)
        free = free_bytes(there)
    except OSError as error:
        yield fail("spool", f"{shown} cannot be written ({reason_of(error)})", remedy)
        return
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    text = "can be written" if there == path else "can be made"
    text += f" (4 kB on the disk in {ms(taken_ms)})"
    yield ok(
        "spool",
        f"{shown} {text}, {size(free)} free, limit {size(config.spool_limit_bytes)}",
        free_bytes=free,
        limit_bytes=config.spool_limit_bytes,
        owner=status.st_uid,
        mode=mode,
    )
    if there == path:
        yield from _check_owner(shown, status, mode)
    if free < config.spool_limit_bytes:
        yield warn(
            "spool",
            f"its disk has less room ({size(free)}) than spool_limit",
            "Free some space, or set CHAUKAS_SPOOL_LIMIT to what may be used.",
        )


def _try_out(path: Path) -> float:
    """
    Write a file in a folder as the spool would, and remove it.

    Returns:
        How long that took, until it was on the disk, in milliseconds.

    Raises:
        OSError: That cannot be done.
    """
    # No name of a spool begins with a dot, so nobody takes it for one.
    folder = path / f".doctor-{os.getpid()}"
    file = folder / "1"
    begun_s = time.monotonic()
    folder.mkdir(mode=0o700)
    try:
        with file.open("wb") as opened:
            opened.write(bytes(4096))
            opened.flush()
            os.fsync(opened.fileno())
    finally:
        file.unlink(missing_ok=True)
        folder.rmdir()
    return (time.monotonic() - begun_s) * 1000


def _check_owner(shown: str, status: os.stat_result, mode: str) -> Iterator[Finding]:
    if status.st_uid != os.geteuid():
        yield warn(
            "spool",
            f"{shown} belongs to another user ({status.st_uid})",
            "Give it to the user of the application, or set CHAUKAS_SPOOL_DIR.",
        )
    if status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX:
        yield warn(
            "spool",
            f"{shown} can be written by others ({mode})",
            f"Close it: chmod 700 {shown}",
        )


def _check_waiting(config: Config) -> Iterator[Finding]:
    for place in spool_dirs(config):
        try:
            states = survey(place)
            refused = sum(1 for _ in quarantined(place))
        except OSError as error:
            yield fail(
                "spool",
                f"{place!r} cannot be read ({reason_of(error)})",
                "Run this as the user of the application.",
            )
            continue
        yield from _told_of(states, has_collector=bool(sink_keys(config)))
        if refused:
            yield warn(
                "quarantine",
                f"{count(refused, 'event')} refused for good by a collector",
                "See them: chaukas spool quarantine show",
                refused=refused,
            )
        if found := set_aside(place):
            yield warn(
                "spool",
                f"{count(len(found), 'file')} could not be read and lie in"
                f" {str(Path(found[0]).parent)!r}",
                "Look at them, then remove them.",
            )


def _told_of(states: list[SpoolState], *, has_collector: bool) -> Iterator[Finding]:
    alive = [state for state in states if state.is_alive]
    dead = [state for state in states if not state.is_alive and not state.trouble]
    waiting = sum(state.waiting for state in alive)
    if alive:
        yield ok(
            "spool",
            f"{count(len(alive), 'process')} at work,"
            f" {count(waiting, 'event')} waiting",
            processes=len(alive),
            waiting=waiting,
        )
    if dead:
        left = sum(state.waiting for state in dead)
        lost = sum(state.crash_lost for state in dead)
        more = f", and {lost:,} died with them" if lost else ""
        yield warn(
            "spool",
            f"ended processes left {count(left, 'event')} in"
            f" {count(len(dead), 'spool')}{more}",
            _FLUSH if has_collector else _FLUSH_ELSEWHERE,
            waiting=left,
            crash_lost=lost,
        )
    dropped = sum(state.dropped for state in states)
    if dropped:
        yield warn(
            "spool",
            f"{count(dropped, 'event')} dropped by the processes whose spools are here",
            "Look at their SYSTEM events, or at chaukas.stats(), for the reasons.",
            dropped=dropped,
        )
    for state in states:
        if state.trouble:
            yield warn(
                "spool",
                f"{state.folder!r} is {state.trouble}",
                "Remove it if nobody needs it.",
            )
