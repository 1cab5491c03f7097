"""The breaker and its waits: what is let through, and when."""

from __future__ import annotations

import random

import pytest

from chaukas.sdk.delivery.retry import Backoff, Breaker, State


def failed(times: int, backoff_s: float = 1.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.fail(100.0, backoff_s=backoff_s)
    return breaker


def test_it_opens_after_five_failures_in_a_row() -> None:
    assert failed(4).state(100.0) is State.CLOSED
    assert not failed(4).is_tripped
    assert failed(5).state(100.0) is State.OPEN
    assert failed(5).is_tripped


def test_it_lets_one_batch_through_after_the_wait() -> None:
    assert failed(5).state(101.0) is State.HALF_OPEN


def test_a_success_closes_it_at_once() -> None:
    breaker = failed(9)
    breaker.succeed()
    assert breaker.state(100.0) is State.CLOSED
    assert breaker.wait_s(100.0) == 0
    assert breaker.failures == 0


@pytest.mark.parametrize(
    ("asked_s", "wait_s"), [(None, 1.0), (0.2, 1.0), (7.0, 7.0), (1e9, 300.0), (-5, 1)]
)
def test_what_the_sink_asks_for_is_a_minimum_of_at_most_five_minutes(
    asked_s: float | None, wait_s: float
) -> None:
    breaker = Breaker()
    breaker.fail(100.0, backoff_s=1.0, asked_s=asked_s)
    assert breaker.wait_s(100.0) == wait_s


def test_a_parked_sink_is_looked_at_after_half_a_minute_then_ever_more_rarely() -> None:
    breaker, waits = Breaker(), []
    for _ in range(6):
        breaker.park(100.0)
        waits.append(breaker.wait_s(100.0))
    assert waits == [30.0, 60.0, 120.0, 240.0, 300.0, 300.0]
    assert breaker.state(100.0) is State.PARKED
    assert breaker.state(400.0) is State.HALF_OPEN


def test_hurry_ends_its_own_wait_and_not_what_the_sink_asked_for() -> None:
    breaker = failed(5, backoff_s=20.0)
    breaker.hurry()
    assert breaker.wait_s(100.0) == 0
    breaker.fail(100.0, backoff_s=20.0, asked_s=5.0)
    breaker.hurry()
    assert breaker.wait_s(100.0) == 5.0
    assert breaker.is_asked_to_wait(104.0)
    assert not breaker.is_asked_to_wait(105.0)


def test_the_window_of_waits_doubles_up_to_thirty_seconds() -> None:
    backoff = Backoff(chance=lambda: 1.0)
    windows = [backoff.wait_s(n) for n in (1, 2, 3, 6, 7, 8, 5000)]
    assert windows == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0, 30.0]
    assert Backoff(chance=lambda: 0.0).wait_s(3) == 0.0


def test_waits_take_nothing_from_the_random_numbers_of_the_program() -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    waits = {Backoff().wait_s(4) for _ in range(20)}
    assert random.random() == expected
    assert len(waits) > 1
