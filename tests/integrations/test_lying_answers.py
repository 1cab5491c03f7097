"""Answers of 2xx and OK that are no verdict: events are kept and sent again."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import orjson
import pytest

import chaukas
from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.http import HttpSink
from chaukas.sdk.wire.proto import ingest_pb2
from chaukas.testing import FakeCollector, Reply
from tests.support.deliveries import delivering
from tests.support.remotes import spooled
from tests.support.samples import event
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaukas.sdk.pipeline import Pipeline

IDS = [f"event-{n}" for n in range(4)]
EVENTS = [{**event("SYSTEM", n), "event_id": each} for n, each in enumerate(IDS)]
SECRET = "sk-payload-of-the-answer"


def http(
    body: bytes = b"",
    status: str = "200 OK",
    kind: str | None = "application/json",
    *more: str,
    length: str | None = None,
) -> bytes:
    """Return a whole HTTP answer as bytes."""
    told = [] if kind is None else [f"Content-Type: {kind}"]
    told.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([f"HTTP/1.1 {status}", *told, *more, "", ""]).encode() + body


def json(data: object, status: str = "200 OK") -> bytes:
    return http(orjson.dumps(data), status)


def verdict(**changed: object) -> bytes:
    """Return our verdict on the four events, with changes; None leaves a field out."""
    fields: dict[str, object] = {
        "batch_id": "b", "accepted": 4, "duplicate": 0, "rejected": [], **changed
    }  # fmt: skip
    told = {name: value for name, value in fields.items() if value is not None}
    return json(told, "202 Accepted")


def raw_json(text: bytes) -> bytes:
    return http(text, "202 Accepted")


def response(**fields: Any) -> bytes:
    made = ingest_pb2.IngestEventBatchResponse(**fields)
    return made.SerializeToString()


def protobuf(body: bytes, status: str = "200 OK") -> bytes:
    return http(body, status, "application/x-protobuf")


TRUTH = orjson.dumps({"batch_id": "b", "accepted": 4, "duplicate": 0, "rejected": []})
CLOSING = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 202 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
GOOD = response(accepted_count=4)
ENVELOPES: tuple[object, ...] = (
    {"success": False},
    {"success": True},
    {"ok": False, "error": SECRET},
    {"ok": True},
    {"code": 401, "msg": "login required"},
    {"code": 0, "data": {"accepted": 4, "duplicate": 0, "rejected": []}},
    {"detail": "Not authenticated"},
    {"status": "error"},
    {"status": "failed"},
    {"status": "accepted"},
    {"status": "ok"},
    {"fault": {"faultstring": SECRET}},
    {"Message": "Unauthorized"},
    {"message": "Internal server error"},
    {"statusCode": 503},
    {"data": None},
    {"error": ""},
    {"error": None},
    {"errors": []},
    {},
    [],
    [{"accepted": 4, "duplicate": 0, "rejected": []}],
    0,
    4,
    True,
    None,
    "accepted",
    {"accepted": True},
    {"batch_id": "b"},
    {"result": {"accepted": 4}},
    {"event_id": IDS[0], "status": "accepted"},
    {"worm_retention": False},
    {"ingest": ["protobuf", "ndjson"]},
    {"events": EVENTS},
)
VERDICTS: tuple[dict[str, object], ...] = (
    {"accepted": 3},
    {"accepted": 5},
    {"accepted": 0},
    {"accepted": 0, "rejected": None},
    {"accepted": 5, "duplicate": -1},
    {"accepted": -4, "duplicate": 8},
    {"accepted": 4.0},
    {"accepted": "4"},
    {"accepted": [1, 2, 3, 4]},
    {"accepted": None},
    {"duplicate": None},
    {"rejected": None},
    {"accepted": True, "duplicate": 3},
    {"accepted": 10**30},
    {"accepted": 4, "duplicate": 4},
    {"rejected": 0},
    {"rejected": {}},
    {"rejected": "none"},
    {"accepted": 3, "rejected": 1},
    {"accepted": 3, "rejected": [{}]},
    {"accepted": 3, "rejected": [17]},
    {"accepted": 3, "rejected": [IDS[0]]},
    {"accepted": 3, "rejected": [{"event_id": "of another batch", "reason": "x"}]},
    {"accepted": 3, "rejected": [{"event_id": 7, "reason": "x"}]},
    {"accepted": 3, "rejected": [{"event_id": "", "reason": "x"}]},
    {"accepted": 2, "rejected": [{"event_id": IDS[0]}, {"event_id": IDS[0]}]},
    {"accepted": 4, "rejected": [{"event_id": IDS[0], "reason": "x"}]},
    {"batch_id": 7},
    {"error": "disk full"},
    {"success": False},
    {"ok": False},
    {"code": 500},
)
LIES: dict[str, bytes] = {
    **{f"json {orjson.dumps(each)[:50]!r}": json(each) for each in ENVELOPES},
    **{
        f"202 {orjson.dumps(each)[:50]!r}": json(each, "202 Accepted")
        for each in ENVELOPES
    },
    **{f"verdict with {list(each.items())}": verdict(**each) for each in VERDICTS
       if each.get("accepted") != 10**30},
    "huge count": raw_json(TRUTH.replace(b":4", b":" + b"9" * 5000)),
    "NaN": raw_json(TRUTH.replace(b":4", b":NaN")),
    "a name twice": raw_json(b'{"accepted":0,' + TRUTH[1:]),
    "text behind": raw_json(TRUTH + b"x"),
    "cut json": raw_json(TRUTH[:-1]),
    "two verdicts": raw_json(TRUTH + TRUTH),
    "byte order mark": raw_json(b"\xef\xbb\xbf" + TRUTH),
    "utf-16": raw_json(TRUTH.decode().encode("utf-16")),
    "invalid utf-8": raw_json(TRUTH.replace(b'"b"', b'"\xff"')),
    "deep nesting": raw_json(b"[" * 100_000),
    "deep in a verdict": raw_json(TRUTH[:-1] + b',"x":' + b"[" * 50_000),
    "html": http(b"<html>log in</html>", kind="text/html"),
    "html as json": http(b"<!DOCTYPE html><html>log in</html>"),
    "verdict as html": http(TRUTH, kind="text/html; charset=utf-8"),
    "verdict as text": http(TRUTH, kind="text/plain"),
    "verdict as nothing": http(TRUTH, kind=None),
    "verdict of two kinds": http(TRUTH, "202 OK", "application/json, text/html"),
    "xml": http(b"<?xml version='1.0'?><accepted>4</accepted>", kind="text/xml"),
    "text": http(b"accepted", kind="text/plain"),
    "octets": http(b"\x00\xff\xfe", kind="application/octet-stream"),
    "empty 200": http(kind=None),
    "empty 200 of json": http(),
    "blank 200": http(b" \r\n\t "),
    "empty 201": http(status="201 Created", kind=None),
    "empty 202": http(status="202 Accepted", kind=None),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "205": http(status="205 Reset Content", kind=None),
    "206": http(TRUTH, "206 Partial Content"),
    "203 of a proxy": http(TRUTH, "203 Non-Authoritative Information"),
    "207": http(TRUTH, "207 Multi-Status"),
    "226": http(TRUTH, "226 IM Used"),
    "299": http(TRUTH, "299 Whatever"),
    "103 and a verdict": b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(TRUTH),
    "verdict in a 302": http(TRUTH, "302 Found"),
    "verdict in a 401": http(TRUTH, "401 Unauthorized"),
    "verdict in a 500": http(TRUTH, "500 Internal Server Error"),
    "dies after its headers": CLOSING.format("application/json").encode(),
    "dies after protobuf headers": CLOSING.format("application/x-protobuf").encode(),
    "no length of protobuf": CLOSING.format("application/x-protobuf").encode() + GOOD,
    "length below zero": http(length="-5"),
    "length below zero of protobuf": http(GOOD, "200 OK", "application/x-protobuf",
                                          length="-5"),
    "length of letters": http(TRUTH, length="many"),
    "length too great": http(TRUTH, length="5000"),
    "length too small": http(TRUTH, length="9"),
    "two lengths": http(TRUTH, "200 OK", "application/json", "Content-Length: 0"),
    "chunks cut": CHUNKED % b"application/json" + b"%x\r\n%b" % (len(TRUTH), TRUTH[:9]),
    "no last chunk": CHUNKED % b"application/json"
    + b"%x\r\n%b\r\n" % (len(TRUTH), TRUTH),
    "no last chunk of protobuf": CHUNKED % b"application/x-protobuf"
    + b"%x\r\n%b\r\n" % (len(GOOD), GOOD),
    "no chunk": CHUNKED % b"application/x-protobuf",
    "chunk below zero": CHUNKED % b"application/x-protobuf" + b"-5\r\n\r\n",
    "chunk of letters": CHUNKED % b"application/json" + b"xyz\r\n\r\n0\r\n\r\n",
    "chunks and a length": http(b"0\r\n\r\n", "200 OK", "application/x-protobuf",
                                "Transfer-Encoding: chunked"),
    "another transfer coding": http(b"", "200 OK", "application/x-protobuf",
                                    "Transfer-Encoding: gzip"),
    "compressed verdict": http(gzip.compress(TRUTH), "202 OK", "application/json",
                               "Content-Encoding: gzip"),
    "compressed bomb": http(gzip.compress(b" " * (64 << 20) + TRUTH), "202 OK",
                            "application/json", "Content-Encoding: gzip"),
    "said to be compressed": http(TRUTH, "202 OK", "application/json",
                                  "Content-Encoding: br"),
    "over any bound": http(b" " * (5 << 20) + TRUTH, "202 Accepted"),
    "no http": b"accepted\r\n\r\n",
    "no answer": b"",
    "half a status line": b"HTTP/1.1 20",
    "published with another field": json(
        {"accepted_count": 4, "rejected_count": 0, "warning": "not stored"}, "202 OK"
    ),
    "published in both spellings": json(
        {"accepted_count": 4, "acceptedCount": 0, "rejected_count": 0}, "202 OK"
    ),
    "published that does not fit": json({"accepted_count": 3}, "202 OK"),
    "published that names no event": json(
        {"accepted_count": 3, "rejected_count": 1}, "202 OK"
    ),
    "protobuf of text": protobuf(b"accepted"),
    "protobuf of html": protobuf(b"<html>log in</html>"),
    "protobuf of json": protobuf(TRUTH),
    "protobuf that is empty, in a 206": protobuf(b"", "206 Partial Content"),
    **{f"protobuf {data!r}": protobuf(data) for data in (
        response(accepted_count=3),
        response(accepted_count=5),
        response(accepted_count=-4, duplicate_count=8),
        response(batch_id="b"),
        response(accepted_count=3, rejected_count=1),
        response(accepted_count=3, rejected_event_ids=[IDS[0]]),
        response(accepted_count=3, rejected_count=1, rejected_event_ids=["other"]),
        GOOD + b"\x28\x01",
        GOOD + b"\x12\x01",
        b"\x08\x01",
        b"\x10",
    )},
}  # fmt: skip
"""What is answered to four events, byte by byte."""

MESSAGES: dict[str, bytes] = {
    "fewer": response(accepted_count=3),
    "more": response(accepted_count=5),
    "below zero": response(accepted_count=-4, duplicate_count=8),
    "a name alone": response(batch_id="b"),
    "unnamed": response(accepted_count=3, rejected_count=1),
    "uncounted": response(accepted_count=3, rejected_event_ids=[IDS[0]]),
    "of another batch": response(
        accepted_count=3, rejected_count=1, rejected_event_ids=["other"]
    ),
    "one twice": response(
        accepted_count=2, rejected_count=2, rejected_event_ids=[IDS[0], IDS[0]]
    ),
    "two lists": response(
        accepted_count=3,
        rejected_count=1,
        rejected_event_ids=[IDS[0]],
        rejections=[ingest_pb2.Rejection(event_id=IDS[1])],
    ),
    "an unknown field": GOOD + b"\x28\x01",
    "a field of another type": GOOD + b"\x0d\x00\x00\x00\x00",
    "another message": ingest_pb2.IngestEventResponse(
        event_id="x", status="error"
    ).SerializeToString(),
    "text": b"accepted",
    "cut": b"\x10",
    "too large": response(accepted_count=4, batch_id="x" * (5 << 20)),
}
"""What a gRPC call that ends with OK answers to four events."""


class _Quick:
    def wait_s(self, failures: int) -> float:
        return 0.0


@pytest.fixture
def deliver(tmp_path: Path) -> Iterator[Callable[..., Pipeline]]:
    """Return a maker of pipelines that try again at once, each with four events."""
    made: list[Pipeline] = []

    def build(sink: HttpSink | GrpcSink) -> Pipeline:
        pipe = spooled(tmp_path, sink)  # type: ignore[arg-type]
        made.append(pipe)
        assert pipe._delivery is not None
        for sender in pipe._delivery.senders.values():
            sender._backoff = _Quick()  # type: ignore[assignment]
        for each in EVENTS:
            pipe.put(orjson.dumps(each))
        return pipe

    yield build
    for pipe in made:
        pipe.close(1.0)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return a reader of the trouble that chaukas has told so far."""
    caplog.set_level(logging.DEBUG, logger="chaukas.sdk")

    def lines() -> list[str]:
        # Lines of DEBUG name recorded events, which are no trouble.
        ours = [
            each
            for each in caplog.records
            if each.name == "chaukas.sdk" and each.levelno > logging.DEBUG
        ]
        said = [each.getMessage() for each in ours]
        return [line for line in said if "takes events again" not in line]

    return lines


def ids(collector: FakeCollector) -> list[str]:
    return sorted(collector.event_ids)


def posts(collector: FakeCollector) -> int:
    return sum(each.method == "POST" for each in collector.requests)


def assert_kept_and_sent_again(
    pipe: Pipeline, collector: FakeCollector, told: Callable[[], list[str]]
) -> str:
    """See a lie believed by nobody, and the truth by all; return the line about it."""
    until(lambda: pipe.stats().queued == 0)
    # Two of them may be one attempt, in one encoding and then in another.
    until(lambda: pipe.flush(0.001) or (posts(collector) >= 3 and told()))
    assert_lawful(pipe)
    assert (pipe.stats().acked, pipe.stats().spooled) == (0, 4)
    assert ids(collector) == []
    collector.always = None
    until(lambda: pipe.flush(0.5))
    assert ids(collector) == IDS
    assert_lawful(pipe)
    assert (pipe.stats().acked, pipe.stats().lost) == (4, 0)
    (line,) = told()
    return line


def assert_lawful(pipe: Pipeline) -> None:
    stats = pipe.stats()
    assert stats.emitted == 4
    assert stats.acked + stats.spooled + stats.queued + stats.lost == 4


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("ingest", [("protobuf", "ndjson"), ()])
def test_a_lying_answer_is_no_acknowledgement(
    deliver: Any, told: Any, lie: str, ingest: tuple[str, ...]
) -> None:
    with FakeCollector(ingest=ingest or ("protobuf",)) as collector:
        collector.always = Reply(raw=LIES[lie])
        pipe = deliver(HttpSink(collector.endpoint, timeout_s=60.0))
        assert SECRET not in assert_kept_and_sent_again(pipe, collector, told)


@pytest.mark.parametrize("lie", MESSAGES)
def test_a_lying_message_is_no_acknowledgement(
    deliver: Any, told: Any, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_grpc_proxy", "*")
    with FakeCollector() as collector:
        endpoint = collector.grpc_endpoint
        collector.always = Reply(raw=MESSAGES[lie])
        assert_kept_and_sent_again(
            deliver(GrpcSink(endpoint, timeout_s=60.0)), collector, told
        )


def sent_once(endpoint: str, **options: Any) -> str:
    """Send four events; return the action's name and what is said of the trouble."""
    kind = GrpcSink if endpoint.startswith("grpc") else HttpSink
    sink = kind(endpoint, **options)
    try:
        answer = sink.send([orjson.dumps(each) + b"\n" for each in EVENTS])
    finally:
        sink.close()
    return f"{answer.action.value} {answer.error}".strip()


@pytest.mark.parametrize(
    "answer",
    [
        http(TRUTH, "202 Accepted", "Application/JSON; charset=utf-8"),
        http(TRUTH, "200 OK", "application/json", "Content-Encoding: identity"),
        CHUNKED % b"application/json" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(TRUTH), TRUTH),
        verdict(later={"any": "thing"}),
        verdict(batch_id=None),
    ],
)
def test_a_true_verdict_is_an_acknowledgement_in_each_of_its_forms(
    answer: bytes,
) -> None:
    with FakeCollector() as collector:
        collector.always = Reply(raw=answer)
        assert sent_once(collector.endpoint) == "acked"


def test_a_verdict_before_the_request_was_read_is_no_acknowledgement() -> None:
    noise = os.urandom(8 << 20).hex()
    lines = [orjson.dumps({**each, "branch": noise}) + b"\n" for each in EVENTS]
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=_answer_early, args=(server,))
        answering.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        # It is much to encode and to send.
        sink = HttpSink(address, timeout_s=600)
        answer = sink.send(lines)
        sink.close()
        server.shutdown(socket.SHUT_RDWR)
        answering.join()
    assert (answer.action.value, answer.cause) == ("retry", "reset")


def _answer_early(server: socket.socket) -> None:
    """Answer to capabilities as a stranger, and to batches before their end."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            while b"GET " in connection.recv(4096):
                connection.sendall(http(b"", "404 Not Found"))
            connection.sendall(http(TRUTH, "202 Accepted"))


PUBLISHED_ACKS = {
    "empty protobuf": protobuf(b""),
    "empty protobuf in a 202": protobuf(b"", "202 Accepted"),
    "counted protobuf": protobuf(response(batch_id="b", accepted_count=4)),
    "counted json": json({"accepted_count": 4, "rejected_count": 0}, "202 Accepted"),
    "counted json, spelled as gateways do": json(
        {"batchId": "b", "acceptedCount": 4}, "202 Accepted"
    ),
}


@pytest.mark.parametrize("answer", PUBLISHED_ACKS)
def test_the_published_answers_are_acks_where_no_collector_of_ours_has_shown_itself(
    answer: str,
) -> None:
    for ingest, wanted in ((("protobuf",), "acked"), (("ndjson",), "retry")):
        with FakeCollector(ingest=ingest) as collector:
            collector.always = Reply(raw=PUBLISHED_ACKS[answer])
            assert sent_once(collector.endpoint).split()[0] == wanted


def test_an_empty_202_is_an_ack_of_a_backend_with_the_published_capabilities() -> None:
    with FakeCollector(is_published=True) as collector:
        assert sent_once(collector.endpoint) == "acked"
        collector.always = Reply(raw=LIES["empty 200"])
        assert "retry" in sent_once(collector.endpoint)


@pytest.mark.parametrize(
    ("lie", "wanted"),
    [
        ("empty 200", "acked"),
        ("empty 202", "acked"),
        ("204", "acked"),
        ("json b'{}'", "acked"),
        ("blank 200", "retry"),
        ("206", "retry"),
        ("dies after its headers", "retry"),
        ("length below zero", "retry"),
        ("json b'{\"success\":false}'", "retry"),
        ("html", "retry"),
    ],
)
def test_a_user_can_say_that_it_is_the_published_backend(lie: str, wanted: str) -> None:
    with FakeCollector(ingest=("protobuf",)) as collector:
        collector.always = Reply(raw=LIES[lie])
        said = sent_once(collector.endpoint, compat="published")
        assert said.split()[0] == wanted
    with FakeCollector() as collector:
        # It has shown what it is, so what was said of it was a mistake.
        collector.always = Reply(raw=LIES[lie])
        assert sent_once(collector.endpoint, compat="published")[:5] == "retry"


@pytest.mark.parametrize(("compat", "acked"), [("auto", 0), ("published", 2)])
def test_the_setting_reaches_the_sink(tmp_path: Path, compat: str, acked: int) -> None:
    with FakeCollector(ingest=("protobuf",)) as collector:
        collector.always = Reply(raw=LIES["empty 200"])
        with delivering(tmp_path, collector.endpoint, collector_compat=compat):
            chaukas.event("n")
            # What is believed is sent once, and all else again.
            until(lambda: chaukas.flush(0.05) if acked else posts(collector) >= 2)
            until(lambda: not chaukas.stats().queued)
            assert chaukas.stats().acked == acked
            assert chaukas.stats().spooled == 2 - acked


def test_a_collector_that_has_shown_itself_once_is_held_to_it(deliver: Any) -> None:
    with FakeCollector() as collector:
        sink = HttpSink(collector.endpoint)
        lines = [orjson.dumps(each) + b"\n" for each in EVENTS]
        assert sink.send(lines).action.value == "acked"
        # Something else stands there now, and says what the published backend says.
        collector.is_published = True
        collector.always = Reply(raw=protobuf(b""))
        assert sink.send(lines).action.value == "retry"
        assert sink.send(lines).action.value == "retry"
        sink.close()


def test_an_empty_message_is_no_ack_of_a_server_that_gives_verdicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_grpc_proxy", "*")
    with FakeCollector() as collector:
        lines = [orjson.dumps(each) + b"\n" for each in EVENTS]
        collector.script(Reply(raw=b""), Reply(), Reply(raw=b""))
        sink = GrpcSink(collector.grpc_endpoint)
        assert [sink.send(lines).action.value for _ in range(3)] == [
            "acked", "acked", "retry"
        ]  # fmt: skip
        sink.close()


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        ("html", "HTTP 200 with a page of HTML, as a login page is, instead"),
        ("empty 200", "HTTP 200 with nothing instead"),
        ("json b'{\"success\":false}'", "HTTP 200 with other JSON instead"),
        ("206", "HTTP 206 with other JSON instead"),
        ("verdict as text", "HTTP 200 with JSON of another content type instead"),
        ("compressed verdict", "HTTP 202 with a compressed body instead"),
        (
            "no length of protobuf",
            "with a body that does not say where it ends instead",
        ),
        ("protobuf of text", "HTTP 200 with another protobuf message instead"),
        ("text", "HTTP 200 with a body of another content type instead"),
    ],
)
def test_the_line_quotes_the_kind_of_a_lie(lie: str, kind: str) -> None:
    with FakeCollector() as collector:
        collector.always = Reply(raw=LIES[lie])
        said = sent_once(collector.endpoint)
    assert kind in said
    assert "events are kept and sent again" in said


def test_the_line_about_an_empty_answer_names_the_setting_that_allows_it() -> None:
    with FakeCollector(ingest=("protobuf",)) as collector:
        collector.always = Reply(raw=LIES["empty 202"])
        assert sent_once(collector.endpoint).endswith(
            "set CHAUKAS_COLLECTOR_COMPAT=published."
        )
