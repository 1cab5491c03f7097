"""
The thread that syncs the spool and takes over those of dead processes.

It watches the senders too, each of which may be held up by code that it calls.

A sync takes as long as the disk likes: neither the writer nor a sender could wait
for that and keep its promise.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chaukas.sdk.delivery.spool.cursor import Cursor
from chaukas.sdk.delivery.spool.recovery import find
from chaukas.sdk.pipeline.log_limit import LogLimit

from .quarantine import remove_old
from .worker import NEVER, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.delivery.spool.folder import Spool
    from chaukas.sdk.delivery.spool.recovery import Adopted

    from .sender import Sender

__all__ = ["RecoveryThread"]

_SYNC_S: Final = 0.5
_SCAN_S: Final = 60.0
_WATCH_S: Final = 10.0
_FIRST_SCANS_S: Final = (1.0, 5.0)
"""At first sooner: what this process follows on may just be ending."""
_AT_ONCE: Final = 8
_LOG_AGAIN_S: Final = 3600.0


class RecoveryThread(Worker):
    """
    Syncs the spool of this process, and adopts those of dead ones.

    Args:
        spool: The spool of this process.
        senders: By their keys, who delivers what is adopted.
        on_lost: Given the reason and number of adopted events that are lost.
        on_adopted: Given each adopted spool; returns whether what it reported
            is safely stored.
        monotonic: Clock for intervals in seconds.
        wall: Wall clock in seconds.
    """

    def __init__(
        self,
        spool: Spool,
        senders: dict[str, Sender],
        *,
        on_lost: Callable[[str, int], None],
        on_adopted: Callable[[Adopted], bool],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            "the recovery thread of the spool", LogLimit(_LOG_AGAIN_S), monotonic
        )
        self.delivered = 0
        """Events of dead processes that are through."""
        self._spool = spool
        self._senders = senders
        self._on_lost = on_lost
        self._on_adopted = on_adopted
        self._wall = wall
        self._held: list[Adopted] = []
        self._left: dict[int, set[str]] = {}
        self._scan_at_s = 0.0
        self._scans = 0

    @property
    def held(self) -> Sequence[Adopted]:
        """The spools of dead processes that are being delivered."""
        return tuple(self._held)

    def finished(self, cursor: Cursor) -> None:
        """Note that one sink is through with an adopted spool; for its thread."""
        # One step each, since several senders may be at it.
        self._left.get(id(cursor.segments), set()).discard(cursor.key)
        self.wake()

    def turn(self) -> None:
        """Do what is due, and rest until something will be."""
        now_s = self.monotonic()
        self._watch(now_s)
        self._remove_finished()
        if now_s >= self._scan_at_s and self._spool.is_open:
            is_full = self._scan()
            is_urgent = is_full and not self._held
            self._scan_at_s = now_s if is_urgent else now_s + self._next_scan_s()
        if self._spool.is_unsynced:
            self.wanted = NEVER
            self.rest(_SYNC_S)
            if not self.is_ending:
                self._sync()
            return
        self.wanted = self._spool.segments.end + 1
        if not self._spool.is_unsynced:
            pause_s = max(0.0, self._scan_at_s - now_s) or _SCAN_S
            self.rest(min(pause_s, _WATCH_S))

    def _next_scan_s(self) -> float:
        """Return the time until the next scan, in seconds."""
        self._scans += 1
        if self._scans > len(_FIRST_SCANS_S):
            return _SCAN_S
        return _FIRST_SCANS_S[self._scans - 1]

    def _watch(self, now_s: float) -> None:
        """Log for senders that cannot, since they wait in code of the user's."""
        for sender in self._senders.values():
            trouble = sender.overdue()
            if trouble:
                self.log_limit.report(f"overdue {sender.name}", now_s, trouble)

    def _sync(self) -> None:
        try:
            self._spool.sync()
        except OSError as error:
            self.log_limit.report(
                f"sync {error.errno}",
                self.monotonic(),
                f"chaukas: cannot sync the spool ({error.strerror}): its events survive"
                " the death of the process, and perhaps not that of the machine."
                " Check the disk.",
            )
            self.rest(_SYNC_S)

    def _scan(self) -> bool:
        """Take spools over; return whether there may be more than fit at once."""
        spool_dir = self._spool.spool_dir
        limit = _AT_ONCE - len(self._held)
        remove_old(spool_dir, self._spool.disk, self._wall())
        found = find(
            spool_dir,
            self._senders,
            self._spool.disk,
            limit=limit,
            on_lost=self._on_lost,
            log_limit=self.log_limit,
            wall=self._wall,
        )
        for adopted in found:
            self._held.append(adopted)
            self._left[id(adopted.segments)] = set(adopted.keys)
            if not adopted.is_reported and self._on_adopted(adopted):
                adopted.mark_reported()
            if not adopted.keys:
                # Its owner never wrote, or was removing it.
                self._held.remove(adopted)
                adopted.remove()
            for key in adopted.keys:
                self._hand_over(adopted, key)
        return len(found) >= limit

    def _hand_over(self, adopted: Adopted, key: str) -> None:
        disk = self._spool.disk

        def opening() -> Cursor:
            return Cursor(adopted.segments, key, adopted.position_of(key), disk)

        sender = self._senders[key]
        sender.inbox.put(opening)
        sender.wake()

    def _remove_finished(self) -> None:
        for adopted in tuple(self._held):
            if not self._left[id(adopted.segments)]:
                lost = sum(adopted.segments.acks.lost.values())
                # First: whoever sees that the folder is gone finds it counted.
                self.delivered += max(0, adopted.waiting_at_first - lost)
                adopted.remove()
                self._held.remove(adopted)
                del self._left[id(adopted.segments)]
                # Others may wait, where there were more than fit at once.
                self._scan_at_s = 0.0

    def release(self) -> None:
        """Unlock the adopted spools, for other processes."""
        for adopted in self._held:
            adopted.unlock()
        self._held.clear()
