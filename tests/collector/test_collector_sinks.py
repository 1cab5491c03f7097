"""The real sinks of the SDK on the real collector: what is sent is acknowledged."""

from __future__ import annotations

import orjson
import pytest

import chaukas
from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.http import HttpSink
from chaukas.sdk.sinks.collector.responses import Action, Answer
from tests.support.collector_process import CollectorProcess, events
from tests.support.samples import EVENTS, linked

ACKED = Answer(Action.ACKED)


@pytest.fixture(params=["http", "grpc"])
def sink(request, shared):
    kind = HttpSink if request.param == "http" else GrpcSink
    made = kind(shared.addresses[request.param], timeout_s=60)
    yield made
    made.close()


def lines(made):
    return [orjson.dumps(one) + b"\n" for one in made]


def test_a_batch_is_acknowledged_and_its_repetition_too(sink):
    batch = lines(events(len(EVENTS), f"sink-{sink.name}"))

    assert sink.send(batch) == ACKED
    assert sink.send(batch) == Answer(Action.ACKED, duplicate=len(batch))


def test_a_linked_record_arrives_whole(sink):
    made = [
        {**one, "event_id": f"{sink.name}{n}"} for n, one in enumerate(EVENTS.values())
    ]

    assert sink.send(linked(made)) == ACKED


def test_a_refused_event_is_named_and_the_others_are_acknowledged(sink):
    good, bad = events(2, f"refused-{sink.name}")
    bad["type"] = "EVENT_TYPE_UNSPECIFIED"

    answer = sink.send(lines([good, bad]))

    assert answer == Answer(Action.ACKED, ((1, "invalid"),))


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_wrong_key_parks_the_sink_and_a_right_one_delivers(tmp_path, scheme):
    with CollectorProcess(tmp_path / "data") as collector:
        key = collector.key("acme")
        kind = HttpSink if scheme == "http" else GrpcSink
        wrong = kind(collector.addresses[scheme], timeout_s=60, api_key="ck_no")
        right = kind(collector.addresses[scheme], timeout_s=60, api_key=key)
        batch = lines(events(3, "acme"))
        try:
            assert wrong.send(batch).action is Action.PARK
            assert right.send(batch) == ACKED
        finally:
            wrong.close()
            right.close()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_what_an_application_records_can_be_read_in_the_collector(
    tmp_path, shared, scheme
):
    chaukas.enable_chaukas(
        endpoint=shared.addresses[scheme],
        tenant_id=f"app-{scheme}",
        spool_dir=tmp_path / "spool",
        integrations=[],
    )
    try:
        for number in range(20):
            chaukas.event("tick", data={"number": number})
        assert chaukas.flush(60.0)
    finally:
        chaukas.disable_chaukas()

    path = f"/api/events?whole=1&limit=1000&filter=tenant:app-{scheme}"
    found = [item["event"]["metadata"] for item in shared.get(path)[1]["items"]]
    ticks = [one["data"]["number"] for one in found if one.get("name") == "tick"]
    assert ticks == list(range(20))
