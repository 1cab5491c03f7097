"""S5, S6, S16, S23: clients that are slow, vanish, send too much, or speak badly."""

from __future__ import annotations

import gzip
import http.client
import resource
import socket
import ssl
import struct
import threading
import warnings
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import orjson
import pytest

from chaukas.sdk.ingest.calls import SERVICES
from chaukas.sdk.wire.proto import ingest_pb2
from tests.support.collector_process import (
    BATCH,
    LINES,
    CollectorProcess,
    events,
    lines_of,
)
from tests.support.limited import limited, memory_of
from tests.support.pem import Authority
from tests.support.waiting import until


def connected(collector):
    return connected_to(collector.http)


def connected_to(address):
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), 20)


def head_of(collector, *lines):
    first = (f"POST {BATCH} HTTP/1.1", f"Host: {collector.place}")
    return "\r\n".join([*first, *lines, "", ""]).encode()


def sockets_of(collector):
    """Return how many connections the process has."""
    found = 0
    for one in Path(f"/proc/{collector.process.pid}/fd").iterdir():
        with suppress(OSError):
            found += one.readlink().name.startswith("socket:")
    return found


# --- S5 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Type: application/x-ndjson", "Content-Length: 4",
         "Transfer-Encoding: chunked"),
        ("Content-Type: application/x-ndjson", "Content-Length: 4",
         "Content-Length: 5"),
        ("Content-Type: application/x-ndjson", "Content-Length: -1"),
        ("Content-Type: application/x-ndjson", "Content-Length: 4x"),
        ("Content-Type: application/x-ndjson", "Transfer-Encoding: gzip, chunked"),
    ],
)  # fmt: skip
def test_s5_a_body_whose_end_is_in_doubt_is_refused_and_ends_the_connection(
    shared, lines
):
    before = shared.get("/api/status")[1]["events"]
    one = lines_of(events(1, "smuggled"))
    with connected(shared) as made:
        made.sendall(head_of(shared, *lines) + b"0\r\n\r\n" + one)
        answer = b""
        while part := made.recv(65536):
            answer += part
    assert int(answer.split()[1]) in {400, 501}
    assert answer.count(b"HTTP/1.1") == 1
    assert shared.get("/api/status")[1]["events"] == before


def test_s5_a_length_that_lies_brings_no_event(shared):
    before = shared.get("/api/status")[1]["events"]
    body = lines_of(events(3, "short"))
    line = f"Content-Length: {len(body) + 100}"
    with connected(shared) as made:
        made.sendall(head_of(shared, "Content-Type: application/x-ndjson", line) + body)
        made.shutdown(socket.SHUT_WR)
        made.recv(65536)
    assert shared.get("/api/status")[1]["events"] == before


@pytest.mark.parametrize("name", ["IngestEventBatch", "QueryEvents"])
def test_s5_a_compressed_message_is_measured_before_it_is_unpacked(collector, name):
    before = memory_of(collector)
    options = [("grpc.max_send_message_length", -1)]
    place = collector.grpc.removeprefix("grpc://")
    with grpc.insecure_channel(place, options=options) as channel:
        call = channel.unary_unary(f"/{SERVICES[0]}/{name}")
        with pytest.raises(grpc.RpcError) as caught:
            call(bytes(256 << 20), timeout=60, compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert memory_of(collector) - before < 64 << 20


def test_s5_many_small_bodies_that_unpack_to_much_are_taken_one_by_one(collector):
    one = events(1, "small")[0]
    padded = [{**one, "event_id": f"p{n}", "pad": "x" * 900_000} for n in range(30)]
    body = gzip.compress(lines_of(padded))
    assert len(body) < 64 << 10
    collector.post(lines_of(events(5, "a")))
    before = memory_of(collector)
    answers = []

    def send():
        answers.append(collector.post(body, {**LINES, "content-encoding": "gzip"})[0])

    threads = [threading.Thread(target=send) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 24 times 27 MB at once would be 650 MB.
    assert set(answers) <= {202, 413, 503}
    assert memory_of(collector) - before < 400 << 20
    assert collector.post(lines_of(events(1, "b")))[0] == 202


# --- S6 --------------------------------------------------------------------------

PHASES = {
    "head": "POST /v1/events HTTP/1.1\r\nHost:",
    "body": (
        "POST /v1/events/batch HTTP/1.1\r\nHost: {place}\r\n"
        "Content-Type: application/x-ndjson\r\nContent-Length: 5000\r\n\r\n{{"
    ),
}


@pytest.mark.parametrize("phase", PHASES)
def test_s6_a_healthy_client_is_answered_while_300_send_nearly_nothing(tmp_path, phase):
    # None of the slow is ever given up, so whoever waited for one would wait for ever.
    never = "header_s=1e6, body_s=1e6, body_bytes_per_s=1e-6"
    with limited(tmp_path, never) as collector, ExitStack() as stack:
        text = PHASES[phase].format(place=collector.place).encode()
        slow = []
        for _ in range(300):
            slow.append(stack.enter_context(connected(collector)))
            with suppress(OSError):
                slow[-1].sendall(text)
        for number in range(20):
            for one in slow[number::20]:
                with suppress(OSError):
                    one.sendall(b" ")
            assert collector.post(lines_of(events(1, "a", number)))[0] == 202
        answers = list(map(_answer, slow))
        assert not [one for one in answers if one.startswith(b"HTTP")]
        # As many as there is room for, and none for more than one of each healthy one.
        assert 256 - 20 <= answers.count(_NOTHING_YET) <= 256


_NOTHING_YET = b"nothing yet"


def _answer(connection):
    connection.setblocking(False)
    try:
        return connection.recv(100)
    except BlockingIOError:
        return _NOTHING_YET
    except OSError:
        return b""


def test_s6_heads_that_never_end_are_given_up(tmp_path):
    with limited(tmp_path, "header_s=0.3") as collector, ExitStack() as stack:
        text = PHASES["head"].format(place=collector.place).encode()
        slow = [stack.enter_context(connected(collector)) for _ in range(100)]
        for one in slow:
            one.sendall(text)
        until(lambda: all(_answer(one) == b"" for one in slow))


def test_s6_slow_bodies_are_given_up(tmp_path):
    with limited(tmp_path, "body_s=0.3") as collector, connected(collector) as made:
        made.sendall(PHASES["body"].format(place=collector.place).encode())
        answer = b""
        while part := made.recv(65536):
            answer += part
        assert answer.startswith(b"HTTP/1.1 408 ")


@contextmanager
def unfinished_calls(collector):
    """Yield what makes a call, and one whose message never comes."""
    gate = threading.Event()

    def never():
        gate.wait(100)
        yield b""

    path = "/chaukas.v1.ChaukasService/IngestEventBatch"
    try:
        with grpc.insecure_channel(collector.grpc.removeprefix("grpc://")) as channel:
            call, stream = channel.unary_unary(path), channel.stream_unary(path)
            yield call, lambda: stream.future(never(), timeout=60)
    finally:
        gate.set()


def test_s6_slow_messages_are_given_up_and_unknown_senders_not_waited_for(tmp_path):
    with (
        limited(tmp_path, "body_s=0.3") as collector,
        unfinished_calls(collector) as (_, begin),
    ):
        slow = begin()
        assert slow.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "too slowly" in slow.details()
        collector.key("a")
        until(lambda: collector.ask("GET", "/v1/capabilities")[0] == 401)
        assert begin().code() is grpc.StatusCode.UNAUTHENTICATED


def test_s6_a_client_that_reads_nothing_is_given_up(tmp_path):
    with limited(tmp_path, "body_s=0.5") as collector:
        one = events(1, "a")[0]
        large = [{**one, "event_id": f"p{n}", "pad": "x" * 900_000} for n in range(8)]
        for event in large:
            assert collector.post(lines_of([event]))[0] == 202
        before = sockets_of(collector)
        with ExitStack() as stack:
            for _ in range(20):
                made = socket.socket()
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                host, _, port = collector.place.rpartition(":")
                made.connect((host, int(port)))
                stack.enter_context(made)
                path = "/api/events?whole=1&limit=1000"
                made.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: {collector.place}\r\n\r\n".encode()
                )
            until(lambda: sockets_of(collector) > before)
            until(lambda: sockets_of(collector) <= before)
        assert collector.ask("GET", "/healthz")[0] == 200


def test_s6_one_reader_has_so_many_streams_and_no_more(tmp_path):
    with limited(tmp_path, "follows=3") as collector, ExitStack() as stack:
        found = []
        for _ in range(5):
            client = http.client.HTTPConnection(collector.place, timeout=60)
            stack.callback(client.close)
            client.request("GET", "/api/follow")
            found.append((client, client.getresponse().status))
        assert [status for _, status in found] == [200, 200, 200, 429, 429]
        found[0][0].close()
        until(lambda: _follows(collector) == 200)


def _follows(collector):
    client = http.client.HTTPConnection(collector.place, timeout=60)
    client.request("GET", "/api/follow")
    status = client.getresponse().status
    client.close()
    return status


# --- S16 -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A collector that demands certificates of clients, and its authority."""
    place = tmp_path_factory.mktemp("tls")
    authority = Authority(place)
    files = authority.issue("127.0.0.1")
    other = place / "other"
    other.mkdir()
    stranger = Authority(other)
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    options.append(f"--client-ca={authority.ca_file}")
    with CollectorProcess(place / "data", *options) as running:
        running.ca, running.files = authority.ca_file, files
        running.authority = authority
        running.clients = {
            "right": authority.issue("client"),
            "of another authority": stranger.issue("client"),
            "none": None,
        }
        yield running


def shaken(place, ca, client, versions=(None, None)):
    """Return the version of TLS of one handshake; None if there was none."""
    context = ssl.create_default_context(cafile=ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for name, version in zip(("minimum", "maximum"), versions, strict=True):
            if version is not None:
                setattr(context, f"{name}_version", version)
    if client is not None:
        context.load_cert_chain(client["certificate"], client["private_key"])
    host, _, port = place.rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), 10) as made,
            context.wrap_socket(made, server_hostname=host) as secure,
        ):
            # In TLS 1.3 a client learns with the first answer that it is refused.
            secure.sendall(f"GET /healthz HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
            return secure.version() if secure.recv(100) else None
    except OSError:
        return None


V = ssl.TLSVersion


@pytest.mark.parametrize("client", ["right", "of another authority", "none"])
@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        ((V.TLSv1, V.TLSv1), None),
        ((V.TLSv1_1, V.TLSv1_1), None),
        ((V.TLSv1, V.TLSv1_1), None),
        ((V.TLSv1_2, V.TLSv1_2), "TLSv1.2"),
        ((V.TLSv1_3, V.TLSv1_3), "TLSv1.3"),
        ((V.TLSv1, V.TLSv1_3), "TLSv1.3"),
    ],
)
def test_s16_tls_is_of_today_and_the_client_is_known(secured, client, versions, wanted):
    found = shaken(secured.place, secured.ca, secured.clients[client], versions)
    assert found == (wanted if client == "right" else None)


@pytest.mark.parametrize("client", ["right", "of another authority", "none"])
def test_s16_grpc_knows_its_clients_too(secured, client):
    assert asked_over_tls(secured, secured.clients[client]) is (client == "right")


def asked_over_tls(collector, client, ca=None):
    read = [None, None]
    if client is not None:
        read = [Path(client[n]).read_bytes() for n in ("private_key", "certificate")]
    roots = Path(ca or collector.ca).read_bytes()
    credentials = grpc.ssl_channel_credentials(roots, *read)
    place = collector.grpc.removeprefix("grpcs://")
    with grpc.secure_channel(place, credentials) as channel:
        call = channel.unary_unary("/chaukas.v1.ChaukasService/Healthz")
        try:
            return call(b"", timeout=60) == b""
        except grpc.RpcError as error:
            return False if error.code() is grpc.StatusCode.UNAVAILABLE else error


def test_s16_a_handshake_that_fails_writes_no_line_of_another_form(secured):
    place = secured.grpc.removeprefix("grpcs://")
    for client in ("of another authority", "none"):
        assert asked_over_tls(secured, secured.clients[client]) is False
        assert shaken(place, secured.ca, secured.clients[client]) is None
    assert asked_over_tls(secured, secured.clients["right"]) is True
    lines = secured.log_text().splitlines()
    # Said at the start: the authority's files can be read by others.
    for line in (one for one in lines if not one.startswith("chaukas: ")):
        assert orjson.loads(line)["message"]


@pytest.mark.parametrize("version", [V.TLSv1, V.TLSv1_1])
def test_s16_grpc_speaks_no_old_tls(secured, version):
    place = secured.grpc.removeprefix("grpcs://")
    client = secured.clients["right"]
    assert shaken(place, secured.ca, client, (version, version)) is None


def test_s16_without_tls_nothing_is_said(secured):
    with connected(secured) as made:
        made.sendall(f"GET /healthz HTTP/1.1\r\nHost: {secured.place}\r\n\r\n".encode())
        answer = b"-"
        with suppress(OSError):
            answer = made.recv(100)
    assert not answer.startswith(b"HTTP")


def test_s16_a_certificate_that_cannot_be_read_leaves_the_one_before(tmp_path):
    authority = Authority(tmp_path)
    files = authority.issue("127.0.0.1")
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    with CollectorProcess(tmp_path / "data", *options) as collector:
        collector.ca = authority.ca_file
        files["certificate"].write_text("no certificate")
        collector.process.send_signal(1)
        until(lambda: "stays in use" in collector.log_text())
        assert shaken(collector.place, authority.ca_file, None) == "TLSv1.3"
        assert asked_over_tls(collector, None)
        fresh = authority.issue("127.0.0.1")
        for name, path in files.items():
            path.write_bytes(fresh[name].read_bytes())
        collector.process.send_signal(1)
        until(lambda: "read anew" in collector.log_text())
        assert shaken(collector.place, authority.ca_file, None) == "TLSv1.3"
        assert asked_over_tls(collector, None)


def test_s16_the_cookie_of_the_page_is_for_tls_only(tmp_path):
    files = Authority(tmp_path).issue("127.0.0.1")
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    with CollectorProcess(tmp_path / "data", *options, has_page=True) as collector:
        context = ssl._create_unverified_context()
        client = http.client.HTTPSConnection(collector.place, context=context)
        client.request("GET", collector.addresses["page"].split(collector.place)[1])
        cookie = client.getresponse().getheader("set-cookie")
        client.close()
    assert {"Secure", "HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))


# --- S23 -------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_s23_a_call_has_one_message_that_is_its_own(shared, service):
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as channel:
        for name in ("IngestEvent", "IngestEventBatch", "QueryEvents", "GetEventStats"):
            call = channel.stream_unary(f"/{service}/{name}")
            with pytest.raises(grpc.RpcError) as caught:
                call(iter(()), timeout=60)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, name


def test_s23_metadata_has_its_size(shared):
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as channel:
        health = channel.unary_unary("/chaukas.v1.ChaukasService/Healthz")
        for size, is_taken in ((8_000, True), (64_000, False)):
            metadata = (("x", "y" * size),)
            if is_taken:
                assert health(b"", timeout=60, metadata=metadata) == b""
                continue
            with pytest.raises(grpc.RpcError) as caught:
                health(b"", timeout=60, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_s23_so_many_streams_are_open_at_a_time_and_no_more(shared):
    """The server's own words: its SETTINGS frame."""
    with connected_to(shared.grpc) as made:
        made.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        )
        found = {}
        data = b""
        while 3 not in found:
            data += made.recv(4096)
            while len(data) >= 9:
                size = int.from_bytes(data[:3], "big")
                if len(data) < 9 + size:
                    break
                kind, body, data = data[3], data[9 : 9 + size], data[9 + size :]
                if kind == 4:
                    found.update(struct.iter_unpack(">HI", body))
    assert found[3] == 100


def test_s23_a_message_of_the_largest_size_is_taken(shared):
    message = ingest_pb2.IngestEventBatchRequest()
    for number in range(7):
        one = message.event_batch.events.add(
            event_id=f"large-{number}", tenant_id="large", type=1
        )
        one.message.text = "x" * 1_000_000
    with grpc.insecure_channel(shared.grpc.removeprefix("grpc://")) as channel:
        call = channel.unary_unary("/chaukas.v1.ChaukasService/IngestEventBatch")
        answer = call(message.SerializeToString(), timeout=60)
    verdict = ingest_pb2.IngestEventBatchResponse.FromString(answer)
    assert (verdict.accepted_count, verdict.rejected_count) == (7, 0)


# --- handshakes ------------------------------------------------------------------


def tls_options(files):
    return [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]


@pytest.mark.parametrize("fresh", ["certificate", "private_key", "client_ca"])
def test_s16_half_of_a_renewal_leaves_the_certificate_before(tmp_path, fresh):
    authority = Authority(tmp_path)
    files = authority.issue("127.0.0.1")
    first = {name: path.read_bytes() for name, path in files.items()}
    second = {n: p.read_bytes() for n, p in authority.issue("127.0.0.1").items()}
    for name, path in files.items():
        path.write_bytes(first[name])
    options = tls_options(files)
    if fresh == "client_ca":
        # The new certificate is whole, and what it is asked with is not.
        broken = tmp_path / "clients.pem"
        broken.write_bytes(authority.ca_file.read_bytes())
        options.append(f"--client-ca={broken}")
    with CollectorProcess(tmp_path / "data", *options) as collector:
        pair = (str(files["certificate"]), str(files["private_key"]))
        before = shown(collector.place, authority.ca_file, pair)
        if fresh == "client_ca":
            for name, path in files.items():
                path.write_bytes(second[name])
            broken.write_text("no certificate")
        else:
            files[fresh].write_bytes(second[fresh])

        collector.process.send_signal(1)

        until(lambda: "stays in use" in collector.log_text())
        for name, path in files.items():
            path.write_bytes(first[name])
        assert shown(collector.place, authority.ca_file, pair) == before


@pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3])
def test_s16_a_client_authority_that_was_removed_is_trusted_no_more(tmp_path, version):
    authority = Authority(tmp_path)
    files = authority.issue("127.0.0.1")
    (tmp_path / "other").mkdir()
    removed = Authority(tmp_path / "other")
    ours, theirs = authority.issue("ours"), removed.issue("theirs")
    trusted = tmp_path / "clients.pem"
    both = authority.ca_file.read_bytes() + removed.ca_file.read_bytes()
    trusted.write_bytes(both)
    options = [*tls_options(files), f"--client-ca={trusted}"]
    with CollectorProcess(tmp_path / "data", *options) as collector:
        own, other = (
            Client(collector.place, authority.ca_file, pair, version)
            for pair in (ours, theirs)
        )
        # The second time its session is taken up again: nothing is shown anew.
        assert [own.status(), other.status(), other.status()] == [200] * 3
        trusted.write_bytes(authority.ca_file.read_bytes())
        assert not asked_over_tls(collector, theirs, authority.ca_file)

        collector.process.send_signal(1)
        until(lambda: "read anew" in collector.log_text())

        assert [own.status(), other.status()] == [200, None]
        trusted.write_bytes(both)
        collector.process.send_signal(1)
        until(lambda: collector.log_text().count("read anew") == 2)
        assert [own.status(), other.status()] == [200, 200]


class Client:
    """Connects anew each time, and goes on with the session that it had."""

    def __init__(self, place, ca_file, pair, version):
        self._place = place
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._context.minimum_version = self._context.maximum_version = version
        self._context.load_cert_chain(pair["certificate"], pair["private_key"])
        self._session = None

    def status(self):
        """Return the status of one answer; None if there is none."""
        try:
            with (
                connected_to(f"https://{self._place}") as made,
                self._context.wrap_socket(
                    made, server_hostname="127.0.0.1", session=self._session
                ) as secure,
            ):
                head = f"GET /healthz HTTP/1.1\r\nHost: {self._place}\r\n\r\n"
                secure.sendall(head.encode())
                answer = secure.recv(4096)
                self._session = secure.session
        except OSError:
            return None
        return int(answer.split()[1]) if answer else None


def shown(place, ca_file, pair):
    """Return the certificate that a server shows."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.load_cert_chain(*pair)
    host, _, port = place.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 20) as made,
        context.wrap_socket(made, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True)


@pytest.mark.parametrize("which", ["http", "grpc"])
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_s6_a_handshake_that_is_never_finished_is_given_up(tmp_path, which, said):
    files = Authority(tmp_path).issue("127.0.0.1")
    with limited(tmp_path, "header_s=0.3", *tls_options(files)) as collector:
        host, _, port = getattr(collector, which).rpartition("/")[2].rpartition(":")
        with socket.create_connection((host, int(port)), 30) as made:
            made.sendall(said)
            with suppress(ConnectionResetError):
                assert made.recv(100) in (b"", b"\x15\x03\x03\x00\x02\x02\x00")


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_s6_a_grpc_connection_that_never_says_what_it_wants_is_given_up(tmp_path, said):
    with (
        limited(tmp_path, "header_s=0.3") as collector,
        connected_to(collector.grpc) as made,
    ):
        made.sendall(said)
        with suppress(ConnectionResetError):
            while made.recv(4096):
                pass


def test_s6_idle_grpc_connections_leave_files_to_others_and_are_let_go_of(tmp_path):
    hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    collector = limited(tmp_path, "keep_alive_s=5")
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            stack.enter_context(collector)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        idle = [stack.enter_context(connected_to(collector.grpc)) for _ in range(250)]
        for one in idle:
            with suppress(OSError):
                one.sendall(hello)
        for number in range(20):
            assert collector.post(lines_of(events(1, "a", number)))[0] == 202
            assert sockets_of(collector) < 130
        until(lambda: _is_alive(collector))


def _is_alive(collector):
    place = collector.grpc.removeprefix("grpc://")
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(place, options) as channel:
        try:
            health = channel.unary_unary("/chaukas.v1.ChaukasService/Healthz")
            return health(b"", timeout=30) == b""
        except grpc.RpcError:
            return False


def test_s6_messages_that_never_come_make_room_for_those_that_do(tmp_path):
    """Half a message is held by gRPC until its other half is here."""
    with (
        limited(tmp_path, "reads=3, round_s=0.5") as collector,
        unfinished_calls(collector) as (call, begin),
    ):
        slow = [begin() for _ in range(3)]
        until(lambda: all(one.running() for one in slow))
        refused = None
        while refused is None:
            call(b"", timeout=60)
            slow.append(begin())
            refused = next((one for one in slow if one.done()), None)
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert "come again" in refused.details()
        call(b"", timeout=60)


def test_s6_bodies_that_never_end_make_room_for_those_that_do(tmp_path):
    never = "reads=3, round_s=0.5, body_s=1e6, body_bytes_per_s=1e-6"
    with limited(tmp_path, never) as collector, ExitStack() as stack:
        length = "Content-Length: 1000000"
        head = head_of(collector, "Content-Type: application/x-ndjson", length)
        slow = [stack.enter_context(connected(collector)) for _ in range(9)]
        for one in slow:
            one.sendall(head + b"{" * 500_000)
        large = {**events(1, "a")[0], "pad": "x" * 200_000}
        statuses = []
        while statuses[-1:] != [202]:
            statuses.append(collector.post(lines_of([large]))[0])
        assert set(statuses) <= {202, 503}
        assert any(b" 503 " in _answer(one) for one in slow)


def test_s6_calls_beyond_their_number_are_told_to_come_again(tmp_path):
    """Without that hint a client would halve what it sends."""
    with (
        limited(tmp_path, "calls=2, reads=9") as collector,
        unfinished_calls(collector) as (call, begin),
    ):
        slow = []
        refused = None
        while refused is None:
            slow.append(begin())
            until(lambda: slow[-1].running() or slow[-1].done())
            try:
                call(b"", timeout=60)
            except grpc.RpcError as error:
                refused = error
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert "come again" in refused.details()
        assert ("grpc-retry-pushback-ms", "1000") in refused.trailing_metadata()
