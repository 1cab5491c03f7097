"""The handover: who waits for the interpreter is let on, once for each request."""

from __future__ import annotations

import threading

import pytest

from chaukas.sdk.pipeline import gil
from chaukas.sdk.pipeline.bounded_queue import BoundedQueue
from chaukas.sdk.pipeline.gil import GilHandover
from tests.support.waiting import until


class Watched:
    """A handover on a clock that stands, whose sleeps are noted instead of slept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at_s = 100.0
        self.slept_s: list[float] = []
        monkeypatch.setattr(gil, "sleep", self.slept_s.append)
        self.queue = BoundedQueue(1 << 20, self.now_s)
        self.handover: GilHandover = self.queue.handover

    def now_s(self) -> float:
        return self.at_s

    def put(self) -> None:
        self.queue.put(b"{}", vital=False)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_nobody_sleeps_while_the_writer_asks_for_nothing(watched: Watched) -> None:
    for _ in range(100):
        watched.put()
        watched.at_s += 1.0
    assert watched.slept_s == []


def test_a_request_is_answered_once_and_not_before_its_time(watched: Watched) -> None:
    watched.handover.ask(0.002)
    watched.put()
    assert watched.slept_s == []
    watched.at_s += 0.0021
    for _ in range(100):
        watched.put()
    # However long the device holds the writer up, the host slept once.
    assert watched.slept_s == [50e-6]


def test_a_request_that_the_writer_no_longer_has_costs_nothing(
    watched: Watched,
) -> None:
    watched.handover.ask(0.002)
    watched.handover.take()
    watched.at_s += 1.0
    watched.put()
    assert watched.slept_s == []


def test_a_first_event_only_wakes_an_idle_writer(watched: Watched) -> None:
    watched.handover.ask_when_woken()
    watched.put()
    watched.put()
    assert watched.slept_s == []
    # Still not awake after a while: it cannot get the interpreter.
    watched.at_s += 0.001
    watched.put()
    assert watched.slept_s == [50e-6]


def rest(handover: GilHandover, *, is_callable: bool) -> threading.Thread:
    """Let a thread rest for a minute, and return once it does."""
    begun = threading.Event()

    def run() -> None:
        begun.set()
        handover.rest(60.0, is_callable=is_callable)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert begun.wait(60)
    return thread


def test_a_busy_host_ends_the_rest_of_the_writer() -> None:
    queue = BoundedQueue(1 << 20)
    thread = rest(queue.handover, is_callable=True)

    def ended() -> bool:
        queue.put(b"{}", vital=False)
        return not thread.is_alive()

    until(ended)


def test_no_host_ends_the_rest_that_a_failed_device_needs(
    watched: Watched,
) -> None:
    thread = rest(watched.handover, is_callable=False)
    for _ in range(100):
        watched.at_s += 1.0
        watched.put()
    assert thread.is_alive()
    assert watched.slept_s == []
    watched.handover.nudge()
    thread.join(60)
    assert not thread.is_alive()
