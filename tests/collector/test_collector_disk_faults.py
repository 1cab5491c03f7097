"""A store that is damaged, full or read-only: nothing acknowledged is lost."""

from __future__ import annotations

import pytest

from tests.support.collector_process import (
    BATCH,
    LINES,
    CollectorProcess,
    command,
    events,
    ids_in,
    known_key,
    lines_of,
)
from tests.support.disks import mounted_disk, remount
from tests.support.waiting import until

pytestmark = pytest.mark.fault


# --- damaged files ----------------------------------------------------------------


@pytest.fixture
def filled(tmp_path):
    """A collector's folder with events of two tenants, closed in good order."""
    with CollectorProcess(tmp_path / "data") as collector:
        for tenant in ("a", "b"):
            key = known_key(collector, tenant)
            made = [{**one, "pad": "x" * 2000} for one in events(600, tenant)]
            for one in made:
                del one["tenant_id"]
            assert collector.post(lines_of(made), key=key)[1]["accepted"] == 600
        assert collector.stop() == 0
    return tmp_path / "data"


def overwrite(path, first, last):
    with path.open("r+b") as file:
        file.seek(first)
        file.write(b"\x5a" * (last - first))


def test_what_can_be_read_of_a_damaged_file_is_kept(filled, tmp_path):
    path = filled / "events.sqlite"
    before = ids_in(filled)
    middle = path.stat().st_size // 2
    overwrite(path, middle, middle + 80_000)
    damaged = path.read_bytes()

    check = command("check", "--data", str(filled))
    done = command("recover", str(tmp_path / "new.sqlite"), "--data", str(filled))

    assert check.returncode == 1
    assert "damaged" in check.stdout
    assert "chaukas collector recover" in check.stdout
    found = ids_in(tmp_path, "new.sqlite")
    assert done.returncode == 1
    assert "could not be read" in done.stderr
    # 80 KB of more than 2 MB are gone, and nothing else.
    assert set(found) <= set(before)
    assert len(found) > 1000
    assert path.read_bytes() == damaged

    # The new file in place of the old one is a store like any other.
    for file in filled.glob("events.sqlite*"):
        file.unlink()
    (tmp_path / "new.sqlite").rename(path)
    with CollectorProcess(filled) as collector:
        key = collector.key("a")
        until(lambda: collector.ask("GET", "/v1/capabilities")[0] == 401)
        mine = [one for one in found if one.startswith("event-a-")]
        until(
            lambda: isinstance(collector.get("/api/status", key)[1].get("events"), int)
        )
        assert collector.get("/api/status", key)[1]["events"] == len(mine)
        lost = [one for one in events(600, "a") if one["event_id"] not in found]
        for one in lost:
            del one["tenant_id"]
            one["pad"] = "x" * 2000
        # What a client has still gets in again.
        answer = collector.post(lines_of(lost or events(1, "a", 700)), key=key)[1]
        assert answer["accepted"] == max(len(lost), 1)


def test_a_whole_file_is_recovered_whole(filled, tmp_path):
    done = command("recover", str(tmp_path / "new.sqlite"), "--data", str(filled))
    assert (done.returncode, done.stderr) == (0, "")
    assert ids_in(tmp_path, "new.sqlite") == ids_in(filled)
    again = command("recover", str(tmp_path / "new.sqlite"), "--data", str(filled))
    assert again.returncode == 2
    assert "not there" in again.stderr


@pytest.mark.parametrize("first", [0, 100])
def test_a_file_that_cannot_be_opened_stops_the_start_with_one_line(
    filled, tmp_path, first
):
    path = filled / "events.sqlite"
    overwrite(path, first, 8192)
    damaged = path.read_bytes()
    told = [
        command("run", "--data", str(filled), "--no-page"),
        command("recover", str(tmp_path / "new"), "--data", str(filled)),
    ]
    check = command("check", "--data", str(filled))
    for one in told:
        assert (one.returncode, one.stdout) == (2, "")
        assert one.stderr.count("\n") == 1
        assert "recover" in one.stderr
    assert check.returncode == 1
    assert "damaged" in check.stdout
    assert path.read_bytes() == damaged
    assert not (tmp_path / "new").exists()


def test_damage_that_shows_while_it_runs_is_never_acknowledged(filled):
    with CollectorProcess(filled) as collector:
        # Beyond what is read at the start.
        overwrite(filled / "events.sqlite", 1 << 18, 4 << 20)
        key = collector.key("a")
        headers = {**LINES, "authorization": f"Bearer {key}"}
        until(lambda: collector.ask("GET", "/v1/capabilities")[0] == 401)

        def answer():
            body = lines_of(events(5, "a", 5000))
            return collector.ask("POST", BATCH, body, headers)

        until(lambda: answer()[0] != 401)
        status, told, body = answer()
        assert (status, int(told["retry-after"]) > 0) == (503, True)
        assert b"sqlite" not in body
        assert collector.ask("GET", "/readyz")[0] == 503
        assert collector.ask("GET", "/healthz")[0] == 200


# --- full -------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    with mounted_disk(tmp_path / "disk", "3m") as place:
        yield place


def test_a_full_disk_is_answered_503_and_never_an_ack(small_disk):
    acked: list[str] = []
    with CollectorProcess(small_disk / "data") as collector:
        status, start = 202, 0
        while status == 202:
            batch = events(100, "a", start)
            start += 100
            status, answer = collector.post(lines_of(batch))
            if status == 202:
                acked += [one["event_id"] for one in batch]
        headers = collector.ask("POST", BATCH, lines_of(batch), LINES)[1]
        ready = collector.ask("GET", "/readyz")[0]

        assert (status, answer["error"].split(":")[0]) == (
            503,
            "The store cannot be written now",
        )
        assert int(headers["retry-after"]) > 0
        assert ready == 503
        assert set(acked) == set(ids_in(small_disk / "data"))

        remount(small_disk, "size=30m")
        status, answer = collector.post(lines_of(batch))
        assert (status, answer["accepted"]) == (202, 100)
        assert collector.ask("GET", "/readyz")[0] == 200


# --- read-only --------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    with mounted_disk(tmp_path / "disk", "64m") as place:
        yield place


def test_a_collector_does_not_start_on_a_read_only_disk(disk):
    (disk / "data").mkdir()
    remount(disk, "ro")
    done = command("run", "--data", str(disk / "data"), "--no-page")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Read-only file system" in done.stderr
    assert done.stderr.count("\n") == 1


LOSING = """
import sqlite3
from pathlib import Path
from chaukas.store.sqlite import writer

def switch(path):
    return Path({switch!r}).exists()

right = writer.SqliteStore.transaction

def transaction(self):
    # As of a disk that was mounted anew for reading only: the system refuses to do
    # so while a file is open for writing, so the connection is told.
    self._connection.execute(f"PRAGMA query_only = {{int(switch(None))}}")
    return right(self)

writer.SqliteStore.transaction = transaction
from chaukas.cli import main
main()
"""


def test_a_disk_that_turns_read_only_is_answered_503_and_never_an_ack(tmp_path):
    switch = tmp_path / "switch"
    program = tmp_path / "losing.py"
    program.write_text(LOSING.format(switch=str(switch)))
    with CollectorProcess(tmp_path / "data", program=program) as collector:
        assert collector.post(lines_of(events(10, "a")))[1]["accepted"] == 10
        switch.touch()
        status, headers, body = collector.ask(
            "POST", BATCH, lines_of(events(10, "a", 10)), LINES
        )
        assert status == 503
        assert int(headers["retry-after"]) > 0
        assert b"nothing was taken" in body
        assert collector.ask("GET", "/readyz")[0] == 503
        # What is there can be read.
        assert collector.get("/api/status")[1]["events"] == 10
        switch.unlink()
        assert collector.post(lines_of(events(20, "a")))[1]["accepted"] == 10
        assert collector.ask("GET", "/readyz")[0] == 200
