"""
Housekeeping on the writer's thread: a regular call, and reports of losses.

A thread that exists anyway can do it; a timer of its own would be one more thread
in the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaukas.sdk.system import internal_errors as guard

from .log_limit import LOGGER, LogLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bounded_queue import Unmade
    from .stats import Stats

__all__ = ["Housekeeping"]


class Housekeeping:
    """
    Calls the tick, and reports losses and recoveries.

    Args:
        stats: Reads the current counts.
        put: Queues the event of a report, using the reserve.
        report: Returns that event, or None to stay silent.
        tick: Housekeeping to do about once per interval.
        tick_interval_s: Time between two rounds in seconds; a round comes
            late while the sink blocks.
    """

    def __init__(
        self,
        *,
        stats: Callable[[], Stats],
        put: Callable[[Unmade], None],
        report: Callable[[Stats], Unmade | None] | None,
        tick: Callable[[], None] | None,
        tick_interval_s: float,
    ) -> None:
        self._stats = stats
        self._put = put
        self._report = report
        self._tick = tick
        self._interval_s = tick_interval_s
        self._next_s = 0.0
        self._log_limit = LogLimit()
        self._reported = 0
        self._is_owed = False

    @property
    def interval_s(self) -> float | None:
        """How long the idle writer may sleep; None if for ever."""
        needs_time = self._tick is not None or self._is_owed
        return self._interval_s if needs_time else None

    def owe_report(self) -> None:
        """Report in the next round, whatever the counts say."""
        self._is_owed = True
        self._next_s = 0.0

    def do(self, now_s: float) -> None:
        """Do a round if it is time, `now_s` being the monotonic time."""
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._interval_s
        if self._tick is not None:
            self._call("pipeline.tick", self._tick)
        stats = self._stats()
        is_lossy = stats.lost > self._reported
        if (is_lossy and self._log_limit.is_due("loss", now_s)) or (
            self._is_owed and self._log_limit.is_due("recovery", now_s)
        ):
            self._report_now(stats)

    def report_at_exit(self) -> None:
        """Report what was lost or recovered and not yet reported."""
        stats = self._stats()
        if self._is_owed or stats.lost > self._reported:
            self._report_now(stats)

    def _report_now(self, stats: Stats) -> None:
        self._is_owed = False
        if stats.lost > self._reported:
            LOGGER.warning(
                "chaukas: %d events were dropped so far (%s): they are missing from"
                " the record. %s",
                stats.lost,
                ", ".join(f"{name} {count}" for name, count in stats.dropped.items()),
                stats.last_error or _advice_of(stats),
            )
        self._reported = stats.lost
        report = self._report
        if report is not None:
            self._call("pipeline.report", lambda: self._put_if(report(stats)))

    def _put_if(self, event: Unmade | None) -> None:
        if event is not None:
            self._put(event)

    def _call(self, where: str, action: Callable[[], None]) -> None:
        try:
            action()
        # The action belongs to another part, and events go on being
        # written whatever becomes of it.
        except Exception as error:
            guard.report(where, error)


def _advice_of(stats: Stats) -> str:
    if "spool_full" in stats.dropped:
        return (
            "All spools together are at spool_limit: raise it, or see what waits:"
            " chaukas spool list"
        )
    if "memory_full" in stats.dropped:
        return "Raise memory_limit if this was a burst."
    return "Nothing is wrong at present."
