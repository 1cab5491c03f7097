"""
What a question costs the SQLite store does not grow with all that is stored.

Counted in steps of its virtual machine, which are the same on every machine.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.store.cursor import cursor_of
from chaukas.store.filter import Filter, parse
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.connection import connect
from chaukas.store.sqlite.read import SqliteReader
from chaukas.store.sqlite.schema import prepare
from chaukas.store.sqlite.words import INSERT_WORDS
from tests.support.records import line, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL, LARGE = 125, 2500
"""Runs of eight events; in sessions of five, one in five of a small tenant."""
NOW_US = 1_767_268_800_000_000


def stored(path: Path, runs: int) -> Path:
    with closing(SqliteStore(path, is_durable=False)) as store:
        for start in range(0, runs, 250):
            given = []
            for number in range(start, min(start + 250, runs)):
                session = number // 5
                made = run(
                    f"t{number}", number % 3000 * 10.0, outcome="completed",
                    tenant="small" if session % 5 == 0 else "large",
                    session=f"c{session}", agent=f"agent{session % 4}",
                )  # fmt: skip
                for one in made:
                    one["event_id"] = f"{number:06}-{one['event_id']}"
                given += [line(one) for one in made]
            store.ingest(given)
    return path


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("growth")
    return [stored(folder / f"{runs}", runs) for runs in (SMALL, LARGE)]


def steps_of(path: Path, tenant: str | None, ask: Callable[[Any], object]) -> int:
    """Return how many steps a question takes."""
    with closing(sqlite3.connect(path)) as sql:
        reader = SqliteReader(sql, tenant, None)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        sql.set_progress_handler(count, 1)
        ask(reader)
        return steps


def tree(reader: Any) -> None:
    one = reader.runs(Filter(), limit=1).items[0]
    reader.run(one.trace_id)
    assert len(reader.run_events(one.trace_id, one.tenant_id, 1000)) == 8


def session(reader: Any) -> None:
    one = reader.sessions(Filter(), limit=1).items[0]
    assert len(reader.runs_of_session(one, "", 20).items) == 5
    reader.outside_events(one, 20)
    reader.session_events(one, ["MODEL_INVOCATION_START"], 20)


def event(reader: Any) -> None:
    row = reader.events(Filter(), "-time", limit=1).items[0]
    reader.event(row.event_id)
    reader.previous_in_stream(row.event_id)


def page_of_a_chain(reader: Any) -> None:
    # Behind the events in no stream, and behind the first of the stream.
    found = list(
        islice(reader.chained_after(cursor_of("chains", "s1", -(2**62), 9)), 5)
    )
    rest = list(islice(reader.chained_after(found[-1][0]), 5))
    assert len({item for _, item in (*found, *rest)}) == 10


QUESTIONS: dict[str, Callable[[Any], object]] = {
    "sessions": lambda r: r.sessions(Filter(), limit=5),
    "runs": lambda r: r.runs(Filter(), limit=5),
    "events": lambda r: r.events(Filter(), "-time", limit=5),
    "tree": tree,
    "session": session,
    "event": event,
    "events after": lambda r: r.events_after(r.newest_number() - 5, Filter()),
    "search": lambda r: r.search("order", Filter(), limit=5),
    "search of two words": lambda r: r.search("my order", Filter(), limit=5),
    "numbers": lambda r: r.numbers(("day", "model"), Filter()),
    "numbers of tools": lambda r: r.numbers(("tool",), Filter()),
    "number of events": lambda r: r.event_count(),
    "span of time": lambda r: r.span_of_time(),
    "a page of a chain": page_of_a_chain,
    "streams": lambda r: r.streams(),
    "runs that died": lambda r: r.runs(parse("status:died", NOW_US), limit=5),
    "runs that wait": lambda r: r.runs(parse("status:waiting", NOW_US), limit=5),
}


@pytest.mark.parametrize("tenant", [None, "large", "small"])
@pytest.mark.parametrize("name", QUESTIONS)
def test_steps_of_a_question_do_not_grow_with_the_store(
    stores: list[Path], name: str, tenant: str | None
) -> None:
    few, many = (steps_of(path, tenant, QUESTIONS[name]) for path in stores)
    assert 0 < many <= 2 * few + 200, (few, many)


def test_a_filtered_list_stops_counting(
    stores: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaukas.store.sqlite.read._MOST_COUNTED", 10)
    asked = parse("calls>0", NOW_US)
    with closing(sqlite3.connect(stores[1])) as sql:
        reader = SqliteReader(sql, None, None)
        assert reader.runs(asked, limit=5).matched is None
        assert reader.runs(parse("trace:t7", NOW_US)).matched == 1
        assert reader.runs(Filter(), limit=5).matched == LARGE
        assert reader.sessions(Filter(), limit=5).matched == LARGE // 5


def test_no_commit_merges_all_of_the_full_text(tmp_path: Path) -> None:
    path = tmp_path / "words"
    logs = []
    with closing(connect(path, is_durable=False)) as sql:
        prepare(sql)
        sql.execute("PRAGMA wal_autocheckpoint = 0")
        for commit in range(300):
            sql.execute("BEGIN")
            rows = [
                (row, " ".join(f"w{row * 7919 % 9973 * n}" for n in range(30)), "own")
                for row in range(commit * 50 + 1, commit * 50 + 51)
            ]
            sql.executemany(INSERT_WORDS, rows)
            sql.execute("COMMIT")
            logs.append(path.with_name("words-wal").stat().st_size)
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Each has as many words. Those that merge some of the index write more than
    # others: a few units of 64 pages at most.
    assert max(logs) < 3_000_000, max(logs)
