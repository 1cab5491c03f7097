"""
Looks after the spools: has them synced, and takes over those of dead processes.

Watches the senders too, each of which may be held up by code that it calls.

A thread of its own, since a sync takes as long as the disk likes: neither the
writer nor a sender could wait for that and keep its promise.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chaukas.sdk.delivery.spool.cursor import Cursor
from chaukas.sdk.delivery.spool.recovery import find
from chaukas.sdk.pipeline.log_limit import Notices
from chaukas.sdk.system.threads import allocate_lock, sleep, start_thread

from .quarantine import remove_old
from .suppress import hush

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.delivery.spool.folder import Spool
    from chaukas.sdk.delivery.spool.recovery import Adopted

    from .sender import Sender

__all__ = ["Keeper"]

_SYNC_S: Final = 0.5
_SCAN_S: Final = 60.0
_WATCH_S: Final = 10.0
_FIRST_SCANS_S: Final = (1.0, 5.0)
"""At first sooner: what this process follows on may just be ending."""
_AT_ONCE: Final = 8
_SPEAK_AGAIN_S: Final = 3600.0


class Keeper:
    """
    The loop that syncs and adopts, and cannot end by an exception.

    Args:
        spool: The spool of this process.
        senders: By their keys, who delivers what is adopted.
        on_lost: Told the reason and number of adopted events that are lost.
        on_adopted: Told of each adopted spool; returns whether what it reported
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
        self.wanted = 0
        """Ordinal from which on the writer should wake this thread."""
        self.is_alive = False
        self.delivered = 0
        """Events of dead processes that are through."""
        self._spool = spool
        self._senders = senders
        self._on_lost = on_lost
        self._on_adopted = on_adopted
        self._monotonic = monotonic
        self._wall = wall
        self._nudged = allocate_lock()
        self._nudged.acquire()
        self._notices = Notices(_SPEAK_AGAIN_S)
        self._held: list[Adopted] = []
        self._left: dict[int, set[str]] = {}
        self._scan_at_s = 0.0
        self._scans = 0
        self._is_ending = False

    @property
    def held(self) -> Sequence[Adopted]:
        """The spools of dead processes that are being delivered."""
        return tuple(self._held)

    def start(self) -> None:
        """
        Start the thread if it does not run.

        Raises:
            RuntimeError: The system has no thread to give, now.
        """
        if self.is_alive or self._is_ending:
            return
        self.is_alive = True
        try:
            start_thread(self._run, ())
        except RuntimeError:
            self.is_alive = False
            raise

    def nudge(self) -> None:
        """End the rest that the thread takes, or else its next one."""
        try:
            self._nudged.release()
        except RuntimeError:
            return

    def end(self) -> None:
        """Ask the thread to let go of everything and end."""
        self._is_ending = True
        self.nudge()

    def abandon(self) -> None:
        """Close the locks that a forked child inherited; the parent keeps them."""
        self._is_ending = True
        self._let_go()

    def finished(self, cursor: Cursor) -> None:
        """Note that one sink is through with an adopted spool; for its thread."""
        # One step each, since several senders may be at it.
        self._left.get(id(cursor.feed), set()).discard(cursor.key)
        self.nudge()

    def turn(self) -> None:
        """Do what is due, and rest until something will be."""
        now_s = self._monotonic()
        self._watch(now_s)
        self._remove_finished()
        if now_s >= self._scan_at_s and self._spool.is_open:
            is_full = self._scan()
            is_urgent = is_full and not self._held
            self._scan_at_s = now_s if is_urgent else now_s + self._next_scan_s()
        if self._spool.is_unsynced:
            self.wanted = 1 << 62
            self._nudged.acquire(timeout=_SYNC_S)
            if not self._is_ending:
                self._sync()
            return
        self.wanted = self._spool.feed.end + 1
        if not self._spool.is_unsynced:
            pause_s = max(0.0, self._scan_at_s - now_s) or _SCAN_S
            self._nudged.acquire(timeout=min(pause_s, _WATCH_S))

    def _next_scan_s(self) -> float:
        """Return the time until the next scan, in seconds."""
        self._scans += 1
        if self._scans > len(_FIRST_SCANS_S):
            return _SCAN_S
        return _FIRST_SCANS_S[self._scans - 1]

    def _run(self) -> None:
        try:
            while not self._is_ending:
                try:
                    hush()
                    self.turn()
                # Nobody joins this thread.
                # PERF203: a turn takes far longer than entering a try.
                except BaseException as error:  # noqa: PERF203
                    self._survive(error)
        finally:
            self._let_go()
            self.is_alive = False

    def _watch(self, now_s: float) -> None:
        """Tell of senders that cannot, since they wait in code of the user's."""
        for sender in self._senders.values():
            trouble = sender.overdue()
            if trouble:
                self._notices.warn(f"overdue {sender.name}", now_s, trouble)

    def _sync(self) -> None:
        try:
            self._spool.sync()
        except OSError as error:
            self._notices.warn(
                f"sync {error.errno}",
                self._monotonic(),
                f"chaukas: cannot sync the spool ({error.strerror}): its events survive"
                " the death of the process, and perhaps not that of the machine."
                " Check the disk.",
            )
            self._nudged.acquire(timeout=_SYNC_S)

    def _scan(self) -> bool:
        spool_dir = self._spool.spool_dir
        remove_old(spool_dir, self._spool.disk, self._wall())
        found = find(
            spool_dir,
            self._senders,
            self._spool.disk,
            limit=_AT_ONCE - len(self._held),
            on_lost=self._on_lost,
            notices=self._notices,
            wall=self._wall,
        )
        for adopted in found:
            self._held.append(adopted)
            self._left[id(adopted.feed)] = set(adopted.keys)
            if not adopted.is_told and self._on_adopted(adopted):
                adopted.tell()
            for key in adopted.keys:
                self._hand_over(adopted, key)
        return len(self._held) >= _AT_ONCE

    def _hand_over(self, adopted: Adopted, key: str) -> None:
        disk = self._spool.disk

        def opening() -> Cursor:
            return Cursor(adopted.feed, key, adopted.position_of(key), disk)

        sender = self._senders[key]
        sender.inbox.put(opening)
        sender.nudge()

    def _remove_finished(self) -> None:
        for adopted in tuple(self._held):
            if not self._left[id(adopted.feed)]:
                lost = sum(adopted.feed.ledger.lost.values())
                # First: whoever sees that the folder is gone finds it counted.
                self.delivered += max(0, adopted.waiting_at_first - lost)
                adopted.remove()
                self._held.remove(adopted)
                del self._left[id(adopted.feed)]
                # Others may wait, where there were more than fit at once.
                self._scan_at_s = 0.0

    def _let_go(self) -> None:
        for adopted in self._held:
            adopted.let_go()
        self._held.clear()

    def _survive(self, error: BaseException) -> None:
        name = type(error).__name__
        self._notices.warn(
            name,
            self._monotonic(),
            f"chaukas: the keeper of the spool met {name}: it goes on, and no event is"
            " lost. Please report this.",
        )
        sleep(_SYNC_S)
