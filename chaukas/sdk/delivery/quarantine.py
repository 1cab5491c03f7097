"""
Keeps the events that a sink refuses for good, and puts them back into a spool.

Outside the spool's own folder, since that goes when all else is delivered. What lies
there for long goes too: it was counted as lost when it came.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.delivery.spool.layout import (
    CORRUPT_NAME,
    QUARANTINE_NAME,
    files_in,
    is_private,
)
from chaukas.sdk.delivery.spool.owner import About
from chaukas.sdk.pipeline.log_limit import LOGGER, LogLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["PutBack", "Quarantine", "put_back", "remove_old"]

_LIMIT_BYTES: Final = 16 << 20
_LIMIT_SHARE: Final = 8
_KEPT_DAYS: Final = 30
_DAY_S: Final = 86_400.0
_HASHED: Final = b'"content_hash":"'
_ADVICE: Final = (
    "See: chaukas spool quarantine show, or send them again: chaukas spool"
    " quarantine retry"
)


class Quarantine:
    """
    One file of refused events for each process, below the spool folder.

    Each line is a JSON object: `at_s` (wall time), `sink`, `key` (the sink as spools
    know it), `reason` and `event`, the line as text. All processes together keep
    16 MiB at most, and no more than an eighth of what the spools may take; what comes
    then is only counted.

    Args:
        spool_dir: Returns the folder of all spools.
        stream: Name of the file.
        key: The sink that refuses.
        limit_bytes: Most that all spools may take.
        disk: File operations.
        wall: Wall clock in seconds.
        monotonic: Clock for intervals in seconds.
    """

    def __init__(
        self,
        spool_dir: Callable[[], str],
        stream: str,
        disk: Disk,
        *,
        key: str,
        limit_bytes: int,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._spool_dir = spool_dir
        self._stream = stream
        self._key = key
        self._limit_bytes = min(_LIMIT_BYTES, limit_bytes // _LIMIT_SHARE)
        self._disk = disk
        self._wall = wall
        self._monotonic = monotonic
        self._log_limit = LogLimit()

    def keep(self, line: bytes, sink: str, reason: str) -> None:
        """Set one event aside, and log it once a minute."""
        kept = self._write(line, sink, reason)
        self._log_limit.report(
            sink,
            self._monotonic(),
            f"chaukas: {sink} refused an event for good ({reason}): it is counted as"
            f" quarantined{kept}.",
        )

    def _write(self, line: bytes, sink: str, reason: str) -> str:
        entry = {
            "at_s": round(self._wall(), 3),
            "sink": sink,
            "key": self._key,
            "reason": reason,
            "event": line.decode("utf-8", "backslashreplace").rstrip("\n"),
        }
        data = json.dumps(entry).encode() + b"\n"
        folder = os.path.join(self._spool_dir(), QUARANTINE_NAME)  # noqa: PTH118
        path = os.path.join(folder, f"{self._stream}.jsonl")  # noqa: PTH118
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        try:
            self._disk.make_directory(folder)
            status = self._disk.find_itself(folder)
            if status is None or not is_private(status):
                return f", and not kept: {folder!r} is not this user's alone"
            taken = sum(file.st_size for _, file in files_in(folder, self._disk))
            if taken + len(data) > self._limit_bytes:
                return f", and {folder!r} is full. {_ADVICE}"
            fd = self._disk.open(path, flags)
            try:
                self._disk.write(fd, data)
            finally:
                self._disk.close(fd)
        except OSError as error:
            what = os.strerror(error.errno or 0)
            return f", and could not be kept in {path!r} ({what})"
        return f", and kept. See: chaukas spool quarantine show ({path!r})"


def remove_old(spool_dir: str, disk: Disk, now_s: float) -> None:
    """
    Remove what has lain in quarantine, or set aside, for more than 30 days.

    One line is logged. Never raises: what stays is tried again.

    Args:
        spool_dir: Folder of all spools.
        disk: File operations.
        now_s: Wall time in seconds.
    """
    for name in (QUARANTINE_NAME, CORRUPT_NAME):
        folder = os.path.join(spool_dir, name)  # noqa: PTH118
        files = events = 0
        with contextlib.suppress(OSError):
            for path, status in files_in(folder, disk):
                if now_s - status.st_mtime > _KEPT_DAYS * _DAY_S:
                    events += disk.lines(path)
                    disk.remove(path)
                    files += 1
        if files:
            LOGGER.warning(
                "chaukas: %d file(s) with %d event(s) had lain in %r for more than %d"
                " days and were removed: those events had been counted as lost when"
                " they came there. Nothing needs to be done.",
                files,
                events,
                folder,
                _KEPT_DAYS,
            )


class PutBack(NamedTuple):
    """What `put_back` did."""

    events: int = 0
    """Events that wait in a spool again."""
    left: int = 0
    """Events that stay in quarantine: of other sinks, or there was no room."""


def put_back(
    spool_dir: str, keys: Iterable[str], disk: Disk, *, limit_bytes: int
) -> PutBack:
    """
    Move the events that these sinks refused from quarantine into spools.

    Such a spool looks like that of a dead process: whoever sends to that sink takes it
    over. If this is killed in the middle, events are in both places, not in none.

    Args:
        spool_dir: Folder of all spools.
        keys: The sinks, by the names that spools know them by.
        disk: File operations.
        limit_bytes: Most that all spools of the folder may take.

    Raises:
        OSError: A file cannot be read or written; what is not moved stays.
    """
    folder = Path(spool_dir, QUARANTINE_NAME)
    status = disk.find_itself(str(folder))
    if status is None or not is_private(status):
        return PutBack()
    wanted = frozenset(keys)
    done = PutBack()
    for path in sorted(folder.glob("*.jsonl")):
        if not path.is_symlink():
            one = _put_back_file(path, wanted, disk, limit_bytes)
            done = PutBack(done.events + one.events, done.left + one.left)
    return done


def _put_back_file(
    path: Path, keys: frozenset[str], disk: Disk, limit_bytes: int
) -> PutBack:
    # A process that is at work begins a file anew, and does not see this one change.
    taken = path.with_name(f"{path.stem}-{os.urandom(4).hex()}.jsonl")
    disk.rename(str(path), str(taken))
    rows = taken.read_bytes().splitlines(keepends=True)
    moved: set[int] = set()
    for key in sorted(keys):
        of_key = [(n, _event_of(row, key)) for n, row in enumerate(rows)]
        events = [(n, event) for n, event in of_key if event]
        # Where a line has a hash, all after it must have one.
        events.sort(key=lambda each: _HASHED in each[1])
        stored = _spool(path, key, [event for _, event in events], disk, limit_bytes)
        moved.update(n for n, _ in events[:stored])
    rest = [row for n, row in enumerate(rows) if n not in moved]
    _replace(taken, rest)
    return PutBack(len(moved), len(rest))


def _event_of(row: bytes, key: str) -> bytes:
    try:
        entry = json.loads(row)
    except (ValueError, RecursionError):
        return b""
    if type(entry) is not dict or entry.get("key") != key:
        return b""
    event = entry.get("event")
    return event.encode() + b"\n" if type(event) is str else b""


def _spool(
    path: Path, key: str, events: Sequence[bytes], disk: Disk, limit_bytes: int
) -> int:
    """Write a spool for one sink and leave it; return how many events it took."""
    if not events:
        return 0
    spool = Spool(
        str(path.parent.parent),
        f"retry-{os.urandom(12).hex()}",
        keys=[key],
        limit_bytes=limit_bytes,
        about=About(pid=os.getpid()),
        disk=disk,
    )
    verdict = spool.send(events)
    try:
        spool.sync()
    finally:
        spool.close()
        spool.abandon()
    if verdict.error:
        raise OSError(verdict.error)
    return verdict.accepted


def _replace(path: Path, rows: Sequence[bytes]) -> None:
    if not rows:
        path.unlink()
        return
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_bytes(b"".join(rows))
    temporary.replace(path)
