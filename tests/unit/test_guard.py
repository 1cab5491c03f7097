"""Prove that our errors stay ours: counted, told once, and never spread."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading

import pytest

import chaukas
from chaukas import sdk
from chaukas.sdk import _runtime, _session
from chaukas.sdk import config as config_module
from chaukas.sdk.pipeline import Pipeline
from chaukas.sdk.record.sessions import SessionBook
from chaukas.sdk.system.internal_errors import Reporter, guarded, log, report
from chaukas.sdk.testing import capture_events
from tests.support.hostile import TOUCHES, hostile_objects

SECRET = "sk-" + "a" * 24


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Behave as in production."""
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    monkeypatch.delenv("CHAUKAS_DEBUG", raising=False)


class Clock:
    """A clock that stands still until told."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def handler():
    """Collect the records of a logger of its own."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    handler.records = records
    return handler


@pytest.fixture
def reporter(clock, handler):
    logger = logging.getLogger("chaukas.sdk.test_guard")
    logger.propagate = False
    logger.addHandler(handler)
    yield Reporter(clock, logger)
    logger.removeHandler(handler)


def caught(error):
    """Give an error a traceback."""
    try:
        raise error
    except type(error) as raised:
        return raised


def test_the_line_names_place_and_type_but_no_payload(reporter, handler):
    reporter.report("AgentRunner.run", caught(ValueError(SECRET)))

    (record,) = handler.records
    line = record.getMessage()
    assert record.levelno == logging.WARNING
    assert line.startswith("chaukas: internal error in AgentRunner.run (ValueError at ")
    assert "unit/test_guard.py:" in line
    assert SECRET not in line
    assert "\n" not in line
    assert record.exc_info is None


def test_debug_adds_the_whole_stack(reporter, handler, monkeypatch):
    monkeypatch.setenv("CHAUKAS_DEBUG", "1")
    error = caught(ValueError("text"))

    reporter.report("place", error)

    assert handler.records[0].exc_info == (ValueError, error, error.__traceback__)


@pytest.mark.parametrize("value", ["", "0", "false", "No", "off"])
def test_debug_may_be_switched_off_in_words(reporter, handler, monkeypatch, value):
    monkeypatch.setenv("CHAUKAS_DEBUG", value)

    reporter.report("place", caught(ValueError()))

    assert handler.records[0].exc_info is None


def test_one_line_per_cause_per_minute(reporter, handler, clock):
    for _ in range(5):
        reporter.report("a", caught(ValueError()))
    reporter.report("b", caught(ValueError()))
    reporter.report("a", caught(KeyError()))
    assert len(handler.records) == 3

    clock.now_s += 59.9
    reporter.report("a", caught(ValueError()))
    assert len(handler.records) == 3

    clock.now_s += 0.1
    reporter.report("a", caught(ValueError()))
    assert len(handler.records) == 4


def test_every_error_is_counted_also_the_untold(reporter, handler):
    counted = []
    for _ in range(5):
        reporter.report("a", caught(ValueError()), lambda: counted.append(1))

    assert len(counted) == 5
    assert len(handler.records) == 1


def test_a_counter_that_fails_is_no_matter(reporter, handler):
    def failing():
        raise LookupError

    reporter.report("a", caught(ValueError()), failing)

    assert len(handler.records) == 1


def test_many_causes_do_not_grow_memory(reporter):
    for number in range(2000):
        reporter.report(f"place {number}", caught(ValueError()))

    assert len(reporter._told) <= 257


def test_an_error_that_was_never_raised_can_be_told(reporter, handler):
    reporter.report("a", ValueError())

    assert "an unknown line" in handler.records[0].getMessage()


def test_internal_errors_are_raised_where_tests_ask(reporter, handler, monkeypatch):
    monkeypatch.setenv("CHAUKAS_RAISE_INTERNAL", "1")
    error = caught(ValueError())

    with pytest.raises(ValueError) as raised:
        reporter.report("a", error)

    assert raised.value is error
    assert len(handler.records) == 1


def test_a_handler_that_fails_in_chaukas_again_ends_at_once(reporter, handler):
    emitted, counted = [], []

    def emit(record):
        emitted.append(record)
        error = caught(ValueError())
        reporter.report(f"inner {len(emitted)}", error, lambda: counted.append(1))

    handler.emit = emit
    reporter.report("outer", caught(ValueError()), lambda: counted.append(1))

    assert len(emitted) == 1
    assert len(counted) == 2


def test_after_a_nested_report_the_next_is_told_again(reporter, handler):
    seen = []
    handler.emit = lambda record: (
        seen.append(record),
        reporter.report("inner", caught(ValueError())),
    )
    reporter.report("first", caught(ValueError()))
    reporter.report("second", caught(ValueError()))

    assert len(seen) == 2


def test_a_handler_that_raises_does_not_reach_the_host(reporter, handler):
    def emit(_record):
        raise LookupError

    handler.emit = emit

    reporter.report("a", caught(ValueError()))


def test_ctrl_c_in_a_handler_passes_and_leaves_the_reporter_working(
    reporter, handler, clock
):
    def interrupted(_record):
        raise KeyboardInterrupt

    handler.emit = interrupted
    with pytest.raises(KeyboardInterrupt):
        reporter.report("a", caught(ValueError()))

    told = []
    handler.emit = told.append
    clock.now_s += 61
    reporter.report("a", caught(ValueError()))
    assert len(told) == 1


def test_threads_that_fail_together_are_told_once(reporter, handler):
    start = threading.Barrier(16)
    counted = []

    def fail():
        start.wait(60)
        for _ in range(50):
            reporter.report("a", caught(ValueError()), lambda: counted.append(1))

    threads = [threading.Thread(target=fail) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(counted) == 800
    assert len(handler.records) == 1


def test_a_hostile_exception_type_is_named_without_running_its_code(reporter, handler):
    class Meta(type):
        def __getattribute__(cls, name):
            raise AssertionError(name)

    class Hostile(Exception, metaclass=Meta):
        def __str__(self):
            raise AssertionError

    reporter.report("a", Hostile())

    assert "Hostile at" in handler.records[0].getMessage()


def test_guarded_returns_the_value_or_the_default(caplog):
    @guarded(default=-1, where="test guarded default")
    def divide(a: int, b: int) -> int:
        """Divide."""
        return a // b

    with caplog.at_level(logging.WARNING, "chaukas.sdk"):
        assert divide(6, b=3) == 2
        assert divide(1, 0) == -1

    assert divide.__doc__ == "Divide."
    assert [r.name for r in caplog.records] == ["chaukas.sdk"]
    assert "test guarded default (ZeroDivisionError" in caplog.text


def test_guarded_names_the_function_itself(caplog):
    @guarded(default=None)
    def named_by_itself() -> None:
        raise LookupError

    with caplog.at_level(logging.WARNING, "chaukas.sdk"):
        named_by_itself()

    assert "named_by_itself (LookupError" in caplog.text


def test_guarded_counts():
    counted = []

    @guarded(default=None, where="test guarded counts", count=lambda: counted.append(1))
    def fail() -> None:
        raise LookupError

    fail()
    fail()

    assert len(counted) == 2


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_guarded_lets_ctrl_c_exit_and_cancellation_pass(error):
    @guarded(default=None)
    def stop() -> None:
        raise error

    with pytest.raises(error):
        stop()


def test_guarded_raises_where_tests_ask(monkeypatch):
    monkeypatch.setenv("CHAUKAS_RAISE_INTERNAL", "1")

    @guarded(default=None)
    def fail() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        fail()


def test_guarded_refuses_what_runs_after_the_call():
    async def coroutine():
        pass

    def generator():
        yield

    async def async_generator():
        yield

    for function in (coroutine, generator, async_generator):
        with pytest.raises(TypeError, match="it runs after the call returns"):
            guarded(default=None)(function)


def test_the_module_reports_on_the_sdk_logger(caplog):
    with caplog.at_level(logging.WARNING, "chaukas.sdk"):
        report("test the module", caught(ValueError(SECRET)))

    assert [r.name for r in caplog.records] == ["chaukas.sdk"]
    assert SECRET not in caplog.text


def test_guarded_lets_errors_that_are_meant_for_the_caller_pass(caplog):
    @guarded(default=None, passing=(LookupError,))
    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(KeyError):
        fail(KeyError())
    assert fail(ValueError()) is None
    assert len(caplog.records) == 1


def test_a_line_that_no_handler_takes_does_not_reach_the_host(monkeypatch):
    class Broken(logging.Handler):
        def handle(self, _record):
            raise LookupError

    monkeypatch.setattr(logging.getLogger("chaukas.sdk"), "handlers", [Broken()])

    log(logging.ERROR, "a line")


def _bug(*_args, **_kwargs):
    raise RuntimeError(SECRET)


def _tool():
    """Something to declare."""


PUBLIC = {
    # By name: a call, and what the host gets when chaukas fails inside of it.
    "current_traceparent": (chaukas.current_traceparent, None),
    "data_access": (lambda: chaukas.data_access("db"), None),
    "disable_chaukas": (chaukas.disable_chaukas, False),
    "enable_chaukas": (chaukas.enable_chaukas, False),
    "end_session": (lambda: chaukas.end_session("s"), False),
    "event": (lambda: chaukas.event("e", {"a": 1}), None),
    "flush": (chaukas.flush, False),
    "is_enabled": (chaukas.is_enabled, False),
    "policy_decision": (lambda: chaukas.policy_decision("p", "allow"), None),
    "retrieval_tool": (lambda: chaukas.retrieval_tool(_tool), _tool),
    "score": (lambda: chaukas.score("q", 1), None),
    "state_update": (lambda: chaukas.state_update({"a": 1}), None),
    "stats": (chaukas.stats, None),
}
FAULTS = {
    # What a function calls first, and what it calls last.
    "current_traceparent": [(_session, "node_in_force")],
    "data_access": [(_runtime, "active"), (sdk, "point")],
    "disable_chaukas": [(_runtime, "stop"), (_runtime.Runtime, "close")],
    "enable_chaukas": [
        (config_module, "load"),
        (sdk, "_in_one_place"),
        (_runtime, "Runtime"),
        (_runtime, "start"),
        (_runtime, "active"),
    ],
    "end_session": [(_runtime, "active"), (SessionBook, "end")],
    "event": [(_runtime, "active"), (sdk, "point")],
    "flush": [(_runtime, "active"), (Pipeline, "flush")],
    "is_enabled": [(_runtime, "active")],
    "policy_decision": [(_runtime, "active"), (sdk, "point"), (sdk, "_outcome_of")],
    "retrieval_tool": [(_runtime, "active"), (_runtime, "data_access_names")],
    "score": [(_runtime, "active"), (sdk, "point")],
    "state_update": [(_runtime, "active"), (sdk, "point")],
    "stats": [(_runtime, "active"), (Pipeline, "stats")],
}
PLAYED = [
    pytest.param(name, fault, id=f"{name}-{fault[1]}")
    for name, faults in FAULTS.items()
    for fault in faults
]


def _enter_session(stranger):
    with sdk.session(stranger, user_id=stranger):
        pass


@pytest.mark.parametrize(
    "call",
    [
        _enter_session,
        sdk.end_session,
        lambda stranger: sdk.policy_decision("p", "allow", rationale=stranger),
        lambda stranger: sdk.score("s", 1, comment=stranger, trace_id=stranger),
        lambda stranger: sdk.event("e", {"given": stranger}),
        lambda stranger: sdk.state_update({"given": stranger}),
    ],
    ids=["session", "end_session", "policy", "score", "event", "state_update"],
)
def test_no_code_of_an_argument_is_run(call):
    with capture_events():
        for name, stranger in hostile_objects():
            TOUCHES.clear()
            call(stranger)
            assert (name, TOUCHES) == (name, [])


def test_every_public_function_is_played():
    # `session` is a class, whose own tests play it.
    public = {
        name
        for name in sdk.__all__
        if callable(getattr(sdk, name)) and not inspect.isclass(getattr(sdk, name))
    }
    assert public == PUBLIC.keys() == FAULTS.keys()


@pytest.mark.parametrize(("name", "fault"), PLAYED)
def test_a_fault_inside_a_public_function_does_not_reach_the_host(
    name, fault, monkeypatch, caplog
):
    call, neutral = PUBLIC[name]
    monkeypatch.setattr("chaukas.sdk.system.internal_errors._reporter._told", {})
    with capture_events() as events:
        if name == "enable_chaukas":
            _runtime.stop()
        with monkeypatch.context() as broken:
            broken.setattr(*fault, _bug)
            if name == "stats":
                assert call() == chaukas.Stats()
            else:
                assert call() is neutral
        _runtime.stop()
    assert "internal error in" in caplog.text
    assert SECRET not in caplog.text
    del events


@pytest.mark.parametrize(
    "name", ["data_access", "event", "policy_decision", "state_update"]
)
def test_an_event_that_a_fault_cost_is_counted(name, monkeypatch):
    with capture_events():
        with monkeypatch.context() as broken:
            broken.setattr(sdk, "point", _bug)
            PUBLIC[name][0]()
        assert chaukas.stats().dropped == {"capture_error": 1}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_ctrl_c_inside_a_public_function_passes(name, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    holder, attribute = FAULTS[name][0]
    with capture_events(), monkeypatch.context() as broken:
        broken.setattr(holder, attribute, interrupted)
        with pytest.raises(KeyboardInterrupt):
            PUBLIC[name][0]()


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_function_keeps_its_signature_and_its_words(name):
    function = getattr(sdk, name)

    assert function.__doc__
    assert function.__name__ == name
    assert "args" not in inspect.signature(function).parameters
