"""
A spool on the disk, the sinks that read it, and the threads between them.

The pipeline sees one sink that stores lines, and asks what became of them.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.delivery.spool.cursor import Cursor
from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.delivery.spool.owner import About
from chaukas.sdk.sinks import Outcome, SpooledSink
from chaukas.sdk.sinks.joining import JoiningRemote
from chaukas.sdk.system.threads import sleep

from .quarantine import Quarantine
from .recovery_thread import RecoveryThread
from .sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.delivery.spool.crash_counters import Page
    from chaukas.sdk.delivery.spool.recovery import Adopted
    from chaukas.sdk.sinks import Verdict
    from chaukas.sdk.sinks.disk import Disk

    from .plan import Destination, SpoolPlan
    from .retry import Backoff

__all__ = ["Delivery"]

_LOOK_AGAIN_S: Final = 0.002
_LONGEST_LOOK_S: Final = 0.02


class Delivery(SpooledSink):
    """
    Stores lines in a spool, and delivers them to each sink.

    Args:
        plan: Which sinks, each used by a thread of its own; where, and how fast.
        stream: Name of the spool, unique to the process instance.
        on_page: Given the page of counters whenever there is a new one.
        on_lost: Given the reason and number of events of dead processes that
            cannot be delivered.
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
        disk: Disk | None = None,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.spool = Spool(
            plan.spool_dir,
            stream,
            keys=[each.key for each in plan.destinations],
            fallback_dir=plan.fallback_dir,
            limit_bytes=plan.limit_bytes,
            on_open=on_page,
            disk=disk,
            about=_about_of(plan),
            wall=wall,
        )
        self._backoff = backoff
        self._monotonic = monotonic
        self._wall = wall
        self._is_ending = False
        self.senders: dict[str, Sender] = {}
        self.recovery = RecoveryThread(
            self.spool,
            self.senders,
            on_lost=on_lost,
            on_adopted=self._report_adopted,
            monotonic=monotonic,
            wall=wall,
        )
        for each in plan.destinations:
            self.senders[each.key] = self._sender(each, plan, stream)
        self._workers = (*self.senders.values(), self.recovery)

    def send(self, batch: Sequence[bytes]) -> Verdict:
        """Spool a batch, on the writer's thread, and wake the threads that want it."""
        verdict = self.spool.send(batch)
        if not self._is_ending:
            segments = self.spool.segments
            for worker in self._workers:
                worker.notice(segments.end, segments.added_bytes)
        return verdict

    def close(self) -> None:
        """Spool no more; what is spooled goes on being delivered."""
        self.spool.close()

    def abandon(self) -> None:
        """Close what a forked child inherited, and do nothing any more."""
        self._is_ending = True
        for worker in self._workers:
            worker.abandon()
        self.spool.abandon()

    def outcome(self) -> Outcome:
        """Return what became of the events of this process, as of now."""
        segments = self.spool.segments
        end = segments.end
        waiting = segments.acks.waiting(end)
        lost = segments.acks.lost
        return Outcome(
            acked=max(0, end - waiting - sum(lost.values())),
            spooled=waiting,
            lost=lost,
            adopted=self.recovery.delivered,
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
        end = self.spool.segments.end
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
        Stop all threads, and unlock the spool; remove it if nothing waits.

        A thread that its sink holds up is left behind: it closes its files once
        it is back, and touches nothing else.

        Args:
            deadline_s: Monotonic time at which to stop waiting for them.
        """
        self._is_ending = True
        for worker in self._workers:
            worker.end()
        while any(worker.is_alive for worker in self._workers):
            if self._monotonic() >= deadline_s:
                break
            sleep(_LOOK_AGAIN_S / 4)
        self.spool.retire()

    def _sender(self, one: Destination, plan: SpoolPlan, stream: str) -> Sender:
        quarantine = Quarantine(
            lambda: self.spool.spool_dir,
            stream,
            self.spool.disk,
            key=one.key,
            limit_bytes=plan.limit_bytes,
            wall=self._wall,
            monotonic=self._monotonic,
        )
        options: dict[str, Any] = {
            "pace": replace(plan.pace, flush_interval_s=0.0)
            if one.is_near
            else plan.pace,
            "quarantine": quarantine,
            "on_recovery": self._recovered,
            "on_finished": self.recovery.finished,
            "backoff": self._backoff,
            "monotonic": self._monotonic,
        }
        remote, open_own = one.remote, partial(self._own_cursor, one.key)
        if isinstance(remote, JoiningRemote):
            # Late: a program without such a sink needs nothing of it.
            from .joining_sender import JoiningSender

            return JoiningSender(remote, open_own, disk=self.spool.disk, **options)
        return Sender(remote, open_own, **options)

    def _recovered(self) -> None:
        self.on_recovery()

    def _own_cursor(self, key: str) -> Cursor:
        """Open a sink's place in the spool of this process, once there is one."""
        spool = self.spool
        if not spool.is_open:
            raise FileNotFoundError
        return Cursor(spool.segments, key, spool.position_of(key), spool.disk)

    def _report_adopted(self, adopted: Adopted) -> bool:
        """Report what died with a process; return whether the report is stored."""
        if not (adopted.crash_lost or adopted.written):
            return True
        return self.on_adopted(adopted.stream, adopted.crash_lost, adopted.counts())


def _about_of(plan: SpoolPlan) -> About:
    places = {each.key: each.place for each in plan.destinations}
    return About(os.getpid(), plan.tenant_id, plan.project_id, places)
