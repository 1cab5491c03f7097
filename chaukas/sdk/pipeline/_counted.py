"""
An intake whose counts survive the death of the process.

Apart, so that a program without a spool does not pay for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaukas.sdk._native import get_ident
from chaukas.sdk.pipeline._intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.pipeline._page import Page
    from chaukas.sdk.pipeline._tally import Cell

__all__ = ["CountedIntake"]

_WRITER: int = 0


class CountedIntake(Intake):
    """
    Keeps its counts in a page too, from the moment on that it has one.

    Args:
        memory_limit_bytes: As for `Intake`.
        monotonic: As for `Intake`.
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

    def put(self, event: bytes, *, vital: bool) -> None:
        """Queue an event as `Intake` does; first it is counted in the page."""
        page = self._page
        if page is not None:
            cell = self._cells.get(get_ident()) or self._new_cell()
            page.count(cell.place, cell.count + 1)
        super().put(event, vital=vital)

    def attach(self, page: Page) -> None:
        """
        Keep all counts in *page* from now on, those so far included.

        Called by the writer's thread. Others go on counting meanwhile, so each
        number is written until it is not behind.
        """
        page.lose(_WRITER, self._refused)
        self._page = page
        self._is_fresh = True
        self._copy(page)

    def note_refused(self, events: int) -> None:
        """Note how many events the writer refused in all."""
        self._refused = events
        page = self._page
        if page is not None:
            page.lose(_WRITER, events)
            if self._is_fresh:
                # Again, for a thread that was counting at the first time.
                self._is_fresh = False
                self._copy(page)

    def _copy(self, page: Page) -> None:
        for cell in self.cells:
            while _is_behind(page.noted(cell.place), cell):
                page.count(cell.place, cell.count)
                page.lose(cell.place, sum(cell.drops))

    def _lose(self, cell: Cell, index: int, events: int) -> None:
        super()._lose(cell, index, events)
        page = self._page
        if page is not None:
            page.count(cell.place, cell.count)
            page.lose(cell.place, sum(cell.drops))


def _is_behind(noted: tuple[int, int] | None, cell: Cell) -> bool:
    return noted is not None and (noted[0] < cell.count or noted[1] < sum(cell.drops))
