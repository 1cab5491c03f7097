"""Realtime: a conversation that goes on, over a script and over a real WebSocket."""

from __future__ import annotations

from typing import Any

from agents.realtime import RealtimeAgent, RealtimeRunner
from agents.realtime.model_events import (
    RealtimeModelToolCallEvent,
    RealtimeModelTranscriptDeltaEvent,
    RealtimeModelTurnEndedEvent,
    RealtimeModelTurnStartedEvent,
)
from agents.realtime.model_inputs import (
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
)
from agents.realtime.testing import RealtimeStep, ScriptedRealtimeModel

from loopback.realtime import Called, RealtimeServer, Said

from .stops import section
from .tools import add

__all__ = ()

TABLE = "Realtime API"


def turn(event: Any, response_id: str) -> list[Any]:
    """Return one response of the model."""
    return [
        RealtimeModelTurnStartedEvent(response_id=response_id),
        event,
        RealtimeModelTurnEndedEvent(response_id=response_id),
    ]


def agent() -> RealtimeAgent[Any]:
    """Return an agent that can add."""
    return RealtimeAgent(name="Bot", instructions="Be brief.", tools=[add])


async def converse(runner: RealtimeRunner, config: Any) -> None:
    """Ask one question, and listen until it is answered."""
    ended = 0
    async with await runner.run(model_config=config) as session:
        await session.send_message("1 + 2?")
        async for event in session:
            ended += event.type == "agent_end"
            if ended == 2:
                return


@section(
    TABLE,
    "Realtime API support",
    shows="OUTPUT_EMITTED.message.text",
    note="one trace for as long as the conversation lasts",
)
async def api() -> None:
    call = RealtimeModelToolCallEvent("add", "call_1", '{"a": 1, "b": 2}', id="i0")
    answer = RealtimeModelTranscriptDeltaEvent("i1", "Three.", "r2")
    steps = [
        RealtimeStep(RealtimeModelSendUserInput, turn(call, "r1")),
        RealtimeStep(RealtimeModelSendToolOutput, turn(answer, "r2")),
    ]
    model = ScriptedRealtimeModel(steps)
    await converse(RealtimeRunner(agent(), model=model), {})


@section(
    TABLE,
    "WebSocket handling",
    shows="SYSTEM.metadata.data.transport",
    note="also by whom and with which code it is closed",
)
async def websocket() -> None:
    answers = Called("add", {"a": 1, "b": 2}), Said("Three.", audio_ms=200)
    with RealtimeServer(answers) as server:
        settings = {"model_name": "gpt-realtime"}
        config = {**server.model_config, "initial_model_settings": settings}
        await converse(RealtimeRunner(agent()), config)
