"""Prove the HTTP sink on real sockets: what it sends, and what it makes of answers."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import orjson
import pytest

from chaukas.sdk._version import VERSION
from chaukas.sdk.sinks.collector.http import HttpSink
from chaukas.sdk.sinks.collector.responses import Action, Answer
from chaukas.testing import FakeCollector, Fault, Reply
from tests.support.pem import Authority
from tests.support.samples import EVENTS, event, linked
from tests.support.tunnel import Tunnel, listening

LINES = linked(list(EVENTS.values()))
ACKED = Answer(Action.ACKED)
KEY = "ck-" + "x" * 20
ROOT = Path(__file__).parents[2]


@pytest.fixture
def make(monkeypatch):
    """Return a maker of sinks that are closed at the end."""
    made = []

    def sink(endpoint, environ=None, **options):
        for name, value in (environ or {}).items():
            monkeypatch.setenv(name, value)
        made.append(HttpSink(endpoint, **{"timeout_s": 60, **options}))
        return made[-1]

    yield sink
    for each in made:
        each.close()


@pytest.fixture
def collector():
    with FakeCollector() as running:
        yield running


@pytest.fixture
def published():
    """The published backend: no capabilities, no compression, empty answers."""
    with FakeCollector(is_published=True) as running:
        yield running


def posts(collector):
    return [each for each in collector.requests if each.method == "POST"]


def kinds(collector):
    return [
        (each.path, each.headers["content-type"], each.headers.get("content-encoding"))
        for each in posts(collector)
    ]


def local_port(sink):
    return sink._connection._open.sock.getsockname()[1]


class TestWhatIsSent:
    """The request."""

    def test_json_lines_go_to_a_collector_that_offers_them(self, make, collector):
        assert make(collector.endpoint).send(LINES) == ACKED

        assert kinds(collector) == [("/events/batch", "application/x-ndjson", "gzip")]
        assert gzip.decompress(posts(collector)[0].body) == b"".join(LINES)

    def test_protobuf_goes_to_any_other_backend(self, make, published):
        assert make(published.endpoint).send(LINES) == ACKED

        assert kinds(published)[-1] == ("/events/batch", "application/x-protobuf", None)
        assert published.events == [orjson.loads(line) for line in LINES]

    def test_both_forms_are_the_same_events(self, make, collector, published):
        make(collector.endpoint).send(LINES)
        make(published.endpoint).send(LINES)

        assert collector.events == published.events

    def test_the_endpoints_path_and_query_are_kept(self, make, collector):
        sink = make(f"{collector.endpoint}/v1?team=a%20b")

        assert sink.send(LINES) == ACKED

        assert [each.path for each in collector.requests] == [
            "/v1/capabilities?team=a%20b",
            "/v1/events/batch?team=a%20b",
        ]

    def test_small_bodies_are_not_compressed(self, make, collector):
        make(collector.endpoint).send(LINES[:1])

        assert kinds(collector) == [("/events/batch", "application/x-ndjson", None)]

    def test_the_sdk_names_itself_and_its_version(self, make, collector):
        make(collector.endpoint).send(LINES)

        agents = {each.headers["user-agent"] for each in collector.requests}
        assert agents == {f"chaukas-sdk/{VERSION}"}

    def test_the_key_goes_along_as_bearer(self, make, collector):
        collector.keys = (KEY,)

        assert make(collector.endpoint, api_key=KEY).send(LINES) == ACKED

        sent = {each.headers["authorization"] for each in collector.requests}
        assert sent == {f"Bearer {KEY}"}

    def test_without_a_key_no_authorization_is_sent(self, make, collector):
        make(collector.endpoint).send(LINES)

        assert not any("authorization" in one.headers for one in collector.requests)

    def test_a_user_in_the_endpoint_is_sent_as_basic(self, make, collector):
        sink = make(collector.endpoint.replace("//", "//ann:p%40w@"))

        sink.send(LINES)

        sent = {each.headers["authorization"] for each in collector.requests}
        assert sent == {"Basic YW5uOnBAdw=="}

    def test_one_connection_serves_all_batches(self, make, collector):
        sink = make(collector.endpoint)
        sink.send(LINES)
        port = local_port(sink)

        for _ in range(3):
            assert sink.send(LINES).action is Action.ACKED

        assert local_port(sink) == port

    def test_making_a_sink_loads_no_http_library(self, tmp_path):
        code = (
            "import sys\n"
            "from chaukas.sdk.sinks.collector.http import HttpSink\n"
            "from chaukas.sdk.sinks.collector.grpc import GrpcSink\n"
            "HttpSink('http://127.0.0.1:9'), GrpcSink('grpc://127.0.0.1:9')\n"
            "late = ['urllib3', 'http.client', 'grpc', 'google.protobuf', 'asyncio']\n"
            "sys.exit(repr([name for name in late if name in sys.modules] or ''))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr.strip() == "''"


class TestWhatIsLearnt:
    """Capabilities, compression, and the call for one event."""

    def test_capabilities_are_asked_for_once(self, make, collector):
        sink = make(collector.endpoint)
        for _ in range(3):
            sink.send(LINES)

        asked = [each.path for each in collector.requests if each.method == "GET"]
        assert asked == ["/v1/capabilities"]

    def test_capabilities_are_asked_for_again_after_a_failure(self, make, collector):
        sink = make(collector.endpoint)
        collector.script(Reply(status=503))

        assert sink.send(LINES).action is Action.RETRY
        assert sink.send(LINES) == ACKED

        methods = [each.method for each in collector.requests]
        assert methods == ["GET", "POST", "GET", "POST"]

    def test_a_backend_that_reads_no_gzip_is_sent_none_from_then_on(
        self, make, published
    ):
        sink = make(published.endpoint)
        for _ in range(2):
            assert sink.send(LINES).action is Action.ACKED

        assert [each[2] for each in kinds(published)] == ["gzip", None, None]

    def test_a_415_teaches_the_same(self, make):
        with FakeCollector(encodings=()) as collector:
            collector.script(Reply(status=415))
            collector.capabilities = lambda: _found({"ingest": ["ndjson"]})
            sink = make(collector.endpoint)
            for _ in range(2):
                assert sink.send(LINES).action is Action.ACKED

        assert [each[2] for each in kinds(collector)] == ["gzip", None, None]

    def test_a_400_is_not_taken_for_compression_once_that_has_worked(
        self, make, collector
    ):
        sink = make(collector.endpoint)
        collector.script(Reply(status=400))

        assert sink.send(LINES).action is Action.BISECT
        assert len(posts(collector)) == 1

    def test_json_lines_that_are_refused_after_all_go_as_protobuf(
        self, make, collector
    ):
        collector.script(Reply(status=415), Reply(status=415))

        assert make(collector.endpoint).send(LINES) == ACKED
        assert kinds(collector)[-1][1] == "application/x-protobuf"

    def test_limits_of_the_collector_split_a_batch_before_it_is_sent(self, make):
        for limit in ({"max_batch_events": 5}, {"max_body_bytes": 2000}):
            with FakeCollector(**limit) as collector:
                sink = make(collector.endpoint)

                assert sink.send(LINES).action is Action.SPLIT
                assert sink.send(LINES[:2]) == ACKED
                assert len(posts(collector)) == 1

    def test_a_backend_with_the_call_for_one_event_only_gets_single_events(self, make):
        with FakeCollector(is_published=True, is_single=True) as collector:
            sink = make(collector.endpoint)

            assert sink.send(LINES).action is Action.SPLIT
            assert [sink.send([line]) for line in LINES] == [ACKED] * len(LINES)

        assert len(collector.events) == len(LINES)
        assert {each.path for each in posts(collector)[-5:]} == {"/events"}

    def test_the_call_for_a_batch_is_tried_again_after_a_while(self, make, collector):
        now_s = 1000.0
        sink = make(collector.endpoint, monotonic=lambda: now_s)
        collector.script(Reply(status=404))

        assert sink.send(LINES).action is Action.SPLIT
        now_s += 301

        assert sink.send(LINES).duplicate == 1
        assert posts(collector)[-1].path == "/events/batch"

    def test_neither_call_there_is_parked(self, make, collector):
        sink = make(f"{collector.endpoint}/elsewhere")

        answer = sink.send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "http 404")
        assert "CHAUKAS_ENDPOINT" in answer.error


class TestVerdicts:
    """What becomes of single events."""

    def test_refused_events_are_named_by_their_place(self, make):
        ids = {orjson.loads(LINES[n])["event_id"]: "quota" for n in (2, 7)}
        refuse = {"refuse": lambda one: ids.get(one["event_id"], "")}
        for more in ({}, {"ingest": ("protobuf",)}):
            with FakeCollector(**refuse, **more) as collector:
                answer = make(collector.endpoint).send(LINES)

            assert answer.rejected == ((2, "quota"), (7, "quota"))

    def test_an_event_without_wire_form_does_not_keep_the_others_back(
        self, make, published
    ):
        bad = event("SYSTEM", 99)
        bad["infrastructure"] = {"process_id": "not a number"}
        lines = [LINES[0], orjson.dumps(bad) + b"\n", b"no json\n", LINES[1]]

        answer = make(published.endpoint).send(lines)

        assert answer.rejected == ((1, "invalid"), (2, "invalid"))
        assert len(published.events) == 2

    def test_nothing_but_such_events_makes_no_request(self, make, published):
        answer = make(published.endpoint).send([b"{]\n"])

        assert answer.rejected == ((0, "invalid"),)
        assert not posts(published)

    def test_an_unreadable_event_asks_for_bisection(self, make):
        guilty = orjson.loads(LINES[3])["event_id"]
        for published in (False, True):
            with FakeCollector(
                is_published=published,
                unreadable=lambda one: one["event_id"] == guilty,
            ) as collector:
                sink = make(collector.endpoint)

                assert sink.send(LINES).action is Action.BISECT
                assert sink.send(LINES[:3]) == ACKED

    def test_a_verdict_too_long_to_be_one_is_no_ack(self, make, collector):
        collector.script(Reply(status=200, body=b" " * (5 << 20) + b"{}"))

        assert make(collector.endpoint).send(LINES).cause == "oversize"


class TestTrouble:
    """The network, below the level of answers."""

    @pytest.mark.parametrize(
        ("fault", "stored"),
        [
            (Fault.CLOSED, 0),
            (Fault.RESET, 0),
            (Fault.HALF, len(LINES)),
            (Fault.LOST_ACK, len(LINES)),
        ],
    )
    def test_each_end_of_a_connection_is_a_reason_to_send_again(
        self, make, collector, fault, stored
    ):
        sink = make(collector.endpoint)
        # Twice, since the first may be a connection that went stale.
        collector.script(*[Reply(fault=fault)] * 2)

        answer = sink.send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "reset")
        assert len(collector.events) == stored

    def test_silence_is_a_reason_to_send_again(self, make, collector):
        sink = make(collector.endpoint, timeout_s=0.4)
        collector.script(*[Reply(fault=Fault.SILENCE)] * 2)

        answer = sink.send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "timeout")
        assert not collector.events

    def test_an_answer_that_trickles_is_a_reason_to_send_again(self, make, collector):
        def now_s():
            # An hour goes by once the batch is stored.
            return time.monotonic() + 3600 * bool(collector.events)

        sink = make(collector.endpoint, monotonic=now_s)
        collector.script(Reply(fault=Fault.TRICKLE, delay_s=0.05))

        answer = sink.send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "timeout")
        assert len(collector.events) == len(LINES)

    @pytest.mark.parametrize("pause_s", [0.05, 0.2])
    def test_bytes_that_trickle_do_not_stretch_the_timeout(
        self, make, collector, pause_s
    ):
        sink = make(collector.endpoint, timeout_s=0.5)
        collector.script(Reply(fault=Fault.TRICKLE, delay_s=pause_s))

        assert sink.send(LINES).cause == "timeout"

    def test_a_large_body_that_is_never_read_times_out(self, make, collector):
        sink = make(collector.endpoint, timeout_s=0.4)
        collector.script(Reply(fault=Fault.SILENCE))
        lines = [orjson.dumps(event("SYSTEM", n, branch=_noise())) for n in range(900)]

        assert sink.send([line + b"\n" for line in lines]).cause == "timeout"

    def test_a_black_hole_times_out(self, make):
        with listening() as port:
            sink = make(f"http://127.0.0.1:{port}", timeout_s=0.3)

            assert sink.send(LINES).cause == "timeout"

    def test_a_refused_port_is_named(self, make, collector):
        endpoint = collector.endpoint
        collector.stop()

        answer = make(endpoint).send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "refused")
        assert endpoint in answer.error

    def test_a_name_that_does_not_resolve_is_named(self, make):
        answer = make("http://no-such-host.invalid").send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "dns")

    def test_a_connection_that_went_stale_is_no_failure(self, make, collector):
        sink = make(collector.endpoint)
        sink.send(LINES)
        collector.restart()

        assert sink.send(LINES).duplicate == len(LINES)

    def test_a_kept_connection_cut_in_the_request_is_tried_once_more(
        self, make, collector
    ):
        sink = make(collector.endpoint)
        sink.send(LINES)
        collector.script(Reply(fault=Fault.CLOSED))

        assert sink.send(LINES).duplicate == len(LINES)
        collector.script(*[Reply(fault=Fault.CLOSED)] * 2)
        assert sink.send(LINES).cause == "reset"

    def test_a_lost_ack_makes_duplicates_and_no_second_copy(self, make, collector):
        sink = make(collector.endpoint)
        collector.script(Reply(fault=Fault.LOST_ACK), Reply(fault=Fault.LOST_ACK))
        assert sink.send(LINES).action is Action.RETRY

        assert sink.send(LINES).duplicate == len(LINES)
        assert len(collector.events) == len(LINES)

    def test_a_redirect_is_not_followed(self, make, collector, published):
        target = f"{published.endpoint}/events/batch"
        collector.script(Reply(status=307, headers={"location": target}))

        answer = make(collector.endpoint, api_key=KEY).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "http 307")
        assert not published.requests

    def test_a_login_page_is_no_ack(self, make, collector):
        page = {"content-type": "text/html"}
        collector.script(Reply(status=200, body=b"<html>", headers=page))

        assert make(collector.endpoint).send(LINES).cause == "no verdict"

    def test_retry_after_is_handed_on(self, make, collector):
        collector.script(Reply(status=429, headers={"Retry-After": "7"}))

        assert make(collector.endpoint).send(LINES).retry_after_s == 7.0

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_a_forked_child_leaves_the_parents_connection_alone(self, make, collector):
        sink = make(collector.endpoint)
        sink.send(LINES)
        port, fd = local_port(sink), sink._connection._open.sock.fileno()

        child = os.fork()
        if not child:
            os._exit(_life_of_child(sink, fd))
        assert os.waitpid(child, 0)[1] == 0

        assert sink.send(LINES).action is Action.ACKED
        assert local_port(sink) == port


class TestKeys:
    """Where the key comes from, and how it changes."""

    def test_a_key_file_is_read_again_when_the_key_is_refused(
        self, make, collector, tmp_path
    ):
        file = tmp_path / "key"
        file.write_text("old-key\n")
        collector.keys = ("old-key",)
        sink = make(collector.endpoint, api_key_file=file)
        assert sink.send(LINES) == ACKED

        file.write_text("new-key\n")
        collector.keys = ("new-key",)

        assert sink.send(LINES).duplicate == len(LINES)

    def test_a_function_is_asked_again_when_the_key_is_refused(self, make, collector):
        keys = iter(["old-key", "new-key"])
        collector.keys = ("new-key",)

        assert make(collector.endpoint, api_key=lambda: next(keys)).send(LINES) == ACKED

    def test_a_wrong_key_is_parked_without_a_second_try(self, make, collector):
        collector.keys = ("right",)

        answer = make(collector.endpoint, api_key=KEY).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "http 401")
        assert len(posts(collector)) == 1
        assert KEY not in answer.error

    def test_a_missing_key_file_sends_nothing_until_it_is_there(
        self, make, collector, tmp_path
    ):
        file = tmp_path / "key"
        sink = make(collector.endpoint, api_key_file=file)

        answer = sink.send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "key")
        assert f"the file {str(file)!r}: No such file" in answer.error
        advice = "Correct that file, or name another one as api_key_file."
        assert answer.error.endswith(advice)
        assert not collector.requests

        file.write_text(KEY)
        assert sink.send(LINES) == ACKED

    @pytest.mark.parametrize("content", [b"", b"two words", b"k" * 20_000, b"\xff\xfe"])
    def test_a_file_that_holds_no_key_is_told(self, make, collector, tmp_path, content):
        file = tmp_path / "key"
        file.write_bytes(content)

        answer = make(collector.endpoint, api_key_file=file).send(LINES)

        assert "holds no key" in answer.error

    def test_a_function_that_fails_is_told_without_its_text(self, make, collector):
        def broken():
            raise RuntimeError(KEY)

        for source, told in (
            (broken, "raised RuntimeError"),
            (lambda: None, "returned no key"),
            (lambda: f"{KEY}\r\nx-evil: 1", "returned no key"),
        ):
            answer = make(collector.endpoint, api_key=source).send(LINES)

            assert (answer.action, answer.cause) == (Action.PARK, "key")
            assert told in answer.error
            assert KEY not in answer.error
            # Not the file, which was not asked.
            advice = "Correct the function that was given as api_key."
            assert answer.error.endswith(advice)


class TestTls:
    """Certificates, ours and theirs."""

    @pytest.fixture
    def authority(self, tmp_path):
        return Authority(tmp_path)

    def test_a_certificate_of_ones_own_authority_is_trusted(self, make, authority):
        with FakeCollector(**authority.issue()) as collector:
            sink = make(collector.endpoint, ca_file=authority.ca_file)

            assert sink.send(LINES) == ACKED
            port = local_port(sink)
            assert [sink.send(LINES).action for _ in range(3)] == [Action.ACKED] * 3
            assert local_port(sink) == port

    def test_bytes_that_trickle_under_tls_do_not_stretch_the_timeout(
        self, make, authority
    ):
        with FakeCollector(**authority.issue()) as collector:
            sink = make(collector.endpoint, ca_file=authority.ca_file, timeout_s=2.0)
            collector.script(Reply(fault=Fault.TRICKLE, delay_s=0.1))

            assert sink.send(LINES).cause == "timeout"

    def test_a_certificate_of_nobody_is_not(self, make, authority, tmp_path):
        other = Authority(tmp_path, "other")
        with FakeCollector(**authority.issue()) as collector:
            for trusted in ({}, {"ca_file": other.ca_file}):
                answer = make(collector.endpoint, **trusted).send(LINES)

                assert (answer.action, answer.cause) == (Action.PARK, "tls")
                assert "does not verify" in answer.error
        assert not collector.requests

    def test_a_certificate_for_another_host_is_not(self, make, authority):
        with FakeCollector(**authority.issue("c.example")) as collector:
            answer = make(collector.endpoint, ca_file=authority.ca_file).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "tls")
        assert "for another host" in answer.error

    def test_an_expired_certificate_is_not(self, make, authority):
        past = datetime(2001, 1, 1, tzinfo=timezone.utc)
        with FakeCollector(**authority.issue(not_after=past)) as collector:
            answer = make(collector.endpoint, ca_file=authority.ca_file).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "tls")
        assert "has expired" in answer.error

    def test_a_server_without_tls_is_not(self, make, collector):
        answer = make(collector.endpoint.replace("http:", "https:")).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "tls")

    def test_a_client_certificate_is_shown(self, make, authority):
        own = authority.issue("client.example")
        with FakeCollector(
            **authority.issue(), client_ca=authority.ca_file
        ) as collector:
            trusting = {"ca_file": authority.ca_file}
            shown = {
                "client_cert": own["certificate"],
                "client_key": own["private_key"],
            }

            assert make(collector.endpoint, **trusting, **shown).send(LINES) == ACKED
            refused = make(collector.endpoint, **trusting).send(LINES)
            assert refused.action is not Action.ACKED
            assert "wants a client certificate" in refused.error

    @pytest.mark.parametrize("setting", ["ca_file", "client_cert", "client_key"])
    def test_a_file_that_cannot_be_used_is_named(
        self, make, authority, tmp_path, setting
    ):
        own = authority.issue("client.example")
        files = {
            "ca_file": authority.ca_file,
            "client_cert": own["certificate"],
            "client_key": own["private_key"],
        }
        rubbish = tmp_path / "rubbish.pem"
        rubbish.write_text("rubbish")
        for bad in (tmp_path / "missing.pem", rubbish):
            sink = make("https://127.0.0.1:9", **{**files, setting: bad})

            answer = sink.send(LINES)

            assert (answer.action, answer.cause) == (Action.PARK, "tls")
            assert f"CHAUKAS_{setting.upper()}={str(bad)!r}" in answer.error

    def test_a_key_without_its_certificate_is_told(self, make, tmp_path):
        sink = make("https://127.0.0.1:9", client_key=tmp_path / "me.key")

        assert (
            "CHAUKAS_CLIENT_KEY without CHAUKAS_CLIENT_CERT" in sink.send(LINES).error
        )

    def test_a_file_that_is_mended_is_read_again(self, make, authority, tmp_path):
        file = tmp_path / "late.pem"
        with FakeCollector(**authority.issue()) as collector:
            sink = make(collector.endpoint, ca_file=file)
            assert sink.send(LINES).action is Action.PARK

            file.write_bytes(authority.ca_file.read_bytes())

            assert sink.send(LINES) == ACKED


class TestProxies:
    """The proxies of the environment."""

    def test_plain_requests_are_forwarded(self, make, collector):
        proxy = collector.endpoint.replace("//", "//ann:p%40w@")
        sink = make("http://c.invalid/v1", environ={"HTTP_PROXY": proxy}, api_key=KEY)

        assert sink.send(LINES) == ACKED

        (request,) = posts(collector)
        assert request.path == "http://c.invalid/v1/events/batch"
        assert request.headers["host"] == "c.invalid"
        assert request.headers["proxy-authorization"] == "Basic YW5uOnBAdw=="

    def test_tls_goes_through_a_tunnel(self, make, tmp_path):
        authority = Authority(tmp_path)
        with Tunnel() as tunnel, FakeCollector(**authority.issue()) as collector:
            proxies = {"https_proxy": f"http://ann:pw@{tunnel.address}"}
            sink = make(
                collector.endpoint,
                ca_file=authority.ca_file,
                environ=proxies,
                api_key=KEY,
            )

            assert [sink.send(LINES).action for _ in range(2)] == [Action.ACKED] * 2
            sink.close()

        (head,) = tunnel.heads
        assert head.startswith(f"CONNECT {collector.endpoint[8:]} HTTP/1.")
        assert "proxy-authorization: basic yw5uonb3" in head.lower()
        assert KEY not in head

    @pytest.mark.parametrize(
        ("status", "action"), [(407, Action.PARK), (502, Action.RETRY)]
    )
    def test_a_proxy_that_refuses_is_named(self, make, status, action):
        with Tunnel(status) as tunnel:
            proxies = {"HTTPS_PROXY": f"http://ann:hidden@{tunnel.address}"}
            answer = make("https://c.invalid", environ=proxies).send(LINES)

        assert (answer.action, answer.cause) == (action, "proxy")
        assert "hidden" not in answer.error

    def test_a_proxy_that_is_down_is_named(self, make):
        with socket.create_server(("127.0.0.1", 0)) as server:
            proxy = f"http://ann:hidden@127.0.0.1:{server.getsockname()[1]}"
        answer = make("http://c.invalid", environ={"ALL_PROXY": proxy}).send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "proxy")
        assert "hidden" not in answer.error

    @pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[:x", "://"])
    def test_a_proxy_of_another_kind_is_told(self, make, proxy):
        answer = make("http://c.invalid", environ={"HTTP_PROXY": proxy}).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "proxy")
        assert "no http(s)://host:port" in answer.error

    @pytest.mark.parametrize("names", ["*", "localhost,127.0.0.1", "x, 127.0.0.1:{}"])
    def test_no_proxy_is_obeyed(self, make, collector, names):
        port = collector.endpoint.rpartition(":")[2]
        proxies = {
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": names.format(port),
        }

        assert make(collector.endpoint, environ=proxies).send(LINES) == ACKED

    def test_a_proxy_header_of_a_cgi_request_is_not_obeyed(self, make, collector):
        environ = {"HTTP_PROXY": "http://127.0.0.1:9", "REQUEST_METHOD": "GET"}

        assert make(collector.endpoint, environ=environ).send(LINES) == ACKED


def _found(capabilities):
    from chaukas.sdk.testing.collector.rules import Outcome

    return Outcome(200, orjson.dumps(capabilities))


def _noise() -> str:
    """Return a text that gzip cannot make small."""
    return os.urandom(4000).hex()


def _life_of_child(sink: HttpSink, fd: int) -> int:
    """Abandon, see the inherited descriptor closed, and send on one's own."""
    sink.abandon()
    try:
        os.fstat(fd)
    except OSError:
        return 0 if sink.send(LINES).duplicate == len(LINES) else 2
    return 1
