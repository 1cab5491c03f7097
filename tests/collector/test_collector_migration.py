"""A store of an older chaukas becomes one of this one, whatever happens meanwhile."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace

import orjson
import pytest

from chaukas.store.facts import event_of, facts_of
from chaukas.store.filter import Filter
from chaukas.store.sqlite import SqliteStore, copying, schema
from chaukas.store.sqlite.upkeep.indexing import index_words
from chaukas.store.sqlite.words import INSERT_WORDS, words_row
from tests.support.collector_process import CollectorProcess, lines_of
from tests.support.records import event, line, run
from tests.support.waiting import until

GIVEN = [
    *run("t1", tenant="acme", cost=0.5, tool_ms=600),
    *run("t2", 60, tenant="globex", cost=0.25, outcome="failed"),
    event("RETRY", 61, trace_id="t2", tenant_id="globex", retry={"attempt": 1}),
    event("SYSTEM", 62, tenant_id="acme", metadata={"name": "mine"}),
]


def made_old(path, version):
    """Make a store of an older version, with the rows that it would have."""
    passing = path.with_name("new")
    with closing(SqliteStore(passing)) as store:
        store.ingest([line(one) for one in GIVEN])
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        sql.execute("PRAGMA journal_mode = WAL")
        schema._add_functions(sql)
        for step in schema._STEPS[:version]:
            for statement in step.split(";\n"):
                if statement.strip():
                    sql.execute(statement)
        sql.execute(f"PRAGMA user_version = {version}")
        sql.execute("ATTACH ? AS new", (str(passing),))
        rows = sql.execute(
            "SELECT name FROM main.sqlite_master WHERE type = 'table'"
            " AND name NOT LIKE 'words%'"
        ).fetchall()
        for (name,) in rows:
            found = sql.execute(f"PRAGMA main.table_info({name})").fetchall()
            columns = ", ".join(column[1] for column in found)
            sql.execute(
                f"INSERT OR IGNORE INTO main.{name} ({columns})"
                f" SELECT {columns} FROM new.{name}"
            )
        for number, data in sql.execute("SELECT id, line FROM body").fetchall():
            row = words_row(number, facts_of(event_of(data), data))
            if version == 1:
                sql.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", row[:2])
            else:
                sql.execute(INSERT_WORDS, row)
    for file in path.parent.glob("new*"):
        file.unlink()


@pytest.fixture(params=range(1, schema.VERSION))
def old(request, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    made_old(folder / "events.sqlite", request.param)
    return folder / "events.sqlite"


def answers(store, tenant=None):
    with closing(store.reader(tenant)) as reader:
        return (
            reader.runs(Filter()),
            reader.sessions(Filter()),
            reader.numbers(("day", "model"), Filter()),
            reader.numbers(("tool",), Filter()),
            reader.numbers(("agent",), Filter()),
            reader.event_count(),
            reader.streams(),
            [hit.row.event_id for hit in reader.search("order", Filter()).items],
        )


@pytest.fixture
def wanted(tmp_path):
    with closing(SqliteStore(tmp_path / "fresh")) as fresh:
        fresh.ingest([line(one) for one in GIVEN])
        return [answers(fresh, tenant) for tenant in (None, "acme", "globex")]


def version_of(path):
    with closing(sqlite3.connect(path)) as sql:
        return sql.execute("PRAGMA user_version").fetchone()[0]


def all_answers(path):
    with closing(SqliteStore(path)) as store:
        index_words(store)
        return [answers(store, tenant) for tenant in (None, "acme", "globex")]


def test_an_older_store_answers_as_a_new_one_and_a_copy_is_kept(old, wanted):
    before, version = old.read_bytes(), version_of(old)
    noted = []

    with closing(SqliteStore(old, noted=lambda *pages: noted.append(pages))):
        pass

    kept = old.with_name(f"events.sqlite.v{version}")
    assert (version_of(old), version_of(kept)) == (schema.VERSION, version)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert noted[-1][0] == noted[-1][1] > 0
    assert all_answers(old) == wanted
    assert before != old.read_bytes()
    assert sorted(file.name for file in old.parent.glob("*.partial")) == []


_KILLED = """
import os, signal, sys
from chaukas.store.sqlite import SqliteStore, schema
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "changing":
    # After the changes, before they are committed.
    add = schema._add_functions
    def add_and_die(sql):
        add(sql)
        sql.create_function("die", 0, die)
    schema._add_functions = add_and_die
    schema._STEPS = (*schema._STEPS[:-1], schema._STEPS[-1] + ";\\nSELECT die()")
SqliteStore(sys.argv[1], noted=die if sys.argv[2] == "copying" else lambda *_: None)
"""


@pytest.mark.fault
@pytest.mark.parametrize("when", ["copying", "changing"])
def test_a_process_killed_in_the_midst_is_no_loss(old, wanted, when):
    version = version_of(old)
    command = [sys.executable, "-c", _KILLED, str(old), when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert version_of(old) == version

    assert all_answers(old) == wanted
    assert [file.name for file in old.parent.glob("*.partial")] == []


def test_without_room_for_a_copy_nothing_is_changed(old, monkeypatch):
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr(copying.shutil, "disk_usage", lambda _path: usage)
    before = old.read_bytes()

    with pytest.raises(copying.NoRoomError, match="make room"):
        SqliteStore(old)

    assert old.read_bytes() == before
    assert not list(old.parent.glob("*.v[0-9]*"))


def test_a_reader_of_the_older_form_reads_on_meanwhile(old):
    with closing(sqlite3.connect(old, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM words_docsize"
        before = reader.execute(count).fetchone()
        SqliteStore(old).close()
        assert reader.execute(count).fetchone() == before
        reader.execute("COMMIT")
        assert reader.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


def test_a_collector_brings_its_store_up_to_date_and_goes_on(old):
    with CollectorProcess(old.parent) as running:
        more = run("t3", 120, tenant="acme")
        assert running.post(lines_of(more))[1]["accepted"] == len(more)
        assert running.get("/api/status")[1]["events"] == len(GIVEN) + len(more)
        until(lambda: len(running.get("/api/search?text=order")[1]["items"]) >= 3)
    assert version_of(old) == schema.VERSION


def test_what_came_without_full_text_can_be_searched_once_it_is_back(tmp_path):
    data = tmp_path / "data"

    def found(running):
        items = running.get("/api/search?text=order&limit=1000")[1]["items"]
        return {hit["row"]["trace_id"] for hit in items}

    with CollectorProcess(data) as running:
        running.post(lines_of(run("t1")))
        assert found(running) == {"t1"}
    with CollectorProcess(data, "--no-search") as running:
        running.post(lines_of(run("t2", 60)))
        assert found(running) == {"t1"}
        assert "cannot be searched" in running.log_text()
    with CollectorProcess(data) as running:
        running.post(lines_of(run("t3", 120)))
        until(lambda: found(running) == {"t1", "t2", "t3"})


def test_adding_words_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    given = [event("SYSTEM", n, metadata={"name": f"word{n}"}) for n in range(25)]
    monkeypatch.setattr("chaukas.store.sqlite.upkeep.indexing._AT_A_TIME", 10)
    with closing(SqliteStore(tmp_path / "db", has_words=False)) as store:
        store.ingest([line(one) for one in given])
    with closing(SqliteStore(tmp_path / "db")) as store:
        looked = []
        stops = iter([False, True])
        assert index_words(store, is_stopping=lambda: next(stops)) == 10
        with closing(store.reader(None)) as reader:
            assert len(reader.search("word3", Filter()).items) == 1
            assert len(reader.search("word23", Filter()).items) == 0
        assert index_words(store, lambda *n: looked.append(n)) == 15
        assert looked == [(10, 15), (15, 15)]
        assert index_words(store) == 0
        with closing(store.reader(None)) as reader:
            assert len(reader.search("word23", Filter()).items) == 1


def test_a_prefix_finds_no_tenant(tmp_path):
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.ingest([orjson.dumps(event("SYSTEM", 1, metadata={"name": "mine"}))])
        with closing(store.reader(None)) as reader:
            assert reader.search("t*", Filter()).items == ()
            assert len(reader.search("mi*", Filter()).items) == 1


def test_a_copy_is_a_store_of_its_own(old, tmp_path):
    target = tmp_path / "copy"
    copying.copy_store(old, target, lambda _done, _all: None)
    shutil.rmtree(old.parent)
    with closing(SqliteStore(target)) as store, closing(store.reader(None)) as reader:
        assert reader.event_count() == len(GIVEN)
