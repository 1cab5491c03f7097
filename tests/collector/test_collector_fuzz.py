"""S4, S9, S19, S20: whatever is sent or asked, nothing breaks and nothing leaks."""

from __future__ import annotations

import base64
import http.client
import os
import string
from contextlib import closing
from urllib.parse import quote, urlencode

import grpc
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaukas.collector.reading.published_query import page_of, question_of
from chaukas.collector.refusal import Refusal
from chaukas.query import Query
from chaukas.sdk.ingest.calls import SERVICES
from chaukas.store.protocol import Batch
from chaukas.store.sqlite import SqliteStore
from chaukas.viewer.api import _CALLS
from chaukas.viewer.build import build
from tests.support.collector_process import (
    BATCH,
    JSON,
    LINES,
    CollectorProcess,
    events,
    lines_of,
)
from tests.support.waiting import until

ROUTES = (
    "/", "/healthz", "/readyz", "/metrics", "/v1/capabilities", "/v1/stats",
    "/v1/query", BATCH, "/events", "/v1/events", "/v1/traces", "/open/x",
    "/api/export", "/api/status", *(f"/api/{name}" for name in _CALLS),
)  # fmt: skip
NAMES = sorted(
    {name for _, known in _CALLS.values() for name in known}
    | {"start", "end", "tenant_id", "project_id", "after"}
)
CALLS = (
    "IngestEvent", "IngestEventBatch", "QueryEvents", "GetEventStats",
    "GetCapabilities", "Healthz",
)  # fmt: skip
INJECTIONS = (
    "' OR 1=1 --", "'; DROP TABLE event; --", '" OR ""="', "') UNION SELECT 1 --",
    "\\' OR 1=1", "%", "_", "*", "**", "a*b", "\\", "\\%", "\0",
    "a\0b", "NEAR(a b)", "text:a", '"', '""', "^a", "a AND b", "a OR b", "NOT a",
    "{a b}: c", "a + b", "-a", "(a", "a)", "\u202e", "\U0001f600", "'||(SELECT 1)||'",
    "1; PRAGMA writable_schema=1", "admin'/*", "x'41'", "since:1h", "tenant:b",
    "tenant:*", "tenant:b,a", "-tenant:a", "cost:>9e999", "tokens:>99999999999999999",
    "since:99999999999h", "duration:>1e400", "until:0001-01-01", "since:9999-12-31",
)  # fmt: skip
HARD = st.one_of(
    st.sampled_from(INJECTIONS),
    st.text(max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["-1", "0", "9" * 30, "9" * 3000, "\u00b2", "nan", "inf", "tree"]),
)
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
usual = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
long = settings(usual, max_examples=EXAMPLES * 100)


# --- S19: bytes to every route and call -------------------------------------------


def asked(collector, method, path, body, headers):
    client = http.client.HTTPConnection(collector.place, timeout=60)
    try:
        client.request(method, path, body, headers)
        return client.getresponse().status
    finally:
        client.close()


REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
        "path": st.sampled_from(ROUTES),
        "query": st.dictionaries(st.sampled_from(NAMES), HARD, max_size=4),
        "kind": st.sampled_from(
            [
                "application/json", "application/x-ndjson", "application/x-protobuf",
                "text/plain", "",
            ]
        ),
        "coding": st.sampled_from(["", "gzip", "zstd", "br"]),
        "body": st.one_of(
            st.binary(max_size=300),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | HARD,
                lambda inner: st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["filter", "page_size", "page_token", "time", "start", "types",
                         "tags", "event_id", "events", "type", "metadata", "tenant_id",
                         "order_by_time", "text_query", "session_id"]
                    ),
                    inner,
                    max_size=5,
                ),
                max_leaves=12,
            ).map(lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
                  if _fits(value) else b"null"),
        ),
    }
)  # fmt: skip


def _fits(value):
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def send(collector, request):
    query = urlencode(request["query"], errors="replace")
    headers = {"content-type": request["kind"], "content-encoding": request["coding"]}
    headers = {name: value for name, value in headers.items() if value}
    path = f"{request['path']}?{query}"[:8000]
    return asked(collector, request["method"], path, request["body"], headers)


@usual
@given(request=REQUESTS)
def test_s19_no_bytes_to_any_route_break_it(shared, request):
    assert send(shared, request) < 500


@pytest.mark.slow
@long
@given(request=REQUESTS)
def test_s19_no_bytes_to_any_route_break_it_for_minutes(shared, request):
    assert send(shared, request) < 500


@pytest.fixture(scope="module")
def channel(shared):
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as made:
        yield made


def call(channel, service, name, body):
    try:
        channel.unary_unary(f"/{service}/{name}")(body, timeout=60)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


BROKEN = {
    grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS, grpc.StatusCode.DEADLINE_EXCEEDED,
}  # fmt: skip
# Mostly well formed: tag bytes of the first fields, lengths that fit.
MESSAGES = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(0, 2), st.binary(max_size=40)),
        max_size=8,
    ).map(lambda parts: b"".join(map(_field, parts))),
)


def _field(part):
    number, kind, data = part
    if kind == 0:
        return bytes([number << 3 & 0x7F]) + bytes(b | 0x80 for b in data[:8]) + b"\x01"
    if kind == 1:
        return bytes([(number << 3 | 1) & 0x7F]) + data[:8].ljust(8, b"\xff")
    inner = data if not data else _field((data[0] % 30 + 1, data[0] % 3, data[1:]))
    return bytes([(number << 3 | 2) & 0x7F, len(inner) & 0x7F]) + inner[:127]


@usual
@given(service=st.sampled_from(SERVICES), name=st.sampled_from(CALLS), body=MESSAGES)
def test_s19_no_bytes_to_any_call_break_it(channel, service, name, body):
    assert call(channel, service, name, body) not in BROKEN


@pytest.mark.slow
@long
@given(service=st.sampled_from(SERVICES), name=st.sampled_from(CALLS), body=MESSAGES)
def test_s19_no_bytes_to_any_call_break_it_for_minutes(channel, service, name, body):
    assert call(channel, service, name, body) not in BROKEN


@pytest.mark.parametrize("seconds", [10**18, -(10**18), 253402300800, -62135596801])
def test_s19_a_moment_that_no_calendar_has_is_refused_over_grpc(channel, seconds):
    from chaukas.sdk.wire.proto import service_pb2

    query = service_pb2.QueryEventsRequest()
    query.query.filter.time.start.seconds = seconds
    stats = service_pb2.GetEventStatsRequest()
    stats.time_range.start.seconds = seconds
    for name, request in (("QueryEvents", query), ("GetEventStats", stats)):
        found = call(channel, SERVICES[0], name, request.SerializeToString())
        assert found in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OK}, name


@pytest.mark.parametrize("after", ["\u00b2", "9" * 30, "-1", "x", "1.5"])
def test_s19_a_place_in_the_stream_of_events_that_is_none_is_the_newest(shared, after):
    client = http.client.HTTPConnection(shared.place, timeout=60)
    client.request("GET", f"/api/follow?after={quote(after)}")
    answer = client.getresponse()
    assert answer.status == 200
    assert answer.readline() in {b"event: status\n", b"id: 0\n"}
    client.close()


# --- S9 --------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["runs", "sessions", "events", "search", "numbers"])
@pytest.mark.parametrize("text", INJECTIONS)
def test_s9_no_injection_into_the_filter_breaks_it(shared, of, text):
    further = {"text": "of"} if of == "search" else {}
    for name in ("filter", "sort", "by", "cursor", "text"):
        query = urlencode({**further, name: text})
        assert shared.ask("GET", f"/api/{of}?{query}")[0] in {200, 400}, name


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, 1e308])
def test_s9_a_cursor_of_numbers_that_no_store_has_is_refused(shared, number):
    for path, kind in (
        ("events", ["events time", number, 1]),
        ("events", ["events time", 1.0, number]),
        ("runs", ["runs -time", 1, number]),
        ("search?text=of", ["search", number]),
    ):
        cursor = base64.urlsafe_b64encode(orjson.dumps(kind)).decode()
        sign = "&" if "?" in path else "?"
        found = shared.ask("GET", f"/api/{path}{sign}cursor={cursor}")[0]
        assert found in {200, 400}, path


TEXTS = ("tenant_id project_id session_id span_id trace_id agent_id text_query").split()
LISTS = ("types", "statuses", "severities", "tags")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store with events of two tenants, whose rows must never change."""
    with closing(SqliteStore(tmp_path_factory.mktemp("store") / "e.sqlite")) as store:
        for tenant in ("a", "b"):
            made = [
                {**one, "trace_id": f"run-{tenant}", "session_id": f"session-{tenant}"}
                for one in events(40, tenant)
            ]
            store.ingest_all([Batch(lines_of(made).splitlines(), tenant)])
        yield store


def answers(store, tenant, form):
    """Return the tenants in an answer to a query; None if it is refused."""
    with closing(store.reader(tenant)) as reader:
        try:
            found, token = page_of(reader, tenant, question_of(form), b"s" * 32)
        except Refusal as refusal:
            return None if refusal.status == 400 else refusal.status
    assert len(found) <= 1000
    assert type(token) is str
    return {one["tenant_id"] for one in found}


@pytest.mark.parametrize("field", [*TEXTS, *LISTS])
@pytest.mark.parametrize("text", INJECTIONS)
def test_s9_no_injection_finds_more_or_breaks(stores, field, text):
    value = [text] if field in LISTS else text
    assert answers(stores, "a", {"filter": {field: value}}) in (None, set(), {"a"})


@usual
@given(
    filter_=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(TEXTS, HARD),
            **dict.fromkeys(LISTS, st.lists(HARD, max_size=3)),
            "time": st.dictionaries(st.sampled_from(["start", "end"]), HARD),
        },
    ),
    size=st.integers(),
    token=HARD,
)
def test_s9_any_filter_is_answered_or_refused(stores, filter_, size, token):
    form = {"filter": filter_, "page_size": size, "page_token": token}
    assert answers(stores, "a", form) in (None, set(), {"a"})
    form["page_token"] = ""
    assert answers(stores, "a", form) in (None, set(), {"a"})


@pytest.mark.parametrize(
    ("size", "wanted"), [(0, 40), (-5, 1), (1, 1), (10**30, 40), (1001, 40)]
)
def test_s9_the_size_of_a_page_is_bounded(stores, size, wanted):
    with closing(stores.reader("a")) as reader:
        question = question_of({"filter": {}, "page_size": size})
        assert 1 <= question.size <= 1000
        assert len(page_of(reader, "a", question, b"s" * 32)[0]) == wanted


def test_s9_a_percent_sign_is_no_wildcard(stores):
    with closing(stores.reader("a")) as reader, closing(Query(reader, status)) as query:
        assert query.events(filter="session:session-*").items
        assert not query.events(filter='session:"session-%*"').items
        assert not query.events(filter='session:"session__"').items
        assert _values(query, "session", "s") == {"session-a"}
        assert not _values(query, "session", "%")


def _values(query, field, prefix=""):
    return {value for one in query.fields(field, prefix) for value in one.values}


# --- S4 --------------------------------------------------------------------------

LETTERS = st.text(string.ascii_lowercase, min_size=1, max_size=2)
WRITES = st.lists(
    st.fixed_dictionaries(
        {
            "tenant": st.sampled_from(["a", "b", "c", "a%", "A", "*x"]),
            "id": LETTERS,
            "trace": LETTERS,
            "session": LETTERS,
            "kind": st.integers(0, 18),
        }
    ),
    min_size=1,
    max_size=30,
)


def written(writes):
    """Return the events of each tenant, by id; the first of each id counts."""
    kept = {}
    for one in writes:
        event = {
            **events(1, one["tenant"], one["kind"])[0],
            "event_id": one["id"],
            "trace_id": one["trace"],
            "session_id": one["session"],
            "agent_name": f"of {one['tenant']}",
        }
        kept.setdefault(one["tenant"], {}).setdefault(one["id"], event)
    return kept


@settings(usual, max_examples=min(EXAMPLES, 60))
@given(writes=WRITES)
def test_s4_each_reader_sees_exactly_its_own(tmp_path_factory, writes):
    kept = written(writes)
    path = tmp_path_factory.mktemp("s4") / "e.sqlite"
    with closing(SqliteStore(path, is_durable=False)) as store:
        store.ingest_all(
            [
                Batch(lines_of(list(made.values())).splitlines(), tenant)
                for tenant, made in kept.items()
            ]
        )
        for tenant in ("a", "b", "c", "a%", "A", "*x", "nobody"):
            mine = kept.get(tenant, {})
            with (
                closing(store.reader(tenant)) as reader,
                closing(Query(reader, status)) as query,
            ):
                rows = query.events(limit=1000, whole=True).items
                assert {row.event_id: row.event for row in rows} == mine
                assert reader.event_count() == len(mine)
                assert sum(reader.event_stats(_nothing())[0].values()) == len(mine)
                after, _ = query.events_after(0)
                assert {row.event_id for row in after} == set(mine)
                assert _seen(query, reader) <= {tenant}


def status():
    """Nobody asks how far the source is read."""
    raise AssertionError


def _nothing():
    from chaukas.store.filter import Filter

    return Filter()


def _seen(query, reader):
    """Return the tenants in every other answer."""
    seen = {row.tenant_id for row in query.runs(limit=1000).items}
    seen |= {row.tenant_id for row in query.sessions(limit=1000).items}
    seen |= _values(query, "tenant")
    seen |= {hit.row.tenant_id for hit in query.search("of").items}
    names = _values(query, "agent")
    seen |= {name.removeprefix("of ") for name in names if name[:3] == "of "}
    seen |= {row.key[0] for row in query.numbers(("tenant",)).rows}
    return seen


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A collector with a key of each of three tenants."""
    with CollectorProcess(tmp_path_factory.mktemp("tenants") / "data") as running:
        running.keys = {name: running.key(name) for name in ("a", "b", "c")}
        until(lambda: running.ask("GET", "/v1/capabilities")[0] == 401)
        for name, key in running.keys.items():
            # The same ids in each: a tenant's own is the one that is told.
            made = [
                {
                    **one, "event_id": f"same-{number}", "trace_id": "same",
                    "session_id": "same", "agent_name": f"of-{name}",
                }
                for number, one in enumerate(events(19, name))
            ]  # fmt: skip
            until(lambda key=key: bearer_status(running, key) == 200)
            assert running.post(lines_of(made), key=key)[1]["accepted"] == 19
        yield running


def bearer_status(collector, key):
    headers = {"authorization": f"Bearer {key}"}
    return collector.ask("GET", "/v1/capabilities", headers=headers)[0]


ASKED = (
    "/api/summary", "/api/sessions", "/api/session?session_id=same", "/api/runs",
    "/api/tree?trace_id=same", "/api/event?id=same-1", "/api/events?whole=1",
    "/api/search?text=of", "/api/numbers?by=tenant", "/api/numbers?by=agent",
    "/api/trouble", "/api/diff?left=same&right=same", "/api/labels",
    "/api/fields?field=tenant", "/api/fields?field=agent", "/api/fields?field=session",
    "/api/export?trace_id=same", "/v1/stats", "/api/status",
)  # fmt: skip


@pytest.mark.parametrize("path", ASKED)
def test_s4_the_same_ids_in_three_tenants_are_three_things(keyed, path):
    if "export" in path:
        # It is what an export is made of; nothing is done if it is there.
        build(lambda _line: None)
    for name, key in keyed.keys.items():
        status, _, body = keyed.ask("GET", path, headers=bearer(key))
        others = {"a", "b", "c"} - {name}
        assert status == 200, body
        assert not [one for one in others if f"of-{one}".encode() in body]
        assert not [one for one in others if f'tenant_id":"{one}"'.encode() in body]


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("of", ["events", "runs", "sessions", "search"])
def test_s4_a_cursor_of_another_tenant_leads_to_ones_own_only(keyed, of):
    path = f"/api/{of}?limit=1" + ("&text=of" if of == "search" else "")
    _, page = keyed.get(path, keyed.keys["a"])
    cursor = page["next_cursor"]
    status, found = keyed.get(f"{path}&cursor={quote(cursor)}", keyed.keys["b"])
    assert status == 200
    assert "of-a" not in str(found)


def test_s4_a_page_token_is_of_its_tenant_and_of_its_question(keyed):
    def query(key, form):
        headers = {**JSON, **bearer(key)}
        status, _, body = keyed.ask("POST", "/v1/query", orjson.dumps(form), headers)
        return status, orjson.loads(body)

    form = {"filter": {"session_id": "same"}, "page_size": 2}
    status, page = query(keyed.keys["a"], form)
    assert (status, len(page["events"])) == (200, 2)
    token = page["next_page_token"]
    again = {**form, "page_token": token}
    assert query(keyed.keys["a"], again)[0] == 200
    assert query(keyed.keys["b"], again)[0] == 400
    assert query(keyed.keys["a"], {**again, "filter": {}})[0] == 400
    for wrong in (token[:-2], "A" + token[1:], token + "AA", "", "\u20ac"):
        status, _ = query(keyed.keys["a"], {**form, "page_token": wrong})
        assert status == (200 if wrong == "" else 400)


# --- S20 -------------------------------------------------------------------------

BREAKING = """
import sys
from chaukas.collector.access import callers
from chaukas.collector.ingest import Ingest
from chaukas.collector.server import Collector
from chaukas.collector.reading import queries
from chaukas.store.sqlite import SqliteReader, SqliteStore
from chaukas.viewer.files import Files

def broken(*_args, **_kwargs):
    raise {error}("canary: SELECT line FROM body")

{where} = broken
from chaukas.cli import main
main()
"""


@pytest.mark.parametrize("error", ["RuntimeError", "KeyError", "MemoryError"])
@pytest.mark.parametrize(
    ("where", "requests"),
    [
        ("SqliteStore.reader", [p for p in ROUTES if p.startswith("/api/")]),
        ("SqliteStore.reader", ["/metrics", "/v1/stats", "POST /v1/query"]),
        ("Ingest.take", [f"POST {BATCH}", "POST /events"]),
        ("callers.Access.caller", ["/v1/capabilities", f"POST {BATCH}", "/"]),
        ("Files.answer", ["/"]),
        ("Collector.health", ["/readyz"]),
        ("SqliteStore.ingest_all", [f"POST {BATCH}"]),
    ],
    ids=lambda value: value if type(value) is str else "",
)
def test_s20_each_handler_that_raises_tells_a_number_and_no_more(
    tmp_path, error, where, requests
):
    program = tmp_path / "broken.py"
    program.write_text(BREAKING.format(error=error, where=where))
    with CollectorProcess(
        tmp_path / "data", program=program, has_page="Files" in where
    ) as collector:
        for line in requests:
            method, _, path = line.rpartition(" ")
            method = method or "GET"
            body = orjson.dumps({"filter": {}}) if "query" in path else b""
            kind = JSON
            if path in {BATCH, "/events"}:
                kind, body = LINES, lines_of(events(1))
            query = (
                "?id=x&text=x&trace_id=x&session_id=x&field=agent&left=x&right=x"
                "&number=1"
            )
            status, headers, told = collector.ask(
                method, path + (query if method == "GET" else ""), body, kind
            )
            assert status in {500, 503}, line
            assert len(headers["x-request-id"]) == 32
            for word in (b"Traceback", b"canary", b"SELECT", b"File ", error.encode()):
                assert word not in told, line
            # Under which the log has the reason.
            assert "canary" in collector.log_text()
