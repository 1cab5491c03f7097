"""
A bounded queue whose counts survive the death of the process.

Apart, so that a program without a spool does not pay for it.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from chaukas.sdk.delivery.spool.crash_counters import SHARED, WRITER
from chaukas.sdk.pipeline.bounded_queue import BoundedQueue
from chaukas.sdk.system.threads import get_ident

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.delivery.spool.crash_counters import Page
    from chaukas.sdk.pipeline.bounded_queue import Unmade
    from chaukas.sdk.pipeline.stats import Cell

__all__ = ["CountedQueue"]

_SPARE: int = 128
"""The page grows before the last places are taken: so many threads may come at once."""


class CountedQueue(BoundedQueue):
    """
    Keeps its counts in a page too, from the moment on that it has one.

    Args:
        memory_limit_bytes: As for `BoundedQueue`.
        monotonic: As for `BoundedQueue`.
    """

    __slots__ = ("_is_fresh", "_page", "_refused")

    def __init__(
        self,
        memory_limit_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(memory_limit_bytes, monotonic)
        self._page: Page | None = None
        self._refused = 0
        self._is_fresh = False

    def put(self, event: bytes | Unmade, *, vital: bool = False) -> None:
        """Queue an event as `BoundedQueue` does; first it is counted in the page."""
        page = self._page
        if page is not None:
            cell = self._cells.get(get_ident()) or self._new_cell()
            if cell.place < page.room:
                page.count(cell.place, cell.count + 1)
            else:
                self._share(page, 1)
        super().put(event, vital=vital)

    def attach(self, page: Page) -> None:
        """
        Keep all counts in *page* from now on, those so far included.

        Called by the writer's thread. Others go on counting meanwhile, so each
        number is written until it is not behind.
        """
        page.lose(WRITER, self._refused)
        self._page = page
        self._is_fresh = True
        self._extend(page)
        self._copy(page)

    def note_refused(self, events: int) -> None:
        """Note how many events the writer refused in all."""
        self._refused = events
        page = self._page
        if page is None:
            return
        page.lose(WRITER, events)
        self._extend(page)
        if self._is_fresh:
            # Again, for a thread that was counting at the first time.
            self._is_fresh = False
            self._copy(page)

    def _extend(self, page: Page) -> None:
        """Have room for the threads that there are and for some more, if it can be."""
        with contextlib.suppress(OSError):
            while len(self._cells) + _SPARE >= page.room:
                page.grow()
                self._is_fresh = True
        if len(self._cells) >= page.room:
            self._is_fresh = True

    def _copy(self, page: Page) -> None:
        for cell in self.cells:
            while cell.place < page.room and _is_behind(page.noted(cell.place), cell):
                page.count(cell.place, cell.count)
                page.lose(cell.place, sum(cell.drops))
        self._share(page)

    def _share(self, page: Page, more: int = 0) -> None:
        """
        Keep the sum over all threads that have no place of their own.

        Several of them may do so at once, and the last one win with a smaller sum;
        the writer mends that after each batch.
        """
        sharing = [cell for cell in self.cells if cell.place >= page.room]
        page.count(SHARED, sum(cell.count for cell in sharing) + more)
        page.lose(SHARED, sum(sum(cell.drops) for cell in sharing))

    def _lose(self, cell: Cell, index: int, events: int) -> None:
        super()._lose(cell, index, events)
        page = self._page
        if page is None:
            return
        if cell.place < page.room:
            page.count(cell.place, cell.count)
            page.lose(cell.place, sum(cell.drops))
        else:
            self._share(page)


def _is_behind(noted: tuple[int, int], cell: Cell) -> bool:
    return noted[0] < cell.count or noted[1] < sum(cell.drops)
