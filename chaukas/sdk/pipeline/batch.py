"""
Turns queued events into the lines that a sink stores.

Numbering and chaining happen here, on the writer's thread and in queue order: the
order of the numbers and of the chain is then the order of the file, and no host thread
pays for a hash.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from chaukas.sdk.integrity import link
from chaukas.sdk.system.internal_errors import report

from .bounded_queue import FlushMarker, size_bytes_of
from .stats import INDEX_OF, REASONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.sinks import Verdict

    from .bounded_queue import BoundedQueue, Unmade

__all__ = ["PendingBatch"]

_MAX_EVENTS: Final = 512
_MAX_BYTES: Final = 1 << 20


class PendingBatch:
    """
    What the writer has taken from the queue and not yet settled.

    It belongs to the pipeline and not to the thread, so a thread that follows
    a dead one goes on where that one stopped.
    """

    __slots__ = (
        "_before",
        "_costs",
        "_is_chained",
        "_missing",
        "_prev",
        "_queue",
        "_seq",
        "_taken",
        "batch",
        "refused",
        "void",
        "written",
    )

    def __init__(self, queue: BoundedQueue, *, integrity: bool) -> None:
        self._queue = queue
        self._is_chained = integrity
        self._prev = ""
        self._seq = 0
        self._before = self._missing = 0
        self._taken: deque[bytes | Unmade | FlushMarker] = deque()
        self._costs: list[int] = []
        self.batch: list[bytes] = []
        """Lines that go to the sink next; kept until they are settled."""
        self.written = 0
        """Events that the sink has stored."""
        self.refused = [0] * len(REASONS)
        """Events dropped on this side of the queue, one number per reason."""
        self.void = 0
        """What was queued as an event and turned out to be none."""

    def __bool__(self) -> bool:
        """Return whether anything is held."""
        return bool(self._taken or self.batch)

    def take(self, get: Callable[[], bytes | Unmade | FlushMarker], count: int) -> None:
        """
        Move `count` items from the queue.

        One call of C code takes and keeps each item, so an exception thrown
        into this thread cannot fall between the two and lose it.

        Raises:
            Empty: `get` timed out; what came before is kept.
        """
        self._taken.extend(islice(iter(get, None), count))

    def form(self) -> list[FlushMarker]:
        """
        Fill an empty batch, and return the marks that come before it.

        A batch ends at 512 events, before 1 MiB or at a mark: everything ahead
        of a mark is thus settled when the mark is met.
        """
        marks: list[FlushMarker] = []
        pending, batch, total = self._taken, self.batch, 0
        if batch:
            return marks
        before, missing = self._queue.missing_counts()
        self._seq += before - self._before
        self._before = before
        while pending and len(batch) < _MAX_EVENTS:
            item = pending[0]
            if isinstance(item, FlushMarker):
                if batch:
                    break
                marks.append(item)
            else:
                total += size_bytes_of(item)
                if batch and total > _MAX_BYTES:
                    break
                self._add(item)
            pending.popleft()
        # What never came leaves a gap behind what was queued before it, about: it shows
        # the loss to a reader who trusts no counter.
        self._seq += missing - self._missing
        self._missing = missing
        return marks

    def settle(self, verdict: Verdict) -> int:
        """Take what the sink decided off the batch; return how many events."""
        stored = min(verdict.accepted, len(self.batch))
        done = min(stored + verdict.refused, len(self.batch))
        self.written += stored
        self.refused[INDEX_OF.get(verdict.reason, _QUARANTINED)] += done - stored
        self._queue.settled_bytes += sum(self._costs[:done])
        self._queue.note_refused(sum(self.refused) + self.void)
        del self.batch[:done], self._costs[:done]
        return done

    def forget(self) -> None:
        """Free everything held; whoever counts knows that it is lost."""
        self._taken.clear()
        self.batch.clear()
        self._costs.clear()

    def _add(self, event: bytes | Unmade) -> None:
        cost = size_bytes_of(event)
        encoded = event if isinstance(event, bytes) else self._made(event, cost)
        if encoded is None:
            return
        try:
            line = self._line_of(encoded)
        except (TypeError, ValueError):
            # Not what the recorder promised: no retry makes it storable.
            self._refuse(_QUARANTINED, cost)
            return
        self.batch.append(line)
        self._costs.append(cost)

    def _made(self, event: Unmade, cost: int) -> bytes | None:
        self._seq += 1
        try:
            made = event.make(self._seq)
        # An application's own function takes part in it: its exit would end the
        # writer, and its interrupt is nobody's on this thread.
        except BaseException as error:
            self._refuse(_CAPTURE_ERROR, cost)
            problem = (
                error if isinstance(error, Exception) else RuntimeError(*error.args)
            )
            # Raises in our own tests, which hear of it by the count.
            with suppress(Exception):
                report("making an event", problem)
            return None
        if made is None:
            self._seq -= 1
            self.void += 1
            self._note_gone(cost)
        return made

    def _refuse(self, reason: int, cost: int) -> None:
        self.refused[reason] += 1
        self._note_gone(cost)

    def _note_gone(self, cost: int) -> None:
        self._queue.note_refused(sum(self.refused) + self.void)
        self._queue.settled_bytes += cost

    def _line_of(self, event: bytes) -> bytes:
        if not self._is_chained:
            return event + b"\n"
        line, self._prev = link(event, self._prev)
        return line


def _exception_of(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


_QUARANTINED: Final = INDEX_OF["quarantined"]
_CAPTURE_ERROR: Final = INDEX_OF["capture_error"]
