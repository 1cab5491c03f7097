"""
Sends events from the spool to one sink, on a thread of its own.

Each sink has its own, so that one that is slow or gone holds up no other.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from chaukas.sdk.pipeline.log_limit import LOGGER, LogLimit
from chaukas.sdk.sinks.collector.responses import Action, Answer
from chaukas.sdk.system.threads import SimpleQueue

from .event_size import smaller
from .line_check import LineCheck
from .retry import Backoff, Breaker
from .worker import NEVER, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.delivery.spool.cursor import Cursor
    from chaukas.sdk.sinks.collector.responses import Remote
    from chaukas.sdk.sinks.joining import JoiningRemote

    from .plan import Pace
    from .quarantine import Quarantine

__all__ = ["Sender", "answer_of"]

_LONGEST_REST_S: Final = 5.0
_LOG_AFTER: Final = 3
_LOG_AGAIN_S: Final = 300.0
_CAUSES: Final = 8
_GUILTY_IN_A_ROW: Final = 16


class Sender(Worker):
    """
    Reads from the spools of this and of dead processes, sends, and advances.

    Args:
        remote: The sink; used by this thread alone.
        open_own: Opens the place in the spool of this process; raises OSError
            while there is none.
        pace: How batches are filled.
        quarantine: Takes what the sink refuses for good.
        on_recovery: Called when the sink works again after an outage.
        on_finished: Called when this sink is through with an adopted spool.
        backoff: Draws waits; tests pass their own.
        monotonic: Clock for intervals in seconds.
    """

    def __init__(
        self,
        remote: Remote | JoiningRemote,
        open_own: Callable[[], Cursor],
        *,
        pace: Pace,
        quarantine: Quarantine,
        on_recovery: Callable[[], None] | None = None,
        on_finished: Callable[[Cursor], None] | None = None,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        log_limit = LogLimit(_LOG_AGAIN_S, _CAUSES)
        super().__init__(f"the sender of {remote.name}", log_limit, monotonic)
        self.remote = remote
        self.wanted_bytes = 0
        self.own: Cursor | None = None
        """Its place in the spool of this process, once there is one."""
        self.inbox: SimpleQueue[Callable[[], Cursor]] = SimpleQueue()
        """Opens its places in the spools of dead processes, still to be taken up."""
        self.attempts = 0
        """Batches sent, whatever the answer."""
        self.last_error = ""
        """Why nothing is acknowledged at present; empty if it is."""
        self.breaker = Breaker()
        self._adopted: list[Cursor] = []
        self._open_own = open_own
        self._pace = pace
        self._quarantine = quarantine
        self._on_recovery = on_recovery
        self._on_finished = on_finished
        self._backoff = backoff or Backoff()
        self._hurry_to = 0
        self._is_urged = False
        self._since_s = 0.0
        self._failing_since_s = 0.0
        self._is_reported = False
        self._limit_bytes = pace.max_batch_bytes
        self._shrunk: tuple[Cursor, int, bytes] | None = None
        self._guilty = 0
        self._turn_of_adopted = False
        self._checks: dict[int, LineCheck] = {}

    @property
    def name(self) -> str:
        """What the sink is called."""
        return self.remote.name

    def hurry(self, ordinal: int) -> None:
        """Send what comes before `ordinal` at once; try even a failing sink once."""
        self._hurry_to = max(self._hurry_to, ordinal)
        self._is_urged = True
        self.wake()

    def is_past(self, ordinal: int) -> bool:
        """Return whether everything before `ordinal` in the own spool is settled."""
        return ordinal == 0 or (self.own is not None and self.own.at >= ordinal)

    def is_hopeless(self, attempts: int) -> bool:
        """
        Return whether there is no use in waiting for the sink just now.

        Args:
            attempts: What `attempts` was when the wait began.
        """
        if self.overdue():
            return True
        if not self.breaker.is_tripped:
            return False
        has_tried = self.attempts > attempts
        return has_tried or self.breaker.is_asked_to_wait(self.monotonic())

    def overdue(self) -> str:
        """Say what code of the user's is waited for, if it is for too long."""
        return self.remote.overdue(self.monotonic())

    def turn(self) -> None:
        """Wait for something to do, and do it; one batch at most."""
        now_s = self.monotonic()
        if self._is_urged:
            self._is_urged = False
            self.breaker.hurry()
        pause_s = self.breaker.wait_s(now_s)
        if pause_s > 0:
            self.rest(pause_s)
            return
        self._open_cursors()
        cursor = self._next()
        if cursor is None:
            self._idle(now_s)
            return
        self.wanted = self.wanted_bytes = NEVER
        self.deliver(cursor)

    def abandon(self) -> None:
        """Close what a forked child inherited; send nothing."""
        self.is_ending = True
        self.remote.abandon()
        self._close_cursors()

    def release(self) -> None:
        """Close the sink and the places in the spools."""
        self._close_cursors()
        self.remote.close()

    def _open_cursors(self) -> None:
        if self.own is None:
            # Until then the spool is not open. The writer logs why, and wakes us.
            with contextlib.suppress(OSError):
                self.own = self._open_own()
        while self.inbox.qsize():
            opening = self.inbox.get()
            try:
                self._adopted.append(opening())
            except OSError:
                self.inbox.put(opening)
                return

    def _next(self) -> Cursor | None:
        """Choose a spool to read from: one's own and the others by turns."""
        while self._adopted and self.is_over(self._adopted[0]):
            self.finish(self._adopted.pop(0))
        waiting = self._adopted[0] if self._adopted else None
        own = self.own
        if own is None or own.is_done or not self._is_ready(own):
            return waiting
        self._turn_of_adopted = not self._turn_of_adopted
        return waiting if waiting is not None and self._turn_of_adopted else own

    def is_over(self, cursor: Cursor) -> bool:
        """Return whether nothing of a spool waits."""
        return cursor.is_done

    def finish(self, cursor: Cursor) -> None:
        """Be through with an adopted spool."""
        self._checks.pop(id(cursor.segments), None)
        cursor.close()
        if self._on_finished is not None:
            self._on_finished(cursor)

    def _is_ready(self, own: Cursor) -> bool:
        """Return whether a batch is full, has waited long enough, or is asked for."""
        now_s = self.monotonic()
        self._since_s = self._since_s or now_s
        pace = self._pace
        return (
            own.at < self._hurry_to
            or own.segments.end - own.at >= pace.batch_size
            or own.segments.added_bytes - own.read_bytes >= pace.max_batch_bytes
            or own.at < own.suspect_end
            or now_s - self._since_s >= pace.flush_interval_s
        )

    def _idle(self, now_s: float) -> None:
        own = self.own
        if own is None or own.is_done:
            self._since_s = 0.0
            self.wanted = 0 if own is None else own.at + 1
            self.wanted_bytes = NEVER
            # What came between looking and asking is seen here.
            if own is None or own.is_done:
                # A while and not for ever, should a call to wake up ever get lost.
                self.rest(_LONGEST_REST_S)
            return
        self.wanted = own.at + self._pace.batch_size
        self.wanted_bytes = own.read_bytes + self._pace.max_batch_bytes
        if not self._is_ready(own):
            self.rest(self._since_s + self._pace.flush_interval_s - now_s)

    def deliver(self, cursor: Cursor) -> None:
        """Send the next batch of a spool."""
        try:
            lines = cursor.read(self._most(cursor), self._limit_bytes)
        except OSError as error:
            self._fail(answer_of(error))
            return
        if not cursor.segments.is_own:
            lines = self._only_sound(cursor, lines)
        if not lines:
            return
        lines = self._perhaps_shrunk(cursor, lines)
        try:
            answer = self.send(cursor, lines)
        # A sink may be anything, and whatever it throws means that nobody
        # acknowledged the batch.
        except Exception as error:
            answer = answer_of(error)
        finally:
            self.attempts += 1
        if not self.is_ending:
            self.settle_answer(cursor, lines, answer)

    def send(self, cursor: Cursor, lines: Sequence[bytes]) -> Answer:
        """Send the next events of a spool."""
        del cursor
        return self.remote.send(lines)

    def advance(self, cursor: Cursor, lines: Sequence[bytes]) -> None:
        """Settle the first events of those that were read last."""
        cursor.advance(len(lines))

    def keep(self, line: bytes, reason: str) -> None:
        """Set an event aside."""
        self._quarantine.keep(line, self.name, reason)

    def _most(self, cursor: Cursor) -> int:
        suspects = cursor.suspect_end - cursor.at
        if suspects > 0:
            return max(1, suspects // 2)
        return self._pace.batch_size

    def _only_sound(self, cursor: Cursor, lines: list[bytes]) -> list[bytes]:
        """Return the lines up to a broken one; set those aside that stand first."""
        check = self._checks.setdefault(id(cursor.segments), LineCheck())
        broken = [n for n, line in enumerate(lines) if not check.is_sound(line)]
        if not broken:
            return lines
        if broken[0]:
            return lines[: broken[0]]
        run = next((n for n, index in enumerate(broken) if n != index), len(broken))
        for line in list(lines[:run]):
            self._give_up(cursor, line, "corrupt")
            cursor.advance(1)
        return []

    def _perhaps_shrunk(self, cursor: Cursor, lines: list[bytes]) -> list[bytes]:
        shrunk = self._shrunk
        if shrunk is None or shrunk[0] is not cursor or shrunk[1] != cursor.at:
            return lines
        return [shrunk[2]]

    def settle_answer(self, cursor: Cursor, lines: list[bytes], answer: Answer) -> None:
        """Do what an answer means for the batch that was sent."""
        action = answer.action
        if action is Action.ACKED:
            self._take_ack(cursor, lines, answer)
        elif action is Action.RETRY:
            self._fail(answer)
        elif action is Action.PARK:
            self._park(answer)
        elif action is Action.SPLIT:
            self._split(cursor, lines, answer)
        else:
            self._bisect(cursor, lines, answer)

    def _take_ack(self, cursor: Cursor, lines: list[bytes], answer: Answer) -> None:
        rejected = [each for each in answer.rejected if 0 <= each[0] < len(lines)]
        for index, reason in rejected:
            self.keep(lines[index], reason)
        for index in answer.suspects:
            self.keep(lines[index], "perhaps rejected")
        # All at once: a report in between would speak of a part of them.
        for index, _ in rejected:
            self._count_lost(cursor, index)
        limit_bytes = self._limit_bytes + self._limit_bytes // 64 + 1
        if self._shrunk is not None:
            limit_bytes = self._pace.max_batch_bytes
        self._limit_bytes = min(limit_bytes, self._pace.max_batch_bytes)
        self._guilty = 0
        self._shrunk = None
        self._succeed()
        if lines:
            self.advance(cursor, lines)

    def _bisect(self, cursor: Cursor, lines: list[bytes], answer: Answer) -> None:
        if len(lines) > 1:
            self._succeed()
            cursor.suspect_end = cursor.at + len(lines)
            return
        cursor.suspect_end = 0
        self._set_aside(cursor, lines[0], answer, "invalid")

    def _set_aside(
        self, cursor: Cursor, line: bytes, answer: Answer, reason: str
    ) -> None:
        """Set an event aside, and stop where the sink likes none at all."""
        self._give_up(cursor, line, answer.cause or reason)
        self.advance(cursor, [line])
        self._guilty += 1
        if self._guilty < _GUILTY_IN_A_ROW:
            self._succeed()
        else:
            # It has something wrong itself.
            self._park(answer)

    def _split(self, cursor: Cursor, lines: list[bytes], answer: Answer) -> None:
        if len(lines) > 1:
            self._succeed()
            self._limit_bytes = max(1, sum(map(len, lines)) // 2)
            return
        line = smaller(lines[0])
        if line is not None:
            self._succeed()
            self._shrunk = (cursor, cursor.at, line)
            return
        self._shrunk = None
        self._limit_bytes = self._pace.max_batch_bytes
        self._set_aside(cursor, lines[0], answer, "too_large")

    def _give_up(self, cursor: Cursor, line: bytes, reason: str) -> None:
        self.keep(line, reason)
        self._count_lost(cursor, 0)

    def _count_lost(self, cursor: Cursor, index: int) -> None:
        ordinal = cursor.at + index
        cursor.segments.acks.give_up(range(ordinal, ordinal + 1), "quarantined")

    def _succeed(self) -> None:
        # What is left of a full batch waits for a batch of its own again.
        self._since_s = 0.0
        was_down = self._is_reported
        self.breaker.succeed()
        self.last_error = ""
        self._is_reported = False
        if not was_down:
            return
        if self.log_limit.is_due("recovery", self.monotonic()):
            LOGGER.warning(
                "chaukas: %s takes events again, after %.1f s.",
                self.name,
                self.monotonic() - self._failing_since_s,
            )
        if self._on_recovery is not None:
            self._on_recovery()

    def _fail(self, answer: Answer) -> None:
        now_s = self._begin_failure(answer)
        self.breaker.fail(
            now_s,
            backoff_s=self._backoff.wait_s(self.breaker.failures + 1),
            asked_s=answer.retry_after_s,
        )
        if self.breaker.failures >= _LOG_AFTER:
            self._log(answer, now_s)

    def _park(self, answer: Answer) -> None:
        now_s = self._begin_failure(answer)
        self.breaker.park(now_s, answer.retry_after_s)
        self._log(answer, now_s)

    def _begin_failure(self, answer: Answer) -> float:
        now_s = self.monotonic()
        if not self.breaker.failures:
            self._failing_since_s = now_s
        self.last_error = answer.error or f"chaukas: {self.name} took no events."
        return now_s

    def _log(self, answer: Answer, now_s: float) -> None:
        self._is_reported = True
        self.log_limit.report(answer.cause, now_s, self.last_error)

    def _close_cursors(self) -> None:
        cursors = (*self._adopted, *(() if self.own is None else (self.own,)))
        for cursor in cursors:
            # An error too means closed, as far as the system is concerned.
            with contextlib.suppress(OSError):
                cursor.close()


def answer_of(error: Exception) -> Answer:
    """Return the answer for a sink that raised."""
    name = type(error).__name__
    return Answer(
        Action.RETRY,
        cause=name,
        error=f"chaukas: sending failed with {name}: events are kept and sent again."
        " Look at the sink and at the spool folder.",
    )
