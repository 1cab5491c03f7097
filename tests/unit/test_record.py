"""The recorder: frames, pairs, errors told once, and nothing that cannot be encoded."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import chaukas.sdk
from chaukas.sdk import _runtime
from chaukas.sdk.events import EventType
from chaukas.sdk.record.context import SUPPRESSED, AgentRef, Run, Session
from chaukas.sdk.record.recorder import (
    Recorder,
    error_chain,
    error_code_of,
    error_text,
    ms_between,
    without_defaults,
)
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.sdk.typing import Event

TOOL = EventType.TOOL_CALL_START


@contextmanager
def recording(
    **settings: Any,
) -> Iterator[tuple[Recorder, Callable[[], list[Event]]]]:
    """Give a recorder, and what it recorded without what chaukas says itself."""
    settings = {"clock": FakeClock(), "ids": SequentialIds(), **settings}
    with capture_events(integrations=["tenacity"], **settings) as events:
        runtime = _runtime.active()
        assert runtime is not None

        def found() -> list[Event]:
            own = ("chaukas.enabled", "chaukas.disabled", "chaukas.pipeline")
            return [e for e in events() if e["metadata"].get("name") not in own]

        yield runtime.recorder, found


def run(**options: Any) -> Run:
    return Run(Session("s", "tenant", "project"), "t" * 32, **options)


def test_a_frame_names_where_an_event_belongs() -> None:
    with recording(branch="main", tags=["a", "b"]) as (recorder, events):
        inside = run(framework="fw")
        inside.agent = AgentRef("agent-id", "Agent")
        recorder.emit(
            EventType.STATE_UPDATE,
            inside,
            {"state_update": {"x": 1}},
            parent_span_id="p" * 16,
        )
    [event] = events()
    metadata = event.pop("metadata")
    own = metadata.pop("chaukas")
    assert own.pop("sdk") == chaukas.sdk.__version__
    assert own.pop("seq") == 2
    assert own == {"stream": "00000000-0000-7000-8000-000000000001"}
    assert metadata == {"framework": "fw"}
    assert event.pop("content_hash")
    assert event.pop("hash_prev")
    assert event.pop("timestamp").startswith("2026-01-01T12:00:00.")
    assert event == {
        "agent_id": "agent-id",
        "agent_name": "Agent",
        "author": "AUTHOR_SYSTEM",
        "branch": "main",
        "event_id": event["event_id"],
        "parent_span_id": "p" * 16,
        "project_id": "project",
        "session_id": "s",
        "severity": "SEVERITY_INFO",
        "span_id": event["span_id"],
        "state_update": {"x": 1},
        "status": "EVENT_STATUS_COMPLETED",
        "tags": ["a", "b"],
        "tenant_id": "tenant",
        "trace_id": "t" * 32,
        "type": "EVENT_TYPE_STATE_UPDATE",
    }


def test_numbers_of_a_stream_have_no_gap() -> None:
    with recording() as (recorder, events):
        for _ in range(5):
            recorder.emit(EventType.SYSTEM, run(), {})
    assert [e["metadata"]["chaukas"]["seq"] for e in events()] == [2, 3, 4, 5, 6]


def test_what_is_not_sampled_or_suppressed_is_not_recorded() -> None:
    with recording() as (recorder, events):
        recorder.emit(EventType.SYSTEM, run(sampled=False), {})
        token = SUPPRESSED.set(True)
        try:
            recorder.emit(EventType.SYSTEM, run(), {})
        finally:
            SUPPRESSED.reset(token)
        assert chaukas.sdk.stats().emitted == 1
    assert events() == []


def test_a_pair_shares_its_span_and_ends_once() -> None:
    with recording() as (recorder, events):
        pair = recorder.pairs.start(
            TOOL, run(), {"tool_call": {"tool_name": "t"}}, parent_span_id="p" * 16
        )
        assert recorder.pairs.open_count == 1
        assert recorder.pairs.end(pair, {"tool_response": {"tool_name": "t"}})
        assert not recorder.pairs.end(pair)
        assert recorder.pairs.open_count == 0
    start, end = events()
    assert start["span_id"] == end["span_id"] == pair.span_id
    assert start["parent_span_id"] == end["parent_span_id"] == "p" * 16
    assert (start["type"], end["type"]) == (
        "EVENT_TYPE_TOOL_CALL_START",
        "EVENT_TYPE_TOOL_CALL_END",
    )
    assert start["status"] == "EVENT_STATUS_STARTED"
    assert end["status"] == "EVENT_STATUS_COMPLETED"


def test_a_pair_whose_content_has_no_duration_has_one_in_its_frame() -> None:
    with recording() as (recorder, events):
        pair = recorder.pairs.start(EventType.AGENT_START, run(), {})
        recorder.pairs.end(pair, {})
    assert events()[1]["performance"]["duration_ms"] > 0


def test_an_end_names_the_agent_of_its_start() -> None:
    with recording() as (recorder, events):
        inside = run()
        inside.agent = AgentRef("one", "One")
        pair = recorder.pairs.start(TOOL, inside, {})
        inside.agent = AgentRef("two", "Two")
        recorder.pairs.end(pair, {})
    assert [e["agent_id"] for e in events()] == ["one", "one"]


def test_of_many_threads_one_ends_a_pair() -> None:
    with recording() as (recorder, events):
        pair = recorder.pairs.start(TOOL, run(), {})
        barrier = threading.Barrier(8)
        answers: list[bool] = []

        def end() -> None:
            barrier.wait()
            answers.append(recorder.pairs.end(pair, {}))

        threads = [threading.Thread(target=end) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [False] * 7 + [True]
    assert len(events()) == 2


def test_orphans_are_cancelled_innermost_first_with_their_content() -> None:
    with recording() as (recorder, events):
        inside = run()
        recorder.pairs.start(
            EventType.MODEL_INVOCATION_START,
            inside,
            {},
            closing={"llm_invocation": {"model": "m"}},
        )
        recorder.pairs.start(TOOL, inside, {})
        assert recorder.pairs.close_run(inside) == 2
        assert recorder.pairs.close_all() == 0
    tool, model = events()[2:]
    assert tool["type"] == "EVENT_TYPE_TOOL_CALL_END"
    assert model["type"] == "EVENT_TYPE_MODEL_INVOCATION_END"
    assert model["llm_invocation"] == {"model": "m"}
    for end in (tool, model):
        assert end["status"] == "EVENT_STATUS_CANCELLED"
        assert end["metadata"]["orphan"] is True


def test_nothing_begins_once_the_pairs_are_shut() -> None:
    with recording() as (recorder, events):
        recorder.pairs.start(TOOL, run(), {})
        assert recorder.pairs.shut() == 1
        late = recorder.pairs.start(TOOL, run(), {})
        assert not recorder.pairs.end(late, {})
        assert chaukas.sdk.stats().dropped == {"after_close": 1}
    assert Counter(e["type"] for e in events())["EVENT_TYPE_TOOL_CALL_START"] == 1


def test_a_pair_that_begins_while_the_pairs_are_shut_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with recording() as (recorder, events):
        emit = recorder.emit

        def shut_meanwhile(kind: EventType, *args: Any, **options: Any) -> None:
            emit(kind, *args, **options)
            # As if another thread had looked before the pair was in the table.
            recorder.pairs._is_shut = True

        monkeypatch.setattr(recorder, "emit", shut_meanwhile)
        recorder.pairs.start(TOOL, run(), {})
    assert [e["type"].rpartition("_")[2] for e in events()] == ["START", "END"]


def test_forgotten_pairs_never_end() -> None:
    with recording() as (recorder, events):
        pair = recorder.pairs.start(TOOL, run(), {})
        recorder.pairs.forget()
        assert not recorder.pairs.end(pair, {})
        assert recorder.pairs.close_all() == 0
    assert len(events()) == 1


def test_an_error_is_told_once_however_it_is_wrapped() -> None:
    cause = ValueError("root")
    wrapper = RuntimeError("outer")
    wrapper.__cause__ = cause
    with recording() as (recorder, events):
        inside = run()
        recorder.error(inside, cause, "p" * 16)
        recorder.error(inside, cause, "q" * 16)
        recorder.error(inside, wrapper, "q" * 16)
        recorder.error(run(), cause, "q" * 16)
    first, second = events()
    assert first["error"]["error_message"] == "root"
    assert first["error"]["error_code"] == "ValueError"
    assert first["parent_span_id"] == "p" * 16
    assert (first["status"], first["severity"]) == (
        "EVENT_STATUS_FAILED",
        "SEVERITY_ERROR",
    )
    assert second["parent_span_id"] == "q" * 16


def test_a_handled_error_may_come_back_as_another_failure() -> None:
    error = ValueError("again")
    with recording() as (recorder, events):
        inside = run()
        recorder.error(inside, error, "p", recoverable=True, recovery_action="told")
        recorder.error(inside, error, "p")
    handled, fatal = events()
    assert handled["error"]["recoverable"] is True
    assert handled["error"]["recovery_action"] == "told"
    assert "recoverable" not in fatal["error"]


def test_nested_runs_share_what_was_told() -> None:
    from chaukas.sdk.record.context import Node

    error = ValueError("inner")
    with recording() as (recorder, events):
        outer = run()
        inner = run(parent=Node(outer, "p" * 16, "tool"))
        recorder.error(inner, error, "p" * 16)
        recorder.error(outer, error, "p" * 16)
    assert len(events()) == 1


def test_a_stack_trace_is_told_unless_switched_off() -> None:
    for switch in (True, False):
        with recording(capture_stack_traces=switch) as (recorder, events):
            try:
                raise ValueError("x")
            except ValueError as error:
                recorder.error(run(), error, "p")
        told = events()[0]["error"].get("stack_trace", "")
        assert (__file__ in told) is switch
        assert told.endswith("\nValueError: x") is switch


def test_a_message_can_be_given_instead_of_the_errors_own() -> None:
    with recording() as (recorder, events):
        recorder.error(run(), ValueError("secret"), "p", message="hidden")
    assert events()[0]["error"] == {
        "error_message": "hidden",
        "error_code": "ValueError",
    }


@pytest.mark.parametrize(
    "name", ["a\ud800b", "\udcff", "x" * 3_000_000], ids=["high", "low", "long"]
)
def test_a_name_that_is_no_json_or_too_long_does_not_cost_the_event(name: str) -> None:
    with recording() as (recorder, events):
        inside = run()
        inside.agent = AgentRef(name, name)
        recorder.emit(EventType.SYSTEM, inside, {}, metadata={name: [name, {1: 2}]})
        assert not chaukas.sdk.stats().dropped
    [event] = events()
    json.dumps(event).encode()
    assert len(json.dumps(event)) < 1_100_000


def test_an_event_that_cannot_be_made_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")

    def refuse(*_: object) -> Any:
        # Once: the report of the loss is an event too.
        monkeypatch.undo()
        raise RuntimeError

    with recording() as (recorder, events):
        monkeypatch.setattr(recorder, "_encoded", refuse)
        recorder.emit(EventType.SYSTEM, run(), {})
        chaukas.sdk.flush()
        recorder.error(run(), ValueError(), "p")
        assert chaukas.sdk.stats().dropped == {"capture_error": 1}
    kinds = [event["type"] for event in events()]
    # The loss is on record too.
    assert kinds == ["EVENT_TYPE_SYSTEM", "EVENT_TYPE_ERROR"]


def test_an_error_that_cannot_be_read_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError(name)

    class Hostile(Exception, metaclass=Meta):
        pass

    with recording() as (recorder, events):
        recorder.error(run(), make(Hostile), "p")
        assert chaukas.sdk.stats().dropped == {"capture_error": 1}
    assert events() == []


def make(cls: type[BaseException]) -> BaseException:
    """Return an instance without asking its class anything."""
    return BaseException.__new__(cls)


class Custom(Exception):
    def __str__(self) -> str:
        raise AssertionError("read the arguments instead")


class _Texts(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("must not run")


@pytest.mark.parametrize(
    "package",
    [
        "anthropic",
        "crewai",
        "google",
        "langchain_anthropic",
        "langchain_core",
        "langchain_openai",
        "langgraph",
    ],
)
def test_an_error_of_a_framework_says_its_own_text(package: str) -> None:
    def text(self: Any) -> str:
        return f"said by {package}"

    body = {"__str__": text, "__module__": f"{package}.errors"}
    assert error_text(type("FrameworkError", (Exception,), body)("plain")) == (
        f"said by {package}"
    )
    body["__module__"] = f"{package}ology"
    assert error_text(type("OtherError", (Exception,), body)("plain")) == "plain"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("plain"), "plain"),
        (ValueError("a", 1), "('a', 1)"),
        (ValueError(), ""),
        (KeyError("k"), "'k'"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
        (Custom("said"), "said"),
        (Custom("said", 2), "('said', 2)"),
        (Custom(object(), "said"), "said"),
        (ValueError(Custom("inner")), ""),
        (ValueError(_Texts("odd")), ""),
        (type("Own", (OSError,), {})(5, "io"), "[Errno 5] io"),
    ],
)
def test_the_text_of_an_error_runs_no_code_of_strangers(
    error: BaseException, text: str
) -> None:
    assert error_text(error) == text


def test_an_api_error_brings_its_own_code() -> None:
    error = ValueError()
    error.code = "rate_limit_exceeded"  # type: ignore[attr-defined]
    assert error_code_of(error) == "ValueError:rate_limit_exceeded"
    error.code = 429  # type: ignore[attr-defined]
    assert error_code_of(error) == "ValueError"


def test_a_chain_of_errors_ends() -> None:
    first, second = ValueError(), KeyError()
    first.__context__, second.__context__ = second, first
    assert list(error_chain(first)) == [first, second]
    deep: BaseException = ValueError()
    for _ in range(100):
        above = ValueError()
        above.__cause__, deep = deep, above
    assert len(list(error_chain(deep))) == 16


def test_a_cause_hides_the_context() -> None:
    error, cause, context = ValueError(), KeyError(), TypeError()
    error.__context__, error.__cause__ = context, cause
    assert list(error_chain(error)) == [error, cause]


@pytest.mark.parametrize(
    ("nanoseconds", "ms"),
    [(0, 0), (1_000_000, 1), (1_500_000, 1.5), (1_234_567, 1.234), (999, 0)],
)
def test_milliseconds_are_whole_where_they_are(nanoseconds: int, ms: float) -> None:
    told = ms_between(7, 7 + nanoseconds)
    assert told == ms
    assert type(told) is type(ms)


def test_defaults_are_left_out() -> None:
    content = {"a": 0, "b": "", "c": None, "d": False, "e": [], "f": 1, "g": "x"}
    assert without_defaults(content) == {"f": 1, "g": "x"}
