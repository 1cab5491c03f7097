"""What a collector takes: every form, and what it says of each event."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import tracemalloc

import grpc
import orjson
import pytest
import zstandard

from chaukas.collector.access.callers import LOCAL, Access
from chaukas.collector.bodies.decode import decoded
from chaukas.collector.ingest import Ingest
from chaukas.collector.limits import Limits
from chaukas.collector.metrics import Metrics
from chaukas.collector.writer import Writer
from chaukas.sdk.ingest.calls import SERVICES
from chaukas.sdk.wire import batch_to_message, to_message
from chaukas.sdk.wire.proto import ingest_pb2
from chaukas.store import admission
from chaukas.store.admission import prepared
from chaukas.store.memory import MemoryStore
from tests.support.collector_process import (
    BATCH,
    JSON,
    LINES,
    PROTOBUF,
    events,
    lines_of,
)
from tests.support.samples import EVENTS


def protobuf_of(made):
    batch = batch_to_message(
        made, batch_id="b", timestamp="2026-01-01T12:00:00.000000Z"
    )
    return ingest_pb2.IngestEventBatchRequest(event_batch=batch).SerializeToString()


def stored(collector, tenant):
    """Return the events of a tenant as recorded, by id."""
    path = f"/api/events?whole=1&limit=1000&filter=tenant:{tenant}"
    _, page = collector.get(path)
    return {item["event_id"]: item["event"] for item in page["items"]}


def verdict_of(answer):
    return {name: answer[name] for name in ("accepted", "duplicate", "rejected")}


FORMS = {
    "lines": (LINES, lines_of),
    "json": (JSON, lambda made: orjson.dumps({"events": made})),
    "protobuf": (PROTOBUF, protobuf_of),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["/events/batch", "/v1/events/batch"])
def test_every_form_is_taken_and_kept_as_it_was(shared, form, path):
    tenant = f"{form}-{path.count('/')}"
    headers, encode = FORMS[form]
    made = events(len(EVENTS), tenant)

    status, answer = shared.post(encode(made), headers, path)

    taken = {"accepted": len(made), "duplicate": 0, "rejected": []}
    assert (status, verdict_of(answer)) == (202, taken)
    assert stored(shared, tenant) == {one["event_id"]: one for one in made}


@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)],
)
def test_compressed_bodies_are_taken(shared, coding, compress):
    made = events(300, coding)
    headers = {**LINES, "content-encoding": coding}

    status, answer = shared.post(compress(lines_of(made)), headers)

    assert (status, answer["accepted"]) == (202, 300)


def test_a_single_event_is_taken_as_json_and_as_protobuf(shared):
    one, other = events(2, "single")
    message = ingest_pb2.IngestEventRequest(event=to_message(other))

    first = shared.post(orjson.dumps(one), JSON, "/v1/events")
    second = shared.post(message.SerializeToString(), PROTOBUF, "/events")

    assert [(s, a["accepted"]) for s, a in (first, second)] == [(202, 1), (202, 1)]
    assert stored(shared, "single") == {one["event_id"]: one, other["event_id"]: other}


def test_the_published_openapi_form_becomes_the_usual_one(shared):
    published = {
        "event_id": "published-1",
        "tenant_id": "openapi",
        "type": "POLICY_DECISION",
        "status": "COMPLETED",
        "severity": "WARN",
        "author": "SYSTEM",
        "timestamp": "2026-01-01T12:00:00Z",
        "session_id": "s",
        "content": {"kind": "policy_decision", "policy_id": "p", "outcome": "deny"},
    }

    status, answer = shared.post(orjson.dumps(published), JSON, "/v1/events")

    assert (status, answer["accepted"]) == (202, 1)
    assert stored(shared, "openapi") == {
        "published-1": {
            "event_id": "published-1",
            "tenant_id": "openapi",
            "type": "EVENT_TYPE_POLICY_DECISION",
            "status": "EVENT_STATUS_COMPLETED",
            "severity": "SEVERITY_WARN",
            "author": "AUTHOR_SYSTEM",
            "timestamp": "2026-01-01T12:00:00Z",
            "session_id": "s",
            "policy": {"policy_id": "p", "outcome": "deny"},
        }
    }


@pytest.mark.parametrize("service", SERVICES)
def test_all_three_grpc_services_take_events(shared, service):
    made = events(5, service)
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as channel:
        call = channel.unary_unary(f"/{service}/IngestEventBatch")
        answer = ingest_pb2.IngestEventBatchResponse.FromString(
            call(protobuf_of(made), timeout=60)
        )
        again = ingest_pb2.IngestEventBatchResponse.FromString(
            call(protobuf_of(made), timeout=60)
        )

    assert (answer.accepted_count, answer.duplicate_count) == (5, 0)
    assert (again.accepted_count, again.duplicate_count) == (0, 5)
    assert stored(shared, service) == {one["event_id"]: one for one in made}


def test_the_published_client_talks_to_it(shared):
    from chaukas.spec.client.v1 import client_pb2, client_pb2_grpc
    from chaukas.spec.common.v1 import events_pb2

    event = events_pb2.Event(
        event_id="spec-1",
        tenant_id="spec",
        type=events_pb2.EVENT_TYPE_ERROR,
        error=events_pb2.ErrorInfo(error_message="no"),
    )
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as channel:
        stub = client_pb2_grpc.ChaukasClientServiceStub(channel)
        stub.Healthz(client_pb2.HealthzRequest(), timeout=60)
        offered = stub.GetCapabilities(client_pb2.GetCapabilitiesRequest(), timeout=60)
        stub.IngestEvent(client_pb2.IngestEventRequest(event=event), timeout=60)

    assert offered.capabilities.policy_decisions
    assert stored(shared, "spec") == {
        "spec-1": {
            "event_id": "spec-1",
            "tenant_id": "spec",
            "type": "EVENT_TYPE_ERROR",
            "error": {"error_message": "no"},
        }
    }


def test_fields_of_a_later_version_are_kept(shared):
    message = to_message(events(1, "later")[0])
    raw = message.SerializeToString() + b"\xfa\x7d\x05later"
    body = b"\x0a" + bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7]) + raw
    if len(raw) < 128:
        body = b"\x0a" + bytes([len(raw)]) + raw

    status, answer = shared.post(body, PROTOBUF, "/v1/events")

    assert (status, answer["accepted"]) == (202, 1)
    (event,) = stored(shared, "later").values()
    assert b"later" in base64.b64decode(event["x_protobuf"])


def test_a_verdict_names_each_event_that_is_not_taken(shared):
    good, same, other = events(3, "verdicts")
    shared.post(lines_of([good]))
    changed = {**good, "agent_name": "Somebody else"}
    large = {**other, "event_id": "large", "metadata": {"text": "x" * (1 << 20)}}
    no_type = {"event_id": "untyped", "tenant_id": "verdicts"}
    deep = {**same, "event_id": "deep", "metadata": {}}
    inner = deep["metadata"]
    for _ in range(70):
        inner["a"] = {}
        inner = inner["a"]

    status, answer = shared.post(lines_of([good, same, changed, large, no_type, deep]))

    assert status == 202
    assert (answer["accepted"], answer["duplicate"]) == (1, 1)
    assert {one["event_id"]: one["reason"] for one in answer["rejected"]} == {
        good["event_id"]: "conflict",
        "large": "too_large",
        "untyped": "invalid",
        "deep": "invalid",
    }
    assert stored(shared, "verdicts")[good["event_id"]] == good


def test_the_same_event_in_another_form_is_a_duplicate(shared):
    made = events(len(EVENTS), "forms")
    shared.post(lines_of(made))

    _, answer = shared.post(protobuf_of(made), PROTOBUF)

    assert verdict_of(answer) == {"accepted": 0, "duplicate": 19, "rejected": []}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", LINES, 400),
        (b"[1]", JSON, 400),
        (b'{"events": 1}', JSON, 400),
        (b"\xff\xff\xff", PROTOBUF, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {**JSON, "content-encoding": "br"}, 415),
        (b"{}", {**JSON, "content-encoding": "gzip"}, 400),
        (lines_of(events(1001)), LINES, 413),
    ],
)
def test_a_request_that_is_none_is_refused_as_a_whole(shared, body, headers, status):
    assert shared.post(body, headers)[0] == status


def test_other_methods_and_paths_are_no_ingest(shared):
    assert shared.ask("GET", BATCH)[0] == 405
    assert shared.ask("POST", "/v2/events", b"{}", JSON)[0] == 404


def test_health_readiness_and_metrics_are_answered(collector):
    collector.post(lines_of(events(3, "a")))
    collector.post(lines_of(events(3, "a")))

    assert collector.ask("GET", "/healthz")[0] == 200
    assert collector.ask("GET", "/readyz")[0] == 200
    text = collector.ask("GET", "/metrics")[2].decode()
    for line in (
        "chaukas_events_accepted_total 3",
        "chaukas_events_duplicate_total 3",
        "chaukas_commit_seconds_count 2",
        "chaukas_store_events 3",
    ):
        assert line in text.splitlines()


def test_it_ends_by_sigterm_with_exit_code_0_and_keeps_what_it_took(collector):
    collector.post(lines_of(events(10, "a")))

    assert collector.stop() == 0
    collector.start()

    assert len(stored(collector, "a")) == 10


def test_lines_are_decoded_once_on_their_way_into_the_store(monkeypatch):
    lines = [orjson.dumps(one) for one in events(3)]
    found = decoded(b"\n".join(lines), "application/x-ndjson", Limits(), is_batch=True)
    again = prepared(lines, [None] * 3, "a")
    monkeypatch.setattr(admission, "event_of", None)

    batch = prepared(found.lines, found.events, "a")

    assert batch == again
    assert [fact.tenant for fact in batch.admitted] == ["a"] * 3
    assert admission.admitted(batch) is batch.admitted


class Looking(MemoryStore):
    """A store that looks, when it writes, which events are still there as trees."""

    def __init__(self):
        super().__init__()
        self.trees = []
        self.memory_bytes = 0

    def ingest_all(self, batches):
        self.memory_bytes = tracemalloc.get_traced_memory()[0]
        found = [one for one in gc.get_objects() if type(one) is dict]
        self.trees = [one for one in found if type(one.get("event_id")) is str]
        return super().ingest_all(batches)


@pytest.mark.parametrize("form", ["lines", "protobuf"])
def test_what_waits_for_its_commit_is_lines_and_no_trees(form):
    headers, encode = FORMS[form]
    note = {"note": "some words " * 200}
    made = [{**one, "metadata": note} for one in events(200, "a")]
    body = encode(made)
    sizes = len(lines_of(made))
    del made
    store = Looking()
    writer = Writer(store, 1 << 20)
    ingest = Ingest(writer, Access(None, is_open=True), Limits(), Metrics())
    taking = ingest.take(LOCAL, body, headers["content-type"])

    # Those of other tests, which only the garbage collector finds.
    gc.collect()

    tracemalloc.start()
    verdict = asyncio.run(taking)
    tracemalloc.stop()

    writer.close()
    assert verdict.accepted == 200
    assert store.trees == []
    # Lines, words, and what the store keeps of each beside them.
    assert store.memory_bytes / sizes < 3
