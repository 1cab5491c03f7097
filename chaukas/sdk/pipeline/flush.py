"""
A marker in the queue that a thread waits for: what a flush is made of.

Everything queued before the mark is settled when the mark is reached, which no
comparison of counters could show while other threads go on emitting.
"""

from __future__ import annotations

from chaukas.sdk.system.threads import allocate_lock

__all__ = ["FlushMarker"]


class FlushMarker:
    """
    A point in the order of events, reached once.

    Args:
        final: Nothing comes after this mark: the writer ends here.
    """

    __slots__ = ("_lock", "final")

    def __init__(self, *, final: bool = False) -> None:
        self.final = final
        self._lock = allocate_lock()
        self._lock.acquire()

    def reach(self) -> None:
        """Wake the thread that waits; called once, by the writer."""
        self._lock.release()

    def wait(self, timeout_s: float) -> bool:
        """Return whether the mark was reached within `timeout_s` seconds."""
        return self._lock.acquire(timeout=max(0.0, timeout_s))
