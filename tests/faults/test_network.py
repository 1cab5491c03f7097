"""Every way in which a network fails: all events arrive, or are counted and why."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import pytest

import chaukas
from chaukas.testing import FakeCollector, Fault, Reply
from tests.support.deliveries import (
    SCHEMES,
    by_stream,
    delivering,
    emit,
    endpoint_of,
    is_whole,
    numbers_in,
    port_of,
    settle,
)
from tests.support.pem import Authority
from tests.support.relay import PASS, Relay, Way, black_hole
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("CHAUKAS_TEST_SEED", "20260101"))
COUNT = 100
KEY = "ck-" + "x" * 20


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector() as running:
        yield running


@contextmanager
def relayed(collector: FakeCollector, scheme: str) -> Iterator[tuple[Relay, str]]:
    """Yield a relay in front of a collector, and the endpoint that leads there."""
    with Relay(port_of(endpoint_of(collector, scheme))) as relay:
        yield relay, f"{scheme}://127.0.0.1:{relay.port}"


def has_failed() -> bool:
    """Tell whether a sink has something to complain of."""
    return bool(chaukas.stats().errors)


def assert_held_back(collector: FakeCollector, count: int = COUNT) -> None:
    """Check that the events wait, are counted, and nobody waits for them."""
    until(has_failed)
    chaukas.flush(2.0)
    stats = chaukas.stats()
    assert not stats.dropped
    assert stats.spooled + stats.queued >= count
    assert numbers_in(collector.events) == []


def assert_arrived(collector: FakeCollector, count: int = COUNT) -> None:
    settle(collector)
    assert not chaukas.stats().dropped
    assert numbers_in(collector.events) == list(range(count))
    assert len(by_stream(collector.events)) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_events_for_a_refused_port_arrive_once_it_opens(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    endpoint = endpoint_of(collector, scheme)
    collector.stop()
    with delivering(tmp_path, endpoint):
        emit(range(COUNT))
        assert_held_back(collector)
        collector.start()
        assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_events_for_a_black_hole_arrive_once_it_is_gone(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    endpoint = endpoint_of(collector, scheme)
    collector.stop()
    with delivering(tmp_path, endpoint):
        with black_hole(port_of(endpoint)):
            emit(range(COUNT))
            assert_held_back(collector)
        collector.start()
        assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_collector_that_never_reads_costs_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    with relayed(collector, scheme) as (relay, endpoint):
        relay.way = Way(is_hole=True)
        with delivering(tmp_path, endpoint):
            emit(range(COUNT))
            assert_held_back(collector)
            assert relay.hits
            relay.way = PASS
            assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_host_goes_on_while_an_answer_is_awaited(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    with relayed(collector, scheme) as (relay, endpoint):
        relay.way = Way(is_hole=True)
        # Whoever waited for the network would wait for minutes.
        with delivering(tmp_path, endpoint, timeout=600, flush_interval=0.01):
            emit(range(1))
            until(lambda: relay.hits > 0)
            emit(range(1, 5000))
            assert not chaukas.flush(0.05)
            # The same answer is awaited still: nobody has given it up meanwhile.
            assert chaukas.stats().errors == {}
            assert chaukas.stats().acked == 0
            assert chaukas.stats().emitted >= 5000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_burst_of_100_000_while_the_collector_is_down_arrives(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    endpoint = endpoint_of(collector, scheme)
    collector.stop()
    with delivering(tmp_path, endpoint, timeout=10):
        # So many at once fit into memory, however slow the disk takes them.
        for begin in range(0, 100_000, 10_000):
            emit(range(begin, begin + 10_000))
            until(lambda: chaukas.stats().queued == 0)
        stats = chaukas.stats()
        assert stats.spooled == stats.emitted > 100_000
        assert not stats.dropped
        collector.start()
        while not (chaukas.flush(60.0) and is_whole(collector)):
            acked = stats.acked
            stats = chaukas.stats()
            assert stats.acked > acked, "nothing was delivered in a minute"
    assert len(set(collector.event_ids)) == len(collector.event_ids) > 100_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_reset_in_the_middle_of_a_request_costs_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    with relayed(collector, scheme) as (relay, endpoint):
        relay.way = Way(reset_after_bytes=2000)
        with delivering(tmp_path, endpoint):
            emit(range(COUNT))
            assert_held_back(collector)
            assert relay.hits
            relay.way = PASS
            assert_arrived(collector)


def test_half_an_answer_is_none_and_makes_no_second_copy(
    tmp_path: Path, collector: FakeCollector
) -> None:
    collector.always = Reply(fault=Fault.HALF)
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT))
        until(has_failed)
        assert not chaukas.flush(1.0)
        assert chaukas.stats().acked == 0
        collector.always = None
        assert_arrived(collector)
    assert collector.duplicates > 0


def test_half_an_answer_of_grpc_is_none_and_makes_no_second_copy(
    tmp_path: Path, collector: FakeCollector
) -> None:
    with relayed(collector, "grpc") as (relay, endpoint):
        # The settings pass, and a part of the verdict.
        relay.way = Way(close_after_bytes=110)
        with delivering(tmp_path, endpoint):
            emit(range(COUNT))
            until(lambda: has_failed() and collector.event_ids != [])
            assert relay.hits
            assert chaukas.stats().acked == 0
            relay.way = PASS
            assert_arrived(collector)
    assert collector.duplicates > 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_answer_that_trickles_is_given_up_in_time(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    with relayed(collector, scheme) as (relay, endpoint):
        relay.way = Way(pause_s=1.0)
        with delivering(tmp_path, endpoint):
            emit(range(COUNT))
            assert_held_back(collector)
            assert relay.hits
            relay.cut()
            relay.way = PASS
            assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("how", ["cut", "freeze"])
def test_a_connection_that_went_stale_is_made_anew(
    tmp_path: Path, collector: FakeCollector, scheme: str, how: str
) -> None:
    with (
        relayed(collector, scheme) as (relay, endpoint),
        delivering(tmp_path, endpoint),
    ):
        for number in range(4):
            emit(range(number * 25, number * 25 + 25))
            settle(collector)
            getattr(relay, how)()
        assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_lost_ack_makes_no_second_copy(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    collector.script(*[Reply(fault=Fault.LOST_ACK)] * 4)
    with delivering(tmp_path, endpoint_of(collector, scheme)):
        emit(range(COUNT))
        assert_arrived(collector)
    assert collector.is_script_done
    assert collector.duplicates > 0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_storm_of_failures_passes(
    tmp_path: Path, collector: FakeCollector, scheme: str, status: int
) -> None:
    collector.always = Reply(status=status, details="later")
    with delivering(tmp_path, endpoint_of(collector, scheme)):
        # More in a row than open the breaker.
        for number in range(8):
            emit(range(number * 10, number * 10 + 10))
            assert not chaukas.flush(1.0)
        assert_held_back(collector, 80)
        collector.always = None
        assert_arrived(collector, 80)


def in_a_second(form: str) -> str:
    """Return a Retry-After of at least one second."""
    if form == "seconds":
        return "1"
    moment = datetime.now(timezone.utc) + timedelta(seconds=2)
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_collector_that_asks_for_a_pause_gets_it(
    tmp_path: Path, collector: FakeCollector, form: str
) -> None:
    with delivering(tmp_path, collector.endpoint):
        settle(collector)
        begun_s = time.time()
        wish = in_a_second(form)
        collector.script(Reply(status=429, headers={"Retry-After": wish}))
        emit(range(COUNT))
        until(lambda: collector.is_script_done)
        until(has_failed)
        assert not chaukas.flush(0.05)
        assert_arrived(collector)
        # A date has no fractions of a second.
        assert time.time() - begun_s >= 0.99


def test_a_grpc_collector_that_asks_for_a_pause_gets_it(
    tmp_path: Path, collector: FakeCollector
) -> None:
    wish = {"grpc-retry-pushback-ms": "1000"}
    with delivering(tmp_path, collector.grpc_endpoint):
        settle(collector)
        begun_s = time.monotonic()
        collector.script(Reply(code="RESOURCE_EXHAUSTED", headers=wish))
        emit(range(COUNT))
        assert_arrived(collector)
        assert time.monotonic() - begun_s >= 1.0


@pytest.mark.parametrize(
    "wish",
    ["", "soon", "-5", "0", "1e99", "٣", "Wed, 99 Foo 2026", "x" * 5000, "0.01"],
)
def test_a_wish_that_makes_no_sense_is_no_reason_to_wait(
    tmp_path: Path, collector: FakeCollector, wish: str
) -> None:
    wish = wish.encode().decode("latin-1")
    collector.script(*[Reply(status=429, headers={"Retry-After": wish})] * 2)
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT))
        assert_arrived(collector)


@pytest.mark.parametrize("wish", ["99999999999999999999", "86400"])
def test_a_wish_for_eternity_holds_up_neither_host_nor_exit(
    tmp_path: Path, collector: FakeCollector, wish: str
) -> None:
    collector.always = Reply(status=503, headers={"Retry-After": wish})
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT))
        assert_held_back(collector)
    # The next process owes this collector nothing.
    collector.always = None
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT, COUNT + 1))
        wanted = list(range(COUNT + 1))
        until(lambda: numbers_in(collector.events) == wanted)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_poisonous_event_in_512_is_found_and_set_aside(
    tmp_path: Path, scheme: str
) -> None:
    with FakeCollector(
        unreadable=lambda event: event["metadata"].get("data", {}).get("n") == 300
    ) as collector:
        # All of them in one batch.
        collector.script(Reply(status=503, details="later"))
        with delivering(tmp_path, endpoint_of(collector, scheme), flush_interval=0.5):
            emit(range(512))
            until(lambda: chaukas.flush(0.5) and bool(chaukas.stats().dropped))
            settle(collector)
            assert chaukas.stats().dropped == {"quarantined": 1}
            wanted = [n for n in range(512) if n != 300]
            assert numbers_in(collector.events) == wanted
    [file] = (tmp_path / "spool" / "quarantine").iterdir()
    [entry] = map(json.loads, file.read_text().splitlines())
    assert json.loads(entry["event"])["metadata"]["data"] == {"n": 300}
    assert entry["sink"] == scheme


@pytest.mark.parametrize("scheme", SCHEMES)
def test_events_that_the_collector_refuses_are_counted_with_its_reason(
    tmp_path: Path, scheme: str
) -> None:
    def refuse(event: Any) -> str:
        number = event["metadata"].get("data", {}).get("n", 1)
        return "" if number % 10 else "quota"

    with (
        FakeCollector(refuse=refuse) as collector,
        delivering(tmp_path, endpoint_of(collector, scheme)),
    ):
        emit(range(COUNT))
        settle(collector)
        assert chaukas.stats().dropped == {"quarantined": COUNT // 10}
        wanted = [n for n in range(COUNT) if n % 10]
        assert numbers_in(collector.events) == wanted
    [file] = (tmp_path / "spool" / "quarantine").iterdir()
    entries = list(map(json.loads, file.read_text().splitlines()))
    assert {entry["reason"] for entry in entries} == {"quota"}


def test_a_backend_with_a_small_limit_gets_small_batches(tmp_path: Path) -> None:
    # It tells nobody of its limit: it answers 413.
    with (
        FakeCollector(is_published=True, max_body_bytes=20_000) as collector,
        delivering(tmp_path, collector.endpoint),
    ):
        emit(range(COUNT), text="word " * 200)
        # Larger than the limit by itself, so it is made smaller.
        emit(range(COUNT, COUNT + 1), text="word " * 10_000)
        assert_arrived(collector, COUNT + 1)
    assert 413 in {request.status for request in collector.requests}


def test_a_grpc_message_never_grows_beyond_four_mebibytes(tmp_path: Path) -> None:
    texts = [f"word{n} " * 8000 for n in range(12)]
    with (
        FakeCollector() as collector,
        delivering(
            tmp_path,
            collector.grpc_endpoint,
            max_batch_bytes=64 << 20,
            flush_interval=1.0,
        ),
    ):
        emit(range(30), texts=texts)
        assert_arrived(collector, 30)
    sizes = [len(request.body) for request in collector.requests]
    assert max(sizes) <= 4 << 20
    assert sum(sizes) > 8 << 20


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_key_that_is_rotated_lets_everything_through(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    file = tmp_path / "key"
    file.write_text("ck-old\n")
    collector.keys = (KEY,)
    with delivering(tmp_path, endpoint_of(collector, scheme), api_key_file=file):
        emit(range(COUNT))
        assert_held_back(collector)
        file.write_text(KEY)
        assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_key_that_is_revoked_under_way_holds_everything_back(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    collector.keys = (KEY,)
    with delivering(tmp_path, endpoint_of(collector, scheme), api_key_file=file):
        emit(range(50))
        settle(collector)
        collector.keys = ("ck-new",)
        emit(range(50, COUNT))
        until(has_failed)
        assert numbers_in(collector.events) == list(range(50))
        file.write_text("ck-new")
        assert_arrived(collector)


def test_a_backend_that_reads_no_gzip_after_all_gets_plain_bodies(
    tmp_path: Path, collector: FakeCollector
) -> None:
    collector.script(*[Reply(status=415)] * 2)
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT))
        assert_arrived(collector)
    assert collector.is_script_done


PORTAL = b"<!DOCTYPE html><html><title>Welcome to the hotel</title></html>"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=200, body=PORTAL, headers={"content-type": "text/html"}),
        Reply(status=200, body=b"{}x", headers={"content-type": "application/json"}),
    ],
)
def test_a_captive_portal_acknowledges_nothing(
    tmp_path: Path, collector: FakeCollector, reply: Reply
) -> None:
    collector.always = reply
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT))
        assert_held_back(collector)
        collector.always = None
        assert_arrived(collector)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_neither_events_nor_key_elsewhere(
    tmp_path: Path, collector: FakeCollector, status: int
) -> None:
    with FakeCollector() as elsewhere:
        place = {"location": f"{elsewhere.endpoint}/events/batch"}
        collector.always = Reply(status=status, headers=place)
        with delivering(tmp_path, collector.endpoint, api_key=KEY):
            emit(range(COUNT))
            assert_held_back(collector)
            collector.always = None
            assert_arrived(collector)
        assert elsewhere.requests == []


def test_a_name_that_cannot_be_resolved_for_a_while_costs_nothing(
    tmp_path: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    asked = []

    def failing(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    with delivering(tmp_path, collector.endpoint):
        emit(range(COUNT))
        assert_held_back(collector)
        assert asked
        monkeypatch.setattr(socket, "getaddrinfo", real)
        assert_arrived(collector)


def test_an_unknown_name_is_told_and_costs_nothing(tmp_path: Path) -> None:
    for number, scheme in enumerate(SCHEMES):
        folder = tmp_path / str(number)
        with delivering(folder, f"{scheme}://collector.invalid:4317", timeout=5):
            emit(range(COUNT))
            until(has_failed)
            assert "cannot be resolved" in chaukas.stats().last_error
            assert chaukas.stats().spooled >= COUNT


def test_a_resolver_that_hangs_holds_up_neither_host_nor_exit(
    tmp_path: Path, collector: FakeCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    is_asked, go_on = threading.Event(), threading.Event()

    def hanging(*args: Any, **kwargs: Any) -> Any:
        is_asked.set()
        go_on.wait()
        return real(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    with delivering(tmp_path, collector.endpoint):
        emit(range(50))
        assert is_asked.wait(60)
        emit(range(50, COUNT))
        assert not chaukas.flush(0.05)
        assert chaukas.stats().spooled + chaukas.stats().queued >= COUNT
        go_on.set()
        assert_arrived(collector)
        go_on.clear()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def bad_certificate(kind: str, authority: Authority, folder: Path) -> dict[str, Path]:
    if kind == "expired":
        past = datetime.now(timezone.utc) - timedelta(days=1)
        return authority.issue(not_after=past)
    if kind == "wrong host":
        return authority.issue("elsewhere.test")
    return Authority(folder, "stranger").issue()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong host"])
def test_a_certificate_that_cannot_be_trusted_gets_nothing_until_it_is_mended(
    tmp_path: Path, authority: Authority, scheme: str, kind: str
) -> None:
    good = authority.issue()
    bad = bad_certificate(kind, authority, tmp_path)
    with FakeCollector(**bad) as collector:
        endpoint = endpoint_of(collector, scheme)
        with delivering(tmp_path, endpoint, ca_file=authority.ca_file, timeout=5):
            emit(range(COUNT))
            assert_held_back(collector)
            assert "cannot be trusted" in chaukas.stats().last_error
            for name, path in bad.items():
                shutil.copy(good[name], path)
            collector.restart()
            assert_arrived(collector)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_collector_that_is_restarted_again_and_again_loses_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    stop = threading.Event()

    def restart() -> None:
        while not stop.wait(0.1):
            collector.restart()

    with delivering(tmp_path, endpoint_of(collector, scheme), timeout=2):
        restarting = threading.Thread(target=restart)
        restarting.start()
        for number in range(40):
            emit(range(number * 25, number * 25 + 25))
            chaukas.flush(0.05)
        stop.set()
        restarting.join()
        assert_arrived(collector, 1000)


@pytest.mark.parametrize("down", ["file", "http", "grpc"])
def test_of_three_sinks_one_that_is_down_delays_none(tmp_path: Path, down: str) -> None:
    file = tmp_path / "events.jsonl"
    with FakeCollector() as http, FakeCollector() as grpc:
        # One endpoint, as there is one setting; either protocol goes its own way.
        ports = {"http": port_of(http.endpoint), "grpc": port_of(grpc.grpc_endpoint)}
        with _Switch(ports) as switch:
            if down == "file":
                file.mkdir()
            else:
                switch.closed.add(down)
            with delivering(
                tmp_path,
                f"http://127.0.0.1:{switch.port}",
                output_mode="file,http,grpc",
                output_file=file,
            ):
                emit(range(COUNT))
                up = [c for c, n in ((http, "http"), (grpc, "grpc")) if n != down]
                wanted = list(range(COUNT))
                for collector in up:
                    until(lambda c=collector: numbers_in(c.events) == wanted)
                until(lambda: set(chaukas.stats().errors) == {down})
                assert chaukas.stats().spooled >= COUNT
                assert not chaukas.stats().dropped
                if down == "file":
                    file.rmdir()
                switch.closed.clear()
                settle(http, grpc)
                assert not chaukas.stats().dropped
                written = [json.loads(line) for line in file.read_bytes().splitlines()]
                for events in (http.events, grpc.events, written):
                    assert numbers_in(events) == wanted
                    by_stream(events)


@final
class _Switch:
    """One port for both protocols; a connection goes where its first bytes belong."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._relays = {name: Relay(port) for name, port in ports.items()}
        self.closed: set[str] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> _Switch:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()
        for relay in self._relays.values():
            relay.__exit__()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            client.settimeout(5.0)
            try:
                is_grpc = client.recv(3, socket.MSG_PEEK) == b"PRI"
                name = "grpc" if is_grpc else "http"
                relay = None if name in self.closed else self._relays[name]
            except OSError:
                relay = None
            if relay is None:
                client.close()
                continue
            client.settimeout(None)
            relay.join(client)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_mixture_of_faults_loses_and_doubles_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    sys.stdout.write(f"CHAUKAS_TEST_SEED={SEED}\n")
    rng = random.Random(SEED)
    replies = [
        *[Reply(fault=fault) for fault in Fault],
        *[Reply(status=status) for status in (408, 425, 429, 500, 502, 503, 504)],
        Reply(delay_s=0.2),
        Reply(),
        Reply(),
    ]
    collector.script(*rng.choices(replies, k=60))
    with delivering(tmp_path, endpoint_of(collector, scheme), batch_size=32):
        for number in range(100):
            emit(range(number * 10, number * 10 + 10))
            if rng.random() < 0.3:
                chaukas.flush(0.05)
        settle(collector)
        assert not chaukas.stats().dropped
        assert numbers_in(collector.events) == list(range(1000))
