"""
The segment files of one spool, and how far each sink has come in them.

The spool of this process and that of a dead one look the same from here, so one
kind of reader serves both.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

from chaukas.sdk.system.threads import allocate_lock

from .position import POSITION_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["Acks", "Segments", "contents_of", "offset_of", "segment_name"]

_SLICE_BYTES: Final = 1 << 18
_SEGMENT: Final = re.compile(r"(\d{20})\.seg")


def segment_name(first: int) -> str:
    """Return the name of the segment whose first event has this ordinal."""
    return f"{first:020d}.seg"


def contents_of(names: Iterable[str]) -> tuple[list[int], tuple[str, ...]]:
    """Return the first ordinals of the segments, and the sinks, in a spool's folder."""
    firsts, keys = [], []
    for name in sorted(names):
        if match := _SEGMENT.fullmatch(name):
            firsts.append(int(match[1]))
        elif name.endswith(POSITION_SUFFIX):
            keys.append(name.removesuffix(POSITION_SUFFIX))
    return firsts, tuple(keys)


def offset_of(lines: int, fd: int, disk: Disk) -> int:
    """Return where in an open segment the line of that number begins."""
    offset = 0
    while lines:
        data = disk.read_at(fd, _SLICE_BYTES, offset)
        if not data:
            break
        found = data.count(b"\n")
        if found < lines:
            lines -= found
            offset += len(data)
            continue
        end = 0
        for _ in range(lines):
            end = data.index(b"\n", end) + 1
        return offset + end
    return offset


class Acks:
    """
    What became of the events of one spool, over all its sinks.

    An event is acknowledged when every sink is past it and none gave it up; one
    that any sink gave up is lost, and is counted once.

    Args:
        keys: The sinks that read this spool.
        on_lost: Given the reason and number of newly lost events.
    """

    def __init__(
        self,
        keys: Iterable[str],
        on_lost: Callable[[str, int], None] | None = None,
    ) -> None:
        self.positions = dict.fromkeys(keys, 0)
        """For each sink the first ordinal that it is not past."""
        self._on_lost = on_lost
        self._ahead: set[int] = set()
        self._lost: dict[str, int] = {}
        self._lock = allocate_lock()

    @property
    def position(self) -> int:
        """The first ordinal that some sink is not past."""
        return min(self.positions.values(), default=0)

    @property
    def lost(self) -> Mapping[str, int]:
        """Events given up, by reason."""
        return dict(self._lost)

    def give_up(self, ordinals: range, reason: str) -> None:
        """Count events that one sink will never take."""
        with self._lock:
            new = [n for n in ordinals if n not in self._ahead]
            self._ahead.update(new)
            self._lost[reason] = self._lost.get(reason, 0) + len(new)
        if self._on_lost is not None and new:
            self._on_lost(reason, len(new))

    def forget_passed(self) -> None:
        """Free what is known of events that every sink is past."""
        with self._lock:
            position = self.position
            self._ahead = {n for n in self._ahead if n >= position}

    def waiting(self, end: int) -> int:
        """Return how many of the events before `end` are still to be delivered."""
        with self._lock:
            position = self.position
            return end - position - sum(n >= position for n in self._ahead)


class Segments:
    """
    The segments of one spool.

    Args:
        folder: Where they are.
        acks: Keeps what became of the events.
        disk: File operations.
        firsts: Ordinal of the first event of each segment that is there, sorted.
        end: Ordinal after the last event.
        is_own: The spool of this process, which grows and holds what was just
            written; false for one that is adopted.
    """

    def __init__(
        self,
        folder: str,
        acks: Acks,
        disk: Disk,
        *,
        firsts: Iterable[int] = (),
        end: int = 0,
        is_own: bool,
    ) -> None:
        self.folder = folder
        self.acks = acks
        self.is_own = is_own
        self.firsts = tuple(firsts)
        """Ordinal of the first event of each segment; replaced, never changed."""
        self.end = end
        """Ordinal after the last event that can be read."""
        self.added_bytes = 0
        """Size of all events ever added here."""
        self.removed_bytes = 0
        """Size of those in segments that were removed."""
        self.writing = allocate_lock()
        """Held by the writer while the last segment and `end` change."""
        self._sizes: dict[int, int] = {}
        self._disk = disk
        self._lock = allocate_lock()

    def path_of(self, first: int) -> str:
        """Return the path of a segment."""
        return os.path.join(self.folder, segment_name(first))  # noqa: PTH118

    def begin_segment(self, first: int) -> None:
        """Add a segment at the end; called by the writer alone."""
        with self._lock:
            if first not in self.firsts:
                self.firsts = (*self.firsts, first)

    def add(self, events: int, size: int) -> None:
        """Let readers see events that were written to the last segment."""
        self._sizes[self.firsts[-1]] = self._sizes.get(self.firsts[-1], 0) + size
        self.added_bytes += size
        # Last: whoever sees the events finds their bytes.
        self.end += events

    def release(self) -> None:
        """Remove the segments that every sink is past."""
        position = self.acks.position
        if self.is_own and position == self.end and not self._seal():
            return
        if len(self.firsts) < 2 or self.firsts[1] > position:
            return
        with self._lock:
            ends = (*self.firsts[1:], position + 1)
            spans = zip(self.firsts, ends, strict=True)
            gone = [first for first, end in spans if end <= position]
            self.firsts = self.firsts[len(gone) :]
        for first in gone:
            # A file that stays costs room until the folder goes, and no event.
            with contextlib.suppress(OSError):
                self._disk.remove(self.path_of(first))
            self.removed_bytes += self._sizes.pop(first, 0)
        self.acks.forget_passed()

    def _seal(self) -> bool:
        """
        Begin an empty segment, so that the one before it can go.

        Its name keeps how many events were ever written, which the one that goes
        held. Never waits: while the writer is at it, there is more to come.
        """
        if not self.writing.acquire(blocking=False):
            return False
        try:
            end = self.end
            if not self.firsts or self.firsts[-1] == end:
                return len(self.firsts) > 1
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            self._disk.close(self._disk.open(self.path_of(end), flags))
            self.begin_segment(end)
        except OSError:
            # Then they stay until the next one is begun, or the folder goes.
            return False
        finally:
            self.writing.release()
        return True
