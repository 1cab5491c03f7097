"""A loop on a thread of its own, which sleeps until it is woken and never fails."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chaukas.sdk.system.threads import allocate_lock, sleep, start_thread

from .suppress import suppress_tracing

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.pipeline.log_limit import LogLimit

__all__ = ["NEVER", "Worker"]

NEVER: Final = 1 << 62
"""More events, or bytes, than there will ever be."""
_PAUSE_AFTER_ERROR_S: Final = 0.1


class Worker:
    """
    Repeats `turn` on a daemon thread until it is asked to end.

    Whatever a turn raises is logged, and the next turn follows: nobody joins this
    thread, and the promise that events arrive hangs on it.

    Args:
        label: What it is called in the log, such as `the sender of http`.
        log_limit: Limits how often it logs.
        monotonic: Clock for intervals in seconds.
    """

    def __init__(
        self,
        label: str,
        log_limit: LogLimit,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = 0
        """Number of spooled events from which on the writer should wake it."""
        self.wanted_bytes = NEVER
        """Bytes of them from which on it should, too."""
        self.is_alive = False
        self.is_ending = False
        self.log_limit = log_limit
        self.monotonic = monotonic
        self._label = label
        self._woken = allocate_lock()
        self._woken.acquire()

    def turn(self) -> None:
        """Do what is due, or rest until something will be."""
        raise NotImplementedError

    def release(self) -> None:
        """Release what is held; called once, at the end of the thread."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the thread if it does not run; later, if the system has none now."""
        if self.is_alive or self.is_ending:
            return
        self.is_alive = True
        try:
            start_thread(self._run, ())
        except RuntimeError:
            # The next batch tries again.
            self.is_alive = False

    def notice(self, events: int, size_bytes: int) -> None:
        """Start or wake the thread if it wants what the spool holds now."""
        self.start()
        if events >= self.wanted or size_bytes >= self.wanted_bytes:
            self.wake()

    def wake(self) -> None:
        """End the rest that the thread takes, or else its next one."""
        try:
            self._woken.release()
        except RuntimeError:
            return

    def rest(self, pause_s: float) -> None:
        """Sleep until woken, or for so many seconds."""
        if pause_s > 0:
            self._woken.acquire(timeout=pause_s)

    def end(self) -> None:
        """Ask the thread to release everything and end."""
        self.is_ending = True
        self.wake()

    def abandon(self) -> None:
        """Close what a forked child inherited; the parent goes on with it."""
        self.is_ending = True
        self.release()

    def _run(self) -> None:
        try:
            while not self.is_ending:
                try:
                    suppress_tracing()
                    self.turn()
                # The promise of the class.
                # PERF203: a turn takes far longer than entering a try.
                except BaseException as error:  # noqa: PERF203
                    now_s = self.monotonic()
                    self.log_limit.report_defect(self._label, error, now_s)
                    sleep(_PAUSE_AFTER_ERROR_S)
            self.release()
        finally:
            self.is_alive = False
