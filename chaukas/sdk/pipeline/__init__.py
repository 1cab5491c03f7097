"""
The way of an event from the host's thread to a sink that has stored it.

A queue and one thread stand between the two, so that the host never waits for a
device, and so that what a device cannot take is kept or counted.
"""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING

from chaukas.sdk.delivery.plan import Destination, Pace, SpoolPlan
from chaukas.sdk.system.threads import allocate_lock, start_thread

from .bounded_queue import Intake
from .flush import Mark
from .housekeeping import Chores
from .stats import REASONS, Stats, stats_of
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.delivery import Delivery
    from chaukas.sdk.delivery.spool.recovery import Adopted
    from chaukas.sdk.sinks import Sink

__all__ = [
    "REASONS",
    "Destination",
    "Pace",
    "Pipeline",
    "SpoolPlan",
    "Stats",
]

_START_AGAIN_S = 0.1
_LOOK_AGAIN_S = 0.05
_DRAIN_SHARE = 0.2
_STORE_REPORT_S = 2.0


class Pipeline:
    """
    A bounded queue, one writer thread and one sink, or a spool and several.

    At any quiet moment `emitted = acked + spooled + queued + sum(dropped)` holds
    for `stats()`. The thread starts at the first event, so making a pipeline costs
    nothing, and so does a fork before the first event.

    Args:
        sink: Where events go, used by the writer's thread alone; or a plan by
            which they go through a spool on the disk to any number of sinks.
        stream: Name of this chain of events, unique to the process instance.
        memory_limit_bytes: Most that waiting events may take; a tenth of it is
            kept for vital ones. While a batch is being sent, up to 2 MiB more
            are in use.
        integrity: Chain each event to the one before it.
        linger_s: How long the writer waits for more after a first event.
        report: Builds the encoded SYSTEM event about a loss or a recovery; None
            means silence. Runs on the writer's thread.
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
        sink: Sink | SpoolPlan,
        *,
        stream: str,
        memory_limit_bytes: int,
        integrity: bool = True,
        linger_s: float = 0.004,
        report: Callable[[Stats], bytes | None] | None = None,
        report_adopted: Callable[[str, dict[str, int]], bytes | None] | None = None,
        tick: Callable[[], None] | None = None,
        tick_interval_s: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        """Name of this chain of events, as given."""
        self._monotonic = monotonic
        self._report_adopted = report_adopted
        self._delivery: Delivery | None = None
        self._intake: Intake
        self._sink: Sink
        if isinstance(sink, SpoolPlan):
            self._sink = self._deliver_by(sink, memory_limit_bytes)
        else:
            self._sink = sink
            self._intake = Intake(memory_limit_bytes, monotonic)
        self._chores = Chores(
            stats=self.stats,
            put=self._put_report,
            report=report,
            tick=tick,
            tick_interval_s=tick_interval_s,
        )
        self._writer = Writer(
            self._intake,
            self._sink,
            self._chores,
            integrity=integrity,
            linger_s=linger_s,
            monotonic=monotonic,
        )
        self._next_seq = count(1).__next__
        self._pid = os.getpid()
        self._starting = allocate_lock()
        self._starts = 0
        self._start_after_s = 0.0
        self._is_alive = False
        self._is_closing = False
        self._is_closed = False
        self._is_abandoned = False
        self._is_stored = False
        # False sends `put` the slow way: not started, dead, closed, abandoned.
        self._is_ready = False

    def next_seq(self) -> int:
        """
        Return the number of the next event, starting at 1.

        Take one for every event, also for one that is then given to `drop`: the
        gap it leaves shows the loss to a reader who trusts no counter.
        """
        return self._next_seq()

    def put(self, event: bytes, *, vital: bool = False) -> None:
        """
        Take an event; never raises, waits or does I/O.

        Args:
            event: The event as one canonical JSON object, without newline.
            vital: It may use the reserve: an error, an end, a report.
        """
        if self._is_ready or self._prepare():
            self._intake.put(event, vital=vital)
        elif not self._is_abandoned:
            self._intake.drop("after_close")

    def offer(self, event: bytes) -> None:
        """
        Take an event like `put`, but only while half of the memory is free.

        For what may be missed: it is the first to be dropped, as `memory_full`.

        Args:
            event: The event as one canonical JSON object, without newline.
        """
        if self._is_ready or self._prepare():
            self._intake.offer(event)
        elif not self._is_abandoned:
            self._intake.drop("after_close")

    def drop(self, reason: str) -> None:
        """
        Count an event that could not be made.

        Args:
            reason: One of `REASONS`; anything else counts as capture_error.
        """
        if not self._is_abandoned:
            self._intake.drop(reason)

    def flush(self, timeout_s: float) -> bool:
        """
        Return whether all events taken before this call are stored or refused.

        With a spool: acknowledged by every sink or refused. A sink that cannot be
        reached is tried once more and not waited for.

        Args:
            timeout_s: Longest wait in seconds.
        """
        has_nothing = not self._starts and not self._intake.queue.qsize()
        if has_nothing or self._is_foreign():
            return True
        if self._is_closed:
            return self._is_stored
        mark = Mark()
        self._intake.queue.put(mark)
        deadline_s = self._monotonic() + timeout_s
        if not self._wait(mark, deadline_s):
            return False
        return self._delivery is None or self._delivery.wait(deadline_s)

    def stats(self) -> Stats:
        """Return the counts of this moment."""
        outbox, delivery = self._writer.outbox, self._delivery
        return stats_of(
            written=outbox.written,
            refused=list(outbox.refused),
            settled_bytes=self._intake.settled_bytes,
            cells=self._intake.cells,
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
            self._is_ready = False
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
        Let go of everything, write nothing: for a forked child.

        Inherited files are closed, the parent's are untouched. No method does
        anything afterwards.
        """
        self._is_abandoned = self._is_closing = True
        self._is_ready = False
        self._writer.forget()
        self._intake = Intake(0)
        self._sink.abandon()
        # One of its locks may be held by a thread that does not exist here.
        self._delivery = None

    def _deliver_by(self, plan: SpoolPlan, memory_limit_bytes: int) -> Delivery:
        # Late: a program that only writes a file needs nothing of it.
        from chaukas.sdk.delivery import Delivery
        from chaukas.sdk.delivery.counted_queue import CountedIntake

        intake = CountedIntake(memory_limit_bytes, self._monotonic)
        self._intake = intake
        self._delivery = Delivery(
            plan,
            stream=self.stream,
            on_page=intake.attach,
            on_lost=intake.drop,
            on_adopted=self._on_adopted,
            on_recovery=self._on_recovery,
            monotonic=self._monotonic,
        )
        return self._delivery

    def _on_recovery(self) -> None:
        self._chores.owe_report()

    def _on_adopted(self, adopted: Adopted) -> bool:
        """Count and report what died with a process; runs on the keeper's thread."""
        totals = adopted.totals
        lost = adopted.crash_lost
        if lost:
            self._intake.drop("crash_lost", lost)
        if self._report_adopted is None or not (lost or adopted.written):
            return True
        facts = {"written": adopted.written, "waiting": adopted.waiting_at_first}
        if totals is not None:
            facts |= {"emitted": totals.emitted, "dropped": totals.dropped}
            facts["crash_lost"] = lost
        event = self._report_adopted(adopted.stream, facts)
        if event is None:
            return True
        self._put_report(event)
        mark = Mark()
        self._intake.queue.put(mark)
        return mark.wait(_STORE_REPORT_S)

    def _put_report(self, event: bytes) -> None:
        # Not through `put`: the last report comes when that is closed already.
        self._intake.put(event, vital=True)

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
            self._is_alive = self._is_ready = True
            start_thread(self._run, ())
            self._starts += 1
        except RuntimeError:
            # The system has no thread to give, now. Events wait in the queue.
            self._is_alive = self._is_ready = False
            self._start_after_s = now_s + _START_AGAIN_S
        finally:
            self._starting.release()

    def _run(self) -> None:
        try:
            self._writer.run()
        finally:
            # In this order: the next thread may start at once.
            self._is_ready = False
            self._is_alive = False

    def _wait(self, mark: Mark, deadline_s: float) -> bool:
        self._intake.baton.nudge()
        while True:
            if not self._is_alive:
                self._start()
            left_s = deadline_s - self._monotonic()
            if mark.wait(min(left_s, _LOOK_AGAIN_S)):
                return True
            if left_s <= 0 or self._writer.is_ended:
                return mark.wait(0)

    def _finish(self, deadline_s: float) -> bool:
        mark = Mark(final=True)
        self._writer.deadline_s = deadline_s
        self._intake.queue.put(mark)
        if self._is_alive:
            return self._wait(mark, deadline_s)
        self._intake.baton.nudge()
        self._writer.run()
        return mark.wait(0)

    def _is_foreign(self) -> bool:
        return self._is_abandoned or os.getpid() != self._pid
