"""Attacks on a running collector that the requirements' own tests do not name."""

from __future__ import annotations

import base64
import gzip
import http.client
import socket
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import orjson
import pytest

import chaukas.viewer
from chaukas.collector.reading.published_query import moment_of
from chaukas.collector.refusal import Refusal
from chaukas.sdk.wire.proto import events_pb2, service_pb2
from tests.support.collector_process import (
    JSON,
    LINES,
    CollectorProcess,
    command,
    events,
    known_key,
    lines_of,
)
from tests.support.waiting import until

QUERY = "/chaukas.v1.ChaukasService/QueryEvents"


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def called(collector, path, body=b"", metadata=(), timeout_s=60):
    """Return the answer to a gRPC call, or its status and text."""
    with grpc.insecure_channel(urlsplit(collector.grpc).netloc) as channel:
        try:
            return channel.unary_unary(path)(body, timeout_s, metadata)
        except grpc.RpcError as error:
            return error.code().name, error.details()


def memory_of(collector):
    """Return the most memory that it ever had, in bytes."""
    text = Path(f"/proc/{collector.process.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def errors_in(log):
    """Return the lines of a log that tell of a failure, or are no JSON."""
    found = []
    for line in log.splitlines():
        try:
            is_bad = orjson.loads(line)["level"] in ("error", "critical")
        except ValueError:
            is_bad = True
        if is_bad:
            found.append(line)
    return found


# --- the message that came with fields of a later version --------------------------


FORGED = events_pb2.Event(event_id="forged", tenant_id="b", type=40)
UNREAD = [
    base64.b64encode(FORGED.SerializeToString()).decode(),
    "!!!",
    base64.b64encode(b"\xff\xff\xff").decode(),
    base64.b64encode(b"\x0a\x02\xff\xfe").decode(),
    "",
    "é",
    7,
    None,
    {"a": []},
]


def test_s3_a_message_that_a_client_makes_up_is_not_shown(
    tmp_path,
):
    with CollectorProcess(tmp_path / "data") as collector:
        collector.key("b")
        key, every = known_key(collector, "a"), known_key(collector, "*", "read")
        made = [
            {**one, "x_protobuf": text}
            for one, text in zip(events(len(UNREAD), "a"), UNREAD, strict=True)
        ]
        assert collector.post(lines_of(made), key=key)[1]["accepted"] == len(made)

        for reader in (key, every):
            metadata = (("authorization", f"Bearer {reader}"),)
            answer = called(collector, QUERY, metadata=metadata)
            shown = service_pb2.QueryEventsResponse.FromString(answer).response.events
            assert sorted((one.event_id, one.tenant_id) for one in shown) == sorted(
                (one["event_id"], "a") for one in made
            )
        assert errors_in(collector.log_text()) == []


# --- who asks ----------------------------------------------------------------------


def test_s15_who_was_served_without_a_key_is_not_once_there_is_one(tmp_path):
    with CollectorProcess(tmp_path / "data") as collector:
        place = collector.place
        client = http.client.HTTPConnection(place, timeout=60)
        client.request("GET", "/api/follow")
        answer = client.getresponse()
        assert answer.status == 200
        key = known_key(collector, "b")

        rest = answer.read()

        collector.post(lines_of(events(3, "b")), key=key)
        client.close()
        assert b"event-b" not in rest


def test_s15_whoever_has_the_page_s_address_is_the_owner_with_keys_too(tmp_path):
    with CollectorProcess(tmp_path / "data", has_page=True) as collector:
        path = urlsplit(collector.addresses["page"]).path
        _, headers, _ = collector.ask("GET", path)
        cookie = {"cookie": headers["set-cookie"].partition(";")[0]}
        client = http.client.HTTPConnection(collector.place, timeout=60)
        client.request("GET", "/api/follow", headers=cookie)
        answer = client.getresponse()
        key = known_key(collector, "b")

        collector.post(lines_of(events(3, "b")), key=key)

        seen = b""
        while b"event-b-2" not in seen:
            seen += answer.readline()
        client.close()


@pytest.mark.parametrize("order", [0, 1])
def test_s3_two_keys_in_one_request_are_nobody_s(tmp_path, order):
    with CollectorProcess(tmp_path / "data") as collector:
        keys = [known_key(collector, "a"), known_key(collector, "b")]
        first, second = keys[order], keys[1 - order]
        head = f"GET /v1/whoami HTTP/1.1\r\nHost: {collector.place}\r\n"
        head += "".join(f"Authorization: Bearer {one}\r\n" for one in (first, second))
        place = urlsplit(collector.http)
        with socket.create_connection((place.hostname, place.port), 20) as client:
            client.sendall(f"{head}\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")

        both = tuple(("authorization", f"Bearer {one}") for one in (first, second))
        told = called(collector, QUERY, metadata=both)
        assert told == ("INVALID_ARGUMENT", "One Authorization at most.")


# --- what is told, and what is logged ----------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/",
        "//",
        "/a/b/c/d",
        "/chaukas.v1.ChaukasService//IngestEventBatch",
        "/chaukas.v1.ChaukasService/IngestEventBatch/",
        "/chaukas.v1.ChaukasService",
        "chaukas.v1.ChaukasService/IngestEventBatch",
        "/chaukas.v1.ChaukasService/__init__",
    ],
)
def test_s20_a_call_of_any_name_is_not_implemented_and_no_failure(shared, path):
    told = called(shared, path)
    assert told in (
        ("UNIMPLEMENTED", "Method not found!"),
        # What is no path does not come to us.
        ("UNIMPLEMENTED", "Bad method header"),
    )


KEY = "ck_ABCDEFGHJKLM_" + "s" * 43


@pytest.mark.parametrize(
    "line",
    [
        f"GET /{KEY} HTTP/1.1",
        f"GET /v1/events/{KEY}/x HTTP/1.1",
        f"GET /v1/events?key={KEY} HTTP/1.1",
        f"GET /%63k_ABCDEFGHJKLM_{'s' * 43} HTTP/1.1",
        f"{KEY} / HTTP/1.1",
        f"GET //open//{'s' * 43} HTTP/1.1",
        f"GET /behind/open/{'s' * 43} HTTP/1.1",
    ],
)
def test_s17_a_key_in_a_wrong_place_is_not_logged(shared, line):
    place = urlsplit(shared.http)
    with socket.create_connection((place.hostname, place.port), 20) as client:
        head = f"{line}\r\nHost: {shared.place}\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        while client.recv(65536):
            pass
    assert "s" * 20 not in shared.log_text()


def test_s17_a_method_of_any_length_is_a_short_line(shared):
    place = urlsplit(shared.http)
    with socket.create_connection((place.hostname, place.port), 20) as client:
        head = f"{'M' * 15_000} / HTTP/1.1\r\nHost: {shared.place}\r\n"
        client.sendall(f"{head}Connection: close\r\n\r\n".encode())
        while client.recv(65536):
            pass
    assert max(map(len, shared.log_text().splitlines())) < 2000


def test_a_call_whose_client_leaves_is_counted_with_what_was_committed(tmp_path):
    with CollectorProcess(tmp_path / "data") as collector:
        path = "/chaukas.v1.ChaukasService/IngestEventBatch"
        with grpc.insecure_channel(urlsplit(collector.grpc).netloc) as channel:
            call = channel.unary_unary(path)
            for number in range(60):
                future = call.future(batch_of(1000, f"{number}-"))
                until_sent(number)
                future.cancel()
            call(batch_of(1, "last"))
        stored = collector.get("/v1/stats")[1]["total_events"]
        text = collector.ask("GET", "/metrics")[2].decode()
        assert f"chaukas_events_accepted_total {stored}\n" in text
        assert stored >= 1


def until_sent(number):
    """Give a call as many turns of the machine as its number says."""
    for _ in range(number):
        socket.gethostname()


def batch_of(number, start):
    from chaukas.sdk.wire.proto.ingest_pb2 import IngestEventBatchRequest

    request = IngestEventBatchRequest()
    for each in range(number):
        request.event_batch.events.add(event_id=f"{start}{each}", type=40)
    return request.SerializeToString()


# --- questions ---------------------------------------------------------------------


NOON_US = 1_769_860_800_000_000


@pytest.mark.parametrize(
    ("text", "moment_us"),
    [
        ("2026-01-31T12:00:00Z", NOON_US),
        ("2026-01-31T12:00:00", NOON_US),
        ("2026-01-31T14:00:00+02:00", NOON_US),
        ("2026-01-31T14:00:00.000001+02:00", NOON_US + 1),
        ("2026-01-31T14:00:00.000001999+02:00", NOON_US + 1),
        ("2026-01-31T06:30:00.1-05:30", NOON_US + 100_000),
        ("2026-01-31T12:00:00.123456789Z", NOON_US + 123_456),
        ("0001-01-01T00:00:00+14:00", -62_135_647_200_000_000),
        ("", None),
        (None, None),
    ],
)
def test_a_moment_is_read_with_its_offset(text, moment_us):
    assert moment_of(text) == moment_us


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31", "2026-W05-6T12:00:00Z", "20260131T120000Z",
        "2026-01-31T25:00:00Z", "2026-01-31T12:00:00.Z",
        "2026-02-30T12:00:00Z", "2026-01-31T12:00:00+25:00", "2026-01-31T12:00:00ZZ",
        "\u0662026-01-31T12:00:00Z", 5, {}, "x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(Refusal) as caught:
        moment_of(text)
    assert caught.value.status == 400


def test_s5_an_answer_is_no_larger_than_there_is_memory_for(tmp_path):
    one = {**events(1, "a")[0], "pad": "x" * 1_000_000}
    made = [{**one, "event_id": f"e{number:03}"} for number in range(120)]
    with CollectorProcess(tmp_path / "data") as collector:
        for start in range(0, 120, 6):
            status, _ = collector.post(lines_of(made[start : start + 6]))
            assert status == 202
        collector.ask("GET", "/api/events?limit=2&whole=1")
        before = memory_of(collector)

        found, token = [], ""
        while True:
            asked = {"page_size": 1000, "page_token": token, "order_by_time": "ASC"}
            _, _, body = collector.ask("POST", "/v1/query", orjson.dumps(asked), JSON)
            answer = orjson.loads(body)
            found += [one["event_id"] for one in answer["events"]]
            token = answer["next_page_token"]
            if not token:
                break
        for path in ("events?limit=1000&whole=1", "events_after?number=0"):
            collector.ask("GET", f"/api/{path}")

        assert found == [one["event_id"] for one in made]
        assert memory_of(collector) - before < 64 << 20


ODD = [None, True, -1, 1.5, 10**12, 2**63, "x", "", [], [[]], {}, {"count": 10**12}]
PARTS = (
    "system system_hash input input_digests input_digest input_count input_base"
    " input_refs"
).split()


def test_s5_no_event_makes_a_prompt_larger_than_there_is_memory_for(tmp_path):
    """What a call was asked is put together from what its events say."""
    start = next(one for one in events(19, "a") if "INVOCATION_START" in one["type"])
    made = []
    for name in PARTS:
        for value in [*ODD, [[10**12, "x"]], [[1, []]], [["x"], 5], [[0, "x", 1]]]:
            call = {"model": "m", "request": {"input_count": 3, name: value}}
            made.append({**start, "llm_invocation": call})
    for name in ("llm_invocation", "metadata", "span_id"):
        made += [{**start, name: value} for value in (None, [], {}, {"request": 1})]
    base = {"count": 10**12, "digest": "none"}
    request = {"input_count": 10**12, "input_base": base, "input_refs": [[0, "x"]]}
    made.append({**start, "llm_invocation": {"request": request}})
    made.append({**start, "type": 20})
    made = [{**one, "event_id": f"e{number:03}"} for number, one in enumerate(made)]
    with CollectorProcess(tmp_path / "data") as collector:
        kept = collector.post(lines_of(made))[1]["accepted"]
        assert kept > len(made) - 8
        before = memory_of(collector)
        found = 0
        for one in made:
            status = collector.ask("GET", f"/api/prompt?id={one['event_id']}")[0]
            assert status in (200, 404)
            found += status == 200
        trace = start["trace_id"]
        assert collector.ask("GET", f"/api/export?trace_id={trace}")[0] in (200, 404)
        assert found == kept
        assert memory_of(collector) - before < 64 << 20
        assert errors_in(collector.log_text()) == []


def test_s20_without_a_page_a_run_is_saved_as_none(shared):
    shared.post(lines_of(events(19, "a")))
    runs = shared.get("/api/runs")[1]["items"]
    path = f"/api/export?trace_id={runs[0]['trace_id']}"
    page = Path(chaukas.viewer.__file__).parent / "page" / "index.html"
    assert shared.ask("GET", path)[0] == (200 if page.exists() else 404)
    assert errors_in(shared.log_text()) == []


# --- questions that take long ------------------------------------------------------

LONG = """
import threading

from chaukas.collector.reading import queries

usual = queries.Queries._stats
never = threading.Event()


def stats(self, *args):
    never.wait()
    return usual(self, *args)


queries.Queries._stats = stats
from chaukas.cli import main

main()
"""


def test_s6_questions_that_take_long_hold_no_event_up(tmp_path):
    """Large and compressed requests are read in threads, as questions are answered."""
    program = tmp_path / "long.py"
    program.write_text(LONG)
    with (
        CollectorProcess(tmp_path / "data", program=program) as collector,
        ExitStack() as stack,
    ):
        place = urlsplit(collector.http)
        head = f"GET /v1/stats HTTP/1.1\r\nHost: {collector.place}\r\n\r\n"
        for _ in range(50):
            one = socket.create_connection((place.hostname, place.port), 20)
            stack.enter_context(one)
            one.sendall(head.encode())
        made = events(400, "a")
        packed = {**LINES, "content-encoding": "gzip"}
        for _ in range(3):
            status, _ = collector.post(gzip.compress(lines_of(made)), packed)
            assert status == 202


# --- few file numbers ---------------------------------------------------------------

FEW = """
import resource

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from chaukas.cli import main

main()
"""


def test_s17_without_file_numbers_the_log_stays_short_and_no_event_is_lost(tmp_path):
    program = tmp_path / "few.py"
    program.write_text(FEW)
    with CollectorProcess(tmp_path / "data", program=program) as collector:
        place = urlsplit(collector.http)
        with ExitStack() as stack:
            for _ in range(150):
                one = socket.create_connection((place.hostname, place.port), 20)
                stack.enter_context(one)
            until(lambda: "out of system resource" in collector.log_text())
        statuses, taken = Counter(), Counter()

        def ask(number):
            for path in ("/api/summary", "/v1/stats", "/metrics", "/api/status"):
                with suppress(OSError, http.client.HTTPException):
                    statuses[collector.ask("GET", path)[0]] += 1
            made = lines_of(events(10, f"t{number}"))
            with suppress(OSError, http.client.HTTPException):
                status, answer = collector.post(made)
                taken[status] += answer.get("accepted", 0)

        threads = [threading.Thread(target=ask, args=(each,)) for each in range(60)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

        assert set(statuses) <= {200, 502, 503}
        assert set(taken) <= {202, 503}
        until(lambda: collector.ask("GET", "/readyz")[0] == 200)
        assert collector.get("/v1/stats")[1]["total_events"] >= taken[202]
        log = [orjson.loads(line) for line in collector.log_text().splitlines()]
        wrong = [one for one in log if one["level"] != "info"]
        assert len(wrong) < 10
        assert not any("traceback" in one for one in wrong)


# --- the command line --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "key create --tenant a --days nan",
        "key create --tenant a --days inf",
        "key create --tenant a --days -1",
        "key create --tenant a --events-per-second nan",
        "key create --tenant a --bytes-per-second inf",
        "retain --days nan",
        "retain --days inf",
        "retain --days 1e300",
        "retain --megabytes nan",
        "retain --megabytes 1e300",
        "quota --tenant a --megabytes nan",
        "quota --tenant a --megabytes 1e300",
        "quota --tenant a --events 99999999999999999999",
        "run --silent-after nan",
        "run --silent-after inf",
    ],
)
def test_a_number_that_is_none_is_refused_in_words(tmp_path, arguments):
    done = command(*arguments.split(), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Error: Invalid value for" in done.stderr


@pytest.mark.parametrize("tenant", ["", "a\nb", "\x1b[31m", "x" * 257, "a\u202eb"])
def test_a_key_is_of_a_tenant_that_events_can_name(tmp_path, tenant):
    made = ("key", "create", "--data", str(tmp_path / "data"), "--tenant")
    done = command(*made, tenant)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("chaukas: --tenant")
    assert command(*made, "x" * 256).returncode == 0
