"""What both stores do to be kept in order: remove on record, and find what is wrong."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.store.filter import Filter
from chaukas.store.memory import MemoryStore
from chaukas.store.protocol import Finding, Retention
from chaukas.store.sqlite import SqliteStore
from tests.support.records import event
from tests.support.samples import linked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST_US = 1_767_268_800_000_000


def chained(number: int, stream: str = "s1", **fields: Any) -> list[bytes]:
    """Return the events of a process, one a second, in two sessions and tenants."""
    made = [
        event(
            "SYSTEM", n, id=f"{stream}-{n}", stream=stream, seq=n, trace_id=f"t{n % 2}",
            session_id=f"c{n % 3}", tenant_id=("acme", "globex")[n % 2],
            metadata={"name": "mine", "user_id": f"u{n % 5}"}, **fields,
        )
        for n in range(1, number + 1)
    ]  # fmt: skip
    return linked(made)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each store in turn."""
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "db")
    yield made
    made.close()


def ids(store: Any) -> list[str]:
    with closing(store.reader(None)) as reader:
        found = reader.events(Filter(), "arrival", limit=1000).items
    return [row.event_id for row in found]


def problems(store: Any) -> list[str]:
    return [one.text for one in store.check() if one.is_problem]


REMOVALS = {
    "the oldest": lambda s: s.retain(Retention(FIRST_US + 8_000_000)),
    "the oldest of one": lambda s: s.retain(
        Retention(FIRST_US + 8_000_000, None, "acme")
    ),
    "all but the newest": lambda s: s.retain(Retention(None, 900)),
    "everything": lambda s: s.retain(Retention(None, 0)),
    "a session": lambda s: s.erase("acme", session="c1"),
    "a user": lambda s: s.erase("globex", user="u3"),
}


@pytest.mark.parametrize("name", REMOVALS)
def test_what_was_removed_does_not_look_like_tampering(store: Any, name: str) -> None:
    store.ingest([*chained(20), *chained(5, "s2")])
    assert list(store.check()) == []

    removed = REMOVALS[name](store)

    assert removed == 25 - len(ids(store)) > 0
    (told,) = store.check()
    assert not told.is_problem
    assert f"{removed} events were removed on record (" in told.text
    store.ingest(chained(3, "s3"))
    assert problems(store) == []


@pytest.mark.parametrize("name", REMOVALS)
def test_both_stores_remove_the_same(tmp_path: Path, name: str) -> None:
    found = []
    for made in (SqliteStore(tmp_path / "db"), MemoryStore()):
        with closing(made) as store:
            store.ingest([*chained(20), *chained(5, "s2")])
            told: list[Any] = []
            store.erase("acme", session="c2", recorded=told.append)
            REMOVALS[name](store)
            with closing(store.reader("acme")) as reader:
                rest = (
                    reader.event_count(),
                    reader.streams(),
                    reader.sessions(Filter()),
                )
            found.append((ids(store), told, rest))
    assert found[0] == found[1]


def test_one_removal_after_another_leaves_the_chain_whole(store: Any) -> None:
    store.ingest(chained(20))
    for until in (3, 4, 9, 9, 17):
        store.retain(Retention(FIRST_US + until * 1_000_000))
    store.erase("acme", session="c0")
    assert problems(store) == []
    assert len(list(store.check())) == 5


def test_what_is_sent_again_after_it_was_removed_is_no_tampering(store: Any) -> None:
    given = chained(9)
    store.ingest(given)
    store.retain(Retention(FIRST_US + 5_000_000))
    assert store.ingest(given).accepted == 4
    assert problems(store) == []
    store.retain(Retention(FIRST_US + 7_000_000))
    assert problems(store) == []


def test_nothing_is_removed_that_cannot_be_put_on_record(store: Any) -> None:
    def fails(_removal: Any) -> None:
        raise OSError(28, "No space left on device")

    store.ingest(chained(6))
    with pytest.raises(OSError, match="No space"):
        store.erase("acme", session="c1", recorded=fails)
    assert len(ids(store)) == 6
    assert list(store.check()) == []


def test_where_there_is_nothing_to_remove_nothing_is_put_on_record(store: Any) -> None:
    store.ingest(chained(3))
    told: list[Any] = []
    assert store.erase("acme", session="none", recorded=told.append) == 0
    assert store.retain(Retention(0), told.append) == 0
    assert told == []


def test_a_removal_that_is_not_on_record_is_missing_events(store: Any) -> None:
    store.ingest(chained(9))
    store.erase("acme", session="c2")
    found = list(store.check(lambda _removal: False))
    assert found[0] == Finding(
        "removal 1: the record of the administration does not say that these events"
        " were removed: they count as missing."
    )
    assert "missing before event 's1-3'" in found[1].text


def test_what_is_settled_stands_in_the_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_file() -> int:
        path = tmp_path / "alone"
        path.write_bytes((tmp_path / "db").read_bytes())
        with closing(sqlite3.connect(path)) as sql:
            return int(sql.execute("SELECT count(*) FROM event").fetchone()[0])

    monkeypatch.setattr("chaukas.store.sqlite.writer._IDLE_BYTES", 1)
    SqliteStore(tmp_path / "db").close()
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.settle(is_idle=True)
        before = in_file()
        store.ingest(chained(9))
        store.settle(is_idle=False)
        assert (before, in_file()) == (0, 0)
        store.settle(is_idle=True)
        assert in_file() == 9


def test_numbers_of_arrival_are_not_given_again(store: Any) -> None:
    store.ingest(chained(6))
    store.erase("acme", session="c0")
    store.ingest(chained(1, "s2"))
    with closing(store.reader(None)) as reader:
        rows = reader.events(Filter(), "arrival").items
    assert [(row.number, row.event_id) for row in rows][-1] == (7, "s2-1")


def changed(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as sql, sql:
        for statement in statements:
            sql.execute(statement)


_RESPELLED = (
    "UPDATE body SET line = replace(CAST(line AS TEXT), 'mine', 'mIne') WHERE id = 5"
)
_WIDENED = (
    "UPDATE removed SET last = last + 1, hash ="
    " (SELECT json_extract(line, '$.content_hash') FROM body WHERE id = 3)"
)
TAMPERED = {
    "an event's text": (_RESPELLED, "s1-5"),
    "an event in the midst": ("DELETE FROM event WHERE id = 5", "with seq 5"),
    "the last event": (
        "DELETE FROM event WHERE id = 9",
        "at its end after event 's1-7'",
    ),
    "two places": ("UPDATE event SET seq = 12 - seq WHERE id IN (5, 7)", "s1-"),
    "an event beside what was removed": ("DELETE FROM event WHERE id = 1", "seq 1"),
    "what the event says": ("DELETE FROM body WHERE id = 5", "s1-5"),
    "how much was removed": (_WIDENED, "count as missing"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_does_not_look_like_a_removal(tmp_path: Path, name: str) -> None:
    statement, named = TAMPERED[name]
    recorded: list[Any] = []
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.ingest(chained(9))
        store.erase("acme", session="c2", recorded=recorded.append)
        changed(tmp_path / "db", statement)
        found = [
            one.text for one in store.check(recorded.__contains__) if one.is_problem
        ]
    assert found
    assert named in " ".join(found)


def test_a_removal_that_was_interrupted_is_told_and_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.ingest(chained(9))
        with monkeypatch.context() as patch:
            patch.setattr("chaukas.store.sqlite.upkeep.removal._AT_A_TIME", 2)

            def killed(_done: int, _all: int) -> None:
                raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                store.retain(Retention(FIRST_US + 6_000_000), noted=killed)
        (told,) = problems(store)
        assert "removal 1 (retain, " in told
        assert told.endswith("was not finished: run the same command again.")

        assert store.retain(Retention(FIRST_US + 6_000_000)) == 3
        assert problems(store) == []
