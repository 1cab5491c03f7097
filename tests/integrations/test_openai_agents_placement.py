"""Where events stand, whose they are, and what a run took: one rule for all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from collections import Counter
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.items import ModelResponse
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.usage import Usage

import chaukas.sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.testing import capture_events
from tests.support.agent_runs import Mode, record, say
from tests.support.models import call_alone
from tests.support.trees import named, only

# Made when the tests run, so that no scanner takes it for a real one.
KEY = "sk-proj-" + "Ab1" * 16
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


def agent(*texts: str, **options: Any) -> Agent[Any]:
    steps = [[assistant_message(text)] for text in texts or ("ok",)]
    return Agent(**{"name": "A", "model": ScriptedModel(steps), **options})


def run(**options: Any) -> None:
    asyncio.run(Runner.run(agent(), "hi", **options))


# -- names, ids and codes ---------------------------------------------------------


class OAuthError(Exception):
    def __init__(self) -> None:
        super().__init__("refused")
        self.code = KEY


def test_a_key_planted_in_a_name_an_id_or_a_code_is_hidden_everywhere() -> None:
    def broken() -> str:
        raise OAuthError

    tool = function_tool(broken, name_override="t", failure_error_function=None)
    steps = [[function_call("t", {}, call_id=f"call-{KEY}")]]
    named_so = agent(name=f"agent {KEY}", model=ScriptedModel(steps), tools=[tool])
    with capture_events() as events:
        with pytest.raises(Exception, match="refused"):
            asyncio.run(
                Runner.run(
                    named_so,
                    "hi",
                    run_config=RunConfig(group_id=KEY, trace_id=f"trace_{KEY}"),
                )
            )
        with chaukas.session(KEY, tenant_id=KEY, project_id=KEY, user_id=KEY):
            chaukas.policy_decision(KEY, "deny", rule_ids=[KEY])
            chaukas.data_access(KEY)
            chaukas.event(KEY)
    text = json.dumps(events())
    assert KEY not in text
    assert text.count("[REDACTED]") > 10


def test_two_sessions_whose_ids_are_hidden_stay_apart() -> None:
    with capture_events() as events:
        for end in "ab":
            with chaukas.session(KEY + end):
                run()
    ids = {event["session_id"] for event in named(events(), "SESSION_START")}
    assert len(ids) == 2


def test_a_long_id_of_the_application_makes_no_event_long() -> None:
    with capture_events() as events:
        run(run_config=RunConfig(group_id="g" * 1_200_000, trace_id="t" * 1_200_000))
    assert max(len(json.dumps(event)) for event in events()) < 20_000
    assert len({e["session_id"] for e in events() if "session_id" in e}) == 1


# -- what stands outside of runs --------------------------------------------------


def lone_call() -> None:
    asyncio.run(call_alone(ScriptedModel([say("Hello")]), Mode.RUN))


def test_a_lone_call_obeys_the_sample_rate_and_is_no_run() -> None:
    with capture_events(sample_rate=0) as events:
        lone_call()
    assert {e["type"] for e in events()} == {"EVENT_TYPE_SYSTEM"}
    with capture_events() as events:
        lone_call()
    assert only(events(), "SESSION_END")["session_end"]["metadata"]["runs"] == 1


def test_a_lone_call_joins_the_trace_of_its_caller() -> None:
    caller = TRACEPARENT + "01"
    with capture_events() as events, chaukas.session("s", traceparent=caller):
        lone_call()
    [start] = named(events(), "MODEL_INVOCATION_START")
    assert start["trace_id"] == TRACEPARENT[3:35]


def test_a_lone_call_hides_its_content_when_the_sdk_is_told_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA", "false")
    with capture_events() as events:
        lone_call()
    assert "Hello" not in json.dumps(events())


@pytest.mark.parametrize("flag", ["00", "01"])
def test_the_sampled_flag_of_a_caller_is_obeyed(flag: str) -> None:
    caller = TRACEPARENT + flag
    with capture_events() as events, chaukas.session("s", traceparent=caller):
        run()
    assert bool(named(events(), "AGENT_START")) is (flag == "01")


def test_what_chaukas_says_of_itself_stands_in_no_session() -> None:
    with capture_events() as events:
        run()
    own = [e for e in events() if e["type"] == "EVENT_TYPE_SYSTEM"]
    assert len(own) == 2
    assert not any("session_id" in event for event in own)


# -- runs -------------------------------------------------------------------------


def test_each_event_of_a_run_names_it_over_handoffs_and_nested_agents() -> None:
    inner = agent("inner", name="Inner")
    other = agent("done", name="Other")
    steps = [
        [function_call("ask", {"input": "x"}, call_id="c1")],
        [function_call("transfer_to_other", {}, call_id="c2")],
    ]
    first = Agent(
        name="First",
        model=ScriptedModel(steps),
        tools=[inner.as_tool("ask", "Ask.")],
        handoffs=[other],
    )
    with capture_events() as events:
        asyncio.run(Runner.run(first, "hi"))
        run()
    of_runs = [e for e in events() if "agent_name" in e]
    runs = Counter(e["metadata"]["run_id"] for e in of_runs)
    starts = named(events(), "AGENT_START")
    assert list(runs) == [starts[0]["span_id"], starts[-1]["span_id"]]
    assert {e["agent_name"] for e in of_runs} == {"First", "Inner", "Other", "A"}


def used(*counts: int) -> list[ModelResponse]:
    return [
        ModelResponse(
            output=[assistant_message("x")],
            usage=Usage(
                requests=1, input_tokens=n, output_tokens=n, total_tokens=2 * n
            ),
            response_id=None,
        )
        for n in counts
    ]


def test_the_last_end_of_a_run_tells_what_the_run_was_and_took() -> None:
    result = record(lambda: asyncio.run(Runner.run(agent("a"), "hi")))
    end = only(result.events, "AGENT_END")["metadata"]["run"]
    assert (end["outcome"], end["agents"], end["model_calls"]) == ("completed", 1, 1)
    failed = record(
        lambda: asyncio.run(
            Runner.run(Agent(name="A", model=ScriptedModel([ValueError("x")])), "hi")
        )
    )
    end = only(failed.events, "AGENT_END")["metadata"]["run"]
    assert (end["outcome"], end["agents"]) == ("failed", 1)
    session = only(failed.events, "SESSION_END")["session_end"]["metadata"]
    assert (session["runs"], session["failed_runs"]) == (1, 1)


def test_an_agent_that_is_built_anew_is_compared_by_its_name() -> None:
    with capture_events() as events:
        for instructions in ("Be brief.", "Be brief.", "Be long.", "Be brief."):
            asyncio.run(Runner.run(agent(instructions=instructions), "hi"))
    changes = [e["state_update"]["agent"] for e in named(events(), "STATE_UPDATE")]
    # The last is a configuration of this name that is known.
    assert [list(change) for change in changes] == [["instructions_hash"]]


def test_an_agent_that_is_no_agent_gives_the_errors_of_the_sdk_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for wrong in (None, "agent", 7):
        result = record(lambda wrong=wrong: asyncio.run(Runner.run(wrong, "hi")))
        assert isinstance(result.error, Exception)
        end = only(result.events, "AGENT_END")
        assert end["status"] == "EVENT_STATUS_FAILED"
    assert "internal error" not in caplog.text


def test_as_many_errors_as_there_were_are_on_record() -> None:
    attempts = 20

    def unlucky() -> str:
        for number in range(attempts):
            model = ScriptedModel([TimeoutError(str(number))])
            with contextlib.suppress(TimeoutError):
                asyncio.run(call_alone(model, Mode.RUN))
        return "gave up"

    tool = function_tool(unlucky)
    steps = [[function_call("unlucky", {}, call_id="c")], [assistant_message("ok")]]

    async def story() -> None:
        await Runner.run(
            Agent(name="A", model=ScriptedModel(steps), tools=[tool]), "hi"
        )

    result = record(lambda: asyncio.run(story()))
    failed = [
        e
        for e in named(result.events, "MODEL_INVOCATION_END")
        if e["status"] == "EVENT_STATUS_FAILED"
    ]
    assert len(failed) == attempts
    assert len(named(result.events, "ERROR")) == attempts


# -- blocks -----------------------------------------------------------------------


def test_a_user_is_named_on_every_event_of_a_block() -> None:
    with capture_events() as events, chaukas.session("s", user_id="u-1"):
        run()
        with chaukas.session("t"):
            chaukas.event("inside")
    inside = [e for e in events() if e.get("session_id") in {"s", "t"}]
    starts = [e for e in inside if not e["type"].endswith("SESSION_END")]
    assert {e["metadata"].get("user_id") for e in starts} == {"u-1"}


def test_a_session_that_is_kept_open_has_one_pair_for_many_blocks() -> None:
    with capture_events() as events:
        for _ in range(3):
            with chaukas.session("chat", keep_open=True):
                run()
        assert named(events(), "SESSION_END") == []
        assert chaukas.end_session("chat")
        assert len(named(events(), "SESSION_START")) == 1
        [end] = named(events(), "SESSION_END")
    assert end["session_end"]["metadata"]["runs"] == 3


def test_facts_of_a_session_without_a_run_are_recorded() -> None:
    with capture_events() as events, chaukas.session("s", metadata={"plan": "gold"}):
        pass
    start = only(events(), "SESSION_START")
    assert start["session_start"]["metadata"]["plan"] == "gold"
    assert only(events(), "SESSION_END")["session_end"]["metadata"]["runs"] == 0


@pytest.mark.parametrize("entering", ["here", "task", "thread"])
def test_a_block_may_be_left_somewhere_else(entering: str) -> None:
    async def story() -> None:
        stack = contextlib.AsyncExitStack()
        block = chaukas.session("s")
        await stack.enter_async_context(block)
        await Runner.run(agent(), "hi")
        if entering == "task":
            await asyncio.create_task(stack.aclose())
        elif entering == "thread":
            await asyncio.to_thread(block.__exit__, None, None, None)
        else:
            await stack.aclose()

    with capture_events() as events:
        asyncio.run(story())
        assert len(named(events(), "SESSION_END")) == 1


def test_a_redactor_may_wait_for_another_thread_that_begins_a_run() -> None:
    began = threading.Event()

    def redact(_path: str, value: object) -> object:
        if value == "gold":
            thread = threading.Thread(target=lambda: (run(), began.set()))
            thread.start()
            # Under a lock of ours this thread would never come back.
            assert began.wait(60)
            thread.join()
        return value

    with (
        capture_events(redact=redact) as events,
        chaukas.session("s", metadata={"plan": "gold"}),
    ):
        run()
        assert chaukas.flush(60.0)
    assert began.is_set()
    assert len(named(events(), "AGENT_START")) == 2


@pytest.mark.parametrize(
    "broken", ["hold", "release"], ids=["on entering", "on leaving"]
)
def test_a_fault_in_a_block_is_not_seen(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)

    def fail(*_args: object) -> None:
        raise RuntimeError("a bug of ours")

    with capture_events():
        runtime = _runtime.active()
        assert runtime is not None
        with monkeypatch.context() as patch:
            patch.setattr(runtime.sessions, broken, fail)
            with chaukas.session("s"):
                pass


def test_an_error_that_nobody_looked_at_is_still_reported_by_asyncio() -> None:
    def reports() -> list[str]:
        told: list[str] = []

        async def story() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, how: told.append(how["message"]))
            broken = Agent(name="A", model=ScriptedModel([ValueError("x")]))
            result = Runner.run_streamed(broken, "hi")
            task: Any = getattr(result, "run_loop_task", None) or result._run_impl_task
            await asyncio.wait([task])
            del result, task
            await asyncio.sleep(0)
            gc.collect()

        asyncio.run(story())
        return told

    bare = reports()
    with capture_events():
        recorded = reports()
    assert recorded == bare == ["Task exception was never retrieved"]


def test_trace_ids_are_random_in_their_low_bits() -> None:
    from chaukas.sdk.system.ids import RandomIds

    ids = RandomIds()
    made = [ids.trace_id() for _ in range(400)]
    assert len(set(made)) == 400
    high = sum(int(one[-14:], 16) >> 55 & 1 for one in made)
    assert 100 < high < 300
