"""Prove what model calls of any framework record, with plain objects alone."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import _runtime
from chaukas.sdk.integrations.shared.models import (
    Answer,
    Failure,
    ModelCall,
    ModelCalls,
    Request,
    Schema,
    record_retry,
)
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.integrations.shared.streams import (
    ObservedIterator,
    ObservedStream,
    StreamObserver,
)
from chaukas.sdk.integrations.shared.usage import Usage, read_usage, usage_of
from chaukas.sdk.record.content import model_asked, retry
from chaukas.sdk.record.context import CURRENT, Node, Run
from chaukas.sdk.record.placement import open_session, place
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events
from tests.support.trees import named, only, tree_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ASKED = Request("openai", "gpt-4o", [{"role": "user", "content": "Hi"}])
ANSWERED = Answer(
    "Hello", usage=Usage(10, 5, 15), finish_reason="stop", response_id="r1"
)


def recorded(play: Callable[[ModelCalls, Run], Any], **settings: Any) -> Any:
    """Play model calls right under a session, in a run of no framework."""
    return _recorded(play, _placed, settings)


def recorded_by_agent(play: Callable[[ModelCalls, Any], Any], **settings: Any) -> Any:
    """Play model calls in a run of agents."""
    return _recorded(play, _agent_run, settings)


def _recorded(play: Any, make: Callable[[Any], Run], settings: Any) -> Any:
    clock, ids = FakeClock(), SequentialIds()
    with capture_events(clock=clock, ids=ids, **settings) as events:
        runtime = _runtime.active()
        assert runtime is not None
        play(ModelCalls(runtime), make(runtime))
    return events()


def _placed(runtime: Any) -> Run:
    found = place(runtime.sessions, runtime.recorder, framework="toy")
    found.run.agent_span_id = found.parent_span_id
    return found.run


def _agent_run(runtime: Any) -> AgentRun:
    opening = open_session(runtime.sessions, runtime.recorder, None, framework="toy")
    runtime.sessions.leave(opening.session)
    run = AgentRun(opening.session, opening.trace_id, framework="toy")
    run.agent_span_id = opening.span_id
    return run


def ended(events: Any) -> Any:
    return only(events, "MODEL_INVOCATION_END")


# --- begin, end, fail, cancel ----------------------------------------------------


def test_a_run_of_no_framework_records_a_call() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        calls.end(calls.begin(run, ASKED), ANSWERED)

    events = recorded(play)
    end = ended(events)
    told = end["llm_invocation"]
    assert tree_of(events) == "SESSION\n  MODEL"
    assert told.pop("duration_ms") > 0
    assert told == {
        "provider": "openai",
        "model": "gpt-4o",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "finish_reason": "stop",
        "response": {"text": "Hello"},
    }
    assert end["response_id"] == "r1"
    assert end["cost"]["total_tokens"] == 15
    assert (
        only(events, "SESSION_END")["session_end"]["metadata"]["usage"]["total_tokens"]
        == 15
    )


def test_a_call_of_agents_is_numbered_and_counted_for_agent_and_run() -> None:
    runs: list[AgentRun] = []

    def play(calls: ModelCalls, run: AgentRun) -> None:
        runs.append(run)
        for _ in range(2):
            calls.end(calls.begin(run, ASKED), ANSWERED)

    ends = named(recorded_by_agent(play), "MODEL_INVOCATION_END")
    (run,) = runs
    assert [end["llm_invocation"]["metadata"]["turn"] for end in ends] == [1, 2]
    assert (run.turns, run.last_model) == (2, "gpt-4o")
    assert run.agent_totals.usage.total_tokens == run.totals.usage.total_tokens == 30


def test_a_request_names_all_that_was_asked() -> None:
    asked = ASKED._replace(
        system="You help.",
        settings={"temperature": 0, "top_p": 0.5, "seed": 7},
        tools=["add"],
        tool_choice="auto",
        output_schema=Schema("City", True, {"type": "object"}),
        api="responses",
        stream=True,
        more={"previous_response_id": "r0"},
    )

    def play(calls: ModelCalls, run: AgentRun) -> None:
        calls.end(calls.begin(run, asked), ANSWERED)
        calls.end(calls.begin(run, asked), ANSWERED)

    first, second = named(recorded_by_agent(play), "MODEL_INVOCATION_START")
    told = first["llm_invocation"]
    request = told["request"]
    digests = {name: request.pop(name) for name in list(request) if "digest" in name}
    assert len(digests) == 2
    assert len(request.pop("system_hash")) == len(request.pop("output_schema_hash"))
    assert told["top_p"] == 0.5
    assert told["metadata"] == {"turn": 1, "api": "responses"}
    assert request == {
        "input": [{"role": "user", "content": "Hi"}],
        "input_count": 1,
        "system": "You help.",
        "tools": ["add"],
        "output_schema": "City",
        "output_schema_strict": True,
        "output_schema_definition": {"type": "object"},
        "previous_response_id": "r0",
        "settings": {"seed": 7, "tool_choice": "auto", "temperature": 0},
        "stream": True,
    }
    again = second["llm_invocation"]["request"]
    assert again["input"] == []
    assert not {"system", "output_schema_definition"} & again.keys()


def test_hidden_content_leaves_names_and_settings() -> None:
    asked = ASKED._replace(system="You help.", tools=["add"], settings={"seed": 7})
    call = {"id": "c1", "name": "add", "arguments": {"a": "secret plan"}}

    def play(calls: ModelCalls, run: Run) -> None:
        calls.end(calls.begin(run, asked), Answer("Hello", [call]))

    events = recorded(play, capture_content=False)
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    response = ended(events)["llm_invocation"]["response"]
    assert request["system"] == "<9 chars>"
    assert (request["tools"], request["settings"]) == (["add"], {"seed": 7})
    assert response["text"] == "<5 chars>"
    (shown,) = response["tool_calls"]
    assert (shown["id"], shown["name"]) == ("c1", "add")
    assert "secret plan" not in str(events)


def test_a_call_that_raises_has_one_error_and_is_failed() -> None:
    error = ValueError("no such model")

    def play(calls: ModelCalls, run: AgentRun) -> None:
        run.invocation = call = calls.begin(run, ASKED)
        calls.fail(call, error, Answer(usage=Usage(10, 0, 10)))
        calls.fail(call, error)
        assert run.invocation is None

    events = recorded_by_agent(play)
    told = ended(events)["llm_invocation"]
    assert tree_of(events) == "SESSION\n  MODEL FAILED\n    ERROR ValueError"
    assert told["finish_reason"] == "error"
    assert told["total_tokens"] == 10
    assert told["response"] == {"error": "no such model", "error_code": "ValueError"}
    assert (
        only(events, "SESSION_END")["session_end"]["metadata"]["usage"]["total_tokens"]
        == 10
    )


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()]
)
def test_what_is_no_exception_cancels(error: BaseException) -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        calls.fail(calls.begin(run, ASKED), error)

    assert tree_of(recorded(play)) == "SESSION\n  MODEL CANCELLED"


def test_a_provider_that_answers_with_a_failure_has_an_error() -> None:
    failure = Failure("too long", "length", True, "goes on")

    def play(calls: ModelCalls, run: Run) -> None:
        calls.end(calls.begin(run, ASKED), ANSWERED, failure=failure)

    events = recorded(play)
    assert tree_of(events) == "SESSION\n  MODEL FAILED\n    ERROR length recoverable"
    assert only(events, "ERROR")["error"]["recovery_action"] == "goes on"


@pytest.mark.parametrize(
    ("answer", "policy"),
    [
        (Answer(refusal="I will not"), "model_refusal"),
        (Answer("Well", finish_reason="content_filter"), "content_filter"),
    ],
)
def test_a_withheld_answer_is_a_decision(answer: Answer, policy: str) -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        call = calls.begin(run, ASKED)
        calls.end(call, answer)
        if policy == "content_filter":
            calls.note_filter(call)

    (told,) = named(recorded(play), "POLICY_DECISION")
    assert (told["policy"]["policy_id"], told["policy"]["outcome"]) == (policy, "deny")


def test_only_the_first_end_counts() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        call = calls.begin(run, ASKED)
        calls.end(call, ANSWERED)
        calls.end(call, ANSWERED)
        calls.cancel(call)
        assert not call.is_open

    events = recorded(play)
    assert (
        only(events, "SESSION_END")["session_end"]["metadata"]["usage"]["total_tokens"]
        == 15
    )
    assert len(named(events, "MODEL_INVOCATION_END")) == 1


def test_a_call_that_was_never_begun_ends_without_a_trace() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        call = ModelCall(run)
        calls.end(call, ANSWERED)
        calls.fail(call, ValueError("x"))
        calls.cancel(call)

    assert not named(recorded(play), "MODEL_INVOCATION_END")


def test_an_error_with_an_odd_code_still_has_its_error() -> None:
    class OddError(Exception):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.code = {"not": "hashable"}

    error = OddError("no")

    def play(calls: ModelCalls, run: Run) -> None:
        calls.fail(calls.begin(run, ASKED), error)

    assert tree_of(recorded(play)) == "SESSION\n  MODEL FAILED\n    ERROR OddError"


def test_a_refusal_stands_beside_its_call_wherever_that_stands() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        run.agent_span_id, parent = "", run.agent_span_id
        call = calls.begin(run, ASKED, parent_span_id=parent)
        calls.end(call, Answer(refusal="I will not"))

    events = recorded(play)
    start = only(events, "MODEL_INVOCATION_START")
    assert only(events, "POLICY_DECISION")["parent_span_id"] == start["parent_span_id"]


def test_a_hidden_tool_call_may_lack_its_id() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        asked = [{"name": "add", "arguments": {"a": 1}}]
        calls.end(calls.begin(run, ASKED), Answer(tool_calls=asked))

    response = ended(recorded(play, capture_content=False))["llm_invocation"][
        "response"
    ]
    (shown,) = response["tool_calls"]
    assert shown["name"] == "add"
    assert "id" not in shown


# --- retries ---------------------------------------------------------------------


def test_retries_stand_inside_the_pair_and_are_counted() -> None:
    error = TimeoutError("slow")

    def play(calls: ModelCalls, run: Run) -> None:
        call = calls.begin(run, ASKED)
        calls.retry(call, error, number=1, slept_ms=12.4, max_attempts=3)
        calls.end(call, ANSWERED)

    events = recorded(play)
    (told,) = named(events, "RETRY")
    start = only(events, "MODEL_INVOCATION_START")
    assert told["parent_span_id"] == start["span_id"]
    assert told["retry"] == {
        "attempt": 1,
        "max_attempts": 3,
        "backoff_ms": 12,
        "error_message": "slow",
        "retryable": True,
        "metadata": {"error_code": "TimeoutError"},
    }
    assert ended(events)["llm_invocation"]["metadata"] == {"attempts": 2}


def test_a_retry_may_have_a_text_of_its_own() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        runtime = _runtime.active()
        assert runtime is not None
        error = ValueError("secret")
        record_retry(runtime.recorder, run, "", error, number=2, message="refused")

    (told,) = named(recorded(play), "RETRY")
    assert told["retry"] == {
        "attempt": 2,
        "error_message": "refused",
        "retryable": True,
    }


def test_contents_leave_out_what_is_not_set() -> None:
    assert retry(attempt=1) == {"retry": {"attempt": 1, "retryable": True}}
    asked = {"temperature": 0, "top_p": 1.0, "stop": "x"}
    assert model_asked("p", "m", asked, {}) == (
        {
            "provider": "p",
            "model": "m",
            "top_p": 1.0,
            "request": {"settings": {"temperature": 0}},
        },
        {"stop": "x", "temperature": 0},
    )


# --- streams ---------------------------------------------------------------------


class Observer(StreamObserver):
    """Records one call by the items of its stream."""

    def __init__(self, calls: ModelCalls, run: Run) -> None:
        self.calls, self.run = calls, run
        self.seen: list[Any] = []

    def begun(self) -> Node:
        self.call = self.calls.begin(self.run, ASKED._replace(stream=True))
        return self.call.node

    def item(self, value: Any) -> None:
        self.calls.chunk(self.call, "text")
        self.seen.append(value)

    def ended(self) -> None:
        self.calls.end(self.call, ANSWERED)

    def failed(self, error: BaseException) -> None:
        self.calls.fail(self.call, error)


def words(fault: BaseException | None = None) -> Iterator[str]:
    node = CURRENT.get()
    assert node is not None
    assert node.kind == "model"
    yield "Hel"
    if fault is not None:
        raise fault
    yield "lo"


async def async_words(fault: BaseException | None = None) -> AsyncIterator[str]:
    for word in words(fault):
        yield word


def read(stream: Any) -> list[str]:
    return list(stream)


def read_async(stream: Any) -> list[str]:
    async def collect() -> list[str]:
        return [word async for word in stream]

    return asyncio.run(collect())


BOTH = pytest.mark.parametrize(
    ("proxy", "source", "reader"),
    [
        (ObservedIterator, words, read),
        (ObservedStream, async_words, read_async),
    ],
    ids=["sync", "async"],
)


@BOTH
def test_a_stream_is_counted_and_ends_with_its_items(
    proxy: Any, source: Any, reader: Any
) -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        stream = proxy(source(), Observer(calls, run))
        assert reader(stream) == ["Hel", "lo"]
        assert CURRENT.get() is None

    told = ended(recorded(play))["llm_invocation"]
    assert told["chunk_count"] == 2
    assert told["time_to_first_token_ms"] > 0
    assert told["metadata"]["chunks"] == {"text": 2}
    assert told["metadata"]["tokens_per_second"] > 0


@BOTH
def test_a_stream_that_breaks_is_failed_and_raises_the_same_error(
    proxy: Any, source: Any, reader: Any
) -> None:
    fault = ValueError("broken")

    def play(calls: ModelCalls, run: Run) -> None:
        with pytest.raises(ValueError, match="broken") as caught:
            reader(proxy(source(fault), Observer(calls, run)))
        assert caught.value is fault

    assert tree_of(recorded(play)) == "SESSION\n  MODEL FAILED\n    ERROR ValueError"


def test_a_stream_that_is_closed_early_is_cancelled_once() -> None:
    async def left(stream: Any) -> None:
        await stream.__anext__()
        await stream.aclose()
        await stream.aclose()

    def play(calls: ModelCalls, run: Run) -> None:
        stream = ObservedIterator(words(), Observer(calls, run))
        next(stream)
        stream.close()
        asyncio.run(left(ObservedStream(async_words(), Observer(calls, run))))

    ends = named(recorded(play), "MODEL_INVOCATION_END")
    assert [end["status"] for end in ends] == ["EVENT_STATUS_CANCELLED"] * 2


def test_a_stream_that_is_dropped_is_cancelled() -> None:
    def play(calls: ModelCalls, run: Run) -> None:
        stream = ObservedIterator(words(), Observer(calls, run))
        next(stream)
        del stream
        gc.collect()

    assert ended(recorded(play))["status"] == "EVENT_STATUS_CANCELLED"


def test_an_observer_that_fails_changes_nothing_for_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)

    class Broken(StreamObserver):
        def begun(self) -> Any:
            raise RuntimeError("a bug of ours")

        item = ended = failed = begun

    async def numbers() -> AsyncIterator[int]:
        yield 1

    assert read(ObservedIterator(iter([1]), Broken())) == [1]
    assert read_async(ObservedStream(numbers(), Broken())) == [1]


def test_a_stream_stays_what_it_is() -> None:
    source = iter([1])
    stream = ObservedIterator(source, StreamObserver())
    assert isinstance(stream, type(source))
    assert not hasattr(stream, "close")
    assert not hasattr(stream, "__anext__")


# --- usage -----------------------------------------------------------------------

WHOLE = Usage(100, 50, 150, 40, 5, 30, 1)
READINGS = {
    "responses": {
        "input_tokens": 100,
        "output_tokens": 50,
        "total_tokens": 150,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
        "output_tokens_details": {"reasoning_tokens": 30},
    },
    "chat": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 30},
    },
    "langchain": {
        "input_tokens": 100,
        "output_tokens": 50,
        "total_tokens": 150,
        "input_token_details": {"cache_read": 40, "cache_creation": 5},
        "output_token_details": {"reasoning": 30},
    },
    "anthropic": {
        "input_tokens": 55,
        "output_tokens": 50,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 5,
    },
    "google": {
        "prompt_token_count": 90,
        "tool_use_prompt_token_count": 10,
        "candidates_token_count": 20,
        "thoughts_token_count": 30,
        "cached_content_token_count": 40,
        "total_token_count": 150,
    },
}
MISSING = {
    "anthropic": {"reasoning_tokens": 0},
    "google": {"cache_write_tokens": 0},
}


@pytest.mark.parametrize("api", READINGS)
def test_usage_is_read_by_the_names_of_each_api(api: str) -> None:
    expected = WHOLE._replace(**MISSING.get(api, {}))
    given = READINGS[api]
    as_object = SimpleNamespace(
        **{
            name: SimpleNamespace(**value) if type(value) is dict else value
            for name, value in given.items()
        }
    )
    assert read_usage(given) == expected
    assert read_usage(as_object) == expected
    assert usage_of(SimpleNamespace(usage=as_object)) == expected


def test_no_usage_and_an_unknown_one_count_nothing() -> None:
    assert usage_of(None) == usage_of(SimpleNamespace()) == Usage()
    assert read_usage({"tokens": 7}) == Usage(requests=1)
    assert read_usage({"prompt_tokens": "7", "completion_tokens": 3.5}) == Usage(
        requests=1
    )
