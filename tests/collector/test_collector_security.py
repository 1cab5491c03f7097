"""
The security requirements of a collector, each by its number.

S1 to S25 as docs/COLLECTOR.md lists them; those that need no server stand first.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import random
import socket
import ssl
import stat
import subprocess
import time
import zlib
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import grpc
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.collector.access import keys as key_module
from chaukas.collector.access.keys import KeyFile
from chaukas.collector.access.rates import Rates
from chaukas.collector.bodies.decode import JSON as JSON_TYPE
from chaukas.collector.bodies.decode import LINES as LINES_TYPE
from chaukas.collector.bodies.decode import PROTOBUF as PROTOBUF_TYPE
from chaukas.collector.bodies.decode import TOO_MUCH, decoded
from chaukas.collector.bodies.expand import expanded
from chaukas.collector.limits import Limits
from chaukas.collector.refusal import Refusal
from chaukas.sdk.wire.proto.events_pb2 import Event
from tests.support.collector_process import (
    BATCH,
    JSON,
    LINES,
    PROTOBUF,
    CollectorProcess,
    command,
    events,
    lines_of,
)
from tests.support.pem import Authority
from tests.support.waiting import until

LIMITS = Limits()
CSP = "default-src 'none'"
METADATA = Event.DESCRIPTOR.fields_by_name["metadata"].number
KEPT = {"near": 50, "far": 16}
"""How many characters of a right key a wrong one has; 16 are its public id."""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A collector with a key of each of two tenants, and some for scopes."""
    with CollectorProcess(tmp_path_factory.mktemp("keyed") / "data") as running:
        running.a = running.key("a")
        running.b = running.key("b")
        until(lambda: running.ask("GET", "/v1/capabilities")[0] == 401)
        yield running


# --- S1 --------------------------------------------------------------------------


def test_s1_only_the_loopback_interface_listens_by_default(shared):
    number = shared.place.rpartition(":")[2]
    found = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True)
    places = [line.split()[3] for line in found.stdout.splitlines()]
    assert [one for one in places if one.endswith(f":{number}")] == [shared.place]


@pytest.mark.parametrize("options", [[], ["--certificate"], ["--key"]])
def test_s1_it_serves_others_only_with_a_key_and_tls(tmp_path, options):
    data = str(tmp_path / "data")
    if "--key" in options:
        command("key", "create", "--data", data, "--tenant", "a")
    further = []
    if "--certificate" in options:
        files = Authority(tmp_path).issue()
        further = ["--certificate", str(files["certificate"])]
    done = command("run", "--data", data, "--host", "0.0.0.0", *further)

    reason = "without TLS" if "--key" in options else "there is no key"
    assert done.returncode == 2
    assert reason in done.stderr
    assert not done.stdout


# --- S2 --------------------------------------------------------------------------


def test_s2_a_key_is_kept_as_a_hash_and_compared_in_constant_time(tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    text, made = keys.create("a", "", ["ingest"])
    kept = (tmp_path / "keys.json").read_text()

    assert text.startswith(f"ck_{made.id}_")
    assert text.split("_", 2)[2] not in kept
    assert hashlib.sha256(text.encode()).hexdigest() in kept
    right = key_module.hmac.compare_digest
    for tried, is_found in ((text, True), (text[:-1] + "!", False), ("ck_no", False)):
        with patch.object(key_module.hmac, "compare_digest", wraps=right) as compared:
            assert (keys.find(tried, 0.0) is not None) is is_found
        assert compared.call_count == 1


@pytest.mark.slow
def test_s2_a_right_beginning_takes_as_long_as_a_wrong_one(tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    text, _ = keys.create("a", "", ["ingest"])
    # What the comparison gave away it would give away each time; the machine does not.
    assert any(separation(keys, text, random.Random(n)) < 4.5 for n in range(4))


def separation(keys, text, seeded):
    """Return Welch's t of how long right and wrong beginnings of a key take."""

    def wrong(kept):
        tail = "".join(seeded.choices("ABCDEFGHabcdefgh0123", k=len(text) - kept))
        return text[:kept] + tail

    # Many of each, so that the place of one text in memory decides nothing.
    tries = [(name, wrong(kept)) for name, kept in KEPT.items() for _ in range(50_000)]
    seeded.shuffle(tries)
    taken: dict[str, list[int]] = {name: [] for name in KEPT}
    for name, tried in tries:
        begun = time.perf_counter_ns()
        keys.find(tried, 0.0)
        taken[name].append(time.perf_counter_ns() - begun)
    # The machine's own drift is in both of a block, and goes with the difference.
    found = []
    for start in range(0, 50_000, 500):
        near, far = (sorted(one[start : start + 500])[:450] for one in taken.values())
        found.append((sum(near) - sum(far)) / 450)
    mean = sum(found) / len(found)
    spread = sum((one - mean) ** 2 for one in found) / (len(found) - 1)
    return abs(mean) / (spread / len(found)) ** 0.5


# --- S3 --------------------------------------------------------------------------


def test_s3_the_tenant_comes_from_the_key(keyed):
    mine, theirs, nobodys = events(1, "a"), events(2, "b", 100), events(1, "", 300)

    _, answer = keyed.post(lines_of([*mine, *theirs, *nobodys]), key=keyed.a)

    assert answer["accepted"] == 2
    assert answer["rejected"] == [
        {"event_id": one["event_id"], "reason": "tenant_mismatch"} for one in theirs
    ]
    ids = ",".join(one["event_id"] for one in theirs)
    assert not keyed.get(f"/api/events?filter=id:{ids}", keyed.b)[1]["items"]
    page = keyed.get("/api/events?filter=id:event--300", keyed.a)[1]
    assert [row["tenant_id"] for row in page["items"]] == ["a"]


def test_s3_a_key_of_one_project_sends_to_that_one_only(keyed):
    key = keyed.key("projects", "ingest,read", "--project", "p1")
    right, wrong = events(2, "projects")
    right["project_id"], wrong["project_id"] = "p1", "p2"
    until(lambda: keyed.ask("GET", "/v1/capabilities", headers=bearer(key))[0] == 200)

    _, answer = keyed.post(lines_of([right, wrong]), key=key)

    assert answer["accepted"] == 1
    assert [one["reason"] for one in answer["rejected"]] == ["tenant_mismatch"]


def bearer(key):
    return {"authorization": f"Bearer {key}"}


# --- S4 --------------------------------------------------------------------------


def test_s4_readers_see_their_own_tenant_whatever_they_ask(keyed):
    run = {"trace_id": "run-of-b", "session_id": "session-of-b"}
    made = [{**one, **run} for one in events(19, "b", 1000)]
    keyed.post(lines_of(made), key=keyed.b)
    for path in (
        "events?filter=tenant:b",
        "runs",
        "sessions",
        "runs?filter=tenant:b",
        "search?text=assistant&filter=tenant:b",
        "labels",
    ):
        page = keyed.get(f"/api/{path}", keyed.a)[1]
        assert not [row for row in page["items"] if "of-b" in str(row)], path
    assert keyed.get("/api/tree?trace_id=run-of-b", keyed.a)[0] == 404
    assert keyed.get("/api/event?id=event-b-1000", keyed.a)[0] == 404
    assert keyed.get("/api/session?session_id=session-of-b", keyed.a)[0] == 404
    assert keyed.get("/api/tree?trace_id=run-of-b", keyed.b)[0] == 200


# --- S5 --------------------------------------------------------------------------


def bomb(expanded_bytes):
    """Return gzip of so many zeros, made without holding them."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=9) as packed:
        for _ in range(expanded_bytes // (1 << 20)):
            packed.write(bytes(1 << 20))
    return made.getvalue()


def memory_of(collector):
    text = Path(f"/proc/{collector.process.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_s5_a_bomb_is_refused_before_it_fills_memory(collector, coding):
    import zstandard

    collector.post(gzip.compress(lines_of(events(5, "a"))), gzipped("gzip"))
    before = memory_of(collector)
    body = bomb(1 << 30) if coding == "gzip" else b""
    if coding == "zstd":
        packer = zstandard.ZstdCompressor(level=19).compressobj()
        parts = [packer.compress(bytes(1 << 20)) for _ in range(1 << 10)]
        body = b"".join([*parts, packer.flush()])

    status, _ = collector.post(body, gzipped(coding))

    assert status == 413
    assert memory_of(collector) - before < 64 << 20


def gzipped(coding):
    return {**LINES, "content-encoding": coding}


def field(number, content):
    """Return a field of protobuf that holds a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def test_s5_what_is_small_and_many_is_counted_before_any_of_it_is_made(collector):
    collector.post(lines_of(events(5, "a")))
    collector.post(field(1, field(3, b"")), PROTOBUF)
    before = memory_of(collector)
    many = 2_600_000
    empty_values = field(1, field(2, field(6, field(1, b"") * many)))
    for body, headers in (
        (field(1, field(3, b"") * many), PROTOBUF),
        (field(1, field(3, field(METADATA, empty_values))), PROTOBUF),
        (b'{"events":[' + b"{}," * many + b"{}]}", JSON),
        (b'{"events":[{"a":[' + b"[]," * many + b"[]]}]}", JSON),
        (b"{}\n" * many, LINES),
    ):
        status, answer = collector.post(body, headers)
        assert (status, answer["error"]) == (413, TOO_MUCH)

    assert memory_of(collector) - before < 64 << 20


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,identity", "deflate", "x"])
def test_s5_no_encoding_but_one_is_taken(shared, coding):
    body = gzip.compress(gzip.compress(lines_of(events(1))))
    assert shared.post(body, gzipped(coding))[0] == 415


def test_s5_a_nested_gzip_is_no_batch(shared):
    body = gzip.compress(gzip.compress(lines_of(events(1))))
    assert shared.post(body, gzipped("gzip"))[0] == 400


@pytest.mark.parametrize("length", ["9000000", "99999999999999999999"])
def test_s5_a_stated_length_that_is_too_large_is_refused_at_once(shared, length):
    head = f"POST {BATCH} HTTP/1.1\r\nHost: {shared.place}\r\n"
    head += f"Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n"
    assert raw(shared, head.encode())[0] in {400, 413}


def test_s5_a_body_in_chunks_is_counted_as_it_comes(shared):
    def chunks():
        for _ in range(200):
            yield bytes(64 << 10)

    client = http.client.HTTPConnection(shared.place, timeout=60)
    try:
        client.request("POST", BATCH, chunks(), LINES, encode_chunked=True)
        status = client.getresponse().status
    except (BrokenPipeError, ConnectionResetError):
        # It did not wait for the rest.
        status = 413
    finally:
        client.close()
    assert status == 413


def test_s5_a_header_that_is_too_large_is_refused(shared):
    head = f"GET /healthz HTTP/1.1\r\nHost: {shared.place}\r\nX: {'x' * 20_000}\r\n\r\n"
    assert raw(shared, head.encode())[0] in {400, 431}


def test_s5_grpc_takes_no_larger_message(shared):
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as channel:
        call = channel.unary_unary("/chaukas.v1.ChaukasService/IngestEventBatch")
        with pytest.raises(grpc.RpcError) as caught:
            call(bytes((8 << 20) + 1), timeout=60)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def raw(collector, data, timeout_s=60.0):
    """Send bytes; return the status of the answer, and the answer."""
    host, _, port = collector.place.rpartition(":")
    with socket.create_connection((host, int(port)), timeout_s) as made:
        made.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = made.recv(65536)
            if not part:
                break
            answer += part
    head = answer.split(b"\r\n")[0].split()
    return (int(head[1]) if len(head) > 1 else 0), answer


# --- S7 --------------------------------------------------------------------------


def test_s7_a_key_sends_no_more_than_it_may(keyed):
    key = keyed.key("rated", "ingest", "--events-per-second", "1")
    until(lambda: keyed.ask("GET", "/v1/capabilities", headers=bearer(key))[0] == 200)
    # What it may not send yet is owed, for minutes.
    first, _ = keyed.post(lines_of(events(300, "rated")), key=key)

    more = {**LINES, **bearer(key)}
    status, headers, _ = keyed.ask("POST", BATCH, lines_of(events(20, "rated")), more)

    assert (first, status) == (202, 429)
    assert int(headers["retry-after"]) >= 1


def test_s7_the_memory_of_the_limits_is_bounded():
    rates = Rates(kept=100)
    for number in range(10_000):
        rates.take(f"key {number}", 1, 1, 0.0)
    assert len(rates) == 100


def test_s7_wrong_keys_are_answered_ever_later_and_right_ones_are_not(collector):
    key = collector.key("a")
    until(lambda: collector.ask("GET", "/v1/capabilities")[0] in {401, 429})
    found = set()

    def is_late():
        found.add(collector.post(b"", key="ck_no")[0])
        return len(found) > 1

    # However long the machine takes for one of them.
    until(is_late)

    assert found == {401, 429}
    assert collector.post(lines_of(events(1, "a")), key=key)[0] == 202


# --- S11 to S13 ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/v1/capabilities"),
        ("GET", "/api/runs"),
        ("GET", "/nothing"),
        ("POST", BATCH),
        ("POST", "/nothing"),
        ("GET", "/metrics"),
    ],
)
def test_s11_every_answer_has_the_same_headers(shared, method, path):
    _, headers, _ = shared.ask(method, path)

    assert headers["content-security-policy"].startswith(CSP)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("evil.example", "/v1/capabilities"),
        ("127.0.0.1:1", "/v1/capabilities"),
        ("localhost", "/healthz"),
        ("{place}\r\nHost: evil.example", "/healthz"),
        ("{place}", "http://evil.example/healthz"),
        ("{place}\r\nUpgrade: websocket\r\nConnection: upgrade\r\nX: ", "http://e/"),
    ],
)
def test_s12_only_requests_to_our_address_are_answered(shared, host, target):
    host = host.replace("{place}", shared.place)
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    assert raw(shared, head.encode())[0] in {400, 421}


@pytest.fixture(scope="module")
def behind_a_proxy(tmp_path_factory):
    """A collector as in a container: on all interfaces, by a name."""
    data = tmp_path_factory.mktemp("proxied") / "data"
    command("key", "create", "--data", str(data), "--tenant", "a")
    served = ("--host", "0.0.0.0", "--insecure-behind-proxy")
    with CollectorProcess(data, *served, "--name", "events.example") as running:
        yield running


@pytest.mark.parametrize(
    ("host", "status"),
    [
        # A proxy passes on what its client asked for: no port, as it is the usual one.
        ("events.example", 200),
        ("Events.example:{port}", 200),
        # From the same machine, as a check of a container's health.
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("[::1]:{port}", 200),
        ("events.example:1", 421),
        ("localhost", 421),
        ("other.example:{port}", 421),
    ],
)
def test_s12_a_collector_behind_a_proxy_knows_its_names(behind_a_proxy, host, status):
    port = behind_a_proxy.place.rpartition(":")[2]
    head = f"GET /healthz HTTP/1.1\r\nHost: {host.replace('{port}', port)}\r\n\r\n"
    assert raw(behind_a_proxy, head.encode())[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"sec-fetch-site": "same-origin"}, 202),
        ({"sec-fetch-site": "none"}, 202),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "{own}"}, 202),
    ],
)
def test_s13_pages_of_other_sites_cannot_send(shared, headers, status):
    own = {name: value.replace("{own}", shared.http) for name, value in headers.items()}
    body = lines_of(events(1, "s13"))
    assert shared.ask("POST", BATCH, body, {**LINES, **own})[0] == status


def test_s13_a_body_that_a_form_could_send_is_not_taken(shared):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/x"):
        assert shared.post(lines_of(events(1)), {"content-type": kind})[0] == 415


# --- S15 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "may_send", "may_read"),
    [("ingest", 202, 403), ("read", 403, 200), ("ingest,read", 202, 200)],
)
def test_s15_a_key_allows_what_its_scopes_say(keyed, scope, may_send, may_read):
    key = keyed.key("scopes", scope)
    until(lambda: keyed.ask("GET", "/v1/capabilities", headers=bearer(key))[0] == 200)

    assert keyed.post(lines_of(events(1, "scopes")), key=key)[0] == may_send
    assert keyed.get("/api/status", key)[0] == may_read


def test_s15_a_revoked_or_expired_key_is_refused_within_a_second(keyed):
    key = keyed.key("gone")
    late = keyed.key("gone", "read", "--days", "0.000000001")
    until(lambda: keyed.ask("GET", "/v1/capabilities", headers=bearer(key))[0] == 200)
    assert keyed.ask("GET", "/v1/capabilities", headers=bearer(late))[0] in {401, 429}

    done = command("key", "revoke", key.split("_")[1], "--data", str(keyed.data))

    assert done.returncode == 0
    until(lambda: keyed.ask("GET", "/v1/capabilities", headers=bearer(key))[0] != 200)


# --- S16 -------------------------------------------------------------------------


@pytest.fixture
def secured(tmp_path):
    authority = Authority(tmp_path)
    files = authority.issue("127.0.0.1")
    client = authority.issue("client")
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    options.append(f"--client-ca={authority.ca_file}")
    with CollectorProcess(tmp_path / "data", *options) as running:
        running.ca, running.client, running.files = authority.ca_file, client, files
        running.authority = authority
        yield running


def shake(collector, version=None, *, with_client=True):
    """Return the version of TLS, and the server's certificate, of one handshake."""
    context = ssl.create_default_context(cafile=collector.ca)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if with_client:
        context.load_cert_chain(
            collector.client["certificate"], collector.client["private_key"]
        )
    host, _, port = collector.place.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 10) as made,
        context.wrap_socket(made, server_hostname=host) as secure,
    ):
        head = f"GET /healthz HTTP/1.1\r\nHost: {collector.place}\r\n\r\n"
        secure.sendall(head.encode())
        if b"200" not in secure.recv(100):
            raise ConnectionResetError
        return secure.version(), secure.getpeercert(binary_form=True)


@pytest.mark.filterwarnings("ignore:.*TLSv1_1.*:DeprecationWarning")
def test_s16_tls_is_1_2_or_later_with_the_clients_certificate(secured):
    assert shake(secured, ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
    assert shake(secured)[0] == "TLSv1.3"
    with pytest.raises((ssl.SSLError, OSError)):
        shake(secured, ssl.TLSVersion.TLSv1_1)
    with pytest.raises((ssl.SSLError, OSError)):
        shake(secured, with_client=False)


def test_s16_a_renewed_certificate_is_shown_after_sighup(secured):
    before = shake(secured)[1]
    fresh = secured.authority.issue("127.0.0.1")
    for name, path in secured.files.items():
        path.write_bytes(fresh[name].read_bytes())
    secured.process.send_signal(1)

    until(lambda: shake(secured)[1] != before)


# --- S17, S20 --------------------------------------------------------------------


def test_s17_no_key_and_no_body_is_logged_and_each_request_is_one_line(tmp_path):
    with CollectorProcess(tmp_path / "data") as collector:
        key = collector.key("a")
        asked: list[int] = []

        def is_refused():
            asked.append(collector.ask("GET", "/v1/capabilities")[0])
            return asked[-1] == 401

        until(is_refused)
        before = len(asked)
        until(lambda: len(collector.log_text().splitlines()) == before)
        marked = {**events(1, "a")[0], "agent_name": "canary-body"}
        collector.post(lines_of([marked]), key=key)
        collector.post(lines_of([marked]), key="ck_canarykey")
        collector.ask("GET", "/x%0d%0a%1b]0;canary", headers=bearer(key))
        raw(collector, b"GET / HTTP/1.1\r\nHost: x\r\nBad\rname: y\r\n\r\n")
        until(lambda: len(collector.log_text().splitlines()) >= before + 4)
        text = collector.log_text()

    assert len(text.splitlines()) == before + 4
    assert key not in text
    assert "canarykey" not in text
    assert "canary-body" not in text
    assert "\x1b" not in text
    assert all(orjson.loads(line) for line in text.splitlines())


def test_s20_a_failure_tells_a_number_and_no_more(tmp_path):
    with CollectorProcess(tmp_path / "data") as collector:
        # A store that is no store any more: every reader fails.
        for path in (tmp_path / "data").glob("events.sqlite*"):
            if not path.name.endswith("-shm"):
                with path.open("r+b") as file:
                    file.write(b"x" * path.stat().st_size)
        for path in ("/api/runs", "/metrics", "/api/status"):
            status, _, body = collector.ask("GET", path)
            assert status in {500, 503}, path
            for word in (b"Traceback", b"sqlite", b"SELECT", b"File "):
                assert word not in body


# --- S19 -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"event_id": "a", "event_id": "b"}',
        b'{"event_id": NaN}',
        b'{"event_id": "a", "n": 1' + b"0" * 5000 + b"}",
        b'{"metadata": {"a": 1, "a": 2}, "event_id": "x"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\x00",
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("headers", [JSON, LINES], ids=["json", "lines"])
def test_s19_json_that_readers_would_disagree_on_is_refused(shared, body, headers):
    assert shared.post(body, headers)[0] == 400


@settings(max_examples=400, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=400),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: str(value).replace("'", '"').encode("utf-8", "replace")),
    ),
    kind=st.sampled_from([JSON_TYPE, LINES_TYPE, PROTOBUF_TYPE]),
    coding=st.sampled_from(["", "gzip", "zstd"]),
)
def test_s19_any_bytes_are_events_or_refused(body, kind, coding):
    for packed in (body, zlib.compress(body, wbits=31)):
        # Any other exception would be an answer of 500.
        with suppress(Refusal):
            plain = expanded(packed, coding, LIMITS)
            decoded(plain, kind, LIMITS, is_batch=True)


# --- S21 -------------------------------------------------------------------------


def test_s21_folder_and_files_are_the_owners_alone(collector):
    collector.key("a")
    collector.post(b"{}")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in collector.data.iterdir()
    }
    assert stat.S_IMODE(collector.data.stat().st_mode) == 0o700
    assert {"events.sqlite", "events.sqlite-wal", "keys.json"} <= set(modes)
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("name", ["events.sqlite", "keys.json"])
def test_s21_a_link_in_place_of_a_file_is_refused(tmp_path, name):
    data = tmp_path / "data"
    data.mkdir()
    (data / name).symlink_to(tmp_path / "elsewhere")

    done = command("run", "--data", str(data))

    assert done.returncode == 2
    assert "is a link" in done.stderr
    assert not (tmp_path / "elsewhere").exists()


# --- S23 -------------------------------------------------------------------------


def test_s23_grpc_shows_no_more_than_its_calls(keyed):
    with grpc.insecure_channel(keyed.grpc.removeprefix("grpc://")) as channel:
        health = channel.unary_unary("/chaukas.v1.ChaukasService/Healthz")
        assert health(b"", timeout=60) == b""
        for path in (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "/chaukas.v1.ChaukasService/Nothing",
            "/other.Service/IngestEvent",
        ):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(path)(b"", timeout=60)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/chaukas.v1.ChaukasService/GetCapabilities")(
                b"", timeout=60
            )
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        large = (("x", "y" * 40_000),)
        with pytest.raises(grpc.RpcError):
            health(b"", timeout=60, metadata=large)


def test_s3_a_key_for_every_tenant_sends_and_reads_for_all(keyed):
    key = keyed.key("*")
    until(lambda: keyed.ask("GET", "/v1/capabilities", headers=bearer(key))[0] == 200)
    made = [*events(1, "every-1"), *events(1, "every-2")]

    assert keyed.post(lines_of(made), key=key)[1]["accepted"] == 2
    assert len(keyed.get("/api/events?filter=tenant:every-*", key)[1]["items"]) == 2
    assert not keyed.get("/api/events?filter=tenant:every-*", keyed.a)[1]["items"]


# --- S14 -------------------------------------------------------------------------


def test_s14_the_page_is_shown_to_a_key_or_to_the_address_that_works_once(tmp_path):
    with CollectorProcess(tmp_path / "data", has_page=True) as collector:
        key = collector.key("a")
        until(lambda: collector.ask("GET", "/api/status")[0] == 401)
        path = collector.addresses["page"].removeprefix(collector.http)

        first, headers, _ = collector.ask("GET", path)
        again = collector.ask("GET", path)[0]
        cookie = headers["set-cookie"]
        kept = {"cookie": cookie.partition(";")[0]}

        assert (first, again) == (303, 401)
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert collector.ask("GET", "/api/status", headers=kept)[0] == 200
        assert collector.ask("GET", "/api/status", headers=bearer(key))[0] == 200
        assert collector.ask("GET", "/api/status")[0] == 401
        # A cookie sends nothing: only keys do.
        sent = collector.ask("POST", BATCH, lines_of(events(1)), {**LINES, **kept})
        assert sent[0] == 401
        until(lambda: collector.log_text().count("/open/") == 2)
        assert path.rpartition("/")[2] not in collector.log_text()


def test_s21_a_folder_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    tmp_path.chmod(0o755)

    done = command("run", "--data", str(tmp_path))

    assert done.returncode == 2
    assert "holds other things" in done.stderr
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
