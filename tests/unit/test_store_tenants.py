"""What both stores do for each tenant: quotas, and which processes still record."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.store.filter import Filter
from chaukas.store.memory import MemoryStore
from chaukas.store.protocol import Batch, Rejection, Retention, Verdicts
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.quota import quotas
from tests.support.records import event, line, lines, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR_S = 3600.0
NOW_US = 1_767_268_800_000_000


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_us = NOW_US

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "memory"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Iterator[Any]:
    """Each store in turn."""
    if request.param == "memory":
        made: Any = MemoryStore(clock_us=clock)
    else:
        made = SqliteStore(tmp_path / "db", clock_us=clock)
    yield made
    made.close()


def status(store: Any, tenant: str | None = None) -> tuple[str, str]:
    """Return what is said of the newest run, and of its process."""
    reader = store.reader(tenant)
    found = reader.runs(Filter()).items[0].status, reader.streams()[0].state
    reader.close()
    return found


def begun(tenant: str) -> list[bytes]:
    """Return the beginning of a run that never ends, of a stream of one name."""
    return lines([{**one, "tenant_id": tenant} for one in run(f"run of {tenant}")[:4]])


def ended(tenant: str) -> list[bytes]:
    """Return what a process says at its end."""
    metadata = {"name": "chaukas.disabled"}
    return lines([{**event("SYSTEM", 9, metadata=metadata), "tenant_id": tenant}])


# --- which processes still record --------------------------------------------------


def test_a_process_that_was_heard_of_is_alive_until_it_is_silent_for_long(
    store: Any, clock: Clock
) -> None:
    store.set_live(None, HOUR_S)
    store.ingest(begun("a"), "a")
    assert status(store) == ("open", "open")
    clock.now_us += 3_600_000_000
    assert status(store) == ("open", "open")
    clock.now_us += 1
    assert status(store) == ("died", "died")
    assert status(store, "a") == ("died", "died")
    # It was only silent: whatever comes says so.
    sent = {**event("SYSTEM", 5, metadata={"name": "x"}), "tenant_id": "a"}
    store.ingest(lines([sent]), "a")
    assert status(store) == ("open", "open")


def test_when_it_was_heard_of_is_when_it_came_and_not_what_it_says(
    store: Any, clock: Clock
) -> None:
    store.set_live(None, HOUR_S)
    clock.now_us = NOW_US + 10 * 365 * 86_400_000_000
    store.ingest(begun("a"), "a")
    assert status(store) == ("open", "open")
    # A clock that is set back makes nothing die.
    clock.now_us = NOW_US
    assert status(store) == ("open", "open")


def test_without_a_limit_no_process_is_silent_for_too_long(
    store: Any, clock: Clock
) -> None:
    store.set_live(None)
    store.ingest(begun("a"), "a")
    clock.now_us *= 2
    assert status(store) == ("open", "open")


@pytest.mark.parametrize("limit_s", [None, HOUR_S])
def test_a_tenant_ends_its_own_streams_only(store: Any, limit_s: float | None) -> None:
    store.set_live(None, limit_s)
    store.ingest(begun("b"), "b")
    store.ingest(ended("a"), "a")
    assert status(store, "b") == ("open", "open")
    assert status(store) == ("open", "open")
    store.ingest(
        lines([{**event("SYSTEM", 8, metadata={"name": "chaukas.disabled"}),
                "tenant_id": "b"}]), "b")  # fmt: skip
    assert status(store, "b") == ("died", "ended")


@pytest.mark.parametrize("limit_s", [None, HOUR_S])
def test_a_process_that_serves_all_tenants_ends_for_all(
    store: Any, limit_s: float | None
) -> None:
    store.set_live(None, limit_s)
    store.ingest([*begun("a"), *begun("b")])
    store.ingest(ended("a"))
    assert status(store, "a") == ("died", "ended")
    assert status(store, "b") == ("died", "ended")


def test_a_store_of_the_first_version_keeps_its_ends(tmp_path: Path) -> None:
    from chaukas.store.sqlite import schema

    sql = sqlite3.connect(tmp_path / "db", isolation_level=None)
    for statement in schema._FIRST.split(";\n"):
        sql.execute(statement)
    sql.execute("INSERT INTO stream VALUES (1, 'a', 's1', 5, 7, 1, 1, 1, 1, 0)")
    sql.execute("INSERT INTO stream_end VALUES ('s1')")
    sql.execute("PRAGMA user_version = 1")
    sql.close()
    store = SqliteStore(tmp_path / "db")
    store.set_live(None)
    reader = store.reader("a")
    assert [(row.stream, row.state) for row in reader.streams()] == [("s1", "ended")]
    reader.close()
    store.close()


# --- quotas -----------------------------------------------------------------------


def numbered(first: int, count: int) -> list[bytes]:
    found = []
    for number in range(first, first + count):
        one = event("SYSTEM", number, id=f"e{number:04}", metadata={"name": "x"})
        found.append(line({key: v for key, v in one.items() if key != "tenant_id"}))
    return found


def refused(first: int, count: int) -> tuple[Rejection, ...]:
    return tuple(Rejection(f"e{n:04}", "quota") for n in range(first, first + count))


def test_what_is_more_than_a_tenant_may_keep_is_refused_one_by_one(store: Any) -> None:
    store.set_quota("a", most_events=5)
    assert store.ingest(numbered(0, 3), "a") == Verdicts(3, 0)
    assert store.ingest(numbered(3, 4), "a") == Verdicts(2, 0, refused(5, 2))
    assert store.ingest(numbered(7, 1), "a") == Verdicts(0, 0, refused(7, 1))
    # What is here is still known, and others have all the room they want.
    assert store.ingest(numbered(0, 5), "a") == Verdicts(0, 5)
    assert store.ingest(numbered(0, 9), "b") == Verdicts(9, 0)
    store.set_quota("a")
    assert store.ingest(numbered(5, 3), "a") == Verdicts(3, 0)


def test_bytes_are_counted_as_recorded(store: Any) -> None:
    given = numbered(0, 4)
    store.set_quota("a", most_bytes=sum(map(len, given[:3])))
    assert store.ingest(given, "a") == Verdicts(3, 0, refused(3, 1))


def test_a_quota_counts_what_was_there_before(store: Any) -> None:
    store.ingest(numbered(0, 4), "a")
    store.set_quota("a", most_events=5)
    assert store.ingest(numbered(4, 2), "a") == Verdicts(1, 0, refused(5, 1))
    store.set_quota("a", most_events=2)
    assert store.ingest(numbered(5, 1), "a") == Verdicts(0, 0, refused(5, 1))


def test_one_commit_of_several_senders_counts_each(store: Any) -> None:
    store.set_quota("a", most_events=2)
    found = store.ingest_all(
        [Batch(numbered(0, 1), "a"), Batch(numbered(0, 3), "b"),
         Batch(numbered(1, 2), "a")]
    )  # fmt: skip
    assert found == [Verdicts(1, 0), Verdicts(3, 0), Verdicts(1, 0, refused(2, 1))]


def test_removal_makes_room_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.set_quota("a", most_events=4, most_bytes=1 << 20)
    store.ingest(numbered(0, 4), "a")
    with store.transaction() as sql:
        before = quotas(sql)[0]
        (at,) = sql.execute("SELECT at FROM event WHERE event_id = 'e0002'").fetchone()
    assert store.retain(Retention(before_us=at)) == 2
    with store.transaction() as sql:
        after = quotas(sql)[0]
    assert (before.events, after.events) == (4, 2)
    assert after.bytes * 2 == before.bytes
    assert store.ingest(numbered(4, 3), "a") == Verdicts(2, 0, refused(6, 1))
    store.close()


def test_a_transaction_that_is_undone_counts_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    store.set_quota("a", most_events=4)
    facts_of_one = store.ingest(numbered(0, 1), "a")
    assert facts_of_one.accepted == 1
    with suppress(RuntimeError), store.transaction() as sql:
        sql.execute("UPDATE quota SET events = events + 3")
        raise RuntimeError
    assert store.ingest(numbered(1, 4), "a").accepted == 3
    store.close()
