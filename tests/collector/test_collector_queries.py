"""What a collector answers about events: the calls of the published spec."""

from __future__ import annotations

import asyncio
import socket

import grpc
import orjson
import pytest

from chaukas.collector import server
from chaukas.collector.limits import Limits
from chaukas.sdk.wire.proto import service_pb2
from tests.support.collector_process import JSON, CollectorProcess, events, lines_of
from tests.support.waiting import until


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    with CollectorProcess(tmp_path_factory.mktemp("filled") / "data") as running:
        running.a = running.key("a")
        running.b = running.key("b")
        until(lambda: running.ask("GET", "/v1/capabilities")[0] in {401, 429})
        for tenant, key in (("a", running.a), ("b", running.b)):
            made = events(38, tenant)
            for number, one in enumerate(made):
                one["timestamp"] = f"2026-01-01T12:00:{number:02}.000000Z"
                one["tags"] = ["even" if number % 2 == 0 else "odd"]
            assert running.post(lines_of(made), key=key)[1]["accepted"] == 38
        yield running


def query(collector, key="", **asked):
    headers = {**JSON, "authorization": f"Bearer {key or collector.a}"}
    body = orjson.dumps({"filter": {}, **asked})
    status, _, answer = collector.ask("POST", "/v1/query", body, headers)
    return status, orjson.loads(answer)


def test_events_come_newest_first_in_the_published_form(filled):
    status, answer = query(filled, page_size=2)

    assert status == 200
    assert [one["event_id"] for one in answer["events"]] == ["event-a-37", "event-a-36"]
    assert {one["tenant_id"] for one in answer["events"]} == {"a"}
    assert not any(one["type"].startswith("EVENT_TYPE_") for one in answer["events"])


@pytest.mark.parametrize(
    ("filter_", "numbers"),
    [
        ({"types": ["ERROR"]}, [13, 32]),
        ({"types": ["EVENT_TYPE_ERROR", "RETRY"]}, [13, 14, 32, 33]),
        ({"tags": ["odd"], "types": ["ERROR"]}, [13]),
        ({"time": {"end": "2026-01-01T12:00:02Z"}}, [0, 1]),
        ({"time": {"start": "2026-01-01T12:00:36Z"}}, [36, 37]),
        ({"tenant_id": "b"}, []),
        ({"session_id": "none"}, []),
    ],
)
def test_all_conditions_must_hold(filled, filter_, numbers):
    _, answer = query(filled, filter=filter_, order_by_time="ASC")
    found = [int(one["event_id"].rpartition("-")[2]) for one in answer["events"]]
    assert found == numbers


def test_pages_follow_one_another_to_the_end(filled):
    found, token = [], ""
    while True:
        _, answer = query(filled, page_size=7, page_token=token, order_by_time="ASC")
        found += [one["event_id"] for one in answer["events"]]
        token = answer["next_page_token"]
        if not token:
            break
    assert found == [f"event-a-{number}" for number in range(38)]


def test_s4_a_page_token_is_of_no_use_to_another_tenant_or_question(filled):
    _, answer = query(filled, page_size=2)
    token = answer["next_page_token"]

    assert query(filled, page_size=5, page_token=token)[0] == 200
    assert query(filled, filled.b, page_size=2, page_token=token)[0] == 400
    assert query(filled, page_token=token, order_by_time="ASC")[0] == 400
    assert query(filled, page_token=token[:-2] + "AA")[0] == 400
    assert query(filled, page_token="nothing")[0] == 400


def test_s9_no_text_of_a_question_is_part_of_the_sql(filled):
    for text in (
        "'",
        "' OR 1=1 --",
        '"',
        "%",
        "_",
        "*",
        ")",
        "\0",
        'a" OR b',
        "é" * 99,
    ):
        for name in ("session_id", "trace_id", "span_id", "text_query", "agent_id"):
            status, answer = query(filled, filter={name: text})
            assert status in {200, 400}, (name, text)
            assert not answer.get("events"), (name, text)
        status, _ = query(filled, filter={"types": [text], "tags": [text]})
        assert status in {200, 400}


@pytest.mark.parametrize(
    "asked",
    [
        {"filter": 1},
        {"filter": {"types": "ERROR"}},
        {"filter": {"time": {"start": "yesterday"}}},
        {"page_size": "x"},
        {"page_token": 1},
    ],
)
def test_a_question_that_is_none_is_refused(filled, asked):
    assert query(filled, **asked)[0] == 400


def test_stats_count_by_type(filled):
    status, answer = filled.get("/v1/stats", filled.a)

    assert status == 200
    assert answer["total_events"] == 38
    assert answer["events_by_type"]["EVENT_TYPE_ERROR"] == 2


def test_the_same_is_answered_over_grpc(filled):
    metadata = (("authorization", f"Bearer {filled.a}"),)
    request = service_pb2.QueryEventsRequest()
    request.query.page_size = 3
    request.query.filter.types.append(40)
    with grpc.insecure_channel(filled.grpc.removeprefix("grpc://")) as channel:
        service = "/chaukas.spec.client.v1.ChaukasClientService"
        page = service_pb2.QueryEventsResponse.FromString(
            channel.unary_unary(f"{service}/QueryEvents")(
                request.SerializeToString(), timeout=60, metadata=metadata
            )
        )
        stats = service_pb2.GetEventStatsResponse.FromString(
            channel.unary_unary(f"{service}/GetEventStats")(
                b"", timeout=60, metadata=metadata
            )
        )

    found = [one.event_id for one in page.response.events]
    assert found == ["event-a-32", "event-a-13"]
    assert stats.total_events == 38
    assert stats.events_by_type["EVENT_TYPE_ERROR"] == 2


def test_an_answer_is_sent_at_once_and_waits_for_no_acknowledgement():
    async def accepted():
        bound = server._bound("127.0.0.1", 0, Limits())
        found = asyncio.get_running_loop().create_future()

        def note(_reader, writer):
            of_client = writer.get_extra_info("socket")
            flag = of_client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            found.set_result(flag)
            writer.close()

        serving = await asyncio.start_server(note, sock=bound)
        _, client = await asyncio.open_connection(*bound.getsockname())
        client.close()
        flag = await found
        serving.close()
        return flag

    assert asyncio.run(accepted())
