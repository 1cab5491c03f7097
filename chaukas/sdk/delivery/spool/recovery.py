"""
Finds the spools that dead processes left, and takes them over.

The lock of a spool is held as long as its owner lives, so a lock that can be had
proves more than any process id.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaukas.sdk.pipeline.log_limit import LogLimit

from .crash_counters import Totals, mark_reported, totals_of
from .folder import remove_spool
from .folder_lock import take_lock
from .layout import (
    CORRUPT_NAME,
    PAGE_NAME,
    is_private,
    is_stream_name,
    is_unfinished_name,
)
from .position import POSITION_SUFFIX, Position
from .segments import Acks, Segments, contents_of, segment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chaukas.sdk.sinks.disk import Disk

    from .folder_lock import FolderLock

__all__ = ["Adopted", "find"]

_OLD_S: Final = 60.0


@dataclass(eq=False)
class Adopted:
    """
    A dead process's spool whose lock this process holds.

    Its events are the dead process's: they count here only if they get lost.
    """

    segments: Segments
    keys: tuple[str, ...]
    """The sinks that its owner had."""
    written: int
    """Events that its owner ever wrote."""
    totals: Totals | None
    """What its owner had counted; None if that cannot be read."""
    waiting_at_first: int
    """Events that some sink had not acknowledged when it was adopted."""
    lock: FolderLock
    disk: Disk

    @property
    def stream(self) -> str:
        """Name of the spool."""
        return Path(self.segments.folder).name

    @property
    def crash_lost(self) -> int:
        """Events that died with their owner before they were written."""
        if self.totals is None:
            return 0
        return max(0, self.totals.emitted - self.totals.dropped - self.written)

    def counts(self) -> dict[str, int]:
        """Return what is known of its events, for a report."""
        counts = {"written": self.written, "waiting": self.waiting_at_first}
        if self.totals is not None:
            counts["emitted"], counts["dropped"] = self.totals[:2]
            counts["crash_lost"] = self.crash_lost
        return counts

    @property
    def is_reported(self) -> bool:
        """Whether another process has reported that loss already."""
        return self.totals is not None and self.totals.is_reported

    def mark_reported(self) -> None:
        """Note in its folder that the loss was reported, as far as possible."""
        with contextlib.suppress(OSError):
            mark_reported(str(Path(self.segments.folder, PAGE_NAME)), self.disk)

    def position_of(self, key: str) -> Position:
        """
        Open a sink's position file.

        Raises:
            OSError: It can neither be read nor made.
        """
        return Position(
            str(Path(self.segments.folder, key + POSITION_SUFFIX)), self.disk
        )

    def remove(self) -> None:
        """Remove the folder, as far as possible, and unlock it."""
        with contextlib.suppress(OSError):
            remove_spool(self.segments.folder, self.disk)
        self.unlock()

    def unlock(self) -> None:
        """Leave the folder to others."""
        self.lock.release()


def find(
    spool_dir: str,
    keys: Iterable[str],
    disk: Disk,
    *,
    limit: int,
    on_lost: Callable[[str, int], None],
    log_limit: LogLimit,
    wall: Callable[[], float] = time.time,
) -> list[Adopted]:
    """
    Take over spools that nobody owns and whose sinks are all at hand.

    What looks wrong is left alone, or set aside if it is our own; a line is
    logged. Never raises for what it finds.

    Args:
        spool_dir: Folder of all spools.
        keys: The sinks of this process.
        disk: File operations.
        limit: How many to take at most.
        on_lost: Given the reason and number of events that cannot be delivered.
        log_limit: Says each thing once in a while.
        wall: Wall clock in seconds.
    """
    taken: list[Adopted] = []
    try:
        names = sorted(disk.names(spool_dir))
    except OSError:
        # No folder yet, or none that can be read: the writer logs why.
        return taken
    own_keys = frozenset(keys)
    for name in names:
        if len(taken) >= limit:
            break
        if not (is_stream_name(name) or is_unfinished_name(name)):
            continue
        folder = str(Path(spool_dir, name))
        try:
            status = disk.find_itself(folder)
            if status is None:
                continue
            if is_private(status):
                is_old = abs(wall() - status.st_mtime) > _OLD_S
                taken += _adopt(folder, own_keys, disk, on_lost, is_old=is_old)
                continue
            cause = name
            problem = (
                f"chaukas: {folder!r} is a link or a file, or belongs to another user:"
                " it is left alone. Remove it if nobody needs it."
            )
        except OSError as error:
            cause = f"adopt {error.errno}"
            problem = (
                f"chaukas: cannot look into the spool {folder!r}"
                f" ({os.strerror(error.errno or errno.EIO)}): what it holds waits"
                " there. Allow this user to read and write it."
            )
        log_limit.report(cause, time.monotonic(), problem)
    return taken


def _adopt(
    folder: str,
    keys: frozenset[str],
    disk: Disk,
    on_lost: Callable[[str, int], None],
    *,
    is_old: bool,
) -> list[Adopted]:
    """Take over one spool, if nobody owns it and *keys* has all its sinks."""
    if is_unfinished_name(Path(folder).name) and not is_old:
        return []
    try:
        lock = take_lock(folder, disk)
    except FileNotFoundError:
        if is_old:
            # Its maker died before it had a lock.
            with contextlib.suppress(OSError):
                disk.remove_folder(folder)
        return []
    if lock is None:
        return []
    try:
        adopted = _take(folder, lock, keys, disk, on_lost)
    except BaseException:
        lock.release()
        raise
    if adopted is None:
        lock.release()
        return []
    return [adopted]


def _take(
    folder: str,
    lock: FolderLock,
    keys: frozenset[str],
    disk: Disk,
    on_lost: Callable[[str, int], None],
) -> Adopted | None:
    firsts, its_keys = contents_of(disk.names(folder))
    if not keys.issuperset(its_keys) or (firsts and not its_keys):
        return None
    acks = Acks(its_keys, on_lost)
    written = _end_of(folder, firsts, disk)
    segments = Segments(folder, acks, disk, firsts=firsts, end=written, is_own=False)
    totals = totals_of(str(Path(folder, PAGE_NAME)), disk)
    kept = [_kept(folder, key, disk) for key in its_keys]
    waiting = max(0, written - max(min(kept, default=0), *firsts[:1], 0))
    return Adopted(segments, its_keys, written, totals, waiting, lock, disk)


def _kept(folder: str, key: str, disk: Disk) -> int:
    position = Position(str(Path(folder, key + POSITION_SUFFIX)), disk)
    position.close()
    return position.kept


def _end_of(folder: str, firsts: list[int], disk: Disk) -> int:
    """Return how many events were ever written; a torn last line is none."""
    while firsts:
        path = str(Path(folder, segment_name(firsts[-1])))
        try:
            return firsts[-1] + disk.lines(path)
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise
            _set_aside(path, folder, disk)
            firsts.pop()
    return 0


def _set_aside(path: str, folder: str, disk: Disk) -> None:
    corrupt = Path(folder).parent / CORRUPT_NAME
    target = corrupt / f"{Path(folder).name}-{Path(path).name}"
    disk.make_directory(str(corrupt))
    disk.rename(path, str(target))
    LogLimit(0.0).report(
        path,
        0.0,
        f"chaukas: cannot read {path!r}: it is set aside as {str(target)!r}, and the"
        " rest of that spool is delivered. Remove it once it was looked at.",
    )
