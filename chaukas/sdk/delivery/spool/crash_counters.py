"""
Counters that outlive the process, in a file mapped into memory.

A store of eight bytes by the thread that counts is all it takes, so whoever finds
the files of a killed process knows how many events it had taken and not yet written.

A store into a mapped file that the disk has no room for ends the process by a signal,
and one into a page that is just being written to a slow disk waits for it. So the
file lies in shared memory where there is some, and is allocated before it is mapped
wherever it lies. What lies in shared memory is gone after a restart of the machine:
then it is not known how many events were lost.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import stat
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from chaukas.sdk.sinks.disk import Disk

__all__ = [
    "BLOCK_BYTES",
    "SHARED",
    "WRITER",
    "Page",
    "Totals",
    "mark_reported",
    "open_page",
    "remove_page",
    "totals_of",
]

BLOCK_BYTES: Final = max(4096, mmap.ALLOCATIONGRANULARITY)
"""The file grows by so much at a time, and each piece is mapped for itself."""

# A file there has a name that nobody can guess, and must not be there before.
SHARED_DIR = "/dev/shm"  # noqa: S108
"""Shared memory as a folder; Linux has it."""

WRITER: Final = 0
"""Place of the writer's counts."""
SHARED: Final = -1
"""Place of the counts of all threads that have none of their own."""

_MAGIC: Final = int.from_bytes(b"chaukas1", "little")
_REPORTED_AT: Final = 8
# The first two words are the header. Then pairs of words: the writer's, the shared
# one, and one for each thread.
_HEADER: Final = 2
_WORDS: Final = BLOCK_BYTES // 8
_LIMIT_BYTES: Final = 1 << 20
_POINTER: Final = re.compile(rb"shared (chaukas-[0-9a-f]{32})\n")
_POINTER_BYTES: Final = 64


class Totals(NamedTuple):
    """What a dead process had counted."""

    emitted: int
    """Events captured, dropped ones included."""
    dropped: int
    """Events of those that were given up before they reached a file."""
    is_reported: bool
    """Whether another process has reported the difference already."""


class Page:
    """
    The mapped file of a living process: a pair of numbers for each thread.

    It is never unmapped by hand, since a thread of the host may be in `count` at
    any moment: the last reference does that.

    Args:
        path: The file; it may be there, empty.
        disk: File operations.

    Raises:
        OSError: The file cannot be opened, allocated or mapped.
    """

    __slots__ = ("_blocks", "_disk", "_inode", "_path", "room")

    def __init__(self, path: str, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._inode = 0
        self._blocks: tuple[memoryview[int], ...] = ()
        self.room = 0
        """Places below this number have a pair of their own."""
        self.grow()
        blocks: tuple[memoryview[int], ...] = self._blocks
        blocks[0][0] = _MAGIC

    def grow(self) -> None:
        """
        Make room for more threads; called by the writer's thread alone.

        Raises:
            OSError: The disk is full, or the file is gone, or large enough.
        """
        offset = len(self._blocks) * BLOCK_BYTES
        if offset >= _LIMIT_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        flags = os.O_RDWR | os.O_NOFOLLOW | (0 if offset else os.O_CREAT)
        fd = self._disk.open(self._path, flags)
        try:
            inode = self._disk.status(fd).st_ino
            if offset and inode != self._inode:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._disk.allocate(fd, offset, BLOCK_BYTES)
            mapped = mmap.mmap(fd, BLOCK_BYTES, offset=offset)
        finally:
            self._disk.close(fd)
        self._inode = inode
        self._blocks = (*self._blocks, memoryview(mapped).cast("Q"))
        # Last: whoever sees the room finds the block. Two pairs are no thread's.
        self.room = (len(self._blocks) * _WORDS - _HEADER) // 2 - 1

    def remove(self) -> None:
        """Remove the file, if it is still there; counting goes on and does no harm."""
        with contextlib.suppress(OSError):
            self._disk.remove(self._path)

    def count(self, place: int, emitted: int) -> None:
        """
        Keep how many events a thread emitted; it alone calls this for its place.

        Args:
            place: `WRITER`, `SHARED` or the number of a thread, below `room`.
            emitted: Events so far, dropped ones included.
        """
        block, word = _word_of(place)
        self._blocks[block][word] = emitted

    def lose(self, place: int, dropped: int) -> None:
        """Keep how many of its events a thread dropped, in the same way."""
        block, word = _word_of(place)
        self._blocks[block][word + 1] = dropped

    def noted(self, place: int) -> tuple[int, int]:
        """Return what is kept for a place."""
        block, word = _word_of(place)
        return self._blocks[block][word], self._blocks[block][word + 1]


def open_page(path: str, disk: Disk) -> Page:
    """
    Make the page of a spool: in shared memory, or else at *path*.

    A page that is there is replaced. What lies in shared memory is named by a file
    at *path*.

    Raises:
        OSError: There is room for it neither here nor there.
    """
    with contextlib.suppress(FileNotFoundError):
        remove_page(path, disk)
    try:
        shared = _shared_page(disk)
    except OSError:
        return Page(path, disk)
    page, name = shared
    try:
        _write_pointer(path, name, disk)
    except OSError:
        disk.remove(_shared_path(name))
        raise
    return page


def remove_page(path: str, disk: Disk) -> None:
    """
    Remove the page of a spool, wherever it lies.

    Raises:
        OSError: There is none, or the disk refused.
    """
    target = _file_of(path, disk)
    # In this order: what names a page that is gone would mean an unknown loss.
    disk.remove(path)
    if target != path:
        with contextlib.suppress(OSError):
            disk.remove(target)


def totals_of(path: str, disk: Disk) -> Totals | None:
    """
    Return what the page of a dead process says.

    Args:
        path: Where its spool has the page, or the name of it.
        disk: File operations.

    Returns:
        None if it is no page, or is gone, or cannot be read.
    """
    try:
        data = _read(_file_of(path, disk), _LIMIT_BYTES, disk)
    except OSError:
        return None
    if len(data) < BLOCK_BYTES:
        return None
    words = struct.unpack_from(f"={len(data) // 16 * 2}Q", data)
    if words[0] != _MAGIC:
        return None
    pairs = words[_HEADER:]
    return Totals(sum(pairs[::2]), sum(pairs[1::2]), bool(words[1]))


def mark_reported(path: str, disk: Disk) -> None:
    """
    Note in the page of a dead process that its loss was reported.

    Raises:
        OSError: It cannot be written.
    """
    fd = disk.open(_file_of(path, disk), os.O_WRONLY | os.O_NOFOLLOW)
    try:
        disk.write_at(fd, (1).to_bytes(8, "little"), _REPORTED_AT)
    finally:
        disk.close(fd)


def _word_of(place: int) -> tuple[int, int]:
    """Return the block of a place, and the first word of its pair in there."""
    if place > 0:
        return divmod(_HEADER + 2 * (place + 1), _WORDS)
    return 0, _HEADER + (2 if place == SHARED else 0)


def _shared_page(disk: Disk) -> tuple[Page, str]:
    name = f"chaukas-{os.urandom(16).hex()}"
    path = _shared_path(name)
    # Anybody may write there, so it must not be there yet.
    disk.close(disk.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))
    try:
        return Page(path, disk), name
    except OSError:
        disk.remove(path)
        raise


def _shared_path(name: str) -> str:
    return os.path.join(SHARED_DIR, name)  # noqa: PTH118 - text, as Disk takes it


def _write_pointer(path: str, name: str, disk: Disk) -> None:
    data = f"shared {name}\n".encode()
    fd = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    try:
        if disk.write_at(fd, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        disk.close(fd)


def _file_of(path: str, disk: Disk) -> str:
    """Return the file that holds the counts: the one at *path*, or that it names."""
    match = _POINTER.fullmatch(_read(path, _POINTER_BYTES, disk))
    return _shared_path(match[1].decode()) if match else path


def _read(path: str, most: int, disk: Disk) -> bytes:
    """Read a file of this user; nothing of what is none."""
    fd = disk.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = disk.status(fd)
        is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        return disk.read(fd, most) if is_ours else b""
    finally:
        disk.close(fd)
