"""
A spool, the sinks that read it, and the threads between them.

The pipeline sees one store that takes lines, and one question: what became of them.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from chaukas.sdk.delivery.spool.cursor import Cursor
from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.delivery.spool.owner import About
from chaukas.sdk.system.threads import sleep

from .plan import Outcome
from .quarantine import Quarantine
from .recovery_thread import Keeper
from .sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.delivery.spool.crash_counters import Page
    from chaukas.sdk.delivery.spool.recovery import Adopted
    from chaukas.sdk.sinks import Verdict
    from chaukas.sdk.sinks.disk import Disk

    from .backoff import Backoff
    from .plan import Destination, Pace, SpoolPlan

__all__ = ["Delivery"]

_LOOK_AGAIN_S: Final = 0.002
_LONGEST_LOOK_S: Final = 0.02


class Delivery:
    """
    Stores lines in a spool, and delivers them to each sink.

    Args:
        plan: Which sinks, each used by a thread of its own; where, and how fast.
        stream: Name of the spool, unique to the process instance.
        on_page: Given the page of counters whenever there is a new one.
        on_lost: Told the reason and number of events of dead processes that
            cannot be delivered.
        on_adopted: Told of each adopted spool; returns whether that is stored.
        on_recovery: Told when a sink works again after an outage.
        disk: File operations; tests pass a failing disk.
        backoff: Draws waits between failures; tests pass their own.
        monotonic: Clock for intervals in seconds.
        wall: Wall clock in seconds.
    """

    def __init__(
        self,
        plan: SpoolPlan,
        *,
        stream: str,
        on_page: Callable[[Page], None],
        on_lost: Callable[[str, int], None],
        on_adopted: Callable[[Adopted], bool],
        on_recovery: Callable[[], None] | None = None,
        disk: Disk | None = None,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        destinations = plan.destinations
        keys = [each.key for each in destinations]
        self.spool = Spool(
            plan.spool_dir,
            stream,
            keys=keys,
            fallback_dir=plan.fallback_dir,
            limit_bytes=plan.limit_bytes,
            on_open=on_page,
            disk=disk,
            about=_about_of(plan),
            wall=wall,
        )
        self._monotonic = monotonic
        self._is_ending = False
        self.senders = {
            each.key: Sender(
                each.remote,
                self._opener(each.key),
                pace=_pace_for(each, plan.pace),
                quarantine=Quarantine(
                    lambda: self.spool.spool_dir,
                    stream,
                    self.spool.disk,
                    key=each.key,
                    limit_bytes=plan.limit_bytes,
                    wall=wall,
                    monotonic=monotonic,
                ),
                on_recovery=on_recovery,
                on_finished=self._on_finished,
                backoff=backoff,
                monotonic=monotonic,
            )
            for each in destinations
        }
        self.keeper = Keeper(
            self.spool,
            self.senders,
            on_lost=on_lost,
            on_adopted=on_adopted,
            monotonic=monotonic,
            wall=wall,
        )

    def send(self, batch: Sequence[bytes]) -> Verdict:
        """Spool a batch, on the writer's thread, and wake who wants it."""
        verdict = self.spool.send(batch)
        if not self._is_ending:
            self._wake()
        return verdict

    def close(self) -> None:
        """Spool no more; what is spooled goes on being delivered."""
        self.spool.close()

    def abandon(self) -> None:
        """Close what a forked child inherited, and do nothing any more."""
        self._is_ending = True
        self.keeper.abandon()
        for sender in self.senders.values():
            sender.abandon()
        self.spool.abandon()

    def outcome(self) -> Outcome:
        """Return what became of the events of this process, as of now."""
        feed = self.spool.feed
        end = feed.end
        waiting = feed.ledger.waiting(end)
        lost = feed.ledger.lost
        return Outcome(
            acked=max(0, end - waiting - sum(lost.values())),
            spooled=waiting,
            lost=lost,
            adopted=self.keeper.delivered,
            errors={
                sender.name: trouble
                for sender in self.senders.values()
                if (trouble := sender.last_error or sender.overdue())
            },
        )

    def wait(self, deadline_s: float) -> bool:
        """
        Wait until what is spooled now is settled, or cannot be for the time being.

        Args:
            deadline_s: Monotonic time at which to stop waiting.

        Returns:
            Whether all of it is settled.
        """
        end = self.spool.feed.end
        begun = {sender: sender.attempts for sender in self.senders.values()}
        for sender in begun:
            sender.hurry(end)
        pause_s = _LOOK_AGAIN_S
        while True:
            late = [sender for sender in begun if not sender.is_past(end)]
            if not late:
                return True
            if all(sender.is_hopeless(begun[sender]) for sender in late):
                return False
            left_s = deadline_s - self._monotonic()
            if left_s <= 0:
                return False
            sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _LONGEST_LOOK_S)

    def end(self, deadline_s: float) -> None:
        """
        Stop all threads, and let go of the spool; remove it if nothing waits.

        A thread that its sink holds up is left behind: it lets go of its files
        once it is back, and touches nothing else.

        Args:
            deadline_s: Monotonic time at which to stop waiting for them.
        """
        self._is_ending = True
        workers: list[Sender | Keeper] = [*self.senders.values(), self.keeper]
        for worker in workers:
            worker.end()
        while any(worker.is_alive for worker in workers):
            if self._monotonic() >= deadline_s:
                break
            sleep(_LOOK_AGAIN_S / 4)
        self.spool.retire()

    def _wake(self) -> None:
        feed = self.spool.feed
        end, size = feed.end, feed.added_bytes
        for sender in self.senders.values():
            if not sender.is_alive:
                self._start(sender)
            if end >= sender.wanted or size >= sender.wanted_bytes:
                sender.nudge()
        if not self.keeper.is_alive:
            self._start(self.keeper)
        if end >= self.keeper.wanted:
            self.keeper.nudge()

    def _start(self, worker: Sender | Keeper) -> None:
        try:
            worker.start()
        except RuntimeError:
            # The system has no thread to give, now. The next batch tries again.
            return

    def _opener(self, key: str) -> Callable[[], Cursor]:
        def opening() -> Cursor:
            spool = self.spool
            if not spool.is_open:
                raise FileNotFoundError
            return Cursor(spool.feed, key, spool.position_of(key), spool.disk)

        return opening

    def _on_finished(self, cursor: Cursor) -> None:
        self.keeper.finished(cursor)


def _about_of(plan: SpoolPlan) -> About:
    places = {each.key: each.place for each in plan.destinations}
    return About(os.getpid(), plan.tenant_id, plan.project_id, places)


def _pace_for(destination: Destination, pace: Pace) -> Pace:
    return replace(pace, flush_interval_s=0.0) if destination.is_near else pace
