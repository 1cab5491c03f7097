"""
The full text: what stands in it of each event, and of which events it lacks that.

Each event has the words of its text, and one word for its tenant, so that a search of
one tenant does not look at the events of all others.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

    from chaukas.store.facts import Facts

__all__ = (
    "DELETE_WORDS",
    "INSERT_WORDS",
    "matching_words",
    "note_indexed",
    "note_unindexed",
    "unindexed",
    "words_row",
)

INSERT_WORDS: Final = "INSERT INTO words (rowid, text, owner) VALUES (?, ?, ?)"
DELETE_WORDS: Final = (
    "INSERT INTO words (words, rowid, text, owner) VALUES ('delete', ?, ?, ?)"
)
_FROM, _TO = "unindexed from", "unindexed to"


def words_row(number: int, fact: Facts) -> tuple[int, str, str]:
    """Return what the full text has of an event."""
    return number, fact.words, _owner_word(fact.tenant)


def matching_words(query: str, tenant: str | None) -> str:
    """
    Return a query of the full text for one tenant.

    Args:
        query: Of the texts, as `where.words_of` makes it.
        tenant: Whose; None for all.
    """
    texts = f"text : ({query})"
    return texts if tenant is None else f"{texts} AND owner : {_owner_word(tenant)}"


@lru_cache(maxsize=1024)
def _owner_word(tenant: str) -> str:
    # Whatever characters a tenant has, this is one word.
    return "t" + hashlib.sha256(tenant.encode("utf-8", "replace")).hexdigest()[:16]


def unindexed(sql: sqlite3.Connection) -> tuple[int, int]:
    """Return the first and the last number of events that may lack their words."""
    rows = dict(
        sql.execute("SELECT name, value FROM fact WHERE name IN (?, ?)", (_FROM, _TO))
    )
    return (rows[_FROM], rows[_TO]) if len(rows) == 2 else (1, 0)


def note_unindexed(sql: sqlite3.Connection, first: int, last: int) -> None:
    """Note that events are written without their words, within a transaction."""
    sql.execute("INSERT OR IGNORE INTO fact VALUES (?, ?)", (_FROM, first))
    sql.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (_TO, last))


def note_indexed(sql: sqlite3.Connection, following: int, last: int) -> None:
    """Note that of those without words the ones before a number have them now."""
    if following > last:
        sql.execute("DELETE FROM fact WHERE name IN (?, ?)", (_FROM, _TO))
    else:
        sql.execute("UPDATE fact SET value = ? WHERE name = ?", (following, _FROM))
