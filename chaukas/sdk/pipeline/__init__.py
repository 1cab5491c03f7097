"""
The pipeline: a queue and a thread between the host and the sink of its events.

A queue and one thread stand between the two, so that the host never waits for a
device, and so that what a device cannot take is kept or counted.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol

from chaukas.sdk.sinks import SpooledSink
from chaukas.sdk.system.threads import allocate_lock, get_ident, start_thread

from .bounded_queue import BoundedQueue, FlushMarker
from .housekeeping import Housekeeping
from .stats import REASONS, Stats, stats_of
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.sinks import Sink

    from .bounded_queue import Unmade

__all__ = ["REASONS", "Pipeline", "Stats"]

_START_AGAIN_S = 0.1
_LOOK_AGAIN_S = 0.05
_DRAIN_SHARE = 0.2
_STORE_REPORT_S = 2.0


class _Put(Protocol):
    """Takes an event."""

    def __call__(self, event: bytes | Unmade, *, vital: bool = False) -> None:
        """
        Take *event*: one canonical JSON object, without newline, or what makes it.

        A *vital* one may use the reserve: an error, an end, a report.
        """
        ...


class Pipeline:
    """
    A bounded queue, one writer thread and one sink, or a spool and several.

    At any quiet moment `emitted = acked + spooled + queued + sum(dropped)` holds
    for `stats()`. The thread starts at the first event, so making a pipeline costs
    nothing, and so does a fork before the first event.

    Args:
        sink: Where events go, used by the writer's thread alone; perhaps a spool
            on the disk with any number of sinks behind it.
        queue: Where they wait for that thread.
        stream: Name of this chain of events, unique to the process instance.
        integrity: Chain each event to the one before it.
        linger_s: How long the writer waits for more after a first event.
        report: Returns the SYSTEM event about a loss or a recovery; None means
            silence. Runs on the writer's thread.
        report_adopted: The same about the spool of a dead process, given its
            stream and counts. Runs on a thread of its own.
        tick: Housekeeping, run on the writer's thread.
        tick_interval_s: Time between two calls of `tick`, and least time in
            which a loss is noticed for a report.
        monotonic: Clock for intervals, in seconds.

    A forked child calls `abandon` and makes its own pipeline: it has no writer
    thread, and the sink's file position and chain belong to the parent.
    """

    # PLR0913: each is a setting of its own, all but three with a default.
    def __init__(
        self,
        sink: Sink,
        queue: BoundedQueue,
        *,
        stream: str,
        integrity: bool = True,
        linger_s: float = 0.004,
        report: Callable[[Stats], Unmade | None] | None = None,
        report_adopted: Callable[[str, dict[str, int]], Unmade | None] | None = None,
        tick: Callable[[], None] | None = None,
        tick_interval_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        """Name of this chain of events, as given."""
        self._monotonic = monotonic
        self._report_adopted = report_adopted
        self._queue = queue
        self._sink = sink
        self._delivery = sink if isinstance(sink, SpooledSink) else None
        self._housekeeping = Housekeeping(
            stats=self.stats,
            put=self._put_report,
            report=report,
            tick=tick,
            tick_interval_s=tick_interval_s,
        )
        if self._delivery is not None:
            self._delivery.on_adopted = self._on_adopted
            self._delivery.on_recovery = self._housekeeping.owe_report
        self._writer = Writer(
            queue,
            sink,
            self._housekeeping,
            integrity=integrity,
            linger_s=linger_s,
            monotonic=monotonic,
        )
        self._pid = os.getpid()
        self._starting = allocate_lock()
        self._starts = 0
        self._start_after_s = 0.0
        self._is_alive = False
        self._writer_ident = 0
        self._is_closing = False
        self._is_closed = False
        self._is_abandoned = False
        self._is_stored = False
        self.put: _Put = self._put_unready
        """
        Takes an event; never raises, waits or does I/O.

        The queue's own while the writer is at work, which spares a call.
        """

    def _put_unready(self, event: bytes | Unmade, *, vital: bool = False) -> None:
        """Take an event while there is no writer: not started, dead, closed."""
        if self._prepare():
            self._queue.put(event, vital=vital)
        elif not self._is_abandoned:
            self._queue.drop("after_close")

    def has_room(self, size_bytes: int) -> bool:
        """
        Tell whether half of the memory stays free beside so many bytes more.

        For what can wait: ask before `put`.
        """
        return self._queue.has_room(size_bytes)

    def drop(self, reason: str) -> None:
        """
        Count an event that could not be made.

        Args:
            reason: One of `REASONS`; anything else counts as capture_error.
        """
        if not self._is_abandoned:
            self._queue.drop(reason)

    def flush(self, timeout_s: float) -> bool:
        """
        Return whether all events taken before this call are stored or refused.

        With a spool: acknowledged by every sink or refused. A sink that cannot be
        reached is tried once more and not waited for.

        Args:
            timeout_s: Longest wait in seconds.
        """
        has_nothing = not self._starts and not self._queue.items.qsize()
        if has_nothing or self._is_foreign():
            return True
        if self._is_closed:
            return self._is_stored
        if get_ident() == self._writer_ident:
            # An application's own function, called while an event is made, would wait
            # for itself.
            return False
        mark = FlushMarker()
        self._queue.items.put(mark)
        deadline_s = self._monotonic() + timeout_s
        if not self._wait(mark, deadline_s):
            return False
        return self._delivery is None or self._delivery.wait(deadline_s)

    def stats(self) -> Stats:
        """Return the counts of this moment."""
        pending, delivery = self._writer.pending, self._delivery
        return stats_of(
            written=pending.written,
            refused=list(pending.refused),
            void=pending.void,
            settled_bytes=self._queue.settled_bytes,
            cells=self._queue.cells,
            ended=self._is_closed,
            restarts=max(0, self._starts - 1),
            last_error=self._writer.last_error,
            outcome=None if delivery is None else delivery.outcome(),
        )

    def close(self, timeout_s: float) -> bool:
        """
        Store what waits, stop, and return whether everything was stored.

        What is not stored by then counts as dropped, `after_close`. Starts no
        thread: without a writer, the caller's thread writes. With a spool, a fifth
        of the time is for storing, and the rest to wait until the sinks have all;
        what they have not stays in the spool, for the next process.

        Args:
            timeout_s: Longest wait in seconds.
        """
        if self._is_foreign():
            return True
        if not self._is_closing:
            self._is_closing = True
            self.put = self._put_unready
            now_s = self._monotonic()
            if self._delivery is None:
                self._is_stored = self._finish(now_s + timeout_s)
            else:
                is_spooled = self._finish(now_s + timeout_s * _DRAIN_SHARE)
                is_acked = self._delivery.wait(now_s + timeout_s)
                self._is_stored = is_spooled and is_acked
                self._delivery.end(max(now_s + timeout_s, self._monotonic() + 0.01))
            self._is_closed = True
        return self._is_stored

    def abandon(self) -> None:
        """
        Release everything, write nothing: for a forked child.

        Inherited files are closed, the parent's are untouched. No method does
        anything afterwards.
        """
        self._is_abandoned = self._is_closing = True
        self.put = self._put_unready
        self._writer.forget()
        self._queue = BoundedQueue(0)
        self._sink.abandon()
        # One of its locks may be held by a thread that does not exist here.
        self._delivery = None

    def _on_adopted(self, stream: str, lost: int, counts: dict[str, int]) -> bool:
        """Count and report what died with a process; runs on another thread."""
        if lost:
            self._queue.drop("crash_lost", lost)
        build = self._report_adopted
        event = None if build is None else build(stream, counts)
        if event is None:
            return True
        self._put_report(event)
        mark = FlushMarker()
        self._queue.items.put(mark)
        return mark.wait(_STORE_REPORT_S)

    def _put_report(self, event: Unmade) -> None:
        # Not through `put`: the last report comes when that is closed already.
        self._queue.put(event, vital=True)

    def _prepare(self) -> bool:
        if self._is_closing:
            return False
        self._start()
        return True

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        try:
            now_s = self._monotonic()
            if self._is_alive or self._is_closing or now_s < self._start_after_s:
                return
            self._is_alive = True
            self.put = self._queue.put
            start_thread(self._run, ())
            self._starts += 1
        except RuntimeError:
            # The system has no thread to give, now. Events wait in the queue.
            self._is_alive = False
            self.put = self._put_unready
            self._start_after_s = now_s + _START_AGAIN_S
        finally:
            self._starting.release()

    def _run(self) -> None:
        self._writer_ident = get_ident()
        try:
            self._writer.run()
        finally:
            self._writer_ident = 0
            # In this order: the next thread may start at once.
            self.put = self._put_unready
            self._is_alive = False

    def _wait(self, mark: FlushMarker, deadline_s: float) -> bool:
        self._queue.handover.nudge()
        while True:
            if not self._is_alive:
                self._start()
            left_s = deadline_s - self._monotonic()
            if mark.wait(min(left_s, _LOOK_AGAIN_S)):
                return True
            if left_s <= 0 or self._writer.is_ended:
                return mark.wait(0)

    def _finish(self, deadline_s: float) -> bool:
        mark = FlushMarker(final=True)
        self._writer.deadline_s = deadline_s
        self._queue.items.put(mark)
        if self._is_alive:
            return self._wait(mark, deadline_s)
        self._queue.handover.nudge()
        self._writer.run()
        return mark.wait(0)

    def _is_foreign(self) -> bool:
        return self._is_abandoned or os.getpid() != self._pid
