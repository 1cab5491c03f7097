"""
Counters of what became of each event.

The promise is that nothing vanishes silently, so every event is in exactly one
of these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaukas.sdk.sinks import Outcome

__all__ = ["INDEX_OF", "REASONS", "Cell", "Stats", "stats_of"]

REASONS: Final = (
    "memory_full",
    "spool_full",
    "spool_io",
    "quarantined",
    "capture_error",
    "after_close",
    "fork_lost",
    "crash_lost",
)
"""All reasons for which an event can be dropped."""

INDEX_OF: Final = MappingProxyType({name: i for i, name in enumerate(REASONS)})
"""Position of each reason in `Cell.drops`."""


class Cell:
    """
    Counters that one thread alone writes and any thread reads.

    A sum over such cells is exact without a lock, on any Python: no two
    threads ever add to the same number.
    """

    __slots__ = ("count", "drops", "place", "size")

    def __init__(self, place: int = 1) -> None:
        self.place = place
        """Number of this cell; 0 is the writer's."""
        self.count = 0
        """Events that this thread emitted, dropped ones included."""
        self.size = 0
        """Bytes that this thread put on the queue."""
        self.drops = [0] * len(REASONS)
        """Events that this thread dropped, one number per reason."""


@dataclass(frozen=True, slots=True)
class Stats:
    """
    The counts of a pipeline at one moment.

    When no thread is at work, `emitted` equals `acked` + `spooled` + `queued` + the
    sum of `dropped`; `written` is `acked` + `spooled`.
    """

    emitted: int = 0
    """Events captured, or lost in capturing."""

    written: int = 0
    """Events that are safe from the death of the process: in a file, or acked."""

    queued: int = 0
    """Events that wait in memory."""

    dropped: Mapping[str, int] = field(default_factory=dict)
    """Events lost, by reason; reasons that did not happen are left out."""

    queued_bytes: int = 0
    """Memory that the waiting events take, as counted against the limit."""

    restarts: int = 0
    """How often a dead writer thread was replaced."""

    last_error: str = ""
    """Why events are not stored or not sent at present; empty if they are."""

    acked: int = 0
    """Events that every sink has taken; the file takes them by being written."""

    spooled: int = 0
    """Events in the spool that some sink has still to take."""

    adopted: int = 0
    """Events that dead processes left and this one delivered; not in `emitted`."""

    errors: Mapping[str, str] = field(default_factory=dict)
    """For each sink that takes no events at present: why; `redact`: how yours fails."""

    @property
    def lost(self) -> int:
        """Events dropped, for whatever reason."""
        return sum(self.dropped.values())


# PLR0913: these are the numbers that the law relates; a class to carry them
# would be `Stats` again.
def stats_of(
    cells: Iterable[Cell],
    *,
    written: int,
    refused: Iterable[int],
    void: int = 0,
    settled_bytes: int,
    ended: bool,
    restarts: int,
    last_error: str,
    outcome: Outcome | None = None,
) -> Stats:
    """
    Return the counts, given those of the threads and those of the writer.

    Args:
        cells: Counters of the emitting threads.
        written: Events stored by the sink.
        refused: Events dropped by the writer, one number per reason.
        void: What was queued as an event and turned out to be none.
        settled_bytes: Size of all events that left memory.
        ended: Nothing will be written any more: what waits is lost.
        restarts: Passed on.
        last_error: Passed on.
        outcome: What became of spooled events; None where there is no spool.
    """
    drops = list(refused)
    errors: Mapping[str, str] = {}
    acked, spooled, adopted = written, 0, 0
    if outcome is not None:
        acked, spooled, adopted = outcome.acked, outcome.spooled, outcome.adopted
        written, errors = acked + spooled, outcome.errors
        for reason, lost in outcome.lost.items():
            drops[INDEX_OF[reason]] += lost
    emitted, size = -void, 0
    for cell in cells:
        drops = [a + b for a, b in zip(drops, cell.drops, strict=True)]
        emitted += cell.count
        size += cell.size
    waiting = max(0, emitted - written - sum(drops))
    if ended:
        drops[INDEX_OF["after_close"]] += waiting
    return Stats(
        emitted=emitted,
        written=written,
        queued=0 if ended else waiting,
        dropped=MappingProxyType(
            {name: n for name, n in zip(REASONS, drops, strict=True) if n}
        ),
        queued_bytes=0 if ended else max(0, size - settled_bytes),
        restarts=restarts,
        last_error=last_error or next(iter(errors.values()), ""),
        acked=acked,
        spooled=spooled,
        adopted=adopted,
        errors=MappingProxyType(dict(errors)),
    )
