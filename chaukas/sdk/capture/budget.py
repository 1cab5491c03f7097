"""
Count what capturing one event has cost, and say when it is enough.

Kept by itself because copying and redacting spend from the same budget.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from .limits import Limits

__all__ = ("TEXT_WORK", "WORK_LIMIT", "Budget", "Work")

WORK_LIMIT: Final = 12_000
"""Steps for one text by itself; once they are done, all that follows is hidden."""
TEXT_WORK: Final = 4000
"""Steps that one text may take at least, if it is searched at all."""
_STEP_FOUND: Final = 8

_COPY_WORK_PER_S: Final = 640_000
_SEARCH_WORK_PER_S: Final = 440_000
_CHARS_PER_S: Final = 60_000_000
_LOOK_WORK: Final = 256
_NS_PER_S: Final = 1_000_000_000
_CLOCK_SHARE: Final = 4
"""The clock stops what takes so many times as long as was counted."""


class Budget:
    """
    Hold what is left for one event.

    The work is counted: the same input always gets as far, on a busy machine too. One
    unit is about a microsecond. The clock is the second line, for what costs more than
    was counted; a small event never looks at it.

    Args:
        limits: The bounds of the event.
        monotonic_ns: The clock.

    """

    __slots__ = (
        "_clock_ns",
        "_deadline_ns",
        "_look_at",
        "_time_ns",
        "chars",
        "is_late",
        "nodes",
        "search_work",
        "work",
    )

    def __init__(self, limits: Limits, monotonic_ns: Callable[[], int]) -> None:
        """Begin with all of it."""
        self.nodes = limits.nodes
        """How many more values may be copied."""
        self.chars = min(2 * limits.event_bytes, int(limits.time_s * _CHARS_PER_S))
        """How many more letters; twice the event, as it is shrunk to size later."""
        self.work = int(limits.time_s * _COPY_WORK_PER_S)
        """How many more units of work for copying."""
        self.search_work = int(limits.time_s * _SEARCH_WORK_PER_S)
        """The same for searching, so that what was copied can be shown."""
        self.is_late = False
        """Whether the clock says that it took too long."""
        self._clock_ns = monotonic_ns
        self._time_ns = int(limits.time_s * _NS_PER_S * _CLOCK_SHARE)
        self._deadline_ns = 0
        self._look_at = self.work - _LOOK_WORK

    def spend(self, units: int) -> bool:
        """Count work that is about to be done, and tell whether there is no more."""
        if self.work < 0:
            return True
        self.work -= units
        if self.work <= self._look_at:
            self._look_at = self.work - _LOOK_WORK
            self._look()
        return self.work < 0 or self.is_late

    def search(self, units: int) -> bool:
        """Count a search that is about to be made, and tell whether it may not be."""
        if self.search_work >= 0:
            self.search_work -= units
        return self.search_work < 0 or self.is_late

    def _look(self) -> None:
        """Look at the clock; the first look begins the time."""
        now_ns = self._clock_ns()
        if self._deadline_ns == 0:
            self._deadline_ns = now_ns + self._time_ns
        elif now_ns >= self._deadline_ns:
            self.is_late = True


class Work:
    """
    Count what a search in one text may still do, so that no text costs more.

    A step is about a microsecond.
    """

    __slots__ = ("left",)

    def __init__(self, left: int = WORK_LIMIT) -> None:
        """Begin with all of it."""
        self.left = left

    def counted(
        self, spans: Iterable[tuple[int, int]], text: str
    ) -> Iterator[tuple[int, int]]:
        """Yield what a search finds; the whole text if that is too much."""
        for span in spans:
            self.left -= _STEP_FOUND
            if self.left < 0:
                yield 0, len(text)
                return
            yield span
