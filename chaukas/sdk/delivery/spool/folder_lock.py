"""
The lock of a spool, which shows that its owner lives.

A forked child inherits it and would hold it for as long as it lives, so a child closes
every lock at once, and a lock is taken anew if a fork came in the middle of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final, final

from chaukas.sdk.system.fork_guard import ForkWatch
from chaukas.sdk.system.threads import sleep

from .layout import LOCK_NAME, UNFINISHED_PREFIX, is_private

if TYPE_CHECKING:
    from chaukas.sdk.sinks.disk import Disk

__all__ = ["FolderLock", "lock_path", "locked", "make_locked", "take_lock"]

_TRIES: Final = 10
_LOOK_AGAIN_S: Final = 0.001
_HELD: Final = "another process has its lock, or that disk knows no locks"


@final
class FolderLock:
    """
    An open lock file.

    Args:
        disk: File operations.
        fd: The file, open for reading and writing.
    """

    __slots__ = ("_disk", "_fd", "_pid")

    def __init__(self, disk: Disk, fd: int) -> None:
        self._disk = disk
        self._fd = fd
        self._pid = os.getpid()
        _open_locks.add(self)

    @property
    def is_held(self) -> bool:
        """Whether it was not released; false in a child that was forked since."""
        return self._fd >= 0

    def take(self, path: str) -> bool:
        """
        Lock it, if nobody else has and it is still the file at *path*.

        Raises:
            OSError: It cannot be looked at.
        """
        return self._disk.lock(self._fd, exclusive=True) and self.is_at(path)

    def is_at(self, path: str) -> bool:
        """
        Return whether it is the file at *path*.

        Raises:
            OSError: It cannot be looked at.
        """
        found = self._disk.find_itself(path)
        return found is not None and found.st_ino == self._disk.status(self._fd).st_ino

    def release(self) -> None:
        """Unlock and close it; in a forked child only close it."""
        _open_locks.discard(self)
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if os.getpid() == self._pid:
            # A child, or a program that is just being started, may have it open too.
            with contextlib.suppress(OSError):
                self._disk.unlock(fd)
        with contextlib.suppress(OSError):
            self._disk.close(fd)


_open_locks: Final[set[FolderLock]] = set()


def lock_path(folder: str) -> str:
    """Return the path of the lock of a spool."""
    return os.path.join(folder, LOCK_NAME)  # noqa: PTH118 - text, as Disk takes it


def take_lock(folder: str, disk: Disk, *, make: bool = False) -> FolderLock | None:
    """
    Lock a spool; None if another process has it, or has just removed it.

    Args:
        folder: The spool.
        disk: File operations.
        make: Make the file if it is missing.

    Raises:
        OSError: The file is missing or cannot be opened.
    """
    path = lock_path(folder)
    flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if make else 0)
    for _ in range(_TRIES):
        forks = ForkWatch()
        lock = FolderLock(disk, disk.open(path, flags))
        if not forks.has_come():
            break
        # A child may have it open and not know of it: it must not be what is locked.
        lock.release()
        sleep(_LOOK_AGAIN_S)
    else:
        return None
    try:
        if lock.take(path):
            return lock
    except BaseException:
        lock.release()
        raise
    lock.release()
    return None


def locked(folder: str, disk: Disk) -> FolderLock:
    """
    Lock a spool of this process; the file is made if it is missing.

    Raises:
        OSError: Another process has it (EAGAIN), or the disk refused.
    """
    lock = take_lock(folder, disk, make=True)
    if lock is None:
        raise BlockingIOError(errno.EAGAIN, _HELD)
    return lock


def make_locked(folder: str, disk: Disk) -> FolderLock:
    """
    Make the folder of a spool, which nobody sees before it is locked.

    Args:
        folder: Where it is to be; there must be nothing.
        disk: File operations.

    Raises:
        OSError: There is something, or the disk refused.
    """
    above, name = os.path.split(folder)
    unfinished = os.path.join(above, UNFINISHED_PREFIX + name)  # noqa: PTH118
    if disk.find_itself(folder) is not None:
        # Perhaps a trap of another user.
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    try:
        disk.make_folder(unfinished)
    except FileExistsError:
        # Where an earlier attempt failed.
        found = disk.find_itself(unfinished)
        if found is None or not is_private(found):
            raise
    lock = locked(unfinished, disk)
    try:
        disk.rename(unfinished, folder)
    except BaseException:
        lock.release()
        raise
    return lock


def _close_inherited() -> None:
    for lock in tuple(_open_locks):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
