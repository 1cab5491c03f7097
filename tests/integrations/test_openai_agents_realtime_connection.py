"""
The connection of a realtime session: made, closed and by whom, and what a caller waits.

Over a real WebSocket, because its close codes are what the SDK itself leaves out.
"""

from __future__ import annotations

from typing import Any

import pytest
from agents.realtime import RealtimeAgent, RealtimeRunner
from agents.realtime.model_events import (
    RealtimeModelConnectionStatusEvent,
    RealtimeModelRawServerEvent,
)

from loopback.realtime import HungUp, RealtimeServer, Said
from tests.support.agent_runs import Recording, record
from tests.support.realtime_conversations import asked, audio, spoken, talk, turn
from tests.support.trees import named, only, tree, tree_of


def bot() -> RealtimeAgent[Any]:
    return RealtimeAgent(name="Bot", instructions="You answer the telephone.")


def call(answers: Any, heard: Any = (), **settings: Any) -> Recording:
    """Speak once for each thing heard, then leave when the events end."""

    async def talk_to(server: RealtimeServer) -> None:
        options: Any = {
            **server.model_config,
            "initial_model_settings": {
                "model_name": "gpt-realtime",
                "input_audio_format": "g711_ulaw",
                "output_audio_format": "g711_ulaw",
                **settings,
            },
        }
        left = len(heard)
        async with await RealtimeRunner(bot()).run(model_config=options) as session:
            await session.send_audio(b"\xff" * 160, commit=True)
            async for event in session:
                if event.type == "agent_end":
                    left -= 1
                    if not left:
                        return
                    await session.send_audio(b"\xff" * 160, commit=True)

    with RealtimeServer(answers, heard) as server:
        return record(lambda: talk_to(server))


def system(events: Any, name: str) -> Any:
    """Return the data of the one SYSTEM event of this name."""
    (found,) = [
        event
        for event in named(events, "SYSTEM")
        if event["metadata"].get("name") == name
    ]
    return found["metadata"]["data"]


def test_a_call_that_the_application_ends_tells_connection_and_closing() -> None:
    events = call([Said("Hello")], ["Hi"]).events
    made = system(events, "realtime.connected")
    assert made.pop("duration_ms") > 0
    assert made.pop("host").startswith("127.0.0.1:")
    transport = "OpenAIRealtimeWebSocketModel"
    assert made == {"transport": transport, "model": "gpt-realtime"}
    closed = system(events, "realtime.closed")
    assert closed.pop("duration_ms") > 0
    assert closed == {"code": 1000, "meaning": "normal closure", "by": "application"}
    # Under the agent, as the rest of the call.
    agent = only(events, "AGENT_START")["span_id"]
    own = [
        event["parent_span_id"]
        for event in named(events, "SYSTEM")
        if event["metadata"]["name"].startswith("realtime.")
    ]
    assert own == [agent, agent]


@pytest.mark.parametrize(
    ("code", "reason", "meaning", "shown"),
    [
        (1001, "", "going away", "1001 going away"),
        (1001, "deploy", "going away", "1001 going away (deploy)"),
    ],
)
def test_a_server_that_goes_away_fails_the_agent(
    code: int, reason: str, meaning: str, shown: str
) -> None:
    recorded = call([Said("Hello"), HungUp(code, reason)], ["Hi", "Are you there?"])
    # The SDK tells its application nothing of it: the events just end.
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Bot FAILED
            INPUT
            MODEL
            OUTPUT
            INPUT
            MODEL CANCELLED
            ERROR ConnectionClosed:1001
        """
    )
    closed = system(recorded.events, "realtime.closed")
    assert closed.pop("duration_ms") > 0
    told = {"reason": reason} if reason else {}
    assert closed == {"code": code, "meaning": meaning, "by": "server", **told}
    error = only(recorded.events, "ERROR")["error"]
    assert error["error_message"] == f"the server closed the connection: {shown}"


@pytest.mark.parametrize(
    ("answer", "by", "code", "message"),
    [
        (HungUp(0), "network", 1006, "no close frame received or sent"),
        (HungUp(1011, "oops"), "server", 1011, "received 1011 (internal error) oops"),
    ],
    ids=["cut", "internal_error"],
)
def test_a_connection_that_breaks_is_an_error_in_the_words_of_its_exception(
    answer: HungUp, by: str, code: int, message: str
) -> None:
    recorded = call([answer], ["Hi"])
    assert type(recorded.error).__name__ == "ConnectionClosedError"
    closed = system(recorded.events, "realtime.closed")
    assert (closed["by"], closed["code"]) == (by, code)
    error = only(recorded.events, "ERROR")["error"]
    assert error["error_message"].startswith(message)
    assert only(recorded.events, "AGENT_END")["status"] == "EVENT_STATUS_FAILED"


def test_a_server_that_says_goodbye_ends_the_call_well() -> None:
    # Once the client has nothing more to send, which would fail.
    recorded = call([Said("Hello"), HungUp(1000, "done")], ["Hi", "Bye"])
    closed = system(recorded.events, "realtime.closed")
    assert (closed["by"], closed["code"], closed["reason"]) == ("server", 1000, "done")
    assert only(recorded.events, "AGENT_END")["status"] == "EVENT_STATUS_COMPLETED"
    assert named(recorded.events, "ERROR") == []


def test_a_transport_that_tells_no_code_is_closed_without_one() -> None:
    async def leave(session: Any, model: Any) -> None:
        await session.on_event(RealtimeModelConnectionStatusEvent("disconnected"))

    events = record(lambda: talk(bot(), [], then=leave)).events
    closed = system(events, "realtime.closed")
    assert closed.pop("duration_ms") > 0
    assert closed == {"by": "server"}
    assert only(events, "AGENT_END")["status"] == "EVENT_STATUS_COMPLETED"


def test_a_transport_that_is_connected_again_says_so() -> None:
    async def again(session: Any, model: Any) -> None:
        await session.on_event(RealtimeModelConnectionStatusEvent("disconnected"))
        await model.close()
        await model.connect({"url": "wss://u:p@far.example/v1?token=t"})

    events = record(lambda: talk(bot(), [], then=again)).events
    made = [
        event["metadata"]["data"]
        for event in named(events, "SYSTEM")
        if event["metadata"]["name"] == "realtime.connected"
    ]
    assert [each.get("reconnects") for each in made] == [None, 1]
    assert made[1]["host"] == "far.example"


# -- how long the caller waits --------------------------------------------------------


def _said(kind: str) -> Any:
    return RealtimeModelRawServerEvent({"type": f"input_audio_buffer.{kind}"})


def latencies(*before: Any) -> list[Any]:
    """Return the latency of two turns, the first of which answers *before*."""
    first = turn(audio(b"\x01" * 480), spoken("Hello"))
    second = turn(audio(b"\x01" * 480, "i2", "r2"), response_id="r2")
    steps = [asked(*before, *first, *second)]
    events = record(lambda: talk(bot(), steps, "Hi")).events
    return [
        end["llm_invocation"]["metadata"].get("response_latency_ms")
        for end in named(events, "MODEL_INVOCATION_END")
    ]


@pytest.mark.parametrize(
    "before",
    [
        ["speech_started", "speech_stopped", "committed"],
        ["committed"],
        ["speech_started", "speech_stopped", "speech_started", "speech_stopped"],
    ],
    ids="-".join,
)
def test_a_turn_tells_how_long_the_caller_waited_for_its_first_sound(
    before: list[str],
) -> None:
    first, second = latencies(*map(_said, before))
    assert first > 0
    # Nobody had spoken in between.
    assert second is None


def test_a_turn_that_answers_no_speech_has_no_latency() -> None:
    assert latencies() == [None, None]
    assert latencies(_said("speech_stopped"), _said("speech_started")) == [None, None]


# -- what was set ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {
            "input_audio_transcription": {"model": "gpt-4o-transcribe"},
            "input_audio_noise_reduction": {"type": "near_field"},
        },
        {
            "audio": {
                "input": {
                    "transcription": {"model": "gpt-4o-transcribe"},
                    "noise_reduction": {"type": "near_field"},
                }
            }
        },
    ],
    ids=["flat", "nested"],
)
def test_the_transcription_of_what_is_heard_is_a_setting(
    settings: dict[str, Any],
) -> None:
    events = record(
        lambda: talk(bot(), [asked(*turn(spoken("Hello")))], "Hi", settings=settings)
    ).events
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["settings"]["input_transcription"] == {"model": "gpt-4o-transcribe"}
    assert request["settings"]["input_noise_reduction"] == {"type": "near_field"}
