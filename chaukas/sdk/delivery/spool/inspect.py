"""
Reads the state of all spools in a folder, and changes nothing.

For people at a terminal: what waits, for whom, since when, and what was lost.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.sinks.disk import Disk

from .crash_counters import totals_of
from .layout import (
    CORRUPT_NAME,
    LOCK_NAME,
    PAGE_NAME,
    QUARANTINE_NAME,
    is_private,
    is_stream_name,
)
from .owner import About, about_in
from .position import POSITION_SUFFIX, position_in
from .segments import contents_of, offset_of, segment_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Backlog",
    "Refused",
    "SpoolState",
    "progress_of",
    "quarantined",
    "set_aside",
    "survey",
]

_LINE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one sink has still to take from one spool."""

    key: str
    """Name by which spools know the sink: `http-…`, `grpc-…` or `file-…`."""
    events: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SpoolState:
    """One spool at one moment; its owner may be at work meanwhile."""

    folder: str
    is_alive: bool
    """Whether a process holds it: its owner, or one that delivers what it left."""
    backlogs: tuple[Backlog, ...] = ()
    oldest: str = ""
    """Time of the first event that waits, RFC 3339; empty if none does."""
    written: int = 0
    """Events ever written to it."""
    emitted: int | None = None
    """Events that its owner captured; None if that is not known."""
    dropped: int = 0
    """Events of those that were given up before they reached a file."""
    about: About = field(default_factory=About)
    """Whose it is, as its owner wrote down."""
    is_loss_unknown: bool = False
    """Its owner is dead, and what it had counted went with a restart of the machine."""
    trouble: str = ""
    """Why it cannot be read, for people; then the rest says nothing."""

    @property
    def stream(self) -> str:
        """Name of the spool."""
        return Path(self.folder).name

    @property
    def keys(self) -> frozenset[str]:
        """The sinks that it was written for."""
        return frozenset(each.key for each in self.backlogs)

    @property
    def waiting(self) -> int:
        """Events that the slowest sink has still to take."""
        return max((each.events for each in self.backlogs), default=0)

    @property
    def crash_lost(self) -> int:
        """Events that died with an owner before they were written."""
        if self.is_alive or self.emitted is None:
            return 0
        return max(0, self.emitted - self.dropped - self.written)


@dataclass(frozen=True, slots=True)
class Refused:
    """One event that a sink refused for good."""

    path: str
    at_s: float
    """Wall time of the refusal."""
    sink: str
    reason: str
    event: str
    """The line, as it was sent."""


def survey(spool_dir: str) -> list[SpoolState]:
    """
    Return the state of every spool in a folder, by name.

    A folder that is not there holds no spool.

    Raises:
        OSError: The folder cannot be read.
    """
    try:
        names = sorted(os.listdir(spool_dir))  # noqa: PTH208 - names, as Disk has them
    except FileNotFoundError:
        return []
    disk = Disk()
    found = (
        _state_of(str(Path(spool_dir, name)), disk)
        for name in names
        if is_stream_name(name)
    )
    return [state for state in found if state is not None]


def progress_of(folder: str) -> int:
    """Return a number that grows while any sink gets on with a spool."""
    total = 0
    with contextlib.suppress(OSError):
        for path in Path(folder).glob(f"*{POSITION_SUFFIX}"):
            total += position_in(path.read_bytes())
    return total


def quarantined(spool_dir: str) -> Iterator[Refused]:
    """
    Yield what sinks refused for good, file by file; lines cut short are left out.

    Raises:
        OSError: A file cannot be read.
    """
    folder = Path(spool_dir, QUARANTINE_NAME)
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in sorted(folder.glob("*.jsonl")):
        if path.is_symlink():
            continue
        with path.open("rb") as file:
            for line in file:
                entry = _object_in(line)
                if entry:
                    yield _refused_of(str(path), entry)


def set_aside(spool_dir: str) -> list[str]:
    """Return the files that could not be read and were set aside."""
    with contextlib.suppress(OSError):
        return sorted(str(path) for path in Path(spool_dir, CORRUPT_NAME).iterdir())
    return []


def _state_of(folder: str, disk: Disk, tries: int = 3) -> SpoolState | None:
    try:
        status = disk.find_itself(folder)
        if status is None:
            return None
        if not is_private(status):
            what = "a link or a file, or open to another user: it is left alone"
            return SpoolState(folder, is_alive=False, trouble=what)
        return _read(folder, disk)
    except FileNotFoundError:
        # A file was delivered and removed just now, or all of it was.
        is_there = os.path.lexists(folder) and tries > 1
        return _state_of(folder, disk, tries - 1) if is_there else None
    except OSError as error:
        what = f"cannot be read ({error.strerror or type(error).__name__})"
        return SpoolState(folder, is_alive=False, trouble=what)


def _read(folder: str, disk: Disk) -> SpoolState | None:
    is_alive = _is_held(str(Path(folder, LOCK_NAME)), disk)
    names = disk.names(folder)
    firsts, keys = contents_of(names)
    if not is_alive and not firsts and PAGE_NAME not in names:
        # Its maker has not come further, or nothing is left in it.
        return None
    end = 0
    if firsts:
        path = str(Path(folder, segment_name(firsts[-1])))
        end = firsts[-1] + disk.lines(path)
    backlogs: list[Backlog] = []
    oldest = ""
    for key in keys:
        data = Path(folder, key + POSITION_SUFFIX).read_bytes()
        at = min(max(position_in(data), *firsts[:1], 0), end)
        size, line = _rest_of(folder, firsts, at, disk) if at < end else (0, b"")
        backlogs.append(Backlog(key, end - at, size))
        time = _object_in(line).get("timestamp")
        if type(time) is str and (not oldest or time < oldest):
            oldest = time
    totals = totals_of(str(Path(folder, PAGE_NAME)), disk)
    return SpoolState(
        folder,
        is_alive,
        tuple(backlogs),
        oldest,
        written=end,
        emitted=None if totals is None else totals.emitted,
        dropped=0 if totals is None else totals.dropped,
        about=about_in(folder, disk),
        is_loss_unknown=totals is None and not is_alive and PAGE_NAME in names,
    )


def _is_held(path: str, disk: Disk) -> bool:
    """Return whether a process holds a lock, which is taken to see; for no time."""
    try:
        fd = disk.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not disk.lock(fd, exclusive=False)
    finally:
        disk.close(fd)


def _rest_of(folder: str, firsts: list[int], at: int, disk: Disk) -> tuple[int, bytes]:
    """Return the size of what comes from ordinal `at` on, and the beginning of it."""
    first = max(first for first in firsts if first <= at)
    path = str(Path(folder, segment_name(first)))
    fd = disk.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        offset = offset_of(at - first, fd, disk)
        head = disk.read_at(fd, _LINE_BYTES, offset)
        size = disk.status(fd).st_size - offset
    finally:
        disk.close(fd)
    for later in firsts:
        if later > first:
            found = disk.find_itself(str(Path(folder, segment_name(later))))
            size += 0 if found is None else found.st_size
    return max(0, size), head.partition(b"\n")[0]


def _object_in(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if type(value) is dict else {}


def _refused_of(path: str, entry: dict[str, Any]) -> Refused:
    at_s = entry.get("at_s", 0.0)
    sink, reason, event = (
        value if type(value := entry.get(name)) is str else ""
        for name in ("sink", "reason", "event")
    )
    if type(at_s) is not float and type(at_s) is not int:
        at_s = 0.0
    return Refused(path, float(at_s), sink, reason, event)
