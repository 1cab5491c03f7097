"""
Realtime conversations with a scripted model: what is sent, and what it leads to.

The SDK's own scripted transport, so that order is the script's and not the network's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from agents.realtime import RealtimeRunner
from agents.realtime.model_events import (
    RealtimeModelAudioEvent,
    RealtimeModelInputTokensDetails,
    RealtimeModelOutputTokensDetails,
    RealtimeModelToolCallEvent,
    RealtimeModelTranscriptDeltaEvent,
    RealtimeModelTurnEndedEvent,
    RealtimeModelTurnStartedEvent,
    RealtimeModelUsageEvent,
)
from agents.realtime.model_inputs import (
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
)
from agents.realtime.testing import RealtimeStep, ScriptedRealtimeModel
from agents.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = (
    "answered",
    "asked",
    "audio",
    "called",
    "comes",
    "settled",
    "spoken",
    "talk",
    "told",
    "turn",
    "usage",
)

SETTINGS = {"model_name": "gpt-realtime", "output_audio_format": "pcm16"}


def turn(*events: Any, response_id: str = "r1") -> list[Any]:
    """One response of the model, with these events inside."""
    return [
        RealtimeModelTurnStartedEvent(response_id=response_id),
        *events,
        RealtimeModelTurnEndedEvent(response_id=response_id),
    ]


def spoken(text: str, item_id: str = "i1", response_id: str = "r1") -> Any:
    """A piece of the transcript of what the model says."""
    return RealtimeModelTranscriptDeltaEvent(item_id, text, response_id)


def audio(data: bytes, item_id: str = "i1", response_id: str = "r1") -> Any:
    """A frame of what the model says."""
    return RealtimeModelAudioEvent(data, response_id, item_id, 0)


def called(name: str, arguments: str = "{}", call_id: str = "call_1") -> Any:
    """A call of the model."""
    return RealtimeModelToolCallEvent(name, call_id, arguments, id="item_of_call")


def usage() -> Any:
    """What a response took, partly audio."""
    return RealtimeModelUsageEvent(
        Usage(requests=1, input_tokens=1000, output_tokens=100, total_tokens=1100),
        RealtimeModelInputTokensDetails(text_tokens=200, audio_tokens=800),
        RealtimeModelOutputTokensDetails(text_tokens=10, audio_tokens=90),
    )


def asked(*events: Any) -> RealtimeStep:
    """What happens when a text is sent."""
    return RealtimeStep(RealtimeModelSendUserInput, events)


def answered(*events: Any) -> RealtimeStep:
    """What happens when a tool's output is sent."""
    return RealtimeStep(RealtimeModelSendToolOutput, events)


async def comes(condition: Callable[[], bool]) -> None:
    """Return when the condition holds, letting the loop go round until then."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition did not come true")


async def settled(session: Any) -> None:
    """Return when the session has no work of its own left."""
    await comes(lambda: not (session._tool_call_tasks or session._guardrail_tasks))


async def talk(
    agent: Any,
    steps: list[RealtimeStep],
    *messages: Any,
    then: Callable[[Any, Any], Awaitable[None]] | None = None,
    config: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
) -> list[str]:
    """
    Hold a conversation and return the types of the events that the session told.

    Args:
        agent: The first agent.
        steps: The model's script; steps that are left do not matter.
        *messages: What is sent, one after the other.
        then: Called with the session and the model before the session is closed.
        config: Of the runner.
        settings: Of the model.
    """
    model = ScriptedRealtimeModel(steps, strict=False)
    runner = RealtimeRunner(agent, model=model, config=config or {})
    options = {"initial_model_settings": {**SETTINGS, **(settings or {})}}
    session = await runner.run(model_config=options)
    async with session:
        for message in messages:
            await session.send_message(message)
            await settled(session)
        if then is not None:
            await then(session, model)
            await settled(session)
        return await told(session)


async def told(session: Any) -> list[str]:
    """Return the types of the events that wait in the session."""
    found: list[str] = []
    events = session.__aiter__()
    while not session._event_queue.empty():
        event = await events.__anext__()
        found.append(event.type)
    await events.aclose()
    return found
