"""
The one thread that writes: batches of several requests share a commit.

While one commit waits for the disk, the requests that come meanwhile gather, and go
together with the next one: many small clients do not pay for an fsync each, and a
lone client waits for nobody.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from chaukas.store.admission import admitted
from chaukas.store.protocol import Rejection, Verdicts

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.store.protocol import Batch, Store

__all__ = ("Writer", "weight_of")

_LOG: Final = logging.getLogger("chaukas.collector")
_GROUP_EVENTS: Final = 4000
"""Events of a commit, so that none of its senders waits for long."""
_RETRY_S: Final = 2
_FACTS_BYTES: Final = 3000
"""What is held of an event beside its texts, however short they are."""


@dataclass(frozen=True, slots=True)
class _Job:
    batch: Batch
    size: int
    answer: Future[Verdicts]


def weight_of(batch: Batch) -> int:
    """Return how many bytes a batch takes in memory, about."""
    size = sum(map(len, batch.lines))
    if batch.admitted is None:
        return size
    # The words of each event are held beside it.
    return 2 * size + _FACTS_BYTES * len(batch.lines)


class Writer:
    """
    Writes batches in the order in which they come.

    Args:
        store: Where to; only this thread writes events to it.
        waiting_bytes: Most bytes of events that wait.
        noted: Is told the duration of each commit in seconds, and its verdicts: by
            the writer's thread, also where the one who sent them has left.
    """

    def __init__(
        self,
        store: Store,
        waiting_bytes: int,
        noted: Callable[[float, Sequence[Verdicts]], None] = lambda _s, _verdicts: None,
    ) -> None:
        self._store = store
        self._most = waiting_bytes
        self._noted = noted
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self.trouble = ""
        """Why the last commit failed; empty if it did not."""
        self._thread = threading.Thread(
            target=self._run, name="chaukas-writer", daemon=True
        )
        self._thread.start()

    def put(self, batch: Batch) -> Future[Verdicts]:
        """
        Hand over a batch; its verdict comes once it is committed.

        Raises:
            Refusal: 503, if too much waits already.
        """
        size = weight_of(batch)
        with self._lock:
            if self._waiting and self._waiting + size > self._most:
                text = "Too much waits for the disk: come again."
                raise Refusal(503, text, _RETRY_S)
            self._waiting += size
        job = _Job(batch, size, Future())
        self._jobs.put(job)
        return job.answer

    def close(self) -> None:
        """Write what was taken, and end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = self._gathered()
            if jobs:
                self._write(jobs)
                self._release(*jobs)
                # All of them have their answer. What is wrong with the disk, the
                # next commit tells.
                with suppress(sqlite3.DatabaseError):
                    self._store.settle(is_idle=self._jobs.empty())

    def _release(self, *jobs: _Job) -> None:
        with self._lock:
            self._waiting -= sum(job.size for job in jobs)

    def _gathered(self) -> tuple[list[_Job], bool]:
        """Wait for a job; return it and those behind it, and whether to end."""
        jobs: list[_Job] = []
        events = 0
        job = self._jobs.get()
        while job is not None:
            # Whoever has left is not written for; from here on nobody can cancel.
            if job.answer.set_running_or_notify_cancel():
                jobs.append(job)
                events += len(job.batch.lines)
            else:
                self._release(job)
            if events >= _GROUP_EVENTS:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _write(self, jobs: list[_Job]) -> None:
        begun_s = time.perf_counter()
        try:
            verdicts = self._store.ingest_all([job.batch for job in jobs])
        except Exception as error:
            if _is_of_the_disk(error):
                self._fail(jobs, _refusal_of(error), str(error))
            elif len(jobs) > 1:
                # One of them is at fault: the others must not suffer for it.
                for job in jobs:
                    self._write([job])
            else:
                _LOG.exception("a batch could not be written as a whole")
                self._write_pieces(jobs[0])
        else:
            self.trouble = ""
            self._noted(time.perf_counter() - begun_s, verdicts)
            for job, verdict in zip(jobs, verdicts, strict=True):
                job.answer.set_result(verdict)

    def _write_pieces(self, job: _Job) -> None:
        """Find the events that keep a batch out, and take the others."""
        begun_s = time.perf_counter()
        try:
            verdict = self._taken(job.batch)
        except sqlite3.DatabaseError as error:
            self._fail([job], _refusal_of(error), str(error))
            return
        self._noted(time.perf_counter() - begun_s, [verdict])
        if verdict.accepted or verdict.duplicate:
            job.answer.set_result(verdict)
        else:
            # Whatever is wrong, it may be with us.
            job.answer.set_exception(Refusal(500, _FAILED))

    def _taken(self, batch: Batch) -> Verdicts:
        """Write a batch piece by piece; the event of a piece that fails is invalid."""
        try:
            return self._store.ingest_all([batch])[0]
        except Exception as error:
            if _is_of_the_disk(error):
                raise
        found = admitted(batch)
        if len(found) == 1:
            return Verdicts(0, 0, (Rejection(found[0].event_id, "invalid"),))
        middle = len(found) // 2
        halves = [
            self._taken(replace(batch, lines=lines, admitted=some))
            for lines, some in (
                (batch.lines[:middle], found[:middle]),
                (batch.lines[middle:], found[middle:]),
            )
        ]
        return Verdicts(
            sum(half.accepted for half in halves),
            sum(half.duplicate for half in halves),
            halves[0].rejected + halves[1].rejected,
        )

    def _fail(self, jobs: list[_Job], refusal: Refusal, why: str) -> None:
        if why != self.trouble:
            _LOG.error("the store cannot be written: %s", why)
        self.trouble = why
        for job in jobs:
            job.answer.set_exception(refusal)


def _is_of_the_disk(error: Exception) -> bool:
    """Return whether nothing can be written now, whatever is in the batch."""
    is_of_batch = isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError))
    return isinstance(error, sqlite3.DatabaseError) and not is_of_batch


def _refusal_of(error: Exception) -> Refusal:
    is_locked = "locked" in str(error)
    text = "The store is busy: come again." if is_locked else _UNWRITABLE
    return Refusal(503, text, _RETRY_S if is_locked else _LATER_S)


_LATER_S: Final = 10
_UNWRITABLE: Final = "The store cannot be written now: nothing was taken. Come again."
_FAILED: Final = "The batch could not be written: nothing was taken."
