"""
Agents of the tour: their models answer from a script, most of them without a server.

What a section shows is then the feature, and not how a model happened to answer.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from agents.testing import ScriptedModel, assistant_message, function_call

from loopback import ModelServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from loopback import Reply

__all__ = ("bot", "calls", "chat", "responses", "say", "served", "stream")

MODEL = "gpt-5-mini"


def say(text: str) -> Any:
    """Return a model's step: an answer."""
    return [assistant_message(text)]


def calls(*wanted: tuple[str, dict[str, Any]], first: int = 1) -> Any:
    """Return a model's step: calls of tools, `call_1`, `call_2` and so on."""
    return [
        function_call(name, json.dumps(arguments), call_id=f"call_{number}")
        for number, (name, arguments) in enumerate(wanted, first)
    ]


def bot(*steps: Any, name: str = "Bot", **options: Any) -> Agent[Any]:
    """Return an agent whose model answers with these steps, one for each call."""
    options.setdefault("instructions", "Be brief.")
    options.setdefault("model", ScriptedModel(steps))
    return Agent(name=name, **options)


async def stream(agent: Agent[Any], given: Any = "Hi", **options: Any) -> list[Any]:
    """Run an agent as a stream, and return the events that it told."""
    result = Runner.run_streamed(agent, given, **options)
    return [event async for event in result.stream_events()]


@asynccontextmanager
async def served(*replies: Reply) -> AsyncIterator[Any]:
    """Yield a client of a provider that answers with these replies over HTTP."""
    with ModelServer(replies) as server:
        async with server.client(known_as="api.openai.com") as client:
            yield client


def responses(client: Any) -> OpenAIResponsesModel:
    """Return a model that speaks the Responses API."""
    return OpenAIResponsesModel(MODEL, client)


def chat(client: Any) -> OpenAIChatCompletionsModel:
    """Return a model that speaks the Chat Completions API."""
    return OpenAIChatCompletionsModel(MODEL, client)
