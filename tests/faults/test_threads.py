"""Threads, event loops and clocks of every kind, with a collector at the other end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import chaukas
from chaukas.sdk.system.clock import SystemClock
from chaukas.testing import FakeCollector
from tests.support.deliveries import (
    SCHEMES,
    begin,
    data_of,
    delivering,
    emit,
    endpoint_of,
    numbers_in,
    recover,
    settle,
)
from tests.support.secrets import PLANTED
from tests.support.waiting import python_threads, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fault


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector() as running:
        yield running


@pytest.mark.parametrize("scheme", SCHEMES)
def test_64_threads_tasks_and_executors_at_once_lose_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    go = threading.Event()

    def in_thread(number: int) -> None:
        go.wait()
        for step in range(50):
            chaukas.event("n", {"n": number * 50 + step})

    async def in_task(number: int) -> None:
        for step in range(10):
            chaukas.event("n", {"n": 3200 + number * 10 + step})
            await asyncio.sleep(0)

    async def tasks() -> None:
        await asyncio.gather(*(in_task(number) for number in range(80)))

    with delivering(tmp_path, endpoint_of(collector, scheme), timeout=10):
        threads = [threading.Thread(target=in_thread, args=(n,)) for n in range(64)]
        for thread in threads:
            thread.start()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            go.set()
            looping = pool.submit(asyncio.run, tasks())
            numbers = range(4000, 5000)
            list(pool.map(lambda n: chaukas.event("n", {"n": n}), numbers))
            looping.result()
        for thread in threads:
            thread.join()
        settle(collector)
        assert not chaukas.stats().dropped
    assert numbers_in(collector.events) == list(range(5000))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_loops_that_nest_close_and_never_end_lose_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def one(number: int) -> None:
        chaukas.event("n", {"n": number})
        await asyncio.sleep(0)

    def in_a_loop(make: Any, number: int) -> None:
        loop = make()
        loop.run_until_complete(one(number))
        loop.close()

    async def nested() -> None:
        # A loop within a loop, on a thread of its own as asyncio demands.
        await asyncio.to_thread(in_a_loop, asyncio.new_event_loop, 1)
        chaukas.event("n", {"n": 2})

    with delivering(tmp_path, endpoint_of(collector, scheme), timeout=10):
        in_a_loop(asyncio.new_event_loop, 0)
        asyncio.run(nested())
        for number in range(3, 10):
            in_a_loop(uvloop.new_event_loop, number)
        abandoned = uvloop.new_event_loop()
        abandoned.run_until_complete(one(10))
        settle(collector)
        abandoned.close()
        chaukas.event("n", {"n": 11})
        settle(collector)
    assert numbers_in(collector.events) == list(range(12))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_programs_patched_by_gevent_deliver(
    tmp_path: Path, collector: FakeCollector, scheme: str, when: str
) -> None:
    pytest.importorskip("gevent")
    places = {"before": "", "after": "", when: "monkey.patch_all()"}
    process = begin(
        tmp_path,
        endpoint_of(collector, scheme),
        f"""
        from gevent import monkey
        {places["before"]}
        enable()
        chaukas.event("early")
        assert chaukas.flush(60.0)
        {places["after"]}
        import gevent
        def work(number):
            chaukas.event("n", {{"n": number}})
            gevent.sleep(0)
        gevent.joinall([gevent.spawn(work, n) for n in range(200)])
        # The sender is a real thread: it delivers while no greenlet yields.
        end = time.monotonic() + 20
        while not (chaukas.stats().acked >= 202 or time.monotonic() > end):
            pass
        assert chaukas.stats().acked >= 202, chaukas.stats()
        assert chaukas.flush(60.0)
        """,
    )
    out, error = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, ""), error
    assert not [line for line in error.splitlines() if line.startswith("chaukas")]
    assert numbers_in(collector.events) == list(range(200))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_records_while_something_is_being_recorded_does_no_harm(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    class Emitting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            chaukas.event("log", {"level": record.levelname})

    class Dying:
        def __del__(self) -> None:
            chaukas.event("del")

    def redact(path: str, value: object) -> object:
        logging.getLogger("host").warning("seen")
        if path.endswith(".n"):
            Dying()
        return value

    handler = Emitting()
    # chaukas' own lines go there too.
    roots = [logging.getLogger("host"), logging.getLogger("chaukas.sdk")]
    for logger in roots:
        logger.addHandler(handler)
    before = signal.signal(signal.SIGALRM, lambda *_: chaukas.event("signal"))
    try:
        collector.always = None
        with delivering(
            tmp_path, endpoint_of(collector, scheme), redact=redact, timeout=10
        ):
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            emit(range(500))
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.collect()
            settle(collector)
            lost = dict(chaukas.stats().dropped)
        assert numbers_in(collector.events) == list(range(500))
        assert lost == {}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        for logger in roots:
            logger.removeHandler(handler)


def test_a_second_configuration_changes_nothing_under_way(
    tmp_path: Path, collector: FakeCollector
) -> None:
    with (
        FakeCollector() as other,
        delivering(tmp_path, collector.endpoint),
    ):
        emit(range(10))
        assert not chaukas.enable_chaukas(endpoint=other.endpoint)
        emit(range(10, 20))
        settle(collector)
        assert numbers_in(collector.events) == list(range(20))
        assert other.requests == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_enabling_and_disabling_while_threads_record_leaves_nothing_behind(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    stop = threading.Event()
    sent = [0] * 4

    def work(index: int) -> None:
        while not stop.is_set():
            chaukas.event("busy", {"of": index, "at": sent[index]})
            sent[index] += 1
            stop.wait(0.001)

    endpoint = endpoint_of(collector, scheme)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    begun_s = time.monotonic()
    rounds = 0
    while rounds < 100 and time.monotonic() - begun_s < 15:
        with delivering(tmp_path, endpoint, timeout=10):
            chaukas.event("n", {"n": rounds})
        rounds += 1
    stop.set()
    for thread in threads:
        thread.join()
    recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(rounds))
    busy = [(each["of"], each["at"]) for each in data_of(collector.events, "busy")]
    assert len(set(busy)) == len(busy)
    # Senders let go once they are back from their last call.
    until(lambda: python_threads() <= threading.active_count() + 2)


def test_a_frozen_disk_holds_up_neither_host_nor_exit(
    tmp_path: Path, collector: FakeCollector
) -> None:
    # The spool's place is a pipe that nobody reads: every open of it hangs.
    frozen = tmp_path / "frozen"
    os.mkfifo(frozen)
    with delivering(
        tmp_path, collector.endpoint, output_mode="file,http", output_file=frozen
    ):
        emit(range(1000))
        until(lambda: numbers_in(collector.events) == list(range(1000)))
        assert chaukas.stats().spooled >= 1000
        # Nobody reads the pipe before this returns: it has not waited for that.
        assert not chaukas.disable_chaukas()
    # Let the thread go that hangs in it.
    with contextlib.closing(os.fdopen(os.open(frozen, os.O_RDONLY | os.O_NONBLOCK))):
        pass


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_clock_that_leaps_by_a_day_changes_no_delivery(
    tmp_path: Path,
    collector: FakeCollector,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_ns = time.time_ns
    leap_s = 0
    # Not `time.time`: gRPC compares that with the system's clock, which stays.
    monkeypatch.setattr(
        SystemClock, "time_ns", staticmethod(lambda: real_ns() + leap_s * 10**9)
    )
    endpoint = endpoint_of(collector, scheme)
    with delivering(tmp_path, endpoint):
        for number, leap in enumerate((0, 86_400, -86_400, 0)):
            leap_s = leap
            collector.stop()
            emit(range(number * 25, number * 25 + 25))
            until(lambda: bool(chaukas.stats().errors))
            collector.start()
            settle(collector)
        assert not chaukas.stats().dropped
    leap_s = -86_400
    # A spool that was left tomorrow is taken up today.
    recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(100))
    days = {event["timestamp"][:10] for event in collector.events}
    assert len(days) >= 3


def test_no_secret_is_left_anywhere_by_a_whole_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = "ck-" + "Qz9" * 12
    file = tmp_path / "events.jsonl"

    def refuse(event: Any) -> str:
        # So that there is a quarantine as well.
        return "quota" if event["type"] == "EVENT_TYPE_STATE_UPDATE" else ""

    with FakeCollector(keys=(key,), refuse=refuse) as collector:
        place = collector.endpoint.replace("//", "//ann:Hunter22-Zebra@")
        with delivering(
            tmp_path,
            f"{place}/v1?token={key}x",
            api_key=key,
            output_mode="file,http",
            output_file=file,
        ):
            for planted in PLANTED:
                chaukas.event("planted", {"name": planted.name, "value": planted.value})
                chaukas.state_update({"value": planted.value})
                chaukas.policy_decision("p", "deny", rationale=str(planted.value))
            collector.keys = ("another",)
            until(lambda: bool(chaukas.stats().errors) or chaukas.flush(0.2))
            collector.keys = (key,)
            settle(collector)
            assert chaukas.stats().dropped == {"quarantined": len(PLANTED)}
            left = [path for path in tmp_path.rglob("*") if path.is_file()]
            texts = {str(path): path.read_bytes() for path in left}
        texts["collector"] = repr(collector.events).encode()
    assert any("quarantine" in name for name in texts)
    assert any(name.endswith(".seg") for name in texts)
    texts["log"] = caplog.text.encode()
    told = len(data_of(collector.events, "planted"))
    assert told == len(PLANTED)
    secrets = {planted.secret for planted in PLANTED} | {key, "Hunter22-Zebra"}
    # Two are words that stand in innocent places too.
    secrets = {secret for secret in secrets if len(secret) > 8}
    found = {
        (name, secret)
        for name, text in texts.items()
        for secret in secrets
        if secret.encode() in text
    }
    assert not found
