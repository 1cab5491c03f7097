"""
Appends events to a file, one JSON object a line.

The file is the store: whole lines in one `O_APPEND` write survive the death of
the process, and several processes may share one file.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import Verdict
from .append import advice_of, append_all, refusal
from .disk import Disk
from .rotation import Compressor, Rotation, rotate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["JsonlSink", "Rotation"]

_LOGGER: Final = logging.getLogger("chaukas.sdk")
_LOOK_AGAIN_S: Final = 1.0
_SETTING: Final = "CHAUKAS_OUTPUT_FILE"


class JsonlSink:
    """
    Append lines to one path, whatever happens to the file behind it.

    The file is opened at the first batch, on the writer's thread, with its
    folder. It is looked for again once a second, so a file that was renamed,
    removed or truncated is followed. A line that was cut, by a full disk or by
    the death of a process, is ended before the next one is written.

    Args:
        path: The file; relative to the working folder of now.
        rotation: When to begin a new file; None leaves that to others.
        disk: File operations; tests pass a failing disk.
        wall: Wall clock in seconds.
        monotonic: Clock for intervals in seconds.

    A program that reads the file should skip empty lines and a line that is not
    JSON: both can be left where a process died. A JSON string never holds a line
    feed, but can hold U+2028, which some tools take for the end of a line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rotation: Rotation | None = None,
        disk: Disk | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = str(Path(path).absolute())
        """The file's absolute path."""
        self._rotation = rotation
        self._disk = disk or Disk()
        self._wall = wall
        self._monotonic = monotonic
        self._compressor = (
            Compressor(self.path, self._disk) if rotation and rotation.gzip else None
        )
        self._fd = -1
        self._inode = 0
        self._is_regular = True
        self._end = 0
        self._is_torn = False
        self._is_compression_reported = False
        self._is_reported = False
        self._look_at_s = 0.0

    def send(self, batch: Sequence[bytes]) -> Verdict:
        """
        Append the batch in one write.

        A short write may have cut a line in two: that line and those after it
        are written again, on a line of their own.
        """
        stored, error = append_all(batch, self._append)
        if error is not None:
            self.close()
            return refusal(error, stored, repr(self.path), _SETTING)
        self._compress()
        return Verdict(stored)

    def close(self) -> None:
        """Close the file; the next batch would open it again."""
        if self._compressor is not None:
            self._compressor.close()
        self._leave()

    def abandon(self) -> None:
        """Close the descriptors of a forked child; nothing is written."""
        if self._compressor is not None:
            self._compressor.abandon()
        self._leave()

    def _append(self, lines: Sequence[bytes]) -> int:
        data = b"".join(lines)
        self._prepare(len(data))
        lead = b"\n" if self._is_torn else b""
        taken = self._disk.write(self._fd, lead + data if lead else data)
        self._end += taken
        room = taken - len(lead)
        if room == len(data):
            self._is_torn = False
            return len(lines)
        stored = 0
        for line in lines:
            # A line without its newline is whole: the next write ends it.
            if room < len(line) - 1:
                break
            room -= len(line)
            stored += 1
        if taken:
            self._is_torn = room != 0
        return stored

    def _prepare(self, incoming_bytes: int) -> None:
        now_s = self._monotonic()
        if self._fd >= 0 and now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_AGAIN_S
            found = self._disk.find(self.path)
            if found is None or found.st_ino != self._inode:
                self._leave()
        status = self._open() if self._fd < 0 else self._disk.status(self._fd)
        if not self._is_regular:
            return
        if not status.st_nlink:
            # Removed since the last look: what is written now would be lost.
            self._leave()
            status = self._open()
        if self._is_rotated(status, incoming_bytes):
            self._leave()
            status = self._open()
        self._note_tail(status)

    def _note_tail(self, status: os.stat_result) -> None:
        size = status.st_size
        if size == self._end:
            return
        # Someone else wrote, or cut: only the file knows how it ends now.
        self._end = size
        self._is_torn = size > 0 and self._last_byte(size) != b"\n"

    def _last_byte(self, size: int) -> bytes:
        try:
            return self._disk.read_at(self._fd, 1, size - 1)
        except OSError:
            # Not readable for us. An empty line more is harmless.
            return b""

    def _is_rotated(self, status: os.stat_result, incoming_bytes: int) -> bool:
        rotation, now_s = self._rotation, self._wall()
        if rotation is None or not rotation.is_due(status, incoming_bytes, now_s):
            return False
        return rotate(self.path, self._inode, rotation, self._disk, now_s)

    def _leave(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._disk.close(fd)

    def _open(self) -> os.stat_result:
        try:
            self._fd = self._open_fd()
        except FileNotFoundError:
            self._disk.make_directory(str(Path(self.path).parent))
            self._fd = self._open_fd()
        status = self._disk.status(self._fd)
        self._inode = status.st_ino
        self._is_regular = stat.S_ISREG(status.st_mode)
        self._warn_if_open_to_others(status)
        self._is_torn = False
        self._end = 0
        self._look_at_s = self._monotonic() + _LOOK_AGAIN_S
        if self._is_regular:
            # Shows a compressor that this file is still being written.
            self._disk.lock(self._fd, exclusive=False)
        else:
            self._disk.block(self._fd)
        return status

    def _open_fd(self) -> int:
        # Without O_NONBLOCK, opening a pipe that nobody reads takes for ever.
        flags = os.O_APPEND | os.O_NONBLOCK
        found = self._disk.find_itself(self.path)
        if found is not None and stat.S_ISLNK(found.st_mode):
            self._refuse_trap(found)
            found = self._disk.find(self.path)
        else:
            # One that is put there meanwhile.
            flags |= os.O_NOFOLLOW
        if found is not None and not stat.S_ISREG(found.st_mode):
            return self._disk.open(self.path, flags | os.O_WRONLY)
        try:
            return self._disk.open(self.path, flags | os.O_RDWR | os.O_CREAT)
        except PermissionError:
            return self._disk.open(self.path, flags | os.O_WRONLY)

    def _refuse_trap(self, link: os.stat_result) -> None:
        """Refuse a link that another user put where everybody may put one."""
        if link.st_uid in {0, os.geteuid()}:
            return
        folder = self._disk.find(str(Path(self.path).parent))
        if folder is not None and folder.st_mode & stat.S_IWOTH:
            raise OSError(errno.ELOOP, "a link that another user made")

    def _warn_if_open_to_others(self, status: os.stat_result) -> None:
        is_foreign = status.st_uid not in {0, os.geteuid()}
        is_writable = bool(status.st_mode & stat.S_IWOTH)
        if not self._is_regular or self._is_reported or not (is_foreign or is_writable):
            return
        self._is_reported = True
        _LOGGER.warning(
            "chaukas: %r %s: others can read or change what is recorded. Remove it and"
            " it is made anew for this user alone, or set CHAUKAS_OUTPUT_FILE.",
            self.path,
            "belongs to another user" if is_foreign else "can be written by everybody",
        )

    def _compress(self) -> None:
        if self._compressor is None:
            return
        try:
            self._compressor.step(self._monotonic())
        except OSError as error:
            # The events are stored, so this is no trouble of the batch's.
            if not self._is_compression_reported:
                self._is_compression_reported = True
                _LOGGER.warning(
                    "chaukas: cannot compress the old files of %r (%s): they are"
                    " kept as they are, and tried again. %s",
                    self.path,
                    os.strerror(error.errno or errno.EIO),
                    advice_of(error.errno, _SETTING),
                )
