"""
Realtime sessions: every agent, turn, tool and word is on record, and no audio is.

Against the SDK's scripted transport, where the order is the script's, and against a
real WebSocket server, where it is the transport's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
import sys
import tracemalloc
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    OutputGuardrail,
    Runner,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    function_tool,
)
from agents.realtime import RealtimeAgent, RealtimeRunner, realtime_handoff
from agents.realtime.items import AssistantMessageItem, AssistantText
from agents.realtime.model_events import (
    RealtimeModelAudioInterruptedEvent,
    RealtimeModelErrorEvent,
    RealtimeModelExceptionEvent,
    RealtimeModelInputAudioTranscriptionCompletedEvent,
    RealtimeModelItemUpdatedEvent,
    RealtimeModelTurnStartedEvent,
)
from agents.realtime.testing import ScriptedRealtimeModel
from agents.testing import ScriptedModel

import chaukas.sdk
from chaukas.sdk.testing import FakeClock, capture_events
from loopback.realtime import Broken, Called, RealtimeServer, Said
from tests.support.agent_runs import Recording, outcome_of, record, say
from tests.support.realtime_conversations import (
    answered,
    asked,
    audio,
    called,
    comes,
    settled,
    spoken,
    talk,
    turn,
    usage,
)
from tests.support.trees import named, only, tree, tree_of

INLINE = {"async_tool_calls": False}


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@function_tool
def fail() -> str:
    """Fail; the model is told."""
    raise ValueError("no such file")


@function_tool(failure_error_function=None)
def explode() -> str:
    """Fail; nobody handles it."""
    raise ValueError("no such file")


def bot(name: str = "Bot", **options: Any) -> RealtimeAgent[Any]:
    options.setdefault("instructions", f"You are {name}.")
    return RealtimeAgent(name=name, **options)


def sum_asked() -> list[Any]:
    """A script: the model adds two numbers and says the sum."""
    return [
        asked(*turn(called("add", '{"a": 1, "b": 2}'), usage())),
        answered(
            *turn(
                audio(b"\x01" * 480, response_id="r2"),
                spoken("It is ", response_id="r2"),
                spoken("three", response_id="r2"),
                usage(),
                response_id="r2",
            )
        ),
    ]


def held(*args: Any, **options: Any) -> Recording:
    """Hold a scripted conversation, recorded."""
    return record(lambda: talk(*args, **options))


# --- whole conversations -------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, INLINE], ids=["tasks", "inline"])
def test_a_text_session_with_one_tool_is_this_tree(config: dict[str, Any]) -> None:
    run = held(bot(tools=[add]), sum_asked(), "1+2?", config=config)
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


@pytest.mark.parametrize("config", [{}, INLINE], ids=["tasks", "inline"])
def test_the_session_tells_the_same_events_with_and_without_chaukas(
    config: dict[str, Any],
) -> None:
    def play() -> Any:
        agent = bot(tools=[add], handoffs=[bot("Expert")])
        return talk(agent, sum_asked(), "1+2?", config=config)

    bare, error = outcome_of(play)
    assert error is None
    assert "tool_end" in bare
    assert record(play).value == bare


async def _call_by_phone(server: RealtimeServer) -> None:
    expert = bot("Expert")
    agent = bot(tools=[add], handoffs=[expert])
    settings = {
        "model_name": "gpt-realtime",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
    }
    options: Any = {**server.model_config, "initial_model_settings": settings}
    ended = 0
    async with await RealtimeRunner(agent).run(model_config=options) as session:
        await session.send_audio(b"\xff" * 160)
        await session.send_audio(b"\xff" * 160, commit=True)
        async for event in session:
            ended += event.type == "agent_end"
            if event.type != "agent_end":
                continue
            if ended in (2, 3):
                await session.send_audio(b"\xff" * 160, commit=True)
            if ended == 5:
                await session.send_message("Bye")
            if ended == 6:
                return


def test_a_call_over_a_real_websocket_is_this_tree() -> None:
    answers = (
        Called("add", {"a": 1, "b": 2}),
        Said("It is three", audio_ms=200),
        Said("A long story", audio_ms=2000, is_cut=True),
        Called("transfer_to_expert"),
        Said("Namaste"),
        Broken("The server had an error."),
    )
    heard = ("What is 1+2?", "Tell me a story", "The expert, please")
    with RealtimeServer(answers, heard) as server:
        run = record(lambda: _call_by_phone(server))
    assert run.error is None
    assert server.remaining == 0
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
            INPUT
            MODEL CANCELLED
            STATE_UPDATE
            OUTPUT
            INPUT
            MODEL
            HANDOFF Bot -> Expert
          AGENT Expert
            MODEL
            OUTPUT
            INPUT
            MODEL FAILED
              ERROR server_error recoverable
        """
    )
    ends = named(run.events, "AGENT_END")
    assert ends[0]["metadata"]["audio"] == {
        "in": {"chunks": 4, "bytes": 640, "ms": 80},
        "out": {"chunks": 110, "bytes": 17600, "ms": 2200},
    }
    assert ends[0]["metadata"]["handoff_to"] == "Expert"
    assert ends[0]["metadata"]["interruptions"] == 1
    cut = [event["message"] for event in named(run.events, "OUTPUT_EMITTED")][1]
    assert cut["text"].strip() == "A long story"
    assert cut["metadata"]["interrupted"] is True
    reasons = [
        event["llm_invocation"]["finish_reason"]
        for event in named(run.events, "MODEL_INVOCATION_END")
    ]
    assert reasons == "tool_calls stop cancelled tool_calls stop failed".split()
    # Frames are base64 on the wire and bytes in the session: neither is kept.
    assert "/////" not in json.dumps(run.events)


def test_sessions_at_the_same_time_keep_apart() -> None:
    async def both() -> None:
        one = talk(bot("One", tools=[add]), sum_asked(), "1+2?")
        other = talk(bot("Other", tools=[add]), sum_asked(), "1+2?")
        await asyncio.gather(one, other)

    events = record(both).events
    part = "  AGENT {}\n    INPUT\n    MODEL\n    TOOL add\n    MODEL\n    OUTPUT"
    assert tree_of(events) == "\n".join(
        ["SESSION", part.format("One"), part.format("Other")]
    )
    assert len({e["trace_id"] for e in named(events, "AGENT_START")}) == 2


# --- what events hold ----------------------------------------------------------------


def test_a_turn_tells_its_usage_its_cost_and_how_much_was_said() -> None:
    events = held(bot(tools=[add]), sum_asked(), "1+2?").events
    start = named(events, "MODEL_INVOCATION_START")[0]["llm_invocation"]
    assert start["model"] == "gpt-realtime"
    assert start["request"]["system"] == "You are Bot."
    assert start["request"]["tools"] == ["add"]
    first, second = named(events, "MODEL_INVOCATION_END")
    assert first["response_id"] == "r1"
    (call,) = first["llm_invocation"]["response"]["tool_calls"]
    assert call == {"id": "call_1", "name": "add", "arguments": {"a": 1, "b": 2}}
    told_of = second["llm_invocation"]
    assert told_of["response"] == {"text": "It is three"}
    assert told_of["metadata"]["audio"] == {"chunks": 1, "bytes": 480, "ms": 10}
    assert (told_of["prompt_tokens"], told_of["completion_tokens"]) == (1000, 100)
    total = only(events, "AGENT_END")["metadata"]["usage"]
    assert total["input_audio_tokens"] == 1600
    assert total["output_audio_tokens"] == 180


def test_audio_tokens_cost_what_audio_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def here(host: Any, *args: Any, **kwargs: Any) -> Any:
        named = host == "api.openai.com"
        return look_up("127.0.0.1" if named else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with RealtimeServer([Said("Hello")]) as server:

        async def greet() -> None:
            options: Any = {
                **server.model_config,
                "initial_model_settings": {"model_name": "gpt-realtime"},
            }
            options["url"] = options["url"].replace("127.0.0.1", "api.openai.com")
            async with await RealtimeRunner(bot()).run(model_config=options) as session:
                await session.send_message("Hi")
                async for event in session:
                    if event.type == "agent_end":
                        return

        cost = only(record(greet).events, "MODEL_INVOCATION_END")["cost"]
    # 30 text tokens at 4 dollars a million and 10 of audio at 32.
    assert cost["input_cost"] == pytest.approx(0.00044)


def test_a_tool_tells_arguments_output_and_who_asked() -> None:
    events = held(bot(tools=[add]), sum_asked(), "1+2?").events
    call = only(events, "TOOL_CALL_START")["tool_call"]
    assert call["tool_id"] == "call_1"
    assert call["arguments"] == {"a": 1, "b": 2}
    assert call["metadata"]["requested_by"] == "gpt-realtime"
    response = only(events, "TOOL_CALL_END")["tool_response"]
    assert response["output"] == {"output": 3}


def test_what_was_heard_is_input_and_images_are_counted() -> None:
    picture = {"type": "input_image", "image_url": "data:image/png;base64,SECRET"}
    message = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "What is this?"}, picture],
    }

    async def speak(_session: Any, model: Any) -> None:
        kind = RealtimeModelInputAudioTranscriptionCompletedEvent
        await model.emit(kind("u1", "A lamp?"), kind("u2", "  "))

    events = held(bot(), [], message, then=speak).events
    written, heard = (e["message"] for e in named(events, "INPUT_RECEIVED"))
    assert written["text"] == "What is this?"
    assert written["metadata"] == {"images": 1}
    assert heard["text"] == "A lamp?"
    assert heard["metadata"] == {"modality": "audio", "item_id": "u1"}
    assert "SECRET" not in json.dumps(events)


def test_a_message_that_is_told_again_is_one_output() -> None:
    item = AssistantMessageItem(
        item_id="i1", status="completed", content=[AssistantText(text="Hello there")]
    )
    update = RealtimeModelItemUpdatedEvent(item)
    steps = [asked(*turn(spoken("Hel"), update, update))]

    async def again(_session: Any, model: Any) -> None:
        await model.emit(update, spoken("late"))

    events = held(bot(), steps, "Hi", then=again).events
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == "Hello there"


def test_dynamic_instructions_are_told_as_the_model_got_them() -> None:
    def instructions(_context: Any, agent: Any) -> str:
        return f"Made for {agent.name}"

    steps = [asked(*turn(spoken("Hello")))]
    events = held(bot(instructions=instructions), steps, "Hi").events
    start = only(events, "AGENT_START")["metadata"]
    assert start["instructions_dynamic"] is True
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["system"] == "Made for Bot"


def test_without_content_names_and_amounts_stay() -> None:
    run = record(
        lambda: talk(bot(tools=[add]), sum_asked(), "my question"),
        capture_content=False,
    )
    text = json.dumps(run.events)
    for content in ("my question", "three", "You are Bot."):
        assert content not in text
    assert only(run.events, "TOOL_CALL_START")["tool_call"]["tool_name"] == "add"
    assert only(run.events, "AGENT_END")["metadata"]["audio"]["out"]["ms"] == 10


def test_a_session_takes_its_id_from_the_group_or_from_the_block_around_it() -> None:
    settings = {"tracing": {"group_id": "call-7"}}

    async def two() -> None:
        await talk(bot(), [], "Hi", settings=settings)
        with chaukas.sdk.session("mine", tenant_id="acme"):
            await talk(bot(), [], "Hi", settings=settings)

    starts = named(record(two).events, "SESSION_START")
    names = [(event["tenant_id"], event["session_id"]) for event in starts]
    assert names == [("default", "call-7"), ("acme", "mine")]


# --- agents --------------------------------------------------------------------------


def test_a_handoff_ends_an_agent_after_its_turn() -> None:
    expert = bot("Expert")
    steps = [
        asked(*turn(called("transfer_to_expert"), usage())),
        answered(*turn(spoken("Solved", response_id="r2"), response_id="r2")),
    ]
    run = held(bot(handoffs=[expert]), steps, "Help", config=INLINE)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            MODEL
            HANDOFF Bot -> Expert
          AGENT Expert
            MODEL
            OUTPUT
        """
    )
    handoff = only(run.events, "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["reason"] == "transfer_to_expert"
    assert handoff["handoff_data"]["tool_call_id"] == "call_1"
    # The tokens of the turn that handed over are the first agent's.
    first, second = named(run.events, "AGENT_END")
    assert first["metadata"]["usage"]["input_tokens"] == 1000
    assert "usage" not in second["metadata"]
    turns = named(run.events, "MODEL_INVOCATION_END")
    assert [event["agent_name"] for event in turns] == ["Bot", "Expert"]
    order = [run.events.index(turns[0]), run.events.index(first)]
    assert order == sorted(order)


def test_a_handoff_to_a_prepared_agent_says_so_too() -> None:
    handoffs = [realtime_handoff(bot("Expert"), tool_name_override="expert_please")]
    steps = [asked(called("expert_please"))]
    events = held(bot(handoffs=handoffs), steps, "Help").events
    assert only(events, "AGENT_HANDOFF")["agent_handoff"]["reason"] == "expert_please"


def test_an_agent_that_the_application_puts_in_force_is_a_handoff() -> None:
    hindi = bot("Bot", instructions="Speak Hindi.")

    async def switch(session: Any, model: Any) -> None:
        await session.update_agent(hindi)
        await model.emit(*turn(spoken("Namaste")))
        # The same again is no handoff.
        await session.update_agent(hindi)

    run = held(bot(), [], then=switch)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            HANDOFF Bot -> Bot
          AGENT Bot
            STATE_UPDATE
            MODEL
            OUTPUT
        """
    )
    handoff = only(run.events, "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["reason"] == "update_agent"


def test_a_tool_that_outlives_the_handoff_stands_under_its_own_agent() -> None:
    leave = asyncio.Event()

    @function_tool
    async def look() -> str:
        await leave.wait()
        return "found"

    expert = bot("Expert")
    steps = [
        asked(
            *turn(
                called("look", call_id="call_1"),
                called("transfer_to_expert", call_id="call_2"),
            )
        ),
    ]

    async def play() -> None:
        model = ScriptedRealtimeModel(steps, strict=False)
        agent = bot(tools=[look], handoffs=[expert])
        async with await RealtimeRunner(agent, model=model).run() as session:
            await session.send_message("Help")
            await comes(lambda: session._current_agent is expert)
            leave.set()
            await settled(session)

    run = record(play)
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            MODEL
            TOOL look
            HANDOFF Bot -> Expert
          AGENT Expert
        """
    )
    end = only(run.events, "TOOL_CALL_END")
    assert end["agent_name"] == "Bot"
    assert run.events.index(end) < run.events.index(named(run.events, "AGENT_END")[0])


# --- tools ---------------------------------------------------------------------------


def test_a_tool_whose_error_goes_to_the_model_failed_recoverably() -> None:
    run = held(bot(tools=[fail]), [asked(called("fail"))], "Go")
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            TOOL fail FAILED
              ERROR ValueError recoverable
        """
    )


@pytest.mark.parametrize("config", [{}, INLINE], ids=["tasks", "inline"])
def test_a_tool_whose_error_nobody_handles_fails_the_agent(
    config: dict[str, Any],
) -> None:
    def play() -> Any:
        steps = [asked(called("explode"))]
        return talk(bot(tools=[explode]), steps, "Go", config=config)

    _, bare = outcome_of(play)
    run = record(play)
    assert type(run.error) is type(bare)
    assert str(run.error) == str(bare)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot FAILED
            INPUT
            TOOL explode FAILED
              ERROR ValueError
        """
    )


def test_a_run_inside_a_tool_stands_under_the_tool() -> None:
    inner = Agent(name="Inner", model=ScriptedModel([say("42")]))

    @function_tool
    async def consult() -> str:
        result = await Runner.run(inner, "?")
        return str(result.final_output)

    run = held(bot(tools=[consult]), [asked(called("consult"))], "Go")
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            TOOL consult
              AGENT Inner
                MODEL
        """
    )


def test_an_unknown_tool_is_an_error_and_no_pair() -> None:
    run = held(bot(), [asked(called("missing"))], "Go")
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            ERROR RealtimeError recoverable
        """
    )


def test_a_tool_declared_as_retrieval_is_one_data_access() -> None:
    run = record(
        lambda: talk(bot(tools=[add]), sum_asked(), "1+2?"), data_access_tools=["add"]
    )
    assert only(run.events, "DATA_ACCESS")["data_access"]["datasource"] == "add"


def test_a_session_closed_under_a_tool_cancels_it() -> None:
    begun = asyncio.Event()

    @function_tool
    async def wait() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    async def play() -> None:
        model = ScriptedRealtimeModel([asked(called("wait"))], strict=False)
        runner = RealtimeRunner(bot(tools=[wait]), model=model)
        async with await runner.run() as session:
            await session.send_message("Go")
            await begun.wait()

    run = record(play)
    assert run.error is None
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            TOOL wait CANCELLED
        """
    )


# --- decisions -----------------------------------------------------------------------


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def test_an_approved_call_is_review_allow_and_then_a_tool() -> None:
    async def approve(session: Any, _model: Any) -> None:
        await session.approve_tool_call("call_1")

    steps = [asked(called("pay", '{"amount": 5}')), answered(*turn(spoken("Paid")))]
    run = held(bot(tools=[pay]), steps, "Pay", then=approve)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            POLICY tool_approval review
            POLICY tool_approval allow
            TOOL pay
            MODEL
            OUTPUT
        """
    )
    review = named(run.events, "POLICY_DECISION")[0]["policy"]
    assert review["rule_ids"] == ["pay"]
    assert review["metadata"]["tool_call_id"] == "call_1"


def test_a_rejected_call_is_a_decision_and_no_tool() -> None:
    async def reject(session: Any, _model: Any) -> None:
        await session.reject_tool_call("call_1", rejection_message="too much")

    run = held(bot(tools=[pay]), [asked(called("pay"))], "Pay", then=reject)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            POLICY tool_approval review
            POLICY tool_approval deny
        """
    )
    denial = named(run.events, "POLICY_DECISION")[1]
    assert denial["policy"]["rationale"] == "too much"


def test_an_output_guardrail_that_trips_is_a_denial_under_the_agent() -> None:
    def polite(_context: Any, _agent: Any, text: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput("checked", tripwire_triggered="idiot" in text)

    config = {"guardrails_settings": {"debounce_text_length": 5}}
    agent = bot(output_guardrails=[OutputGuardrail(polite)])
    steps = [asked(*turn(spoken("Hello "), spoken("you idiot")))]
    run = held(agent, steps, "Hi", config=config)
    outcomes = {e["policy"]["outcome"] for e in named(run.events, "POLICY_DECISION")}
    assert outcomes == {"allow", "deny"}
    agent_span = only(run.events, "AGENT_START")["span_id"]
    for event in named(run.events, "POLICY_DECISION"):
        assert event["policy"]["policy_id"] == "polite"
        assert event["parent_span_id"] == agent_span


def test_a_tool_that_its_guardrail_rejects_is_no_pair() -> None:
    def no_sums(_data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.reject_content("no sums today")

    guarded = function_tool(lambda: "never", name_override="guarded")
    guarded.tool_input_guardrails = [ToolInputGuardrail(no_sums)]
    run = held(bot(tools=[guarded]), [asked(called("guarded"))], "Go")
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            POLICY no_sums deny
        """
    )


# --- interruptions -------------------------------------------------------------------


def _interrupted_after(seconds: float) -> list[dict[str, Any]]:
    """Interrupt one second of audio so long after it began."""
    clock = FakeClock(step_ns=0)
    steps = [asked(*turn(audio(b"\x01" * 48_000), spoken("Hello")))]

    async def cut(_session: Any, model: Any) -> None:
        clock.skip(seconds)
        await model.emit(RealtimeModelAudioInterruptedEvent("i1", 0))

    with capture_events(clock=clock) as events:
        asyncio.run(talk(bot(), steps, "Hi", then=cut))
    return events()


def test_an_interruption_tells_how_much_had_been_played() -> None:
    events = _interrupted_after(0.4)
    playback = only(events, "STATE_UPDATE")["state_update"]["playback"]
    assert playback == {
        "item_id": "i1",
        "old": "playing",
        "new": "interrupted",
        "played_ms": 400,
        "received_ms": 1000,
    }
    assert only(events, "AGENT_END")["metadata"]["interruptions"] == 1


def test_speech_after_the_audio_was_played_interrupts_nothing() -> None:
    events = _interrupted_after(1.5)
    assert named(events, "STATE_UPDATE") == []
    assert "interruptions" not in only(events, "AGENT_END")["metadata"]


# --- errors and ends -----------------------------------------------------------------


def test_an_error_of_the_server_is_told_and_the_session_goes_on() -> None:
    error = {"message": "Unknown parameter", "code": "unknown_parameter"}
    steps = [asked(RealtimeModelErrorEvent(error), *turn(spoken("Hello")))]
    run = held(bot(), steps, "Hi")
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot
            INPUT
            ERROR unknown_parameter recoverable
            MODEL
            OUTPUT
        """
    )


def test_an_exception_of_the_transport_fails_the_agent_once() -> None:
    steps = [asked(RealtimeModelExceptionEvent(ConnectionError("line is dead")))]

    def play() -> Any:
        return talk(bot(), steps, "Hi")

    _, bare = outcome_of(play)
    run = record(play)
    assert type(run.error) is type(bare) is ConnectionError
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot FAILED
            INPUT
            ERROR ConnectionError
        """
    )
    assert only(run.events, "AGENT_END")["metadata"]["error"] == "ConnectionError"


def test_a_connection_that_fails_is_an_agent_that_failed() -> None:
    async def play() -> None:
        model = ScriptedRealtimeModel(connect_error=ConnectionError("no line"))
        async with await RealtimeRunner(bot(), model=model).run():
            pass

    run = record(play)
    assert isinstance(run.error, ConnectionError)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot FAILED
            ERROR ConnectionError
        """
    )


def test_a_cancelled_task_cancels_its_session() -> None:
    async def hold(entered: asyncio.Event) -> None:
        model = ScriptedRealtimeModel()
        async with await RealtimeRunner(bot(), model=model).run():
            await model.emit(RealtimeModelTurnStartedEvent(response_id="r1"))
            entered.set()
            await asyncio.Event().wait()

    async def play() -> None:
        entered = asyncio.Event()
        task = asyncio.create_task(hold(entered))
        await entered.wait()
        task.cancel()
        await task

    run = record(play)
    assert isinstance(run.error, asyncio.CancelledError)
    assert tree_of(run.events) == tree(
        """
        SESSION
          AGENT Bot CANCELLED
            MODEL CANCELLED
        """
    )


def test_a_session_that_nobody_closes_ends_as_an_orphan_when_it_goes() -> None:
    async def leave() -> None:
        model = ScriptedRealtimeModel(strict=False)
        session = await RealtimeRunner(bot(), model=model).run()
        await session.enter()
        await session.send_audio(b"\x01" * 480)
        model.remove_listener(session)

    with capture_events() as events:
        asyncio.run(leave())
        gc.collect()
        before_the_end = list(events())
    end = only(before_the_end, "AGENT_END")
    assert end["status"] == "EVENT_STATUS_CANCELLED"
    assert end["metadata"]["orphan"] is True
    assert end["metadata"]["audio"]["in"]["bytes"] == 480
    assert tree_of(events()) == "SESSION\n  AGENT Bot CANCELLED"


def test_closing_twice_ends_once() -> None:
    async def again(session: Any, _model: Any) -> None:
        await session.close()
        await session.close()

    assert tree_of(held(bot(), [], then=again).events) == "SESSION\n  AGENT Bot"


# --- cost ----------------------------------------------------------------------------


def test_an_hour_of_audio_adds_no_memory() -> None:
    frames_per_hour = 3600 * 50
    frame = audio(b"\x01" * 960)

    async def listen(session: Any, _model: Any) -> None:
        queue = session._event_queue

        async def hear(count: int) -> None:
            for _ in range(count):
                await session.send_audio(frame.data)
                await session.on_event(frame)
                while not queue.empty():
                    queue.get_nowait()

        # The scripted transport keeps what it is sent, which is its business.
        session._model.send_event = _drop
        await session.on_event(RealtimeModelTurnStartedEvent(response_id="r1"))
        tracemalloc.start()
        await hear(1000)
        # The first events of a process have patterns made, on the writer's thread.
        assert chaukas.sdk.flush(60)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await hear(4000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        # A quarter of a byte for each frame: nothing is kept of any.
        assert after - before < 1024
        await hear(frames_per_hour - 5000)

    run = held(bot(), [], then=listen, settings={"input_audio_format": "pcm16"})
    assert run.error is None
    amount = {"chunks": frames_per_hour, "bytes": frames_per_hour * 960}
    hour = only(run.events, "AGENT_END")["metadata"]["audio"]
    assert hour == {side: {**amount, "ms": 3_600_000} for side in ("in", "out")}
    # SESSION and AGENT, the one turn that was cut off, the connection that was made
    # and closed, and chaukas's own two.
    assert len(run.events) == 10


async def _drop(_event: Any) -> None:
    pass


def test_enabling_imports_nothing_and_a_later_import_is_seen() -> None:
    program = """
import asyncio, sys, chaukas.sdk
from chaukas.sdk.testing import capture_events
import agents
with capture_events() as events:
    assert not [name for name in sys.modules if "realtime" in name and "agents" in name
                and not name.startswith("chaukas")]
    assert "numpy" not in sys.modules and "agents.voice" not in sys.modules
    from agents.realtime import RealtimeAgent, RealtimeRunner
    from agents.realtime.testing import ScriptedRealtimeModel
    async def talk():
        model = ScriptedRealtimeModel()
        async with await RealtimeRunner(RealtimeAgent(name="Bot"), model=model).run():
            pass
    asyncio.run(talk())
print([event["type"].removeprefix("EVENT_TYPE_") for event in events()])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = ["SESSION_START", "AGENT_START", "SYSTEM", "SYSTEM", "AGENT_END"]
    assert ", ".join(map(repr, seen)) in done.stdout
