"""
Keeps the events that a sink refuses for good, for people to look at.

Outside the spool's own folder, since that goes when all else is delivered.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from chaukas.sdk.pipeline._notice import Notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.sinks._disk import Disk

__all__ = ["QUARANTINE_NAME", "Quarantine"]

QUARANTINE_NAME: Final = "quarantine"
_LIMIT_BYTES: Final = 16 << 20


class Quarantine:
    """
    One file of refused events for each process, below the spool folder.

    Each line is a JSON object: `at_s` (wall time), `sink`, `reason` and `event`,
    the line as text. At most 16 MiB are kept; what comes then is only counted.

    Args:
        spool_dir: Folder of all spools.
        stream: Name of the file.
        disk: File operations.
        wall: Wall clock in seconds.
        monotonic: Clock for intervals in seconds.
    """

    def __init__(
        self,
        spool_dir: str,
        stream: str,
        disk: Disk,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._folder = os.path.join(spool_dir, QUARANTINE_NAME)  # noqa: PTH118
        self.path = os.path.join(self._folder, f"{stream}.jsonl")  # noqa: PTH118
        """The file."""
        self._disk = disk
        self._wall = wall
        self._monotonic = monotonic
        self._notices = Notices()

    def keep(self, line: bytes, sink: str, reason: str) -> None:
        """Set one event aside, and tell of it once a minute."""
        kept = self._write(line, sink, reason)
        self._notices.warn(
            sink,
            self._monotonic(),
            f"chaukas: {sink} refused an event for good ({reason}): it is counted as"
            f" quarantined{kept}.",
        )

    def _write(self, line: bytes, sink: str, reason: str) -> str:
        entry = {
            "at_s": round(self._wall(), 3),
            "sink": sink,
            "reason": reason,
            "event": line.decode("utf-8", "backslashreplace").rstrip("\n"),
        }
        data = json.dumps(entry).encode() + b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        try:
            self._disk.make_directory(self._folder)
            fd = self._disk.open(self.path, flags)
            try:
                if self._disk.status(fd).st_size + len(data) > _LIMIT_BYTES:
                    return f", and {self.path!r} is full. Remove it once it was read"
                self._disk.write(fd, data)
            finally:
                self._disk.close(fd)
        except OSError as error:
            what = os.strerror(error.errno or 0)
            return f", and could not be kept in {self.path!r} ({what})"
        return f", and kept. See {self.path!r}"
