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
_SEARCH_WORK_PER_S: Final = 280_000
_HASH_WORK_PER_S: Final = 200_000
_CHARS_PER_S: Final = 24_000_000
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
        share: How much of the limit in time there is, 1.0 for all of it.

    """

    __slots__ = (
        "_clock_ns",
        "_left_ns",
        "_look_at",
        "_looked_at_ns",
        "chars",
        "hash_work",
        "is_late",
        "nodes",
        "search_work",
        "work",
    )

    def __init__(
        self,
        limits: Limits,
        monotonic_ns: Callable[[], int],
        share: float = 1.0,
    ) -> None:
        """Begin with all of it."""
        time_s = limits.time_s * share
        self.nodes = limits.nodes
        """How many more values may be copied."""
        self.chars = min(2 * limits.event_bytes, int(time_s * _CHARS_PER_S))
        """How many more letters; twice the event, as it is shrunk to size later."""
        self.work = int(time_s * _COPY_WORK_PER_S)
        """How many more units of work for copying."""
        self.search_work = int(time_s * _SEARCH_WORK_PER_S)
        """The same for searching, so that what was copied can be shown."""
        self.hash_work = int(time_s * _HASH_WORK_PER_S)
        """The same for hashes, without which binary content is still described."""
        self.is_late = False
        """Whether the clock says that it took too long."""
        self._clock_ns = monotonic_ns
        self._left_ns = int(time_s * _NS_PER_S * _CLOCK_SHARE)
        self._looked_at_ns: int | None = None
        self._look_at = self.work - _LOOK_WORK

    def resume(self) -> None:
        """
        Begin with the next value of the event.

        What happened since the last one takes none of its time.
        """
        self._looked_at_ns = None

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

    def may_hash(self, units: int) -> bool:
        """Count a hash that is about to be made, and tell whether it may be."""
        if units > self.hash_work:
            return False
        self.hash_work -= units
        # It is bounded by this count; the clock is for what was not counted.
        self.resume()
        return True

    def _look(self) -> None:
        """Look at the clock; the first look at a value begins its time."""
        now_ns, before_ns = self._clock_ns(), self._looked_at_ns
        self._looked_at_ns = now_ns
        if before_ns is not None:
            self._left_ns -= now_ns - before_ns
            self.is_late = self._left_ns <= 0


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
