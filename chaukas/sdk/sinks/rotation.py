"""
Rotates event files: renames full ones, keeps the newest, compresses them.

Several processes may write to one file, so each step is right whatever the others
do meanwhile: a lock file serves one rotator at a time, and the lock that every
writer has on its data file shows when the last one has left it.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .disk import Disk

__all__ = ["Compressor", "Rotation", "rotate", "rotated_names"]

_STAMP: Final = "%Y%m%dT%H%M%S%fZ"
_SLICE_BYTES: Final = 256 * 1024
_LOOK_AGAIN_S = 1.0
_GZIP_WINDOW: Final = 31
_GZIP_SUFFIX: Final = ".gz"
_TEMPORARY_SUFFIX: Final = ".gz.tmp"


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is set aside, and what is kept of the old ones."""

    limit_bytes: int | None = None
    """Size that no file exceeds unless a single batch does; None for no limit."""

    interval_s: float | None = None
    """Length of the period that one file covers; None for no limit."""

    keep: int = 10
    """How many files that were set aside are kept, at least 1."""

    gzip: bool = False
    """Whether those are compressed."""

    def is_due(self, status: os.stat_result, incoming_bytes: int, now_s: float) -> bool:
        """
        Return whether to begin a new file before the next write.

        Periods are counted from the epoch and compared with the time of the
        last write, so that all processes agree and none needs a memory.

        Args:
            status: Description of the present file.
            incoming_bytes: Size of the next write.
            now_s: Wall time in seconds.
        """
        if not status.st_size:
            return False
        if self.limit_bytes and status.st_size + incoming_bytes > self.limit_bytes:
            return True
        if not self.interval_s:
            return False
        return status.st_mtime // self.interval_s < now_s // self.interval_s


def rotated_names(path: str, disk: Disk) -> list[str]:
    """
    Return the paths of the files set aside from `path`, oldest first.

    `events.jsonl` is set aside as `events.20260101T130000000000Z.jsonl`, so that tools
    know what it is, and names in their order are in the order of time.
    """
    place = Path(path)
    stem, suffix = re.escape(place.stem), re.escape(place.suffix)
    pattern = re.compile(rf"{stem}\.\d{{8}}T\d{{12}}Z{suffix}(\.gz)?")
    names = disk.names(str(place.parent))
    return [str(place.with_name(n)) for n in sorted(names) if pattern.fullmatch(n)]


def rotate(path: str, inode: int, rotation: Rotation, disk: Disk, now_s: float) -> bool:
    """
    Set the file at `path` aside, if it still is the one with that inode.

    Returns:
        Whether the path is free for, or already holds, a new file. False means
        that another process is at it, and to go on with the present file.
    """
    fd = disk.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        if not disk.lock(fd, exclusive=True):
            return False
        status = disk.find(path)
        if status is not None and status.st_ino == inode:
            disk.rename(path, _free_name(path, disk, now_s))
            _remove_oldest(path, rotation.keep, disk)
        return True
    finally:
        # A child that was forked meanwhile has it open too, and knows nothing of it.
        with contextlib.suppress(OSError):
            disk.unlock(fd)
        disk.close(fd)


def _remove_oldest(path: str, keep: int, disk: Disk) -> None:
    names = rotated_names(path, disk)
    # One that is being compressed has two names for a moment.
    plain = sorted({name.removesuffix(_GZIP_SUFFIX) for name in names})
    gone = set(plain[: -max(1, keep)])
    for name in names:
        if name.removesuffix(_GZIP_SUFFIX) in gone:
            # Another process may just have compressed it.
            with contextlib.suppress(FileNotFoundError):
                disk.remove(name)


class Compressor:
    """
    Compresses files that were set aside, a slice at a time.

    A slice follows each write, so that events never wait behind a large file.
    A file is touched only once its lock shows that no process has it open.
    """

    __slots__ = ("_disk", "_look_at_s", "_name", "_path", "_source", "_target", "_zip")

    def __init__(self, path: str, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._look_at_s = 0.0
        self._source = -1
        self._target = -1
        self._name = ""
        self._zip = zlib.compressobj(wbits=_GZIP_WINDOW)

    def step(self, now_s: float) -> None:
        """
        Do one slice of work, or look for a file at most once a second.

        Args:
            now_s: Monotonic time in seconds.

        Raises:
            OSError: The disk refused; the next step begins anew.
        """
        try:
            if self._source >= 0:
                self._do_slice()
            elif now_s >= self._look_at_s:
                self._look_at_s = now_s + _LOOK_AGAIN_S
                self._begin()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Drop the work in hand; the file that was set aside is intact."""
        is_at_work = self._target >= 0
        self.abandon()
        if is_at_work:
            with contextlib.suppress(OSError):
                self._disk.remove(self._name + _TEMPORARY_SUFFIX)

    def abandon(self) -> None:
        """Close what a forked child inherited; the parent goes on with the work."""
        for fd in (self._source, self._target):
            if fd >= 0:
                self._disk.close(fd)
        self._source = self._target = -1

    def _begin(self) -> None:
        for name in rotated_names(self._path, self._disk):
            if name.endswith(_GZIP_SUFFIX):
                continue
            # Another process may have been faster, at any step.
            with contextlib.suppress(FileNotFoundError):
                self._source = self._disk.open(name, os.O_RDONLY | os.O_NOFOLLOW)
                if self._is_free(name):
                    self._name = name
                    self._zip = zlib.compressobj(wbits=_GZIP_WINDOW)
                    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
                    self._target = self._disk.open(name + _TEMPORARY_SUFFIX, flags)
                    return
            self.abandon()

    def _is_free(self, name: str) -> bool:
        """Return whether nobody uses the open file, and it still has that name."""
        if not self._disk.lock(self._source, exclusive=True):
            return False
        found = self._disk.find_itself(name)
        status = self._disk.status(self._source)
        return found is not None and found.st_ino == status.st_ino

    def _do_slice(self) -> None:
        data = self._disk.read(self._source, _SLICE_BYTES)
        if data:
            self._put(self._zip.compress(data))
            return
        self._put(self._zip.flush())
        # Before the original goes: a power loss must not cost a whole file.
        self._disk.sync(self._target)
        self._disk.rename(self._name + _TEMPORARY_SUFFIX, self._name + _GZIP_SUFFIX)
        # Gone already if a rotation found it to be too old.
        with contextlib.suppress(FileNotFoundError):
            self._disk.remove(self._name)
        self.abandon()
        self._look_at_s = 0.0

    def _put(self, data: bytes) -> None:
        while data:
            data = data[self._disk.write(self._target, data) :]


def _free_name(path: str, disk: Disk, now_s: float) -> str:
    moment = datetime.fromtimestamp(now_s, timezone.utc)
    place = Path(path)
    while True:
        stamp = moment.strftime(_STAMP)
        name = str(place.with_name(f"{place.stem}.{stamp}{place.suffix}"))
        if disk.find(name) is None and disk.find(name + _GZIP_SUFFIX) is None:
            return name
        moment += timedelta(microseconds=1)
