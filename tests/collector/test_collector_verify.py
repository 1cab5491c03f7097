"""`chaukas verify` of a collector's address: what a reader of a tenant can check."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import orjson
import pytest

from chaukas.cli import main
from chaukas.query.remote.query import RemoteQuery
from tests.support.collector_process import CollectorProcess, command, known_key
from tests.support.command_line import command_line
from tests.support.records import event, lines
from tests.support.samples import linked

SHARED = (
    "{at}: shared: Stream 's1' has events of other tenants, which this key does not"
    " show: whether one is missing between is not known."
)
WHOLE = "nothing altered, missing or moved."
PARTIAL = "nothing altered or moved, but the record is not whole."


def process(stream: str, number: int, tenants: tuple[str, ...] = ("acme",)):
    """Return the lines of a process that ended: one event a second."""
    made = [
        event(
            "SYSTEM", n, id=f"{stream}-{n}", stream=stream, seq=n,
            tenant_id=tenants[n % len(tenants)], session_id=f"c{n % 3}",
            metadata={"name": "chaukas.disabled" if n == number else "mine"},
        )
        for n in range(1, number + 1)
    ]  # fmt: skip
    return linked(made)


def call(*arguments) -> tuple[int, list[str]]:
    result = command_line().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or type(result.exception) is SystemExit, result
    return result.exit_code, (result.stdout + result.stderr).splitlines()


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A collector that has no key yet: who asks it sees all tenants."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAUKAS_API_KEY", raising=False)
    with CollectorProcess(tmp_path / "data") as made:
        yield made


def sent(running, made: list[bytes]) -> None:
    assert running.post(b"".join(made))[1]["accepted"] == len(made)


def changed(running, *statements: str) -> None:
    with closing(sqlite3.connect(running.data / "events.sqlite")) as sql, sql:
        for statement in statements:
            sql.execute(statement)


def changed_text(number: int) -> str:
    """Return what alters the text of the event that arrived as the nth."""
    text = "replace(CAST(line AS TEXT), 'mine', 'mIne')"
    return f"UPDATE body SET line = CAST({text} AS BLOB) WHERE id = {number}"


@pytest.mark.parametrize(
    "taken",
    [range(1, 10), range(1, 9), (*range(1, 4), *range(6, 10)), (1, 4, 7, 9), ()],
    ids=["all", "no end", "a gap", "gaps", "nothing"],
)
def test_it_says_of_a_collector_what_it_says_of_a_file(running, tmp_path, taken):
    made = [process("s1", 9)[n - 1] for n in taken]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(made))
    if made:
        sent(running, made)
    code, told = call("verify", path)
    there_code, there = call("verify", running.http)
    assert there_code == code
    if made:
        at = re.escape(str(path)) + r":\d+"
        assert there == [re.sub(at, running.http, line) for line in told]
    else:
        assert there == [f"{running.http}: empty: it holds no event that you may read."]


def test_each_event_that_was_altered_or_taken_out_is_named(running):
    sent(running, [*process("s1", 9), *process("s2", 3)])
    assert call("verify", running.http) == (
        0,
        [f"12 events in 2 streams (2 complete): {WHOLE}"],
    )
    changed(running, changed_text(2), changed_text(4), changed_text(11))
    changed(running, "DELETE FROM event WHERE id IN (6, 9)")
    code, told = call("verify", running.http)
    assert code == 1
    assert [line.removeprefix(f"{running.http}: ") for line in told] == [
        *(
            f"altered: Event '{name}' was altered: its content does not give its"
            " content_hash."
            for name in ("s1-2", "s1-4")
        ),
        "missing: 1 event is missing before event 's1-7', the first with seq 6.",
        (
            "missing: 1 event is missing at its end after event 's1-8', the last with"
            " seq 9."
        ),
        (
            "altered: Event 's2-2' was altered: its content does not give its"
            " content_hash."
        ),
        (
            "open: Stream 's1' has no end after event 's1-8': its process is at work"
            " or was killed, or its last events were cut off."
        ),
        "10 events in 2 streams (1 complete, 1 open): BROKEN.",
    ]
    changed(running, "DELETE FROM event WHERE stream = 2")
    assert "None of the events of stream 's2' is here." in str(
        call("verify", running.http)
    )


def test_events_that_changed_places_are_named(running):
    sent(running, process("s1", 9))
    changed(running, "UPDATE event SET seq = 9 - seq WHERE id IN (4, 5)")
    code, told = call("verify", running.http)
    assert code == 1
    assert told[0] == (
        f"{running.http}: reordered: Event 's1-5' stands before the event that it"
        " follows: lines were moved."
    )


def test_pages_of_any_size_give_the_same(running, monkeypatch):
    sent(running, [*process("s1", 9), *process("s2", 5), *lines([event("ERROR", 1)])])
    changed(running, changed_text(3), "DELETE FROM event WHERE id = 6")
    whole = call("verify", running.http)
    asked = RemoteQuery.lines_after
    for size in (1, 2, 3, 7):
        pages = []

        def few(self, *given, size=size, pages=pages, **named):
            pages.append(asked(self, *given, **{**named, "limit": size}))
            return pages[-1]

        monkeypatch.setattr(RemoteQuery, "lines_after", few)
        assert call("verify", running.http) == whole
        assert max(len(one.lines) + len(one.between) for one in pages) == size


def test_what_was_removed_on_record_is_told_and_is_no_problem(running):
    sent(running, [*process("s1", 9), *process("s2", 3)])
    asked = ("--yes", "--tenant", "acme", "--session", "c1")
    done = command("erase", "--data", str(running.data), *asked)
    assert done.returncode == 0, done.stderr
    assert call("verify", running.http) == (
        0,
        ["4 events removed on record.", f"8 events in 2 streams (2 complete): {WHOLE}"],
    )
    changed(running, "DELETE FROM event WHERE id = 5")
    code, told = call("verify", running.http)
    assert code == 1
    assert told[0] == (
        f"{running.http}: missing: 1 event is missing before event 's1-6', the first"
        " with seq 5."
    )


def test_a_reader_checks_its_own_tenant_alone(running, monkeypatch):
    sent(running, [*process("s1", 9, ("acme", "globex")), *process("s2", 3)])
    changed(running, changed_text(2))
    for tenant, code, told in (
        # The numbers 2, 4, 6, 8 are acme's, the others globex's, with the end.
        (
            "acme", 1,
            [
                ("{at}: altered: Event 's1-2' was altered: its content does not give"
                " its content_hash."),
                ("{at}: open: Stream 's1' has no end after event 's1-8': its process is"
                " at work or was killed, or its last events were cut off."),
                SHARED,
                "7 events in 2 streams (1 complete, 1 open): BROKEN.",
            ],
        ),
        (
            "globex", 3,
            [SHARED, f"5 events in 1 stream (complete): {PARTIAL}"],
        ),
        (
            "nobody", 1, [
                "{at}: empty: it holds no event that you may read.",
                "chaukas: {at} has no event of the tenant 'nobody', whose this key is.",
            ],
        ),
        (
            "*", 1,
            [
                ("{at}: altered: Event 's1-2' was altered: its content does not give"
                " its content_hash."),
                "12 events in 2 streams (2 complete): BROKEN.",
            ],
        ),
    ):  # fmt: skip
        monkeypatch.setenv("CHAUKAS_API_KEY", known_key(running, tenant, "read"))
        said = [line.format(at=running.http) for line in told]
        assert call("verify", running.http) == (code, said)
    monkeypatch.setenv("CHAUKAS_API_KEY", known_key(running, "globex", "read"))
    assert call("verify", "--partial", running.http)[0] == 0


def test_nothing_of_other_tenants_is_in_the_answer(running):
    sent(running, process("s1", 9, ("acme", "globex")))
    asked = ("--yes", "--tenant", "globex", "--session", "c1")
    assert command("erase", "--data", str(running.data), *asked).returncode == 0
    path = "/api/lines_after?order=chain"
    told = running.get(path, known_key(running, "acme", "read"))[1]
    assert [orjson.loads(one)["event_id"] for one in told["lines"]] == [
        f"s1-{n}" for n in (2, 4, 6, 8)
    ]
    assert told["between"] == [
        {
            "at": 0, "kind": "sent", "stream": "s1", "first": 2, "last": 8,
            "before": "", "hash": "", "is_shared": True,
        },
    ]  # fmt: skip
    assert "globex" not in orjson.dumps(told).decode()


@pytest.mark.parametrize(
    ("more", "status"),
    [("&filter=kind:error", 400), ("&cursor=x", 400), ("&order=beauty", 400)],
)
def test_an_order_of_chains_that_cannot_be_is_refused(running, more, status):
    assert running.get(f"/api/lines_after?order=chain{more}")[0] == status


def test_labels_and_spans_of_others_have_no_chain_and_are_no_problem(running):
    sent(running, process("s1", 3))
    bare = lines([event("ERROR", 5, stream="")])
    score = event("SYSTEM", 6, id="score", stream="", metadata={"name": "mine"})
    sent(running, [*bare, *linked([score])])
    assert call("verify", running.http) == (
        0,
        [
            "1 event without hash, as from OpenTelemetry.",
            f"4 events in 1 stream (complete): {WHOLE}",
        ],
    )
    changed(running, changed_text(5))
    assert call("verify", running.http)[0] == 1


def test_the_summary_says_whether_the_chain_is_whole(running):
    sent(running, process("s1", 3))
    told = "\n".join(call("summary", running.http, "--verify")[1])
    assert "chain of hashes verified: nothing altered" in told
    changed(running, changed_text(2))
    assert "BROKEN" in "\n".join(call("summary", running.http, "--verify")[1])
