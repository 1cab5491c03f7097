"""
Keeps the events that a sink refuses for good, for people to look at.

Outside the spool's own folder, since that goes when all else is delivered. What lies
there for long goes too: it was counted as lost when it came.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Final

from chaukas.sdk.delivery.spool.layout import (
    CORRUPT_NAME,
    QUARANTINE_NAME,
    files_in,
    is_private,
)
from chaukas.sdk.pipeline.log_limit import LOGGER, LogLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["Quarantine", "remove_old"]

_LIMIT_BYTES: Final = 16 << 20
_LIMIT_SHARE: Final = 8
_KEPT_DAYS: Final = 30
_DAY_S: Final = 86_400.0
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
