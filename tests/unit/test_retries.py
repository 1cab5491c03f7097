"""Retries of the application: known when they are, and never invented."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from hypothesis import given
from hypothesis import strategies as st

from chaukas.sdk.config import RetryConfig
from chaukas.sdk.record.errors import error_code_of
from chaukas.sdk.record.retries import (
    RetryDetector,
    fields_of,
    fingerprint_of,
    is_retryable,
    status_of,
)
from chaukas.sdk.testing import FakeClock, capture_events

SECOND = 1_000_000_000


class StatusError(Exception):
    def __init__(self, status: Any, message: str = "") -> None:
        super().__init__(message)
        self.status_code = status


class RateLimitError(Exception):
    """Named as that of a provider."""


class BadRequestError(Exception):
    """Named as that of a provider."""


def failed(
    detector: RetryDetector, key: str, error: BaseException, at_s: float = 0
) -> None:
    detector.failed(key, error, message=str(error), code="X", now_ns=int(at_s * SECOND))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_these_statuses_are_worth_a_retry(status: int) -> None:
    assert is_retryable(StatusError(status)) == (True, "status", status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_these_statuses_are_not_whatever_the_message(status: int) -> None:
    error = StatusError(status, "rate limit timeout")
    assert is_retryable(error, "rate limit timeout") == (False, "status", status)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        asyncio.TimeoutError(),
        ConnectionResetError(),
        RateLimitError(),
        type("MyLimit", (RateLimitError,), {})(),
    ],
)
def test_timeouts_lost_connections_and_limits_are_known_by_type(
    error: BaseException,
) -> None:
    assert is_retryable(error)[:2] == (True, "type")


def test_errors_of_the_caller_are_known_by_type() -> None:
    assert is_retryable(BadRequestError(), "timeout")[:2] == (False, "type")


@pytest.mark.parametrize("message", ["Rate limit hit", "HTTP 503", "overloaded_error"])
def test_the_message_is_the_last_resort(message: str) -> None:
    assert is_retryable(ValueError(), message) == (True, "message", 0)
    assert not is_retryable(ValueError(), "no such city").retryable


@pytest.mark.parametrize("status", [None, "429", True, 0, 4.29])
def test_a_status_is_a_number_or_none(status: Any) -> None:
    assert status_of(StatusError(status)) == 0


class CodedError(Exception):
    def __init__(self, code: Any, status: Any) -> None:
        super().__init__(f"{code} {status}")
        self.code = code
        self.status = status


@pytest.mark.parametrize(
    ("code", "status", "found", "told"),
    [
        (429, "RESOURCE_EXHAUSTED", 429, "CodedError:RESOURCE_EXHAUSTED"),
        (503, "UNAVAILABLE", 503, "CodedError:UNAVAILABLE"),
        # Numbers and texts that mean something else.
        (429, None, 0, "CodedError"),
        (1205, "LOCK_TIMEOUT", 0, "CodedError"),
        (True, "YES", 0, "CodedError"),
        ("rate_limit", 429, 429, "CodedError:rate_limit"),
        ("rate_limit", "429", 0, "CodedError:rate_limit"),
        (429, "", 429, "CodedError"),
    ],
)
def test_a_code_with_a_name_beside_it_is_a_status(
    code: Any, status: Any, found: int, told: str
) -> None:
    error = CodedError(code, status)
    assert (status_of(error), error_code_of(error)) == (found, told)


def test_fields_are_read_past_the_class_of_an_error() -> None:
    class Hostile(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    error = Hostile()
    BaseException.__setattr__(error, "status_code", 429)
    assert fields_of(error) == {"status_code": 429}
    assert is_retryable(error).retryable


def test_a_run_after_a_failure_is_a_retry() -> None:
    detector = RetryDetector(RetryConfig())
    failed(detector, "run", TimeoutError("slow"))
    attempt = detector.started("run", now_ns=int(1.25 * SECOND))
    assert attempt == (1, 1250, "slow", "X", "", "")


def test_attempts_are_counted() -> None:
    detector = RetryDetector(RetryConfig(max_llm_retries=5))
    attempts = []
    for number in range(3):
        failed(detector, "run", TimeoutError(), number)
        attempt = detector.started("run", now_ns=number * SECOND)
        assert attempt is not None
        attempts.append(attempt.attempt)
    assert attempts == [1, 2, 3]


def test_another_run_is_no_retry() -> None:
    detector = RetryDetector(RetryConfig())
    failed(detector, "run", TimeoutError())
    assert detector.started("other", now_ns=0) is None


def test_a_success_is_the_end_of_it() -> None:
    detector = RetryDetector(RetryConfig())
    error = TimeoutError()
    failed(detector, "run", error)
    detector.succeeded("run")
    assert detector.started("run", now_ns=0) is None
    assert detector.explain(error) is None


def test_after_the_last_retry_the_count_begins_anew() -> None:
    detector = RetryDetector(RetryConfig(max_llm_retries=1))
    failed(detector, "run", TimeoutError())
    assert detector.started("run", now_ns=0)
    failed(detector, "run", TimeoutError())
    assert detector.started("run", now_ns=0) is None
    failed(detector, "run", TimeoutError())
    attempt = detector.started("run", now_ns=0)
    assert attempt is not None
    assert attempt.attempt == 1


def test_an_error_that_no_retry_helps_starts_no_count() -> None:
    detector = RetryDetector(RetryConfig())
    failed(detector, "run", TimeoutError())
    failed(detector, "run", ValueError("no such city"))
    assert detector.started("run", now_ns=0) is None
    failed(detector, "run", TimeoutError())
    attempt = detector.started("run", now_ns=0)
    assert attempt is not None
    assert attempt.attempt == 1


def test_a_failure_is_forgotten_after_a_quarter_of_an_hour() -> None:
    detector = RetryDetector(RetryConfig())
    failed(detector, "run", TimeoutError())
    assert detector.started("run", now_ns=901 * SECOND) is None
    assert detector.started("run", now_ns=0) is None


def test_a_known_loop_takes_the_failure_over() -> None:
    detector = RetryDetector(RetryConfig())
    error = TimeoutError()
    failed(detector, "run", error)
    assert detector.explain(error) == "run"
    assert detector.started("run", now_ns=0) is None
    # The loop gave up after its second try; a plain loop goes on.
    failed(detector, "run", TimeoutError())
    attempt = detector.started("run", now_ns=0)
    assert attempt is not None
    assert attempt.attempt == 1


def test_a_known_loop_may_retry_any_error() -> None:
    detector = RetryDetector(RetryConfig())
    error = ValueError("no such city")
    failed(detector, "run", error)
    assert detector.explain(error) == "run"


def raised(kind: type[Exception]) -> Exception:
    try:
        raise kind
    except kind as error:
        return error


def raised_in_a_run(kind: type[Exception]) -> Exception:
    try:
        raise kind
    except kind as error:
        return error


@pytest.mark.parametrize("kind", [TimeoutError, RateLimitError])
def test_only_the_very_error_explains(kind: type[Exception]) -> None:
    detector = RetryDetector(RetryConfig())
    error: Exception | None = raised_in_a_run(kind)
    assert error is not None
    failed(detector, "run", error)
    place, error = id(error), None
    others: list[Exception] = []
    # Until one stands where the first one stood, or surely none will.
    while len(others) < 1000 and not (others and id(others[-1]) == place):
        others.append(raised(kind))
        # Frames of its own, as another failure would have.
        others.append(raised(kind))
    assert all(detector.explain(other) is None for other in others)


def test_a_failure_keeps_no_error_alive() -> None:
    detector = RetryDetector(RetryConfig())
    error = RateLimitError()
    gone = weakref.ref(error)
    failed(detector, "run", error)
    del error
    gc.collect()
    assert gone() is None


def test_the_table_is_bounded() -> None:
    detector = RetryDetector(RetryConfig())
    errors = [RateLimitError() for _ in range(3000)]
    for number, error in enumerate(errors):
        failed(detector, str(number), error)
    assert detector.explain(errors[0]) is None
    assert detector.explain(errors[-1]) == "2999"
    assert len(detector._failures) == len(detector._keys) == 1024


def test_equal_inputs_have_one_fingerprint() -> None:
    one = [{"role": "user", "content": "hi"}]
    assert fingerprint_of(one) == fingerprint_of([dict(one[0])])
    assert fingerprint_of("hi") == fingerprint_of("h" + "i")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"),
        ("x" * 5000, "x" * 5001),
        ([{"content": "a"}], [{"content": "b"}]),
        ([1], [0, 1]),
        ({"a": 1}, {"a": 2}),
        (1, True),
        (None, "None"),
        pytest.param(10**5000, 10**5000 + 1, id="huge"),
        (object(), object()),
        (0.5, 1.5),
    ],
)
def test_other_inputs_have_others(one: Any, other: Any) -> None:
    assert fingerprint_of(one) != fingerprint_of(other)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda children: (
            st.lists(children) | st.dictionaries(st.text() | st.integers(), children)
        ),
    )
)
def test_any_tree_has_a_short_fingerprint(tree: Any) -> None:
    assert fingerprint_of(tree) == fingerprint_of(tree)
    assert len(fingerprint_of(tree)) == 24


def test_inputs_without_an_end_have_a_fingerprint() -> None:
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert len({fingerprint_of(endless), fingerprint_of(deep)}) == 2


def retries_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in events if e["type"] == "EVENT_TYPE_RETRY"]


def failing(times: int, error: Exception, name: str = "A") -> Agent[Any]:
    steps: list[Any] = [error] * times
    return Agent(name=name, model=ScriptedModel([*steps, [assistant_message("ok")]]))


def test_a_plain_loop_around_runs_is_recorded_under_the_new_agent() -> None:
    clock = FakeClock()
    agent = failing(2, ConnectionResetError("gone"))

    async def loop() -> None:
        while True:
            try:
                await Runner.run(agent, "hi")
            except ConnectionResetError:
                clock.skip(2)
            else:
                return

    with capture_events(clock=clock) as events:
        asyncio.run(loop())
        asyncio.run(Runner.run(failing(0, KeyError()), "hi"))
    told = retries_of(events())
    agents = [e for e in events() if e["type"] == "EVENT_TYPE_AGENT_START"]
    assert [e["parent_span_id"] for e in told] == [e["span_id"] for e in agents[1:3]]
    assert [e["trace_id"] for e in told] == [e["trace_id"] for e in agents[1:3]]
    assert [e["retry"]["attempt"] for e in told] == [1, 2]
    # Facts only: what the loop had in mind is not known.
    assert not {"max_attempts", "strategy"} & told[0]["retry"].keys()
    assert [e["metadata"]["retried_run_id"] for e in told] == [
        e["metadata"]["run_id"] for e in agents[:2]
    ]
    assert told[0]["retry"]["error_message"] == "gone"
    assert told[0]["retry"]["retryable"] is True
    assert 2000 <= told[0]["retry"]["backoff_ms"] < 2100
    assert told[0]["retry"]["metadata"] == {
        "layer": "application",
        "error_code": "ConnectionResetError",
        "model": "ScriptedModel",
    }
    assert told[0]["status"] == "EVENT_STATUS_IN_PROGRESS"
    assert told[0]["severity"] == "SEVERITY_WARN"


@pytest.mark.parametrize(
    "second",
    [
        {"given": "other"},
        {"name": "B"},
        {"session": "elsewhere"},
    ],
)
def test_another_input_agent_or_session_is_no_retry(second: dict[str, str]) -> None:
    with capture_events() as events:
        with pytest.raises(ConnectionResetError):
            asyncio.run(Runner.run(failing(1, ConnectionResetError("gone")), "hi"))
        asyncio.run(
            Runner.run(
                failing(0, KeyError(), second.get("name", "A")),
                second.get("given", "hi"),
                run_config=RunConfig(group_id=second.get("session")),
            )
        )
    assert retries_of(events()) == []


def test_a_run_that_failed_for_good_is_not_retried_by_the_next() -> None:
    with capture_events() as events:
        with pytest.raises(ValueError, match="no such city"):
            asyncio.run(Runner.run(failing(1, ValueError("no such city")), "hi"))
        asyncio.run(Runner.run(failing(0, KeyError()), "hi"))
    assert retries_of(events()) == []
