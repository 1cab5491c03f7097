"""What both stores do: take events exactly once, keep tenants apart, give pages."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.store.filter import parse
from chaukas.store.memory import MemoryStore
from chaukas.store.protocol import (
    CursorError,
    NotFoundError,
    Rejection,
    Retention,
    Verdicts,
)
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.rows import whole_events
from tests.support.records import event, line, lines, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaukas.store.filter import Filter

NOW_US = 1_767_268_800_000_000


def asked(text: str = "") -> Filter:
    return parse(text, NOW_US)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each store in turn."""
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "db")
    yield made
    made.close()


@pytest.fixture
def reader(store: Any) -> Iterator[Any]:
    """A reader that sees what is stored when it is first used."""
    opened: list[Any] = []

    class Late:
        def __getattr__(self, name: str) -> Any:
            if not opened:
                opened.append(store.reader(None))
            return getattr(opened[0], name)

    yield Late()
    for one in opened:
        one.close()


# --- taking events ---------------------------------------------------------------


def test_an_event_that_comes_twice_is_there_once(store: Any, reader: Any) -> None:
    given = lines(run("t1"))
    assert store.ingest(given + given[:2]) == Verdicts(8, 2)
    assert store.ingest(given) == Verdicts(0, 8)
    assert reader.event_count() == 8
    assert reader.runs(asked()).items[0].model_calls == 1


def test_the_same_event_in_another_spelling_is_the_same(store: Any) -> None:
    one = event("SYSTEM", 1, metadata={"name": "x"})
    respelled = line(dict(reversed(one.items()))).replace(b",", b" , ")
    assert store.ingest([line(one), respelled]) == Verdicts(1, 1)


def test_of_two_events_with_one_id_the_first_is_kept(store: Any, reader: Any) -> None:
    first = event("ERROR", 1, id="e1", error={"error_code": "A"})
    second = event("ERROR", 1, id="e1", error={"error_code": "B"})
    found = store.ingest([line(first), line(second)])
    assert found == Verdicts(1, 0, (Rejection("e1", "conflict"),))
    assert reader.event("e1").name == "A"


def test_the_same_id_in_two_tenants_is_two_events(store: Any) -> None:
    given = [event("SYSTEM", 1, id="e", tenant_id=name) for name in ("a", "b")]
    assert store.ingest(lines(given)).accepted == 2


def test_what_is_no_event_is_rejected_and_harms_no_other(store: Any) -> None:
    given = [b"{", b"[]", b'{"a": 1}', line(event("SYSTEM", 1)), b"\xff"]
    found = store.ingest(given)
    assert found.accepted == 1
    assert found.rejected == (Rejection("", "invalid"),) * 4


def test_a_writer_of_one_tenant_takes_no_event_of_another(store: Any) -> None:
    given = lines([event("SYSTEM", 1, id="e", tenant_id="b")])
    found = store.ingest(given, tenant="a")
    assert found == Verdicts(0, 0, (Rejection("e", "tenant_mismatch"),))


def test_members_of_any_type_are_passed_over(store: Any, reader: Any) -> None:
    odd: list[Any] = [None, 1, -1.5, True, "x", [], {}, [{}], {"a": {}}]
    kinds = (
        "AGENT_END MODEL_INVOCATION_END TOOL_CALL_END ERROR RETRY POLICY_DECISION"
        " INPUT_RECEIVED SYSTEM STATE_UPDATE DATA_ACCESS MCP_CALL_START"
    ).split()
    contents = (
        "llm_invocation tool_call tool_response mcp_call error retry policy message"
        " cost performance metadata trace_id span_id session_id agent_name"
        " timestamp is_partial state_update data_access"
    ).split()
    given = []
    for number, value in enumerate(odd):
        for kind in kinds:
            one = event(kind, 1, id=f"{kind}{number}")
            one.update(dict.fromkeys(contents, value))
            given.append(one)
    assert store.ingest(lines(given)).accepted == len(given)
    reader.runs(asked())
    reader.causes(asked())
    assert reader.numbers(("tool",), asked()).total.count == len(odd)


def test_numbers_beyond_all_bounds_do_not_spoil_a_sum(store: Any, reader: Any) -> None:
    given = run("t1", cost=1e300) + run("t2", 5, cost=0.25)
    given[3]["llm_invocation"]["prompt_tokens"] = 10**30
    given[3]["performance"] = {"duration_ms": -5}
    store.ingest(lines(given))
    found = reader.numbers((), asked(), "model").total
    assert (found.cost_usd, found.unpriced_calls, found.input_tokens) == (0.25, 1, 100)


def test_sums_that_outgrow_a_whole_number_keep_no_event_out(
    store: Any, reader: Any
) -> None:
    """Each is the largest that is still believed, many times over."""
    largest = 2**53 - 1
    given = []
    for number in range(3000):
        end = run(f"t{number % 7}", number / 1000, cost=1e6, session="s")[3]
        end["event_id"] = f"e{number}"
        end["performance"] = {"duration_ms": largest}
        counts = ("prompt_tokens", "completion_tokens", "cached_tokens")
        end["llm_invocation"].update(dict.fromkeys(counts, largest))
        given.append(end)
    lost = dict.fromkeys(map(str, range(2000)), largest)
    name = {"name": "chaukas.dropped", "data": {"dropped": lost}}
    given += [event("SYSTEM", 1, metadata=name)]

    for start in range(0, len(given), 1000):
        assert store.ingest(lines(given[start : start + 1000])).rejected == ()

    asked_by = [("day",), ("agent",), ("model",), ("model", "agent"), ()]
    counts = {reader.numbers(by, asked(), "model").total.count for by in asked_by}
    assert counts == {3000}
    assert len(reader.runs(asked("cost>1")).items) == 7
    assert reader.sessions(asked("cost>1")).items[0].model_calls == 3000
    assert reader.streams()[0].events == 3001
    assert store.retain(Retention(most_bytes=0)) == 3001
    assert store.reader(None).event_count() == 0


@pytest.mark.parametrize(
    "name", "event_id tenant_id project_id session_id trace_id span_id".split()
)
def test_an_id_with_a_zero_character_is_an_id(store: Any, name: str) -> None:
    """To SQLite it is the end of a text here, and not there."""
    one = {**event("ERROR", 1), name: "a\0b"}
    other = {**event("ERROR", 2), name: "a\0b" if name != "event_id" else "a\0c"}
    assert store.ingest([line(one)]) == Verdicts(1, 0)
    assert store.ingest([line(one), line(other)]) == Verdicts(1, 1)
    assert store.ingest([line(one), line(other)]) == Verdicts(0, 2)


def test_a_stream_with_a_zero_character_is_a_stream(store: Any, reader: Any) -> None:
    for number in range(3):
        assert store.ingest([line(event("ERROR", number, stream="s\0"))]).accepted == 1
    assert [one.events for one in reader.streams()] == [3]


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00.000000Z", "1969-12-31T23:59:59Z"]
)
def test_what_happened_before_all_clocks_is_shown(
    store: Any, reader: Any, when: str
) -> None:
    given = [{**one, "timestamp": when} for one in run("t1")]
    store.ingest(lines(given))
    assert reader.sessions(asked()).items[0].runs == 1


# --- tenants -----------------------------------------------------------------------


def test_a_reader_sees_its_own_tenant_alone(store: Any) -> None:
    store.ingest(lines(run("t1", tenant="a") + run("t2", 5, tenant="b")))
    label = event("SYSTEM", 9, tenant_id="b", metadata={
        "name": "chaukas.score", "score": {"name": "good", "value": 1, "trace_id": "t1"}
    })  # fmt: skip
    store.ingest([line(label)])
    mine = store.reader("a")
    assert [one.trace_id for one in mine.runs(asked()).items] == ["t1"]
    assert [one.tenant_id for one in mine.sessions(asked()).items] == ["a"]
    assert {one.tenant_id for one in mine.events(asked()).items} == {"a"}
    assert mine.search("order", asked()).items[0].row.tenant_id == "a"
    assert mine.numbers(("tenant",), asked()).total.count == 1
    assert mine.numbers(("tenant",), asked(), "model").total.count == 1
    assert mine.labels(asked()).items == ()
    assert mine.values("tenant") == ["a"]
    assert mine.event_count() == 8
    assert mine.events_after(0, asked())[0][0].tenant_id == "a"
    with pytest.raises(NotFoundError):
        mine.run("t2")
    with pytest.raises(NotFoundError):
        mine.event(label["event_id"])
    mine.close()


# --- runs and sessions -------------------------------------------------------------


def test_a_run_is_added_up(store: Any, reader: Any) -> None:
    store.ingest(lines(run("t1", model="m", cost=0.25, input="Hi\n there")))
    found = reader.run("t1")
    assert (found.status, found.duration_ms, found.agents) == (
        "completed",
        1000.0,
        ("desk",),
    )
    assert (found.input, found.output) == ("Hi there", "It is on its way.")
    assert (found.input_tokens, found.output_tokens, found.cost_usd) == (100, 10, 0.25)
    assert (found.model_calls, found.tool_calls, found.open_spans) == (1, 1, 0)


def test_the_path_follows_handoffs_and_leaves_nested_agents_out(
    store: Any, reader: Any
) -> None:
    place = {"trace_id": "t1", "metadata": {"run_id": "a"}}
    given = [
        event("AGENT_START", 0, span_id="a", agent_name="desk", **place),
        event("AGENT_START", 1, span_id="n", agent_name="nested",
              parent_span_id="tool", **place),
        event("AGENT_HANDOFF", 2, agent_name="desk", **place, agent_handoff={
            "from_agent_name": "desk", "to_agent_name": "billing"}),
        event("AGENT_START", 3, span_id="b", agent_name="billing", **place),
        event("AGENT_HANDOFF", 4, agent_name="billing", **place, agent_handoff={
            "from_agent_name": "billing", "to_agent_name": "desk"}),
    ]  # fmt: skip
    store.ingest(lines(given))
    assert reader.run("t1").agents == ("desk", "billing", "desk")
    assert reader.runs(asked("agent:nested")).matched == 1


@pytest.mark.parametrize(
    ("live", "status"),
    [(frozenset(), "died"), (frozenset({"s1"}), "open"), (None, "open")],
)
def test_a_run_without_end_is_open_while_its_process_lives(
    store: Any, reader: Any, live: Any, status: str
) -> None:
    store.ingest(lines(run("t1")[:4]))
    store.set_live(live)
    assert reader.run("t1").status == status
    assert reader.sessions(asked()).items[0].status == status


def test_a_stream_that_ended_is_not_alive(store: Any, reader: Any) -> None:
    ended = event("SYSTEM", 9, metadata={"name": "chaukas.disabled"})
    store.ingest(lines([*run("t1")[:4], ended]))
    store.set_live(None)
    assert reader.run("t1").status == "died"
    assert reader.streams()[0].state == "ended"


def test_a_waiting_run_that_goes_on_and_ends_has_its_last_outcome(
    store: Any, reader: Any
) -> None:
    given = [*run("t1", outcome="waiting"), *run("t1", 60, outcome="failed")]
    for number, one in enumerate(given):
        one["event_id"] = f"e{number}"
        if number >= 8:
            one["span_id"] = one["span_id"] + "2"
    store.ingest(lines(given[:8]))
    assert store.reader(None).run("t1").status == "waiting"
    store.ingest(lines(given[8:]))
    assert reader.run("t1").status == "failed"


def test_a_trace_without_agent_model_or_tool_is_no_run(store: Any, reader: Any) -> None:
    given = event("MCP_CALL_END", 1, trace_id="t", mcp_call={"server_name": "s"})
    store.ingest([line(given)])
    assert reader.runs(asked()).items == ()


def test_a_session_counts_its_runs_and_failures(store: Any, reader: Any) -> None:
    given = run("t1") + run("t2", 5, outcome="failed") + run("t3", 9, session="other")
    store.ingest(lines(given))
    found = {one.session_id: one for one in reader.sessions(asked()).items}
    assert (found["chat"].runs, found["chat"].failed_runs) == (2, 1)
    assert found["chat"].status == "failed"
    assert found["other"].runs == 1


def test_labels_stand_at_the_run_that_they_judge(store: Any, reader: Any) -> None:
    score = {"name": "good", "value": 0.5, "trace_id": "t1", "comment": "so so"}
    label = event("SYSTEM", 900, trace_id="t1", metadata={
        "name": "chaukas.score", "score": score})  # fmt: skip
    store.ingest(lines([*run("t1"), label]))
    found = reader.run("t1")
    assert [(one.name, one.value, one.comment) for one in found.labels] == [
        ("good", 0.5, "so so")
    ]
    # It is no part of the run's time.
    assert found.last_us - found.first_us == 1_000_000
    assert reader.runs(asked("label:good")).matched == 1


# --- losses and trouble --------------------------------------------------------------


def test_missing_numbers_of_a_stream_are_counted(store: Any, reader: Any) -> None:
    store.ingest(lines([event("SYSTEM", n, seq=n) for n in (3, 4, 7, 9)]))
    store.ingest(lines([event("SYSTEM", 6, seq=6)]))
    assert reader.streams()[0].missing == 2
    assert [cause.kind for cause in reader.causes(asked())] == ["loss"]


def test_errors_that_differ_by_a_number_have_one_cause(store: Any, reader: Any) -> None:
    given = [
        event("ERROR", n, trace_id=f"t{n % 2}", error={
            "error_code": "LookupError", "error_message": f"no order {n * 1000}"})
        for n in range(4)
    ]  # fmt: skip
    store.ingest(lines(given))
    (cause,) = reader.causes(asked())
    assert (cause.kind, cause.name, cause.cause) == (
        "error",
        "LookupError",
        "no order #",
    )
    assert (cause.count, cause.runs, cause.trace_ids) == (4, 2, ("t1", "t0"))


# --- pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["time", "-time", "cost", "-cost", "-duration"])
def test_pages_give_every_run_once_and_in_order(
    store: Any, reader: Any, sort: str
) -> None:
    for number in range(7):
        store.ingest(lines(run(f"t{number}", number, cost=(number % 3) / 100)))
    whole = reader.runs(asked(), sort, limit=100).items
    found, cursor = [], ""
    while True:
        page = reader.runs(asked(), sort, cursor, 2)
        found += page.items
        cursor = page.next_cursor
        if not cursor:
            break
    assert tuple(found) == whole
    assert len(whole) == 7


@pytest.mark.parametrize("cursor", ["x", "e30", "WyJydW5zIHRpbWUiXQ", "é", "A" * 500])
def test_a_cursor_that_nobody_gave_is_refused(reader: Any, cursor: str) -> None:
    with pytest.raises(CursorError):
        reader.runs(asked(), cursor=cursor)


def test_events_after_a_number_come_once_each(store: Any) -> None:
    store.ingest(lines(run("t1")))
    first, last = store.reader(None).events_after(0, asked(), 3)
    rest, end = store.reader(None).events_after(last, asked())
    assert [one.number for one in [*first, *rest]] == list(range(1, 9))
    store.ingest(lines(run("t2", 5)))
    more, _ = store.reader(None).events_after(end, asked("kind:tool"))
    assert [one.type for one in more] == ["TOOL_CALL_START", "TOOL_CALL_END"]


# --- searching -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("order", 2),
        ("ORD*", 2),
        ('"my order"', 2),
        ('"order my"', 0),
        ("order shipped", 0),
        ('a"b', 0),
        ("NEAR(order)", 0),
        ("order OR shipped", 0),
        ("text:order", 0),
        ("*", 0),
        ("'; DROP TABLE event; --", 0),
        ("\0order", 2),
    ],
)
def test_a_search_takes_words_and_no_language(
    store: Any, reader: Any, text: str, count: int
) -> None:
    store.ingest(lines(run("t1")))
    assert len(reader.search(text, asked()).items) == count


def test_a_hit_says_where_the_words_are(store: Any, reader: Any) -> None:
    store.ingest(lines(run("t1", result="x " * 100 + "the needle is here")))
    (hit,) = reader.search("needle", asked()).items
    assert [hit.snippet[start:end] for start, end in hit.matches] == ["needle"]
    assert hit.row.type == "TOOL_CALL_END"


# --- numbers -------------------------------------------------------------------------


def test_percentiles_are_within_two_per_cent(store: Any, reader: Any) -> None:
    for number in range(1, 101):
        store.ingest(lines(run(f"t{number}", number, tool_ms=number * 10)))
    found = reader.numbers(("tool",), asked()).rows[0]
    assert found.duration_p50_ms == pytest.approx(500, rel=0.021)
    assert found.duration_p95_ms == pytest.approx(950, rel=0.021)


@pytest.mark.parametrize("of", ["run", "model", "tool"])
def test_numbers_by_time_have_at_most_120_intervals(
    store: Any, reader: Any, of: str
) -> None:
    for number in range(30):
        store.ingest(lines(run(f"t{number}", number * 1000)))
    found = reader.numbers(("time",), asked(), of)
    assert found.width_s is not None
    assert sum(row.count for row in found.rows) == 30
    keys = [int(row.key[0]) for row in found.rows]
    assert (keys[-1] - keys[0]) / found.width_s < 120


@pytest.mark.parametrize(
    ("by", "of"),
    [
        (("colour",), ""),
        (("day", "day"), ""),
        (("day", "hour"), ""),
        (("model", "tool"), ""),
        (("model",), "tool"),
        ((), "colour"),
    ],
)
def test_a_group_that_is_none_is_refused(
    reader: Any, by: tuple[str, ...], of: str
) -> None:
    with pytest.raises(ValueError, match=r"group|count"):
        reader.numbers(by, asked(), of)


# --- the SQLite store alone --------------------------------------------------------


def test_what_was_stored_is_there_after_opening_again(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "db")
    first.ingest(lines(run("t1")))
    first.close()
    again = SqliteStore(tmp_path / "db")
    assert again.ingest(lines(run("t1"))).duplicate == 8
    again.close()


def test_a_batch_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    with pytest.raises(sqlite3.OperationalError), store.transaction() as sql:
        sql.execute("INSERT INTO stream_end VALUES ('x')").execute("no SQL")
    assert store.ingest(lines(run("t1"))).accepted == 8
    with store.transaction() as sql:
        assert sql.execute("SELECT count(*) FROM stream_end").fetchone() == (0,)
    store.close()


def test_a_store_of_a_newer_chaukas_is_refused(tmp_path: Path) -> None:
    from chaukas.store.sqlite.schema import NewerSchemaError

    store = SqliteStore(tmp_path / "db")
    with store.transaction():
        pass
    store._connection.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(NewerSchemaError, match="newer chaukas"):
        SqliteStore(tmp_path / "db")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    reader = store.reader(None)
    with pytest.raises(Exception, match="readonly"):
        reader._sql.execute("DELETE FROM event")
    reader.close()
    store.close()


# --- large events ------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path) -> Iterator[SqliteStore]:
    """A store with 20 events of a megabyte, and 5 small ones."""
    made = SqliteStore(tmp_path / "db")
    given = run("t1")[:5]
    for number in range(20):
        one = event("INPUT_RECEIVED", 2 + number, id=f"e{number}", trace_id="t1")
        one["message"] = {"text": "needle"}
        one["pad"] = "x" * 1_000_000
        given.append(one)
    made.ingest(lines(given))
    yield made
    made.close()


def size_of(rows: Any) -> int:
    return sum(len(line(row.event)) for row in rows)


@pytest.mark.parametrize("order", ["time", "-time", "arrival"])
def test_pages_of_large_events_are_short_and_whole_together(
    large: SqliteStore, order: Any
) -> None:
    reader = large.reader(None)
    pages, cursor = [], ""
    while True:
        page = reader.events(asked(), order, cursor, 1000, whole=True)
        pages.append(page.items)
        cursor = page.next_cursor
        if not cursor:
            break
    assert max(map(size_of, pages)) < 5_000_000
    found = [row.event_id for page in pages for row in page]
    assert found == [
        row.event_id for row in reader.events(asked(), order, limit=1000).items
    ]
    assert len(found) == 25
    reader.close()


def test_large_events_that_arrived_come_in_short_pieces_once_each(
    large: SqliteStore,
) -> None:
    reader = large.reader(None)
    pieces, number = [], 0
    while True:
        rows, number = reader.events_after(number, asked(), 1000)
        if not rows:
            break
        pieces.append(rows)
    assert max(map(size_of, pieces)) < 5_000_000
    assert [row.number for piece in pieces for row in piece] == list(range(1, 26))
    reader.close()


def test_large_events_that_are_found_come_in_short_pages(large: SqliteStore) -> None:
    reader = large.reader(None)
    found, cursor = [], ""
    while True:
        page = reader.search("needle", asked(), cursor, 1000)
        assert size_of(hit.row for hit in page.items) < 5_000_000
        found += [hit.row.event_id for hit in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == [f"e{number}" for number in reversed(range(20))]
    reader.close()


def test_an_event_that_is_removed_while_it_is_read_is_passed_over(
    large: SqliteStore,
) -> None:
    reader = large.reader(None)
    rows = reader.events(asked(), limit=5).items
    large.retain(Retention(before_us=rows[3].at_us))
    kept = whole_events(reader._sql, [event_columns(row) for row in rows], 10**9)
    assert [row.event_id for row in kept] == [row.event_id for row in rows[3:]]
    reader.close()


def event_columns(row: Any) -> list[Any]:
    """Return what is read of an event before it is read whole."""
    columns: list[Any] = [None] * 23
    columns[:3] = [row.number, row.event_id, row.at_us]
    return columns
