"""
The file operations of sinks and spools, in one class that tests replace.

They stand behind one small class so that a test can hand in a disk that is full,
read-only or broken.
"""

# One system call each, for errors that name what failed: pathlib hides some.
# ruff: noqa: PTH102, PTH103, PTH105, PTH106, PTH108, PTH116, PTH208

from __future__ import annotations

import errno
import os
import sys

if sys.platform != "win32":
    import fcntl

__all__ = ["Disk"]

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_SLICE_BYTES = 1 << 18
# What a file system says that can give no room before something is written.
_NO_ALLOCATION = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class Disk:
    """The real file system; every method raises OSError as the system does."""

    def open(self, path: str, flags: int) -> int:
        """Open for this process alone, new files readable by the owner only."""
        return os.open(path, flags | _CLOEXEC, 0o600)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def read(self, fd: int, size: int) -> bytes:
        """Read on from the current place."""
        return os.read(fd, size)

    def write(self, fd: int, data: bytes) -> int:
        """Write once, and return how many bytes were taken."""
        return os.write(fd, data)

    def write_at(self, fd: int, data: bytes, offset: int) -> int:
        """Write at an offset, and return how many bytes were taken."""
        return os.pwrite(fd, data, offset)

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Read from an offset."""
        return os.pread(fd, size, offset)

    def cut(self, fd: int, size: int) -> None:
        """Make a file exactly so long."""
        os.ftruncate(fd, size)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        """
        Have the disk keep room for a part of a file; the file grows if need be.

        What is there already may be overwritten by zeros.
        """
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(fd, offset, size)
            except OSError as error:
                if error.errno not in _NO_ALLOCATION:
                    raise
            else:
                return
        if os.pwrite(fd, bytes(size), offset) != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def block(self, fd: int) -> None:
        """Let writes wait until the device takes them."""
        os.set_blocking(fd, True)

    def sync(self, fd: int) -> None:
        """Wait until the file's content survives a power loss."""
        os.fsync(fd)

    def sync_data(self, fd: int) -> None:
        """Wait until the file's content survives a power loss, and its length."""
        getattr(os, "fdatasync", os.fsync)(fd)

    def status(self, fd: int) -> os.stat_result:
        """Describe an open file."""
        return os.fstat(fd)

    def find(self, path: str) -> os.stat_result | None:
        """Describe the file at a path, or return None if there is none."""
        try:
            return os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lines(self, path: str) -> int:
        """Return how many whole lines a file has; it is read piece by piece."""
        fd = self.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            count = 0
            while data := self.read(fd, _SLICE_BYTES):
                count += data.count(b"\n")
            return count
        finally:
            self.close(fd)

    def make_directory(self, path: str) -> None:
        """Make a directory and its parents, for the owner only."""
        os.makedirs(path, mode=0o700, exist_ok=True)

    def make_folder(self, path: str) -> None:
        """Make one directory, for the owner only, that is not there yet."""
        os.mkdir(path, 0o700)

    def remove_folder(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def find_itself(self, path: str) -> os.stat_result | None:
        """Describe what is at a path, a link being a link, or return None."""
        try:
            return os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return os.listdir(path)

    def rename(self, path: str, target: str) -> None:
        """Rename a file, replacing the target."""
        os.replace(path, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def unlock(self, fd: int) -> None:
        """Give the lock of an open file up, also for those who inherited the file."""
        if sys.platform != "win32":
            fcntl.flock(fd, fcntl.LOCK_UN)

    def lock(self, fd: int, *, exclusive: bool) -> bool:
        """Take an advisory lock if nobody is in the way; say whether it is held."""
        if sys.platform == "win32":
            return False
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
