"""
How much each tenant may keep: counted with each batch, in its own transaction.

What is counted is what is there, so that removal makes room again. Tenants without a
quota are not counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from chaukas.store.facts import Facts

__all__ = ("Quota", "quotas", "release", "set_quota", "within")


@dataclass(slots=True)
class Quota:
    """What a tenant may keep, and what it does."""

    tenant: str
    most_events: int | None
    """None for any number."""
    most_bytes: int | None
    """Of events as recorded; None for any number."""
    events: int
    bytes: int

    def takes(self, size: int) -> bool:
        """Count one more event, if it may be kept."""
        events, total = self.events + 1, self.bytes + size
        is_over = self.most_events is not None and events > self.most_events
        if is_over or (self.most_bytes is not None and total > self.most_bytes):
            return False
        self.events, self.bytes = events, total
        return True


def set_quota(
    sql: sqlite3.Connection,
    tenant: str,
    most_events: int | None = None,
    most_bytes: int | None = None,
) -> None:
    """
    Limit what a tenant may keep, within a transaction of the caller.

    Without a number it is limited no more. A collector that runs heeds it from its
    next batch on. What is kept is counted now, once, over all events of the tenant.
    """
    sql.execute("DELETE FROM quota WHERE tenant = ?", (tenant,))
    if most_events is None and most_bytes is None:
        return
    sql.execute(
        "INSERT INTO quota SELECT ?, ?, ?, count(*), coalesce(sum(length(b.line)), 0)"
        " FROM event e JOIN body b ON b.id = e.id WHERE e.tenant = ?",
        (tenant, most_events, most_bytes, tenant),
    )


def quotas(
    sql: sqlite3.Connection, tenants: Iterable[str] | None = None
) -> list[Quota]:
    """Return the quotas that there are, of some tenants or of all."""
    condition, params = "1", []
    if tenants is not None:
        condition = "tenant IN (SELECT value FROM json_each(?))"
        params = [json.dumps(sorted(tenants))]
    # The condition is of this module's words.
    rows = sql.execute(
        "SELECT tenant, most_events, most_bytes, events, bytes FROM quota"
        f" WHERE {condition} ORDER BY tenant",
        params,
    )
    return [Quota(*row) for row in rows]


def within(
    sql: sqlite3.Connection, facts: Sequence[Facts]
) -> tuple[Sequence[Facts], list[Facts]]:
    """Return the new events that their tenants may keep, counted, and the others."""
    known = {one.tenant: one for one in quotas(sql, {fact.tenant for fact in facts})}
    if not known:
        return facts, []
    kept: list[Facts] = []
    over: list[Facts] = []
    for fact in facts:
        quota = known.get(fact.tenant)
        is_kept = quota is None or quota.takes(len(fact.line))
        (kept if is_kept else over).append(fact)
    sql.executemany(
        "UPDATE quota SET events = ?, bytes = ? WHERE tenant = ?",
        [(one.events, one.bytes, one.tenant) for one in known.values()],
    )
    return kept, over


def release(sql: sqlite3.Connection, removed: Iterable[tuple[str, int]]) -> None:
    """Count events no more that were removed: their tenants, and their bytes."""
    sql.executemany(
        "UPDATE quota SET events = events - 1, bytes = bytes - ? WHERE tenant = ?",
        [(size, tenant) for tenant, size in removed],
    )
