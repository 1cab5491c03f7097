"""Prove the gRPC sink on real sockets: which call it makes, and what answers mean."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import orjson
import pytest

from chaukas.sdk._version import VERSION
from chaukas.sdk.sinks.collector.grpc import GrpcSink
from chaukas.sdk.sinks.collector.responses import Action, Answer
from chaukas.testing import FakeCollector, Fault, Reply
from tests.support.pem import Authority
from tests.support.samples import EVENTS, event, linked
from tests.support.tunnel import listening

LINES = linked(list(EVENTS.values()))
ACKED = Answer(Action.ACKED)
KEY = "ck-" + "x" * 20
CLIENT = "chaukas.spec.client.v1.ChaukasClientService"
SERVER = "chaukas.spec.server.v1.ChaukasServerService"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_grpc_proxy", "*")


@pytest.fixture
def make():
    """Return a maker of sinks that are closed at the end."""
    made = []

    def sink(endpoint, **options):
        made.append(GrpcSink(endpoint, **{"timeout_s": 60, **options}))
        return made[-1]

    yield sink
    for each in made:
        each.close()


@pytest.fixture
def collector():
    with FakeCollector() as running:
        yield running


def paths(collector):
    return [each.path for each in collector.requests if each.protocol == "grpc"]


class TestWhatIsSent:
    """The call."""

    def test_the_published_clients_call_is_made(self, make, collector):
        assert make(collector.grpc_endpoint).send(LINES) == ACKED

        assert paths(collector) == [f"/{CLIENT}/IngestEventBatch"]
        assert collector.events == [orjson.loads(line) for line in LINES]

    def test_the_key_goes_along_as_metadata(self, make, collector):
        collector.keys = (KEY,)

        assert make(collector.grpc_endpoint, api_key=KEY).send(LINES) == ACKED

        (request,) = collector.requests
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["user-agent"].startswith(f"chaukas-sdk/{VERSION} ")

    def test_without_a_key_no_authorization_is_sent(self, make, collector):
        make(collector.grpc_endpoint).send(LINES)

        assert "authorization" not in collector.requests[0].headers

    def test_http_schemes_mean_the_same(self, make, collector):
        endpoint = collector.grpc_endpoint.replace("grpc:", "http:")

        assert make(endpoint).send(LINES) == ACKED

    @pytest.mark.parametrize(
        ("endpoint", "target", "place"),
        [
            ("grpc://c.example", "c.example:4181", "grpc://c.example (port 4181)"),
            ("grpcs://c.example", "c.example:443", "grpcs://c.example (port 443)"),
            ("grpc://[::1]", "[::1]:4181", "grpc://[::1] (port 4181)"),
            ("grpc://c.example:7", "c.example:7", "grpc://c.example:7"),
            ("http://c.example", "c.example:80", "http://c.example"),
        ],
    )
    def test_a_port_that_is_left_out_is_the_collectors(self, endpoint, target, place):
        sink = GrpcSink(endpoint)

        assert (sink._target, sink.place) == (target, place)

    def test_an_event_without_wire_form_does_not_keep_the_others_back(
        self, make, collector
    ):
        bad = event("SYSTEM", 99)
        bad["infrastructure"] = {"process_id": "not a number"}
        lines = [LINES[0], orjson.dumps(bad) + b"\n", LINES[1]]

        answer = make(collector.grpc_endpoint).send(lines)

        assert answer == Answer(Action.ACKED, ((1, "invalid"),))
        assert len(collector.events) == 2

    def test_a_batch_too_large_for_a_message_is_split_before_it_is_sent(
        self, make, collector
    ):
        long = [event("SYSTEM", n, branch="x" * 400_000) for n in range(11)]
        lines = [orjson.dumps(one) + b"\n" for one in long]
        sink = make(collector.grpc_endpoint)

        assert sink.send(lines).action is Action.SPLIT
        assert not paths(collector)
        assert sink.send(lines[:10]) == ACKED


class TestNames:
    """The two published names of each call."""

    def test_the_servers_name_is_found_and_remembered(self, make):
        with FakeCollector(services=(SERVER,)) as collector:
            sink = make(collector.grpc_endpoint)

            assert sink.send(LINES) == ACKED
            assert sink.send(LINES).duplicate == len(LINES)

        # Unknown names are refused before the collector sees the call.
        assert paths(collector) == [f"/{SERVER}/IngestEventBatch"] * 2
        assert sink._method == 1

    @pytest.mark.parametrize("service", [CLIENT, SERVER])
    def test_a_backend_with_the_call_for_one_event_only_gets_single_events(
        self, make, service
    ):
        with FakeCollector(services=(service,), is_single=True) as collector:
            sink = make(collector.grpc_endpoint)

            assert sink.send(LINES).action is Action.SPLIT
            assert [sink.send([line]) for line in LINES] == [ACKED] * len(LINES)
            assert len(collector.events) == len(LINES)

        assert set(paths(collector)) == {f"/{service}/IngestEvent"}

    def test_a_single_event_can_be_refused(self, make):
        with FakeCollector(is_single=True, refuse=lambda _: "quota") as collector:
            answer = make(collector.grpc_endpoint).send(LINES[:1])

        assert answer == Answer(Action.ACKED, ((0, "rejected"),))

    def test_none_of_them_there_is_parked(self, make):
        with FakeCollector(services=("some.other.Service",)) as collector:
            answer = make(collector.grpc_endpoint).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "grpc unimplemented")

    def test_the_call_for_a_batch_is_tried_again_after_a_while(self, make, collector):
        now_s = 1000.0
        sink = make(collector.grpc_endpoint, monotonic=lambda: now_s)
        collector.script(Reply(status=404), Reply(status=404))

        assert sink.send(LINES).action is Action.SPLIT
        now_s += 301

        assert sink.send(LINES).duplicate == 1
        assert paths(collector)[-1].endswith("/IngestEventBatch")


class TestAnswers:
    """What comes back."""

    def test_the_published_empty_answer_acks_the_batch(self, make):
        with FakeCollector(is_published=True) as collector:
            assert make(collector.grpc_endpoint).send(LINES) == ACKED

        assert len(collector.events) == len(LINES)

    def test_refused_events_are_named_by_their_place(self, make):
        ids = {orjson.loads(LINES[n])["event_id"]: "quota" for n in (2, 7)}
        with FakeCollector(
            refuse=lambda one: ids.get(one["event_id"], "")
        ) as collector:
            sink = make(collector.grpc_endpoint)

            assert sink.send(LINES).rejected == ((2, "quota"), (7, "quota"))
            assert sink.send(LINES).duplicate == len(LINES) - 2

    def test_an_unreadable_event_asks_for_bisection(self, make):
        guilty = orjson.loads(LINES[3])["event_id"]
        with FakeCollector(
            unreadable=lambda one: one["event_id"] == guilty
        ) as collector:
            sink = make(collector.grpc_endpoint)

            assert sink.send(LINES).action is Action.BISECT
            assert sink.send(LINES[:3]) == ACKED

    @pytest.mark.parametrize(
        ("status", "action", "cause"),
        [
            (403, Action.PARK, "grpc permission_denied"),
            (413, Action.SPLIT, "grpc resource_exhausted"),
            (429, Action.RETRY, "grpc resource_exhausted"),
            (500, Action.RETRY, "grpc internal"),
            (503, Action.RETRY, "grpc unavailable"),
        ],
    )
    def test_each_status_has_its_action(self, make, collector, status, action, cause):
        collector.script(*[Reply(status=status)] * 2)

        answer = make(collector.grpc_endpoint).send(LINES)

        assert (answer.action, answer.cause) == (action, cause)

    def test_a_pushback_is_handed_on(self, make, collector):
        wait = {"grpc-retry-pushback-ms": "2500"}
        collector.script(Reply(status=429, headers=wait))

        assert make(collector.grpc_endpoint).send(LINES).retry_after_s == 2.5

    def test_a_key_that_was_rotated_is_read_again(self, make, collector, tmp_path):
        file = tmp_path / "key"
        file.write_text("new-key")
        keys = iter(["old-key", "new-key"])
        collector.keys = ("new-key",)

        by_function = make(collector.grpc_endpoint, api_key=lambda: next(keys))
        assert by_function.send(LINES) == ACKED
        by_file = make(collector.grpc_endpoint, api_key_file=file)
        assert by_file.send(LINES).duplicate == len(LINES)
        collector.keys = ("newer-key",)
        file.write_text("newer-key")
        assert by_file.send(LINES).duplicate == len(LINES)

    def test_a_wrong_key_is_parked(self, make, collector):
        collector.keys = ("right",)

        answer = make(collector.grpc_endpoint, api_key=KEY).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "grpc unauthenticated")
        assert KEY not in answer.error

    def test_a_missing_key_file_is_told(self, make, tmp_path):
        answer = make("grpc://127.0.0.1:9", api_key_file=tmp_path / "key").send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "key")


class TestSizes:
    """Messages larger than one end takes; gRPC has one code for both."""

    @pytest.fixture
    def server(self):
        """Return a maker of servers that answer with so many bytes."""
        running = []

        def make(size, limit=-1, compression=grpc.Compression.NoCompression):
            made = grpc.server(
                ThreadPoolExecutor(1),
                [_Answering(b"\0" * size)],
                options=[
                    ("grpc.max_receive_message_length", limit),
                    ("grpc.max_send_message_length", -1),
                ],
                compression=compression,
            )
            running.append(made)
            port = made.add_insecure_port("127.0.0.1:0")
            made.start()
            return f"grpc://127.0.0.1:{port}"

        yield make
        for each in running:
            each.stop(0)

    def test_a_request_that_is_too_large_is_halved(self, make, server):
        assert make(server(0, limit=1000)).send(LINES).action is Action.SPLIT

    @pytest.mark.parametrize("kind", ["NoCompression", "Gzip"])
    def test_an_answer_that_is_too_large_is_no_verdict(self, make, server, kind):
        endpoint = server(5 << 20, compression=grpc.Compression[kind])

        answer = make(endpoint).send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "no verdict")


class _Answering(grpc.GenericRpcHandler):
    """Answers every call with the same bytes."""

    def __init__(self, data):
        self._data = data

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda body, context: self._data)


class TestTrouble:
    """The network, below the level of answers."""

    @pytest.mark.parametrize(
        ("fault", "cause"),
        [
            (Fault.SILENCE, "grpc deadline_exceeded"),
            (Fault.CLOSED, "grpc unavailable"),
            (Fault.LOST_ACK, "grpc unavailable"),
        ],
    )
    def test_each_fault_is_a_reason_to_send_again(self, make, collector, fault, cause):
        sink = make(collector.grpc_endpoint)
        collector.script(Reply(fault=fault))

        if fault is Fault.SILENCE:
            sink.timeout_s = 0.5
        answer = sink.send(LINES)
        sink.timeout_s = 60

        assert (answer.action, answer.cause) == (Action.RETRY, cause)
        assert sink.send(LINES).action is Action.ACKED
        assert len(collector.events) == len(LINES)

    def test_a_refused_port_is_unavailable_until_it_is_not(self, make, collector):
        sink = make(collector.grpc_endpoint)
        collector.stop()
        assert sink.send(LINES).cause == "grpc unavailable"

        collector.start()

        assert sink.send(LINES) == ACKED

    def test_a_goaway_is_no_failure(self, make, collector):
        sink = make(collector.grpc_endpoint)
        for _ in range(5):
            assert sink.send(LINES).action is Action.ACKED
            collector.restart()

        assert sink.send(LINES).action is Action.ACKED

    def test_a_black_hole_times_out(self, make):
        with listening() as port:
            answer = make(f"grpc://127.0.0.1:{port}", timeout_s=0.3).send(LINES)

        assert (answer.action, answer.cause) == (
            Action.RETRY,
            "grpc deadline_exceeded",
        )

    def test_a_name_that_does_not_resolve_is_named(self, make):
        answer = make("grpc://no-such-host.invalid:1", timeout_s=20).send(LINES)

        assert (answer.action, answer.cause) == (Action.RETRY, "dns")


class TestTls:
    """Certificates, ours and theirs."""

    @pytest.fixture
    def authority(self, tmp_path):
        return Authority(tmp_path)

    def test_a_certificate_of_ones_own_authority_is_trusted(self, make, authority):
        with FakeCollector(**authority.issue()) as collector:
            sink = make(collector.grpc_endpoint, ca_file=authority.ca_file)

            assert sink.send(LINES) == ACKED

    def test_a_certificate_of_nobody_is_not(self, make, authority):
        with FakeCollector(**authority.issue()) as collector:
            answer = make(collector.grpc_endpoint).send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "tls")
        assert not collector.events

    def test_a_certificate_for_another_host_is_not(self, make, authority):
        with FakeCollector(**authority.issue("c.example")) as collector:
            sink = make(collector.grpc_endpoint, ca_file=authority.ca_file)
            answer = sink.send(LINES)

        assert (answer.action, answer.cause) == (Action.PARK, "tls")
        assert "for another host" in answer.error

    def test_a_client_certificate_is_shown(self, make, authority):
        own = authority.issue("client.example")
        files = {"client_cert": own["certificate"], "client_key": own["private_key"]}
        trusting = {"ca_file": authority.ca_file}
        with FakeCollector(
            **authority.issue(), client_ca=authority.ca_file
        ) as collector:
            endpoint = collector.grpc_endpoint

            assert make(endpoint, **trusting, **files).send(LINES) == ACKED
            assert make(endpoint, **trusting).send(LINES).action is not Action.ACKED

    def test_a_file_that_cannot_be_used_is_named_and_read_again(
        self, make, authority, tmp_path
    ):
        file = tmp_path / "late.pem"
        with FakeCollector(**authority.issue()) as collector:
            sink = make(collector.grpc_endpoint, ca_file=file)
            assert f"CHAUKAS_CA_FILE={str(file)!r}" in sink.send(LINES).error

            file.write_bytes(authority.ca_file.read_bytes())

            assert sink.send(LINES) == ACKED


@pytest.mark.fault
@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_forked_child_sends_on_a_channel_of_its_own_and_ends(collector, state):
    program = [sys.executable, "-m", "tests.integrations.test_grpc_sink"]

    done = subprocess.run(
        [*program, collector.grpc_endpoint, state],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "parent and 5 children sent\n")


PROBES = """
import gc, sys
from pathlib import Path
from chaukas.sdk.sinks.collector.grpc import GrpcSink

def name_of(task):
    try:
        return (task / "comm").read_text()
    # One that ended since it was listed.
    except OSError:
        return ""

def threads_of_grpc():
    tasks = Path("/proc/self/task").iterdir()
    names = ("event_engine", "grpc", "lifeguard")
    return {task.name for task in tasks if name_of(task).startswith(names)}

sink, seen = GrpcSink(sys.argv[1], timeout_s=20), []
for _ in range(3):
    sink.probe()
    sink.close()
    gc.collect()
    seen.append(threads_of_grpc())
# Of timers and helpers it ends one or another when there are many.
print(len(set.intersection(*seen)) > 0)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells its threads")
def test_the_library_stays_initialised_when_the_channel_is_closed(collector):
    """Its end takes a lock, which a child that is forked then would wait for."""
    done = subprocess.run(
        [sys.executable, "-c", PROBES, collector.grpc_endpoint],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def _main(endpoint: str, state: str) -> None:
    """Send, fork while the channel is open, and send from both sides."""
    import threading

    sink = GrpcSink(endpoint, timeout_s=10)
    sink.send(LINES)
    stop = threading.Event()
    busy = threading.Thread(target=_keep_sending, args=(sink, stop))
    if state == "busy":
        busy.start()
    for _ in range(5):
        child = os.fork()
        if not child:
            sink.abandon()
            # By the normal end: a destructor that hangs must show.
            sys.exit(0 if sink.send(LINES).action is Action.ACKED else 1)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    if state == "busy":
        busy.join()
    assert sink.send(LINES).action is Action.ACKED
    sys.stdout.write("parent and 5 children sent\n")


def _keep_sending(sink, stop):
    while not stop.is_set():
        assert sink.send(LINES).action is Action.ACKED


if __name__ == "__main__":
    _main(*sys.argv[1:])
