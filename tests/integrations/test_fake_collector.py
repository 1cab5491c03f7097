"""Prove the public fake collector with clients that are not ours."""

from __future__ import annotations

import gzip
import http.client
import threading
from urllib.parse import urlsplit

import grpc
import orjson
import pytest

import chaukas.sdk.testing
import chaukas.testing
from chaukas.sdk.wire import batch_to_message, to_message
from chaukas.sdk.wire.proto import ingest_pb2
from chaukas.testing import FakeCollector, Fault, Reply
from tests.support.samples import EVENTS, event
from tests.support.waiting import until

ALL = list(EVENTS.values())
LINES = b"".join(orjson.dumps(each) + b"\n" for each in ALL)
JSON_LINES = {"content-type": "application/x-ndjson"}
PROTOBUF = {"content-type": "application/x-protobuf"}
BATCH = "/chaukas.spec.client.v1.ChaukasClientService/IngestEventBatch"


@pytest.fixture
def collector():
    with FakeCollector() as running:
        yield running


def ask(collector, method, path, body=b"", headers=None):
    """Return status, headers and body of the answer to one request."""
    client = http.client.HTTPConnection(urlsplit(collector.endpoint).netloc, timeout=60)
    try:
        client.request(method, path, body, headers or {})
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        client.close()


def post(collector, body=LINES, headers=JSON_LINES, path="/events/batch"):
    """Return status and decoded body of the answer to a batch."""
    status, _, answer = ask(collector, "POST", path, body, headers)
    return status, orjson.loads(answer) if answer else None


def protobuf_batch(events):
    """Return an IngestEventBatchRequest."""
    batch = batch_to_message(
        events, batch_id="b", timestamp="2026-01-01T12:00:00.000000Z"
    )
    return ingest_pb2.IngestEventBatchRequest(event_batch=batch).SerializeToString()


def call(collector, body, method=BATCH, **options):
    """Make one gRPC call, and return its answer."""
    with grpc.insecure_channel(collector.grpc_endpoint.removeprefix("grpc://")) as way:
        return way.unary_unary(method)(body, timeout=60, **options)


def test_both_import_paths_give_the_same_names():
    assert chaukas.testing.__all__ == chaukas.sdk.testing.__all__
    for name in chaukas.testing.__all__:
        assert getattr(chaukas.testing, name) is getattr(chaukas.sdk.testing, name)


class TestHttp:
    """The address for HTTP."""

    def test_health_and_capabilities(self, collector):
        assert ask(collector, "GET", "/healthz")[0] == 200
        status, _, body = ask(collector, "GET", "/v1/capabilities")

        assert status == 200
        assert orjson.loads(body) == {
            "ingest": ["protobuf", "ndjson"],
            "encodings": ["gzip"],
            "max_batch_events": 1000,
            "max_body_bytes": 8 << 20,
            "max_event_bytes": 1 << 20,
        }

    @pytest.mark.parametrize("path", ["/events/batch", "/v1/events/batch"])
    def test_json_lines_are_stored(self, collector, path):
        status, verdict = post(collector, path=path)

        assert status == 202
        assert verdict.pop("batch_id")
        assert verdict == {"accepted": len(ALL), "duplicate": 0, "rejected": []}
        assert collector.events == ALL
        assert collector.event_ids == [each["event_id"] for each in ALL]

    def test_protobuf_is_stored(self, collector):
        assert post(collector, protobuf_batch(ALL), PROTOBUF)[0] == 202
        assert collector.events == ALL

    def test_a_single_event_is_stored(self, collector):
        one = ingest_pb2.IngestEventRequest(event=to_message(ALL[0]))

        assert post(collector, one.SerializeToString(), PROTOBUF, "/events")[0] == 202
        assert collector.events == ALL[:1]

    def test_json_is_stored_as_one_event_or_many(self, collector):
        as_json = {"content-type": "application/json"}
        post(collector, orjson.dumps(ALL[0]), as_json, "/v1/events")
        post(collector, orjson.dumps({"events": ALL[1:]}), as_json)

        assert collector.events == ALL

    def test_gzip_is_read(self, collector):
        packed = {**JSON_LINES, "content-encoding": "gzip"}

        assert post(collector, gzip.compress(LINES), packed)[0] == 202
        assert post(collector, b"no gzip", packed)[0] == 400
        assert (
            post(collector, LINES, {**JSON_LINES, "content-encoding": "br"})[0] == 415
        )

    def test_one_copy_is_kept_whatever_the_form(self, collector):
        post(collector)

        _, verdict = post(collector, protobuf_batch(ALL), PROTOBUF)

        assert verdict["duplicate"] == len(ALL)
        assert collector.duplicates == len(ALL)
        assert len(collector.events) == len(ALL)

    def test_the_same_id_is_another_event_for_another_tenant(self, collector):
        post(collector)
        for each in ALL:
            post(collector, orjson.dumps({**each, "tenant_id": "other"}))

        assert len(collector.events) == 2 * len(ALL)

    def test_the_same_id_with_other_content_is_a_conflict(self, collector):
        post(collector)

        _, verdict = post(collector, orjson.dumps({**ALL[0], "branch": "other"}))

        assert verdict["rejected"] == [
            {"event_id": ALL[0]["event_id"], "reason": "conflict"}
        ]

    def test_an_event_without_id_is_invalid(self, collector):
        assert post(collector, b"{}\n")[1]["rejected"] == [
            {"event_id": "", "reason": "invalid"}
        ]

    @pytest.mark.parametrize(
        ("body", "headers", "status"),
        [
            (b"{", JSON_LINES, 400),
            (b"[1]\n", JSON_LINES, 400),
            (b"\xff", PROTOBUF, 400),
            (LINES, {"content-type": "text/plain"}, 415),
            (b" " * (9 << 20), JSON_LINES, 413),
            (b'{"event_id":"x"}\n' * 1001, JSON_LINES, 413),
        ],
    )
    def test_what_cannot_be_taken_has_its_status(
        self, collector, body, headers, status
    ):
        assert post(collector, body, headers)[0] == status

    def test_other_paths_are_not_there(self, collector):
        assert ask(collector, "GET", "/nothing")[0] == 404
        assert ask(collector, "POST", "/nothing", b"x")[0] == 404

    def test_keys_are_asked_for(self, collector):
        collector.keys = ("k1", "k2")

        assert post(collector)[0] == 401
        assert post(collector, headers={**JSON_LINES, "authorization": "k1"})[0] == 401
        right = {**JSON_LINES, "authorization": "Bearer k2"}
        assert post(collector, headers=right)[0] == 202

    def test_the_published_backend_answers_nothing(self):
        with FakeCollector(is_published=True) as collector:
            _, _, told = ask(collector, "GET", "/v1/capabilities")
            assert set(orjson.loads(told).values()) == {False}
            assert post(collector, protobuf_batch(ALL), PROTOBUF) == (202, None)
            assert post(collector) == (415, None)

    def test_requests_are_kept_as_they_came(self, collector):
        post(collector, headers={**JSON_LINES, "X-Y": "z"})

        (request,) = collector.requests
        assert (request.protocol, request.method) == ("http", "POST")
        assert (request.path, request.status) == ("/events/batch", 202)
        assert request.headers["x-y"] == "z"
        assert request.body == LINES


class TestGrpc:
    """The address for gRPC."""

    @pytest.mark.parametrize(
        "service",
        [
            "chaukas.spec.client.v1.ChaukasClientService",
            "chaukas.spec.server.v1.ChaukasServerService",
            "chaukas.v1.ChaukasService",
        ],
    )
    def test_batches_are_stored_under_every_name(self, collector, service):
        data = call(collector, protobuf_batch(ALL), f"/{service}/IngestEventBatch")

        verdict = ingest_pb2.IngestEventBatchResponse.FromString(data)
        assert verdict.accepted_count == len(ALL)
        assert collector.events == ALL

    def test_refused_events_are_named_with_their_reason(self):
        with FakeCollector(refuse=lambda _: "quota") as collector:
            data = call(collector, protobuf_batch(ALL[:1]))

        verdict = ingest_pb2.IngestEventBatchResponse.FromString(data)
        assert (verdict.accepted_count, verdict.rejected_count) == (0, 1)
        assert list(verdict.rejected_event_ids) == [ALL[0]["event_id"]]
        assert verdict.rejections[0].reason == "quota"

    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            (Reply(status=401), "UNAUTHENTICATED"),
            (Reply(status=503), "UNAVAILABLE"),
            (Reply(code="ABORTED", details="why"), "ABORTED"),
            (Reply(fault=Fault.LOST_ACK), "UNAVAILABLE"),
        ],
    )
    def test_scripted_answers_end_the_call(self, collector, reply, code):
        collector.script(reply)

        with pytest.raises(grpc.RpcError) as caught:
            call(collector, protobuf_batch(ALL))

        assert caught.value.code().name == code
        assert len(collector.events) == (
            len(ALL) if reply.fault is not Fault.NONE else 0
        )

    def test_keys_are_asked_for(self, collector):
        collector.keys = ("k",)
        with pytest.raises(grpc.RpcError) as caught:
            call(collector, protobuf_batch(ALL))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED

        call(collector, protobuf_batch(ALL), metadata=[("authorization", "Bearer k")])

        assert len(collector.events) == len(ALL)

    def test_bytes_that_are_no_batch_are_an_invalid_argument(self, collector):
        with pytest.raises(grpc.RpcError) as caught:
            call(collector, b"\xff")

        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class TestScript:
    """Answers as told, and what goes wrong besides."""

    def test_answers_come_in_order_and_then_always(self, collector):
        collector.script(Reply(status=500), Reply())
        collector.always = Reply(status=503, body=b"{}", headers={"Retry-After": "3"})

        assert [post(collector)[0] for _ in range(2)] == [500, 202]
        assert collector.is_script_done
        status, headers, _ = ask(collector, "POST", "/events/batch", LINES, JSON_LINES)
        assert (status, headers["retry-after"]) == (503, "3")
        collector.always = None
        assert post(collector)[0] == 202

    @pytest.mark.parametrize(
        ("fault", "stored"),
        [
            (Fault.CLOSED, False),
            (Fault.RESET, False),
            (Fault.HALF, True),
            (Fault.LOST_ACK, True),
        ],
    )
    def test_a_fault_leaves_the_client_without_an_answer(
        self, collector, fault, stored
    ):
        collector.script(Reply(fault=fault))

        with pytest.raises((OSError, http.client.HTTPException)):
            post(collector)

        assert bool(collector.events) is stored

    def test_silence_and_trickling_end_when_the_collector_stops(self, collector):
        for fault in (Fault.SILENCE, Fault.TRICKLE):
            collector.script(Reply(fault=fault, delay_s=3600))
            errors = []
            asking = threading.Thread(target=_note_error, args=(collector, errors))
            asking.start()
            until(lambda: collector.is_script_done)

            collector.restart()
            asking.join(60)

            assert len(errors) == 1

    def test_waiting_ends_when_the_events_are_there(self, collector):
        assert not collector.wait_for(1, timeout_s=0)
        threading.Thread(target=post, args=(collector,)).start()

        assert collector.wait_for(len(ALL), timeout_s=10)

    def test_events_and_ports_outlive_a_restart(self, collector):
        places = collector.endpoint, collector.grpc_endpoint
        post(collector)

        collector.restart()

        assert (collector.endpoint, collector.grpc_endpoint) == places
        assert post(collector)[1]["duplicate"] == len(ALL)
        assert call(collector, protobuf_batch([event("SYSTEM", 99)]))

    def test_connections_are_refused_while_it_is_stopped(self, collector):
        collector.stop()

        with pytest.raises(ConnectionRefusedError):
            post(collector)


def _note_error(collector, errors):
    try:
        post(collector)
    except (OSError, http.client.HTTPException) as error:
        errors.append(error)
