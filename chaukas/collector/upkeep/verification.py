"""Checks all that a collector keeps: events, and the record of its administration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaukas.store.sqlite.upkeep.checking import findings_in

from . import administration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaukas.store.protocol import Finding, Removal

__all__ = ("findings_of",)


def findings_of(
    events: Path,
    record: Path,
    noted: Callable[[int, int], None] = lambda _done, _all: None,
) -> Iterator[Finding]:
    """
    Yield what is wrong with a collector's store, and what was removed on record.

    It may be in use meanwhile.

    Args:
        events: The store's file.
        record: Of the administration; a copy of a store need not have one beside it.
        noted: Is told how much is checked, and how much there is.
    """
    known = administration.read(record)
    is_copy = known is None and events.name != "events.sqlite"

    def is_on_record(removal: Removal) -> bool:
        if is_copy:
            return True
        stated = known.removals.get(removal.number) if known else None
        return stated == (removal.events, removal.digest)

    if not is_copy:
        yield from administration.findings_of(record, events)
    yield from findings_in(events, is_on_record, noted)
