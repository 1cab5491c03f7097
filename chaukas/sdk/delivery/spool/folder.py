"""
The spool of this process: a folder of append-only files.

Plain lines in files, since a line that was written survives the death of the
process as it is, and nothing has to be repaired before it can be read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING, Final

from chaukas.sdk.pipeline.log_limit import LOGGER
from chaukas.sdk.sinks import Verdict
from chaukas.sdk.sinks.append import advice_of, append_all, refusal
from chaukas.sdk.sinks.disk import Disk
from chaukas.sdk.system.threads import sleep

from .crash_counters import open_page, remove_page
from .folder_lock import lock_path, locked, make_locked
from .layout import LOCK_NAME, PAGE_NAME, is_open_to_others, is_private
from .owner import About, write_about
from .position import POSITION_SUFFIX, Position
from .segments import Acks, Segments
from .usage import Allowance, Usage, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .crash_counters import Page
    from .folder_lock import FolderLock

__all__ = ["Spool", "remove_spool"]

_SEGMENT_BYTES: Final = 4 << 20
_SEGMENTS_AT_LEAST: Final = 8
_TRIES: Final = 10
_PATIENCE_S: Final = 0.002
_UNLOCK_S: Final = 0.02
_UNUSABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})
_SETTING: Final = "CHAUKAS_SPOOL_DIR"


class Spool:
    """
    Appends lines to segment files of a folder that this process alone owns.

    The folder is made at the first batch, on the writer's thread. While it cannot
    be written, the pipeline keeps events in memory and comes again.

    Args:
        spool_dir: Folder of all spools; made if it is missing.
        stream: Name of this one, unique to the process instance.
        keys: The sinks that will read it, by which a later process knows whether
            it may deliver what is left.
        fallback_dir: Folder of all spools where the first cannot be used; None for
            none. It must be this user's alone.
        limit_bytes: Most that all spools of the folder may take, those of other
            processes included; further events are refused as `spool_full`.
        on_open: Given the page of counters, whenever there is a new one.
        disk: File operations; tests pass a failing disk.
        segment_bytes: Size from which on a new segment is begun.
        about: Whose it is, for people.
        wall: Wall clock in seconds.
    """

    def __init__(
        self,
        spool_dir: str,
        stream: str,
        *,
        keys: Sequence[str],
        limit_bytes: int,
        fallback_dir: str | None = None,
        on_open: Callable[[Page], None] | None = None,
        disk: Disk | None = None,
        segment_bytes: int = _SEGMENT_BYTES,
        about: About | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.spool_dir = spool_dir
        self.keys = tuple(keys)
        self.disk = disk or Disk()
        self.segments = Segments(
            os.path.join(spool_dir, stream),  # noqa: PTH118 - text, as Disk takes it
            Acks(keys),
            self.disk,
            is_own=True,
        )
        self._stream = stream
        self._fallback_dir = fallback_dir
        self._allowance = Allowance(limit_bytes, self._measure)
        self._about = about
        self._wall = wall
        self._segment_bytes = min(segment_bytes, limit_bytes // _SEGMENTS_AT_LEAST)
        self._on_open = on_open
        self._page: Page | None = None
        self._lock: FolderLock | None = None
        self._fd = -1
        self._first = 0
        self._size = 0
        self._is_torn = False
        self._is_made = False
        self._is_complete = False
        self._is_warned = False
        self._is_retired = False
        self._synced = 0

    @property
    def used_bytes(self) -> int:
        """Size of all segments that are there."""
        return self.segments.added_bytes - self.segments.removed_bytes

    @property
    def is_open(self) -> bool:
        """Whether all of the folder is there and this process holds its lock."""
        return self._is_complete and self._is_locked

    @property
    def _is_locked(self) -> bool:
        return self._lock is not None and self._lock.is_held

    def send(self, batch: Sequence[bytes]) -> Verdict:
        """Append the batch, as far as there is room; refuse the rest of it."""
        with self.segments.writing:
            verdict = self._send(batch)
        if self._is_retired:
            self._retire()
        return verdict

    def _send(self, batch: Sequence[bytes]) -> Verdict:
        stored = 0
        error: OSError | None = None
        try:
            fitting = self._fitting(batch)
            stored, error = append_all(batch[:fitting], self._append)
        except OSError as refused:
            error = refused
        if error is not None:
            self._leave()
            what = f"the spool {self.segments.folder!r}"
            return refusal(error, stored, what, _SETTING)
        return Verdict(stored, refused=len(batch) - stored, reason="spool_full")

    def close(self) -> None:
        """Write no more; the folder stays locked until `retire`."""
        self._leave()

    def abandon(self) -> None:
        """Close what a forked child inherited; the parent keeps its lock."""
        with contextlib.suppress(OSError):
            self._leave()
        self._unlock()

    def retire(self) -> None:
        """
        Unlock the folder for good; remove it if nothing in it waits.

        A writer that is in the middle of a batch does so once it is through: until
        then nobody else may take the folder over. What it still writes is left there
        for the next process.
        """
        self._is_retired = True
        self._retire()

    def _retire(self) -> None:
        # Whoever else holds it is the writer, or a sender for a moment.
        if not self.segments.writing.acquire(timeout=_UNLOCK_S):
            return
        try:
            if not self._is_locked:
                return
            self._leave()
            if self.segments.acks.waiting(self.segments.end) == 0:
                with contextlib.suppress(OSError):
                    remove_spool(self.segments.folder, self.disk)
                if self._page is not None:
                    self._page.remove()
            self._unlock()
        finally:
            self.segments.writing.release()

    def sync(self) -> None:
        """
        Have what was written survive a power loss; called by one thread.

        Raises:
            OSError: The disk refused.
        """
        end, firsts = self.segments.end, self.segments.firsts
        if end == self._synced:
            return
        ends = (*firsts[1:], end + 1)
        for first, its_end in zip(firsts, ends, strict=True):
            if its_end > self._synced:
                self._sync_one(self.segments.path_of(first))
        self._sync_one(self.segments.folder)
        self._synced = end

    @property
    def is_unsynced(self) -> bool:
        """Whether something was written since the last `sync`."""
        return self.segments.end != self._synced

    def position_of(self, key: str) -> Position:
        """
        Open the position file of a sink, for the thread of that sink.

        Raises:
            OSError: It can neither be read nor made.
        """
        return Position(self._path(key + POSITION_SUFFIX), self.disk)

    def _fitting(self, batch: Sequence[bytes]) -> int:
        """Return how many events of a batch there is room for."""
        if not self.is_open:
            # First: whoever measures the folder must see this spool in it.
            self._open_patiently()
        wanted = sum(map(len, batch))
        room = self._allowance.room(self.used_bytes, wanted)
        if room >= wanted:
            return len(batch)
        for index, line in enumerate(batch):
            room -= len(line)
            if room < 0:
                return index
        return len(batch)

    def _measure(self) -> Usage:
        return usage_of(self.spool_dir, self._stream, self.disk, self._wall())

    def _append(self, lines: Sequence[bytes]) -> int:
        data = b"".join(lines)
        self._prepare(len(data))
        taken = self.disk.write(self._fd, data)
        if taken == len(data):
            stored, whole = len(lines), taken
        else:
            stored, whole = _whole_of(lines, taken)
            self._is_torn = taken != whole
        self._size += whole
        self._allowance.note(whole)
        self.segments.add(stored, whole)
        return stored

    def _prepare(self, incoming_bytes: int) -> None:
        if not self.is_open:
            self._open_patiently()
        if self._fd >= 0 and self.segments.firsts[-1:] != (self._first,):
            # All of it was delivered, and another one begun.
            self._leave()
        if self._fd < 0:
            self._enter()
        elif not self.disk.status(self._fd).st_nlink:
            # Removed by someone: what is written now would be lost.
            self._leave()
            self._open()
            self._begin()
        if self._is_torn:
            self.disk.cut(self._fd, self._size)
            self._is_torn = False
        if self._size and self._size + incoming_bytes > self._segment_bytes:
            self._leave()
            self._begin()

    def _open_patiently(self) -> None:
        """Open; again if another process just holds the empty folder, to remove it."""
        for _ in range(_TRIES):
            try:
                self._open()
                return
            # PERF203: opening takes far longer than entering a try.
            except OSError as error:  # noqa: PERF203
                if error.errno != errno.EAGAIN:
                    raise
                sleep(_PATIENCE_S)
        self._open()

    def _open(self) -> None:
        self._is_complete = False
        self._hold_folder()
        if self._page is not None:
            # Its folder may be gone, and then nobody else would find it.
            self._page.remove()
        self._page = page = open_page(self._path(PAGE_NAME), self.disk)
        for key in self.keys:
            self.position_of(key).close()
        if self._about is not None:
            write_about(self.segments.folder, self._about, self.disk)
        if self._on_open is not None:
            self._on_open(page)
        self._is_complete = True

    def _hold_folder(self) -> None:
        """Have the folder and its lock, as far as either is not there."""
        folder = self.segments.folder
        if not self._is_made or self.disk.find_itself(folder) is None:
            self._unlock()
            self._make_folder()
        elif self._lock is None or not self._lock.is_at(lock_path(folder)):
            self._unlock()
            self._lock = locked(folder, self.disk)

    def _make_folder(self) -> None:
        try:
            if self.disk.find(self.spool_dir) is None:
                self.disk.make_directory(self.spool_dir)
            self._lock = make_locked(self.segments.folder, self.disk)
        except OSError as error:
            if error.errno not in _UNUSABLE or not self._can_fall_back():
                raise
            self._fall_back(error)
        self._is_made = True
        self._warn_if_open_to_others()

    def _warn_if_open_to_others(self) -> None:
        status = self.disk.find(self.spool_dir)
        if self._is_warned or status is None or not is_open_to_others(status):
            return
        self._is_warned = True
        LOGGER.warning(
            "chaukas: the spool folder %r belongs to another user, or everybody may"
            " write there: others can take away what waits in it, and read nothing."
            " Close it by chmod 700, or set CHAUKAS_SPOOL_DIR.",
            self.spool_dir,
        )

    def _can_fall_back(self) -> bool:
        # Once events lie in the first folder, there is only that one.
        return self._fallback_dir is not None and not self.segments.firsts

    def _fall_back(self, error: OSError) -> None:
        folder, self._fallback_dir = self._fallback_dir or "", None
        try:
            if self.disk.find_itself(folder) is None:
                self.disk.make_directory(folder)
            status = self.disk.find_itself(folder)
            if status is None or not is_private(status):
                raise error
            target = os.path.join(folder, self._stream)  # noqa: PTH118
            self._lock = make_locked(target, self.disk)
        except OSError:
            # The error is about what the user set.
            raise error from None
        LOGGER.warning(
            "chaukas: cannot make a spool in %r (%s): events wait in %r instead. %s",
            self.spool_dir,
            os.strerror(error.errno or errno.EIO),
            folder,
            advice_of(error.errno, _SETTING),
        )
        self.spool_dir = folder
        self.segments.folder = target

    def _enter(self) -> None:
        """Go on with the last segment, if it is as this process left it."""
        if not self.segments.firsts:
            self._begin()
            return
        first = self.segments.firsts[-1]
        if first != self._first:
            self._first, self._size = first, 0
        path = self.segments.path_of(first)
        try:
            self._fd = self.disk.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        except FileNotFoundError:
            self._open()
            self._begin()
            return
        size = self.disk.status(self._fd).st_size
        if size < self._size:
            self._leave()
            self._begin()
        else:
            self._is_torn = size > self._size

    def _begin(self) -> None:
        first = self.segments.end
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        self._fd = self.disk.open(self.segments.path_of(first), flags)
        self._first = first
        self._size = 0
        self._is_torn = False
        self.segments.begin_segment(first)

    def _leave(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self.disk.close(fd)

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _path(self, name: str) -> str:
        return os.path.join(self.segments.folder, name)  # noqa: PTH118

    def _sync_one(self, path: str) -> None:
        try:
            fd = self.disk.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            self.disk.sync_data(fd)
        finally:
            self.disk.close(fd)


def remove_spool(folder: str, disk: Disk) -> None:
    """
    Remove a spool whose lock is held, so that a kill in between does no harm.

    The page goes first, because without segments it would mean a loss; the lock
    goes last, so that nobody else comes in.

    Raises:
        OSError: The disk refused; what is left can be removed later.
    """
    names = disk.names(folder)
    if PAGE_NAME in names:
        remove_page(os.path.join(folder, PAGE_NAME), disk)  # noqa: PTH118
    last = [LOCK_NAME] if LOCK_NAME in names else []
    middle = sorted(set(names) - {PAGE_NAME, LOCK_NAME}, key=_segments_first)
    for name in (*middle, *last):
        disk.remove(os.path.join(folder, name))  # noqa: PTH118
    disk.remove_folder(folder)


def _segments_first(name: str) -> tuple[bool, str]:
    # A position without a segment says nothing; the other way round, all is resent.
    return not name.endswith(".seg"), name


def _whole_of(lines: Sequence[bytes], taken: int) -> tuple[int, int]:
    """Return how many lines, and bytes of them, a short write took whole."""
    count = whole = 0
    for line in lines:
        if whole + len(line) > taken:
            break
        whole += len(line)
        count += 1
    return count, whole
