"""
Moves events from the queue to the sink, on a thread of its own.

The device may be slow, full or gone, and the host must not notice: so everything
that can wait happens here.
"""

from __future__ import annotations

import time
from _queue import Empty
from functools import partial
from typing import TYPE_CHECKING, Final

from chaukas.sdk.sinks import Verdict
from chaukas.sdk.system.threads import sleep

from .batch import PendingBatch
from .log_limit import LOGGER, LogLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.sinks import Sink

    from .bounded_queue import BoundedQueue, FlushMarker
    from .housekeeping import Housekeeping

__all__ = ["Writer", "backoff_s_of"]

_LONGEST_LINGER_S: Final = 0.02
_QUICK_SEND_S: Final = 0.1e-3
_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 2.0


def backoff_s_of(failures: int, retry_after_s: float | None) -> float:
    """
    Return how long to wait after so many failures in a row, in seconds.

    Args:
        failures: At least 1.
        retry_after_s: What the sink asked for; taken as a minimum.
    """
    doubled_s = _FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 10)
    return max(min(doubled_s, _LONGEST_BACKOFF_S), retry_after_s or 0.0)


class Writer:
    """
    The loop that waits, takes and sends, and cannot end by an exception.

    Waking a thread costs more than writing an event, so the writer lingers a
    little before it takes what has come: `linger_s` after a pause, and up to
    20 ms while events keep coming. Nothing waits longer than that.
    """

    # PLR0913: each is a part or a setting that only the pipeline knows.
    def __init__(
        self,
        queue: BoundedQueue,
        sink: Sink,
        housekeeping: Housekeeping,
        *,
        integrity: bool,
        linger_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pending = PendingBatch(queue, integrity=integrity)
        self.is_ended = False
        """Nothing will be written any more."""
        self.deadline_s: float | None = None
        """Monotonic time at which to give up, once the pipeline is closing."""
        self.last_error = ""
        """Why the last batch was not stored; empty after a success."""
        self._queue = queue
        self._handover = queue.handover
        self._sink = sink
        self._housekeeping = housekeeping
        self._monotonic = monotonic
        self._shortest_linger_s = linger_s
        self._linger_s = 0.0
        self._log_limit = LogLimit()
        self._failures = 0
        self._failing_since_s = 0.0
        self._pause_s = 0.0
        self._final: FlushMarker | None = None
        self._is_parting = False

    def run(self) -> None:
        """Write until the final mark is settled or the deadline has passed."""
        while not self.is_ended:
            try:
                self.turn()
            # The promise of the class. Nobody joins this thread, so
            # even an exit or an interrupt thrown into it has no other reader.
            # PERF203: a turn takes far longer than entering a try.
            except BaseException as error:  # noqa: PERF203
                self._pause_s = _FIRST_BACKOFF_S
                self._log_limit.report_defect("the writer", error, self._monotonic())
                sleep(_FIRST_BACKOFF_S)

    def turn(self) -> None:
        """Wait for something to do, and do it."""
        if self.pending:
            # The device needs the pause, so no busy host may end it.
            self._rest(self._pause_s, is_callable=False)
        elif self._linger_s:
            self._rest(self._linger_s)
        elif self._final is None:
            self._await_first()
        self._drain()
        if self.pending:
            self._linger_s = min(self._linger_s * 2, _LONGEST_LINGER_S)
            self._write()
        else:
            self._linger_s = 0.0
        if not self.pending:
            self._queue.reopen()
        self._conclude()

    def forget(self) -> None:
        """Free all memory and write nothing more: for a forked child."""
        self.is_ended = True
        self.pending.forget()

    def _await_first(self) -> None:
        get = partial(
            self._queue.items.get, block=True, timeout=self._housekeeping.interval_s
        )
        idle_since_s = self._monotonic()
        self._handover.ask_when_woken()
        try:
            self.pending.take(get, 1)
        except Empty:
            return
        finally:
            self._handover.take()
        # One event is held now. The gate may stay open: its bound has room for
        # one more than it lets through, and a large event has closed it itself.
        if self._monotonic() - idle_since_s < _LONGEST_LINGER_S:
            # Events come thick enough for the next turn not to block.
            self._linger_s = self._shortest_linger_s
        self._rest(self._shortest_linger_s)

    def _rest(self, pause_s: float, *, is_callable: bool = True) -> None:
        if self.deadline_s is not None:
            pause_s = min(pause_s, self.deadline_s - self._monotonic())
        if pause_s > 0:
            self._handover.rest(pause_s, is_callable=is_callable)

    def _drain(self) -> None:
        waiting = self._queue.items.qsize()
        if waiting:
            self._queue.shut()
            self.pending.take(self._queue.items.get_nowait, waiting)

    def _write(self) -> None:
        while self.pending:
            for mark in self.pending.form():
                if mark.final:
                    self._final = mark
                else:
                    mark.reach()
            if self.pending.batch and not self._send():
                return

    def _send(self) -> bool:
        self._handover.ask(_QUICK_SEND_S)
        try:
            verdict = self._sink.send(self.pending.batch)
        # A sink may be the user's own, and whatever it throws means
        # that the batch is not stored.
        except Exception as error:
            verdict = _verdict_of(error)
        finally:
            self._handover.take()
        progress = self.pending.settle(verdict)
        if verdict.error or not progress:
            self._fail(verdict)
            return False
        if self._failures:
            self._recover()
        return True

    def _fail(self, verdict: Verdict) -> None:
        now_s = self._monotonic()
        if not self._failures:
            self._failing_since_s = now_s
        self._failures += 1
        self._pause_s = backoff_s_of(self._failures, verdict.retry_after_s)
        self.last_error = verdict.error or "chaukas: the sink stored nothing."
        self._log_limit.report(verdict.cause, now_s, self.last_error)

    def _recover(self) -> None:
        now_s = self._monotonic()
        self._failures = 0
        self._pause_s = 0.0
        self.last_error = ""
        if self._log_limit.is_due("recovery", now_s):
            LOGGER.warning(
                "chaukas: events are stored again, after %.1f s.",
                now_s - self._failing_since_s,
            )
        self._housekeeping.owe_report()

    def _conclude(self) -> None:
        now_s = self._monotonic()
        is_late = self.deadline_s is not None and now_s >= self.deadline_s
        if is_late:
            self._end()
        elif self._final is None:
            self._housekeeping.do(now_s)
        elif not self._is_parting:
            # The report is an event too: one more turn writes it.
            self._is_parting = True
            self._linger_s = 0.0
            self._housekeeping.report_at_exit()
        elif not self.pending and not self._queue.items.qsize():
            self._end()

    def _end(self) -> None:
        is_all_stored = not self.pending and not self._queue.items.qsize()
        self.pending.forget()
        try:
            self._sink.close()
        finally:
            if self._final is not None and is_all_stored:
                self._final.reach()
            # Last: whoever sees it looks at the mark no more.
            self.is_ended = True


def _verdict_of(error: Exception) -> Verdict:
    name = type(error).__name__
    return Verdict(
        0,
        cause=name,
        error=f"chaukas: the sink failed with {name}: events are kept in memory"
        " and tried again.",
    )
