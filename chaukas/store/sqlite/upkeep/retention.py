"""Which events are removed: those that are too old or too many, or somebody's."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from chaukas.store.sqlite.connection import connect

from .removal import remove

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from chaukas.store.protocol import Removal, Retention
    from chaukas.store.sqlite.connection import Writing

__all__ = ("erase", "retain")


def retain(
    store: Writing,
    policy: Retention,
    recorded: Callable[[Removal], None],
    noted: Callable[[int, int], None],
) -> int:
    """Remove the oldest events; see `Store.retain`."""
    with _working(store) as sql:
        if policy.before_us is not None:
            sql.execute(
                "INSERT OR IGNORE INTO erased SELECT id FROM event"
                " WHERE at < ? AND ? IN ('', tenant)",
                (policy.before_us, policy.tenant),
            )
        if policy.most_bytes is not None:
            for one in [policy.tenant] if policy.tenant else _tenants(sql):
                limit = _first_kept(sql, one, policy.most_bytes)
                sql.execute(
                    "INSERT OR IGNORE INTO erased SELECT id FROM event"
                    " WHERE tenant = ? AND (at, id) < (?, ?)",
                    [one, *limit],
                )
        return remove(store, sql, "retain", recorded, noted)


def erase(
    store: Writing,
    tenant: str,
    *,
    session: str,
    user: str,
    recorded: Callable[[Removal], None],
    noted: Callable[[int, int], None],
) -> int:
    """Remove a session, or a user's sessions and runs; see `Store.erase`."""
    if session:
        own = "SELECT id FROM session WHERE session = ? AND tenant = ?"
        runs = "SELECT id FROM run WHERE session = ? AND tenant = ?"
    else:
        # Every session or run in which the user occurs, not only where it is named.
        own = "SELECT session FROM event WHERE user = ? AND tenant = ?"
        runs = "SELECT run FROM event WHERE user = ? AND tenant = ?"
    whose = (session or user, tenant)
    with _working(store) as sql:
        for condition, params in (
            (f"session IN ({own})", whose),
            (f"run IN ({runs})", whose),
            ("user = ?", (user,)),
        ):
            if user or condition != "user = ?":
                sql.execute(
                    "INSERT OR IGNORE INTO erased SELECT id FROM event"
                    f" WHERE {condition} AND +tenant = ?",
                    (*params, tenant),
                )
        return remove(store, sql, "erase", recorded, noted)


@contextmanager
def _working(store: Writing) -> Iterator[sqlite3.Connection]:
    """
    Give a connection of its own, with an empty table of what will be removed.

    What takes long is found out with it, so that a writer need not wait.
    """
    with closing(connect(store.path, is_durable=True)) as sql:
        # There may be millions.
        sql.execute("PRAGMA temp_store = FILE")
        sql.execute("CREATE TEMP TABLE erased (id INTEGER PRIMARY KEY)")
        yield sql


def _tenants(sql: sqlite3.Connection) -> list[str]:
    return [one for (one,) in sql.execute("SELECT tenant FROM total").fetchall()]


def _first_kept(sql: sqlite3.Connection, tenant: str, most: int) -> tuple[int, int]:
    """Return moment and number of the oldest event that is kept."""
    size = 0
    rows = sql.execute(
        "SELECT e.at, e.id, length(b.line) FROM event e JOIN body b ON b.id = e.id"
        " WHERE e.tenant = ? ORDER BY e.at DESC, e.id DESC",
        (tenant,),
    )
    for at, number, length in rows:
        size += length
        if size > most:
            return at, number + 1
    return -1, -1
