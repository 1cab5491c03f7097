"""
The queue between the host's threads and the writer, bounded in memory.

This is the only part of the pipeline that runs on the host's threads, so it has
no lock and no I/O, and waits for nothing but its turn with the writer.
"""

from __future__ import annotations

import time
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol, cast

from chaukas.sdk.system.threads import SimpleQueue, allocate_lock, get_ident

from .gil import GilHandover
from .stats import INDEX_OF, Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "EVENT_OVERHEAD_BYTES",
    "BoundedQueue",
    "FlushMarker",
    "Unmade",
    "size_bytes_of",
]

EVENT_OVERHEAD_BYTES: Final = 64
"""What an event costs beyond its text: a bytes header and two pointers."""

_FAST_COUNT: Final = 128
_RESERVE: Final = 0.1
_MEMORY_FULL: Final = INDEX_OF["memory_full"]
_CRASH_LOST: Final = INDEX_OF["crash_lost"]
_FORK_LOST: Final = INDEX_OF["fork_lost"]
_CAPTURE_ERROR: Final = INDEX_OF["capture_error"]


_size_of = attrgetter("size")


class Unmade(Protocol):
    """An event that the writer still has to make."""

    weight_bytes: int
    """What it keeps in memory."""

    def make(self, seq: int) -> bytes | None:
        """
        Return it as one canonical JSON object, without newline.

        Args:
            seq: Its number in the stream, counted from 1.

        Returns:
            None if there is nothing to record after all.

        Raises:
            Exception: It cannot be made, and is lost.
        """
        ...


def size_bytes_of(event: bytes | Unmade) -> int:
    """Return what *event* counts for in memory, made or not."""
    if type(event) is bytes:
        return len(event) + EVENT_OVERHEAD_BYTES
    return cast("Unmade", event).weight_bytes


class FlushMarker:
    """
    A point in the order of events, reached once: what a flush waits for.

    Everything queued before it is settled when it is reached, which no comparison of
    counters could show while other threads go on emitting.

    Args:
        final: Nothing comes after this mark: the writer ends here.
    """

    __slots__ = ("_lock", "final")

    def __init__(self, *, final: bool = False) -> None:
        self.final = final
        self._lock = allocate_lock()
        self._lock.acquire()

    def reach(self) -> None:
        """Wake the thread that waits; called once, by the writer."""
        self._lock.release()

    def wait(self, timeout_s: float) -> bool:
        """Return whether the mark was reached within `timeout_s` seconds."""
        return self._lock.acquire(timeout=max(0.0, timeout_s))


class BoundedQueue:
    """
    A queue bounded in bytes, without a lock.

    Each thread adds to its own cell, so the sum of the cells is exact. Making
    the sum for every event would cost too much with many threads, and is not
    needed while the *gate* is open: then the writer holds nothing and every
    queued event is smaller than a 129th of the bound, so that fewer than 128 of
    them cannot reach it. Threads that pass the check at the same moment can
    exceed the bound by one event each.
    """

    __slots__ = (
        "_cells",
        "_fast_bytes",
        "_monotonic",
        "_next_place",
        "gate",
        "handover",
        "items",
        "limit",
        "settled_bytes",
    )

    def __init__(
        self,
        memory_limit_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = memory_limit_bytes
        """Bytes that vital events may fill; others stop a tenth below."""
        self.items: SimpleQueue[bytes | Unmade | FlushMarker] = SimpleQueue()
        """Events and marks in the order in which they came."""
        self.gate = _FAST_COUNT
        """Queue length up to which no sum is needed; 0 when it always is."""
        self.settled_bytes = 0
        """Bytes of events that left memory; only the writer changes it."""
        self._fast_bytes = int(memory_limit_bytes * (1 - _RESERVE)) // (_FAST_COUNT + 1)
        self._cells: dict[int, Cell] = {}
        self._next_place = count(1).__next__
        self.handover = GilHandover(monotonic)
        """Knows when the writer would like the interpreter."""
        self._monotonic = monotonic

    @property
    def cells(self) -> list[Cell]:
        """The counters of all threads that ever emitted."""
        return list(self._cells.values())

    def put(self, event: bytes | Unmade, *, vital: bool = False) -> None:
        """Queue an event, or count it as dropped when memory is full."""
        # Two live threads never have the same ident, so a cell has one owner
        # even when an ident is used again.
        cell = self._cells.get(get_ident()) or self._new_cell()
        # As `size_bytes_of`, without its call.
        if type(event) is bytes:
            size = len(event) + EVENT_OVERHEAD_BYTES
        else:
            size = cast("Unmade", event).weight_bytes
        large = size > self._fast_bytes
        cell.count += 1
        is_unsure = large or self.items.qsize() >= self.gate
        if is_unsure and self._is_full(size, vital=vital):
            self._lose(cell, _MEMORY_FULL, 1)
            return
        cell.size += size
        self.items.put(event)
        if large:
            # After the put: see `reopen`.
            self.gate = 0
        if self._monotonic() >= self.handover.due_s:
            self.handover.hand_over()

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether half of the memory stays free beside what weighs so much."""
        return self.held_bytes() + size_bytes <= self.limit // 2

    def missing_counts(self) -> tuple[int, int]:
        """
        Return how many events of this stream never came to the writer.

        Those that were lost before its first event, and all others.
        """
        drops = [cell.drops for cell in self.cells]
        before = sum(each[_FORK_LOST] for each in drops)
        others = sum(each[_CRASH_LOST] for each in drops)
        return before, sum(map(sum, drops)) - before - others

    def drop(self, reason: str, events: int = 1) -> None:
        """Count events that never came; an unknown reason is capture_error."""
        cell = self._cells.get(get_ident()) or self._new_cell()
        cell.count += events
        self._lose(cell, INDEX_OF.get(reason, _CAPTURE_ERROR), events)

    def note_refused(self, events: int) -> None:
        """Take note of how many events the writer refused in all: nothing here."""

    def shut(self) -> None:
        """Make every `put` sum up, because the writer holds events now."""
        self.gate = 0

    def reopen(self) -> None:
        """
        Spare threads the sum again, because the writer holds nothing.

        The queue is looked at after opening, and a large event closes the gate
        after it was queued: in either order of the two the gate ends closed.
        """
        self.gate = _FAST_COUNT
        if self.items.qsize():
            self.gate = 0

    def held_bytes(self) -> int:
        """Return the size of all events that are in memory."""
        # Settled first: a sum that is too large only drops an event too early.
        settled = self.settled_bytes
        # All in C, as it is asked for at each event while the writer holds some.
        sizes: Iterable[int] = map(_size_of, list(self._cells.values()))
        return sum(sizes) - settled

    def _is_full(self, size: int, *, vital: bool) -> bool:
        limit = self.limit if vital else self.limit - int(self.limit * _RESERVE)
        return self.held_bytes() + size > limit

    def _lose(self, cell: Cell, index: int, events: int) -> None:
        cell.drops[index] += events

    def _new_cell(self) -> Cell:
        return self._cells.setdefault(get_ident(), Cell(self._next_place()))
