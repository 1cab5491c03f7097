"""
The events that the fake collector has stored, one copy of each.

Bytes are kept as they came and decoded when somebody looks, so that the collector
does not become what a measurement measures.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from chaukas.sdk.ingest.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chaukas.sdk.ingest.bodies import Item
    from chaukas.sdk.typing import Event

__all__ = ["EventStore"]


class EventStore:
    """Events by tenant and id, in the order of their arrival; used by many threads."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], Item] = {}
        self._changed = threading.Condition()
        self.duplicates = 0
        """How many events came again after they had been stored."""

    def put(
        self, items: Iterable[Item], refuse: Callable[[Event], str] | None
    ) -> Verdict:
        """
        Store what is new, and say of each event what became of it.

        Args:
            items: The batch.
            refuse: Returns the reason why an event is not stored, or an empty text.
        """
        accepted = duplicate = 0
        rejected: list[tuple[str, str]] = []
        with self._changed:
            for item in items:
                reason = _fault_of(item, refuse)
                known = self._items.get((item.tenant_id, item.event_id))
                if not reason and known is not None and not _is_same(item, known):
                    reason = "conflict"
                if reason:
                    rejected.append((item.event_id, reason))
                elif known is not None:
                    duplicate += 1
                else:
                    self._items[item.tenant_id, item.event_id] = item
                    accepted += 1
            self.duplicates += duplicate
            self._changed.notify_all()
        return Verdict(accepted, duplicate, tuple(rejected))

    def items(self) -> list[Item]:
        """Return what is stored."""
        with self._changed:
            return list(self._items.values())

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until that many events are stored; say whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._items) >= count, timeout_s)


def _fault_of(item: Item, refuse: Callable[[Event], str] | None) -> str:
    if not item.event_id:
        return "invalid"
    return "" if refuse is None else refuse(item.event())


def _is_same(one: Item, other: Item) -> bool:
    """Compare two copies of an event; the forms may differ."""
    if one.raw == other.raw:
        return True
    # Loading protobuf takes longer than loading all of the SDK.
    from chaukas.sdk.wire import normal

    return normal(one.event()) == normal(other.event())
