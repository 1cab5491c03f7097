"""
Reads one spool for one sink, batch by batch, and keeps its position.

Never a whole segment: a backlog of any size takes the memory of one batch.
"""

from __future__ import annotations

import contextlib
import errno
import os
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from .segments import offset_of

if TYPE_CHECKING:
    from chaukas.sdk.sinks.disk import Disk

    from .position import Position
    from .segments import Segments

__all__ = ["Cursor"]

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})
_SLICE_BYTES: Final = 1 << 18
_PATIENCE: Final = 5


class Cursor:
    """
    A place in a spool, moved by acknowledgements; used by one sink's thread.

    Args:
        segments: The spool.
        key: Name of the sink in the spool.
        position: The file that keeps the place.
        disk: File operations.
    """

    def __init__(
        self, segments: Segments, key: str, position: Position, disk: Disk
    ) -> None:
        self.segments = segments
        self.key = key
        # Segments that are gone were passed by all, whatever a lost file says.
        self.at = min(max(position.kept, *segments.firsts[:1], 0), segments.end)
        """Ordinal of the first event that is not settled."""
        self.read_bytes = 0
        """Size of the events passed so far, as the spool of this process counts."""
        self.suspect_end = 0
        """Some event before this ordinal, and not before `at`, spoils a batch."""
        self._position = position
        self._disk = disk
        self._lines: list[bytes] = []
        self._covered = 0
        self._fd = -1
        self._offset = 0
        self._first = 0
        self._failures = 0
        segments.acks.positions[key] = self.at

    @property
    def is_done(self) -> bool:
        """Whether everything that can be read is settled."""
        return self.at >= self.segments.end

    def read(self, most: int, limit_bytes: int) -> list[bytes]:
        """
        Return the next events, at least one unless there is none.

        What is gone from the disk is counted as lost, and passed.

        Args:
            most: How many events at most.
            limit_bytes: Size in bytes that they do not exceed, but for a first
                one that does so alone.

        Raises:
            OSError: The disk refused, and may do better next time.
        """
        self._lines = []
        while not self.is_done and not self._lines:
            self._try_to_read(most, limit_bytes)
        return self._lines

    def advance(self, count: int) -> None:
        """Settle the first `count` events of those that were read last."""
        size = sum(map(len, self._lines[:count]))
        self._offset += size
        self.read_bytes += size
        is_all = count >= len(self._lines)
        self.at = self._covered if is_all else min(self.at + count, self._covered - 1)
        del self._lines[:count]
        self._keep()

    def pass_to(self, ordinal: int) -> None:
        """Settle what comes before an event, as another file says that it is."""
        if ordinal > self.at:
            self.at = min(ordinal, self.segments.end)
            self._leave()
            self._keep()

    def close(self) -> None:
        """Close what is open."""
        self._leave()
        self._position.close()

    def _try_to_read(self, most: int, limit_bytes: int) -> None:
        try:
            self._read(most, limit_bytes)
        except OSError as error:
            self._give_up_or_raise(error)

    def _read(self, most: int, limit_bytes: int) -> None:
        end, is_sealed = self._bound()
        if self._fd < 0 or (is_sealed and self.at >= end):
            self._leave()
            self._enter()
            end, is_sealed = self._bound()
        if self.at >= end:
            return
        lines = self._take(min(most, end - self.at), limit_bytes)
        self._failures = 0
        if not lines:
            self._pass(end)
            return
        self._covered = self.at + len(lines)
        if is_sealed and self._covered == end:
            # More lines than events: a line feed got into one. None may vanish.
            lines += self._rest(self._offset + sum(map(len, lines)))
        self._lines = lines

    def _bound(self) -> tuple[int, bool]:
        """Return where the open segment ends, and whether it grows no more."""
        # In this order: a segment begun in between is then seen.
        end, firsts = self.segments.end, self.segments.firsts
        following = bisect_right(firsts, self._first)
        if following < len(firsts):
            return firsts[following], True
        return end, not self.segments.is_own

    def _enter(self) -> None:
        firsts = self.segments.firsts
        index = bisect_right(firsts, self.at) - 1
        self._first = firsts[max(0, index)]
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        self._fd = self._disk.open(self.segments.path_of(self._first), flags)
        self._offset = offset_of(self.at - self._first, self._fd, self._disk)

    def _take(self, most: int, limit_bytes: int) -> list[bytes]:
        size = limit_bytes
        while True:
            data = self._disk.read_at(self._fd, size, self._offset)
            lines = data.split(b"\n", most)
            lines.pop()
            if size > limit_bytes:
                del lines[1:]
            if lines or len(data) < size:
                return [line + b"\n" for line in lines]
            size *= 2

    def _rest(self, offset: int) -> list[bytes]:
        data = b""
        while more := self._disk.read_at(self._fd, _SLICE_BYTES, offset + len(data)):
            data += more
        # The last piece has no line feed: torn, or empty.
        return [line + b"\n" for line in data.split(b"\n")[:-1]]

    def _pass(self, end: int) -> None:
        """Go to `end`: what lies before it is not on the disk any more."""
        self.segments.acks.give_up(range(self.at, end), "spool_io")
        self.at = end
        self._leave()
        self._keep()

    def _give_up_or_raise(self, error: OSError) -> None:
        self._leave()
        self._failures += 1
        if error.errno not in _GONE and self._failures < _PATIENCE:
            raise error
        self._failures = 0
        firsts = self.segments.firsts
        following = bisect_right(firsts, self.at)
        end = firsts[following] if following < len(firsts) else self.segments.end
        self._pass(end)

    def _keep(self) -> None:
        self.segments.acks.positions[self.key] = self.at
        # Kept in memory anyway. What is lost with it is the knowledge that some
        # events were acknowledged, so they are sent twice.
        with contextlib.suppress(OSError):
            self._position.keep(self.at)
        self.segments.release()

    def _leave(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._disk.close(fd)
