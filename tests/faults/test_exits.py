"""Every way in which a process with a collector ends: in time, and nothing vanishes."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from chaukas.testing import FakeCollector
from tests.support.deliveries import (
    SCHEMES,
    assert_each_once,
    begin,
    endpoint_of,
    numbers_in,
    port_of,
    recover,
    spools_in,
)
from tests.support.relay import Relay, Way, black_hole
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fault

COUNT = 1000


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector() as running:
        yield running


def told(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    """Return exit status, output, and what was printed beside chaukas' own lines."""
    out, error = process.communicate(timeout=120)
    lines = [line for line in error.splitlines() if not line.startswith("chaukas:")]
    return process.returncode, out, lines


def end(folder: Path, endpoint: str, body: str) -> None:
    """Run a program to its normal end, which waits for no answer."""
    # Longer than `told` waits for the program.
    process = begin(folder, endpoint, body, CHAUKAS_TIMEOUT="300")
    assert told(process) == (0, "", [])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_exit_with_the_collector_up_leaves_nothing_behind(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    endpoint = endpoint_of(collector, scheme)
    end(tmp_path, endpoint, f"enable(); emit({COUNT}); wait_at_exit()")
    assert numbers_in(collector.events) == list(range(COUNT))
    assert spools_in(tmp_path / "spool") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_exit_with_the_port_refused_leaves_all_to_the_next(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    endpoint = endpoint_of(collector, scheme)
    collector.stop()
    end(tmp_path, endpoint, f"enable(); emit({COUNT})")
    collector.start()
    recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(COUNT))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_exit_before_a_black_hole_leaves_all_to_the_next(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    endpoint = endpoint_of(collector, scheme)
    collector.stop()
    with black_hole(port_of(endpoint)):
        end(tmp_path, endpoint, f"enable(); emit({COUNT})")
    collector.start()
    recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(COUNT))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("way", [Way(is_hole=True), Way(pause_s=1.0)])
def test_an_exit_before_a_slow_collector_leaves_all_to_the_next(
    tmp_path: Path, collector: FakeCollector, scheme: str, way: Way
) -> None:
    with Relay(port_of(endpoint_of(collector, scheme))) as relay:
        relay.way = way
        endpoint = f"{scheme}://127.0.0.1:{relay.port}"
        end(tmp_path, endpoint, f"enable(); emit({COUNT})")
        relay.way = Way()
        recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(COUNT))
    assert_each_once(collector.events)


ENDINGS = {
    "os._exit": ("os._exit(5)", 5),
    "abort": ("os.abort()", -signal.SIGABRT),
    "segfault": ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    "kill -9": ("os.kill(os.getpid(), 9)", -signal.SIGKILL),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("is_up", [True, False])
def test_an_end_that_skips_everything_loses_nothing_that_was_spooled(
    tmp_path: Path, collector: FakeCollector, scheme: str, ending: str, is_up: bool
) -> None:
    endpoint = endpoint_of(collector, scheme)
    if not is_up:
        collector.stop()
    statement, code = ENDINGS[ending]
    process = begin(
        tmp_path,
        endpoint,
        f"""
        enable()
        emit({COUNT})
        while chaukas.stats().queued: time.sleep(0.001)
        {statement}
        """,
    )
    assert told(process)[0] == code
    if not is_up:
        collector.start()
    recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(COUNT))
    assert_each_once(collector.events)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("has_handler", [False, True])
def test_a_signal_ends_the_program_as_without_chaukas(
    tmp_path: Path,
    collector: FakeCollector,
    number: signal.Signals,
    has_handler: bool,
) -> None:
    handler = f"signal.signal({int(number)}, lambda *_: sys.exit(7))"
    process = begin(
        tmp_path,
        collector.endpoint,
        f"""
        import signal
        {handler if has_handler else ""}
        before = [signal.getsignal(n) for n in signal.valid_signals()]
        enable()
        chaukas.flush()
        emit({COUNT})
        assert before == [signal.getsignal(n) for n in signal.valid_signals()]
        while chaukas.stats().queued: time.sleep(0.001)
        print("ready", flush=True)
        threading.Event().wait()
        """,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert told(process)[0] == (7 if has_handler else -number)
    recover(tmp_path, collector.endpoint)
    assert numbers_in(collector.events) == list(range(COUNT))
    assert_each_once(collector.events)


@pytest.mark.parametrize(
    ("ending", "code", "last"),
    [
        ("sys.exit(3)", 3, []),
        ("raise ValueError('mine')", 1, ["ValueError: mine"]),
        ("raise KeyboardInterrupt", -signal.SIGINT, ["KeyboardInterrupt"]),
    ],
)
def test_a_program_that_breaks_off_delivers_all(
    tmp_path: Path, collector: FakeCollector, ending: str, code: int, last: list[str]
) -> None:
    # Flushed once before: Python 3.11 forgets that it was interrupted when any thread
    # calls exec() with a text afterwards, as libraries do while they are loaded.
    body = f"enable(); chaukas.flush()\nemit({COUNT}); wait_at_exit()\n{ending}"
    status, _, rest = told(begin(tmp_path, collector.endpoint, body))
    assert (status, rest[-1:]) == (code, last)
    assert numbers_in(collector.events) == list(range(COUNT))
    names = [event["metadata"].get("name") for event in collector.events]
    assert names.count("chaukas.disabled") == 1


def test_an_exit_in_a_thread_ends_the_thread_alone(
    tmp_path: Path, collector: FakeCollector
) -> None:
    process = begin(
        tmp_path,
        collector.endpoint,
        """
        enable()
        wait_at_exit()
        def work():
            emit(500)
            sys.exit(4)
        thread = threading.Thread(target=work)
        thread.start(); thread.join()
        for n in range(500, 1000): chaukas.event("n", {"n": n})
        """,
    )
    assert told(process) == (0, "", [])
    assert numbers_in(collector.events) == list(range(COUNT))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_events_at_the_very_end_do_no_harm(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    process = begin(
        tmp_path,
        endpoint_of(collector, scheme),
        """
        import atexit
        class Last:
            def __del__(self):
                chaukas.event("in __del__")
                chaukas.flush(0.1); chaukas.stats()
        keep = Last()
        sys.keep = Last()
        atexit.register(lambda: chaukas.event("too late"))
        enable()
        wait_at_exit()
        atexit.register(lambda: chaukas.event("in time"))
        emit(10)
        del keep
        """,
    )
    assert told(process) == (0, "", [])
    assert numbers_in(collector.events) == list(range(10))
    names = [event["metadata"].get("name") for event in collector.events]
    assert (names.count("in __del__"), names.count("in time")) == (1, 1)
    assert names.count("too late") == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_program_can_enable_again_after_disabling(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    process = begin(
        tmp_path,
        endpoint_of(collector, scheme),
        """
        for n in range(20):
            enable()
            chaukas.event("n", {"n": n})
            assert chaukas.disable_chaukas(60.0)
            chaukas.event("late")
        """,
    )
    assert told(process) == (0, "", [])
    assert numbers_in(collector.events) == list(range(20))
    assert spools_in(tmp_path / "spool") == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_program_that_ends_at_once_again_and_again_loses_nothing(
    tmp_path: Path, collector: FakeCollector, scheme: str
) -> None:
    # As short jobs do: some end before the libraries are even loaded.
    endpoint = endpoint_of(collector, scheme)
    for number in range(5):
        body = f"enable(); chaukas.event('n', {{'n': {number}}})"
        assert told(begin(tmp_path, endpoint, body)) == (0, "", [])
    recover(tmp_path, endpoint)
    assert numbers_in(collector.events) == list(range(5))


def test_no_thread_of_a_hung_sink_keeps_the_program(tmp_path: Path) -> None:
    process = begin(
        tmp_path,
        "http://collector.test",
        """
        import socket
        asked = threading.Event()
        def hang(*_, **__):
            asked.set()
            threading.Event().wait()
        socket.getaddrinfo = hang
        enable()
        emit(10)
        asked.wait(60)
        print("done", flush=True)
        """,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "done\n"
    # It hangs for ever, so an end that waited for it would never come.
    assert told(process)[0] == 0
    [left] = spools_in(tmp_path / "spool")
    segments = (tmp_path / "spool" / left).glob("*.seg")
    lines = [json.loads(x) for s in segments for x in s.read_bytes().splitlines()]
    assert numbers_in(lines) == list(range(10))
    until(lambda: process.poll() is not None)
