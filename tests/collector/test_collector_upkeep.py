"""Keeping a collector's store in order: what is removed is gone, all else stays."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import orjson
import pytest

from chaukas.collector.upkeep.recover import recover
from chaukas.sdk.integrity import canonical, link
from chaukas.store.filter import Filter
from chaukas.store.protocol import Retention
from chaukas.store.sqlite import SqliteStore
from tests.support.collector_process import (
    CollectorProcess,
    command,
    events,
    lines_of,
)
from tests.support.samples import EVENTS, linked
from tests.support.waiting import until

WORD = "Ωmarked"


def made_events(tenant, session, user, start):
    """Return a run of a session, with a text that can be searched for."""
    made = events(len(EVENTS), tenant, start)
    for number, one in enumerate(made):
        one.update(session_id=session, trace_id=f"trace-{session}")
        one["timestamp"] = f"2026-01-0{1 + start // 100}T12:00:{number:02}.000000Z"
        one["metadata"] = {**one.get("metadata", {}), "user_id": user}
        if one["type"] == "EVENT_TYPE_INPUT_RECEIVED":
            one["message"] = {"role": "user", "text": f"{WORD} {session}"}
    return made


def stored(folder, *batches):
    store = SqliteStore(folder / "events.sqlite")
    for batch in batches:
        store.ingest([orjson.dumps(one) for one in batch])
    return store


def answers(store):
    """Return everything that sums and searches say."""
    reader = store.reader(None)
    try:
        return (
            reader.runs(Filter()),
            reader.sessions(Filter()),
            reader.numbers(("day", "model"), Filter(), "model"),
            reader.numbers(("tool",), Filter(), "tool"),
            [hit.row.event_id for hit in reader.search(WORD, Filter()).items],
            reader.event_count(),
            reader.values("agent"),
        )
    finally:
        reader.close()


FIRST = made_events("a", "s1", "u1", 0)
SECOND = made_events("a", "s2", "u2", 100)
OTHERS = made_events("b", "s1", "u1", 200)


@pytest.mark.parametrize(
    ("way", "left"),
    [
        (lambda s: s.erase("a", session="s1"), (SECOND, OTHERS)),
        (lambda s: s.erase("a", user="u1"), (SECOND, OTHERS)),
        (lambda s: s.erase("b", user="u1"), (FIRST, SECOND)),
        (lambda s: s.erase("b", user="nobody"), (FIRST, SECOND, OTHERS)),
        (lambda s: s.retain(Retention(1767312000_000000)), (SECOND, OTHERS)),
        (lambda s: s.retain(Retention(None, 0, "a")), (OTHERS,)),
    ],
)
def test_after_removal_all_sums_are_as_if_it_had_never_come(tmp_path, way, left):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    store = stored(tmp_path / "one", FIRST, SECOND, OTHERS)
    fresh = stored(tmp_path / "two", *left)

    removed = way(store)

    gone = 3 * len(EVENTS) - sum(map(len, left))
    assert removed == gone
    found, wanted = answers(store), answers(fresh)
    assert found[2:] == wanted[2:]
    assert [page.items for page in found[:2]] == [page.items for page in wanted[:2]]
    store.close()
    fresh.close()


def test_half_a_run_can_be_removed(tmp_path):
    store = stored(tmp_path, FIRST)
    store.retain(Retention(1767268805_000000))

    (run,) = store.reader(None).runs(Filter()).items
    assert run.events == len(EVENTS) - 5
    store.close()


def test_nothing_of_what_was_erased_is_left_in_the_files(tmp_path):
    store = stored(tmp_path, FIRST, SECOND)
    store.erase("a", session="s1")

    data = b"".join(path.read_bytes() for path in tmp_path.glob("events.sqlite*"))
    assert f"{WORD} s2".encode() in data
    assert f"{WORD} s1".encode() not in data
    store.close()


def test_numbers_of_removed_events_are_not_given_again(tmp_path):
    store = stored(tmp_path, FIRST)
    store.erase("a", session="s1")
    store.ingest([orjson.dumps(SECOND[0])])

    (row,) = store.reader(None).events(Filter()).items
    assert row.number == len(EVENTS) + 1
    store.close()


def test_a_copy_is_made_while_the_collector_runs(collector, tmp_path):
    collector.post(lines_of(FIRST))
    target = tmp_path / "copy.sqlite"

    done = command("backup", str(target), "--data", str(collector.data))
    again = command("backup", str(target), "--data", str(collector.data))

    assert (done.returncode, again.returncode) == (0, 2)
    with sqlite3.connect(target) as copy:
        assert copy.execute("SELECT count(*) FROM event").fetchone() == (len(EVENTS),)
    copy.close()
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_running_collector_goes_on_after_an_erasure(collector):
    collector.post(lines_of([*FIRST, *SECOND]))

    done = command(
        "erase", "--yes", "--tenant", "a", "--session", "s1",
        "--data", str(collector.data),
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "19 events removed.\n")
    assert collector.get("/api/status")[1]["events"] == len(EVENTS)
    assert collector.post(lines_of(OTHERS))[1]["accepted"] == len(EVENTS)


def test_s25_check_names_an_event_of_which_one_byte_was_changed(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    made = []
    for number, one in enumerate(EVENTS.values(), 1):
        metadata = {
            **one.get("metadata", {}),
            "chaukas": {"stream": "s", "seq": number},
        }
        made.append({**one, "event_id": f"e{number}", "metadata": metadata})
    store = SqliteStore(data / "events.sqlite")
    store.ingest(linked(made))
    store.close()
    whole = command("check", "--data", str(data))
    assert whole.returncode == 0, whole.stdout

    def changed(statement, *values):
        with sqlite3.connect(data / "events.sqlite") as sql:
            before = sql.execute("SELECT line FROM body WHERE id = 7").fetchone()[0]
            sql.execute(statement, values)
        sql.close()
        return before

    line = changed("SELECT 1")
    changed(
        "UPDATE body SET line = ? WHERE id = 7", line.replace(b"12:00", b"12:01", 1)
    )
    altered = command("check", "--data", str(data))
    changed("UPDATE body SET line = ? WHERE id = 7", line)
    changed("UPDATE event SET name = 'other' WHERE id = 7")
    column = command("check", "--data", str(data))
    changed("DELETE FROM event WHERE id = 7")
    missing = command("check", "--data", str(data))

    for done, words in (
        (altered, "altered"),
        (column, "altered"),
        (missing, "missing"),
    ):
        assert done.returncode == 1
        assert words in done.stdout
    assert "'e7'" in altered.stdout
    assert "'e7'" in column.stdout
    assert "'e8'" in missing.stdout


def test_s25_administration_is_on_record_and_chained(tmp_path):
    data = str(tmp_path / "data")
    key = command("key", "create", "--tenant", "a", "--data", data).stdout.strip()
    command("key", "create", "--tenant", "b", "--data", data)
    command("key", "revoke", key.split("_")[1], "--data", data)
    path = tmp_path / "data" / "administration.jsonl"

    names = [
        orjson.loads(line)["metadata"]["name"]
        for line in path.read_bytes().splitlines()
    ]
    assert names == [
        "chaukas.collector.key_created",
        "chaukas.collector.key_created",
        "chaukas.collector.key_revoked",
    ]
    assert key.split("_", 2)[2] not in path.read_text()
    assert verified(path) == 0
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    assert verified(path) == 1
    path.write_bytes(b"".join(lines).replace(b'"tenant":"b"', b'"tenant":"c"'))
    assert verified(path) == 1


@pytest.fixture
def kept(tmp_path):
    """Return a collector's folder with chained events, keys, and a removal."""
    data = tmp_path / "data"
    data.mkdir()
    made = []
    for number in range(1, 13):
        one = {**events(1, "a", number)[0], "session_id": f"s{number % 3}"}
        one["trace_id"] = f"t{number % 3}"
        one["metadata"] = {"chaukas": {"stream": "s", "seq": number}}
        made.append(one)
    with closing(SqliteStore(data / "events.sqlite")) as store:
        store.ingest(linked(made))
    command("key", "create", "--tenant", "a", "--data", str(data))
    done = command(
        "erase", "--yes", "--tenant", "a", "--session", "s1", "--data", str(data)
    )
    assert done.stdout == "4 events removed.\n", done.stderr
    command("key", "create", "--tenant", "b", "--data", str(data))
    return data


def checked(data):
    """Return exit code and problems, by either command."""
    done = command("check", "--data", str(data))
    again = verify(data)
    assert (again.returncode, again.stdout) == (done.returncode, done.stdout)
    return done.returncode, done.stdout


def test_s25_what_was_erased_is_told_and_is_no_problem(kept):
    code, text = checked(kept)
    assert code == 0, text
    assert "removal 1: 4 events were removed on record (erase, 20" in text
    assert text.endswith("no event is altered, missing or moved.\n")
    last = (kept / "administration.jsonl").read_bytes().splitlines()[1]
    data = orjson.loads(last)["metadata"]["data"]
    assert (data["removal"], data["events"], data["session"]) == (1, 4, "s1")


def test_s25_one_flipped_byte_of_the_file_is_found(kept):
    with closing(sqlite3.connect(kept / "events.sqlite")) as sql:
        sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        line = sql.execute("SELECT line FROM body WHERE id = 5").fetchone()[0]
    path = kept / "events.sqlite"
    data = path.read_bytes()
    at = data.index(line) + line.index(b"12:00") + 1
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])

    code, text = checked(kept)

    assert code == 1
    assert "altered: Event 'event-a-5'" in text


def test_s25_a_removal_that_nobody_put_on_record_is_missing_events(kept):
    with closing(sqlite3.connect(kept / "events.sqlite")) as sql, sql:
        line = orjson.loads(
            sql.execute("SELECT line FROM body WHERE id = 5").fetchone()[0]
        )
        sql.execute("DELETE FROM event WHERE id = 5")
        sql.execute(
            "INSERT INTO removed (stream, first, last, before, hash, action)"
            " VALUES ('s', 5, 5, ?, ?, 1)",
            (line["hash_prev"], line["content_hash"]),
        )

    code, text = checked(kept)

    assert code == 1
    assert "removal 1: the record of the administration does not say" in text


def cut_off(lines):
    return b"".join(lines[:-1])


def cut_in_the_midst(lines):
    return b"".join(lines)[:-20]


def without_one(lines):
    return b"".join([lines[0], *lines[2:]])


def with_another_tenant(lines):
    return b"".join(lines).replace(b'"tenant":"b"', b'"tenant":"c"')


def made_anew(lines):
    made = [orjson.loads(line) for line in lines]
    made[0]["metadata"]["data"]["tenant"] = "z"
    for one in made:
        one.pop("content_hash")
        one.pop("hash_prev", None)
    return b"".join(linked(made))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cut_off, "missing: it ends with action 2, and there were 3."),
        (cut_in_the_midst, "torn: Half an event"),
        (without_one, "missing"),
        (with_another_tenant, "altered"),
        (made_anew, "altered: one of the first 3 actions is another"),
        (lambda _lines: b"", "missing: it ends with action 0"),
        (None, "is gone: it had 3 actions."),
    ],
)
def test_s25_one_check_finds_what_was_done_to_the_administration_s_record(
    kept, change, words
):
    path = kept / "administration.jsonl"
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes().splitlines(keepends=True)))

    code, text = checked(kept)

    assert code == 1
    assert words in text


def test_half_a_line_of_a_killed_process_spoils_no_later_action(tmp_path):
    data = str(tmp_path / "data")
    path = tmp_path / "data" / "administration.jsonl"
    command("key", "create", "--tenant", "a", "--data", data)
    path.write_bytes(path.read_bytes() + b'{"event_id":"x","met')
    command("key", "create", "--tenant", "b", "--data", data)
    numbers = [
        orjson.loads(line)["metadata"]["chaukas"]["seq"]
        for line in path.read_bytes().splitlines()
        if line.endswith(b"}")
    ]
    assert numbers == [1, 2]


def test_a_copy_made_under_load_is_whole_and_holds_what_was_acknowledged(
    collector, tmp_path
):
    stopping = threading.Event()
    acknowledged = []

    def send():
        last = ""
        for start in range(1, 1_000_000, 50):
            lines = []
            for seq in range(start, start + 50):
                one = events(1, "a", seq)[0]
                one["metadata"] = {"chaukas": {"stream": "load", "seq": seq}}
                line, last = link(canonical(one), last)
                lines.append(line)
            assert collector.post(b"".join(lines))[1]["accepted"] == 50
            acknowledged.append(start + 49)
            if stopping.is_set():
                break

    sender = threading.Thread(target=send)
    sender.start()
    try:
        until(lambda: len(acknowledged) >= 4)
        copies = []
        for number in range(4):
            before = acknowledged[-1]
            target = tmp_path / f"copy{number}.sqlite"
            done = command("backup", str(target), "--data", str(collector.data))
            assert done.returncode == 0, done.stderr
            copies.append((before, target))
    finally:
        stopping.set()
        sender.join()
    for before, target in copies:
        done = verify(target)
        assert done.returncode == 0, done.stdout
        with closing(sqlite3.connect(target)) as copy:
            rows = copy.execute("SELECT seq FROM event ORDER BY id").fetchall()
        assert [seq for (seq,) in rows] == list(range(1, len(rows) + 1))
        assert before <= len(rows) <= acknowledged[-1]


def verify(path):
    return subprocess.run(
        [sys.executable, "-m", "chaukas.cli", "verify", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def verified(path):
    return subprocess.run(
        [sys.executable, "-m", "chaukas.cli", "verify", "--partial", str(path)],
        capture_output=True,
        check=False,
    ).returncode


def test_s25_the_record_of_the_administration_shows_what_was_changed_in_it(tmp_path):
    data = tmp_path / "data"
    for tenant in ("a", "b", "c"):
        command("key", "create", "--data", str(data), "--tenant", tenant)
    path = data / "administration.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    altered = lines[1].replace(b'"tenant":"b"', b'"tenant":"x"')
    assert altered != lines[1]
    for found, is_whole in (
        (lines, True),
        ([lines[0], altered, lines[2]], False),
        ([lines[0], lines[2]], False),
        ([lines[1], lines[0], lines[2]], False),
    ):
        path.write_bytes(b"".join(found))
        done = subprocess.run(
            [sys.executable, "-m", "chaukas.cli", "verify", "--partial", str(path)],
            capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is is_whole, done.stdout
    assert json.loads(lines[0])["content_hash"]


def test_a_recovered_store_knows_what_was_removed_and_what_may_be_kept(tmp_path):
    data = tmp_path / "data"
    with CollectorProcess(data) as collector:
        made = [
            {**one, "session_id": "gone" if number % 3 == 0 else "s"}
            for number, one in enumerate(EVENTS.values())
        ]
        for number, one in enumerate(made):
            one["event_id"] = f"e{number}"
        assert collector.post(b"".join(linked(made)))[0] == 202
        assert collector.stop() == 0
    tenant = made[0]["tenant_id"]
    whose = ("--data", str(data), "--tenant", tenant)
    assert command("erase", *whose, "--session", "gone", "--yes").returncode == 0
    assert command("quota", *whose, "--events", "50").returncode == 0
    checked = command("check", "--data", str(data)).stdout
    limits = command("quota", "--data", str(data)).stdout

    done = command("recover", str(tmp_path / "new"), "--data", str(data))

    assert done.returncode == 0, done.stderr
    for path in data.glob("events.sqlite*"):
        path.unlink()
    (tmp_path / "new").replace(data / "events.sqlite")
    assert command("check", "--data", str(data)).stdout == checked
    assert command("quota", "--data", str(data)).stdout == limits
    assert "1: 7 events were removed on record" in checked
    assert limits.startswith(f"{tenant}  12 events")


def test_a_recovered_store_tells_what_the_damaged_one_lost_of_a_stream(tmp_path):
    made = [
        {**one, "event_id": f"e{number}", "session_id": "gone" if number == 4 else "s"}
        for number, one in enumerate(EVENTS.values(), 1)
    ]
    for number, one in enumerate(made, 1):
        place = {"stream": "s", "seq": number}
        one["metadata"] = {**one.get("metadata", {}), "chaukas": place}
    path, target = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    with closing(SqliteStore(path)) as store:
        store.ingest(linked(made))
        store.erase(made[0]["tenant_id"], session="gone")
    last = len(made)
    with closing(sqlite3.connect(path)) as sql, sql:
        for table, number in (("event", "seq"), ("body", "id")):
            sql.execute(f"DELETE FROM {table} WHERE {number} IN (1, {last})")

    assert recover(path, target).events == last - 3

    found = verify(target).stdout
    assert found == verify(path).stdout.replace(path.name, target.name)
    assert "1 event is missing before event 'e2', the first with seq 1" in found
    assert "1 event is missing at its end" in found
    with closing(SqliteStore(target)) as store:
        (stream,) = store.reader(None).streams()
    assert (stream.events, stream.missing) == (last - 3, 2)
