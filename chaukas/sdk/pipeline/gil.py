"""
Hands the interpreter's lock (GIL) to the writer while the host's threads never rest.

Who waits for the interpreter's lock is woken each time its holder lets go of it. An
event loop that has always something to do lets go at every turn and takes it back
before the other thread is awake: about 60 wake-ups in vain, 10 ms and 3 ms of CPU,
half of them the host's, for each time that the writer wants to go on. A host's thread
that hands over instead, when it comes by with an event, spares itself most of that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chaukas.sdk.system.threads import allocate_lock, sleep

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GilHandover"]

_NEVER: Final = float("inf")
_HANDOVER_S: Final = 50e-6
_WAKING_S: Final = 0.5e-3
_TURN_S: Final = 0.01
"""Least time between two turns of the writer that a busy host grants."""


class GilHandover:
    """
    When the writer would like the interpreter: it asks, a host's thread gives.

    Each request is answered at most once, so that a writer held up by its device
    costs the host one short sleep and no more. A host that rests by itself never
    comes to answer: the writer has gone on by then.

    Args:
        monotonic: Clock of `due_s`, in seconds.
    """

    __slots__ = ("_is_idle", "_is_resting", "_monotonic", "_nudged", "due_s")

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._nudged = allocate_lock()
        self._nudged.acquire()
        self._is_idle = False
        self._is_resting = False
        self.due_s = _NEVER
        """From this monotonic time on, a host's thread should call `hand_over`."""

    def nudge(self) -> None:
        """End the rest that the writer takes, or else its next one."""
        try:
            self._nudged.release()
        except RuntimeError:
            # Nudged already and not yet noticed: once is enough.
            return

    def rest(self, pause_s: float, *, is_callable: bool) -> None:
        """Let the writer sleep until a nudge or, if *is_callable*, a busy host."""
        self._is_resting = is_callable
        if is_callable:
            self.ask(min(pause_s / 2, _TURN_S))
        self._nudged.acquire(timeout=pause_s)
        self._is_resting = False
        self.take()

    def ask(self, delay_s: float) -> None:
        """Ask for the interpreter, before a call that takes *delay_s* by itself."""
        self.due_s = self._monotonic() + delay_s

    def ask_when_woken(self) -> None:
        """Ask for the interpreter once an event has come, which wakes the writer."""
        self._is_idle = True
        self.due_s = 0.0

    def take(self) -> None:
        """Note that the writer has the interpreter again."""
        self.due_s = _NEVER
        self._is_idle = False

    def hand_over(self) -> None:
        """Let the writer go on, from a host's thread that finds `due_s` over."""
        if self._is_idle:
            # The event that was just queued wakes it, which takes a moment.
            self._is_idle = False
            self.ask(_WAKING_S)
            return
        self.due_s = _NEVER
        if self._is_resting:
            self.nudge()
        sleep(_HANDOVER_S)
