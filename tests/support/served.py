"""
Agents on the real openai client, against a model server on the loopback interface.

Only with real HTTP do the client's hidden retries, its errors and its streams show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import Agent
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel

from loopback import ModelServer

from .agent_runs import Mode, run_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.models.interface import Model
    from openai import AsyncOpenAI

    from loopback import Reply

__all__ = ("APIS", "chat", "responses", "run_served")


def responses(client: AsyncOpenAI) -> Model:
    """Return a model that speaks the Responses API."""
    return OpenAIResponsesModel("gpt-5", client)


def chat(client: AsyncOpenAI) -> Model:
    """Return a model that speaks the Chat Completions API."""
    return OpenAIChatCompletionsModel("gpt-5", client)


APIS: tuple[Callable[[Any], Any], ...] = (responses, chat)
"""Both of them."""


async def run_served(
    replies: Sequence[Reply],
    mode: Mode = Mode.RUN,
    *,
    api: Callable[[Any], Any] = responses,
    given: Any = "Hi",
    client: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    host: str = "",
    **agent: Any,
) -> Any:
    """
    Run an agent whose provider answers with *replies*, one for each request.

    Args:
        replies: The server's script.
        mode: `RUN` or `STREAMED`.
        api: `responses` or `chat`.
        given: The run's input.
        client: Options of the openai client.
        run: Further arguments of `Runner.run`.
        host: Name by which the client knows the server; by default its address.
        **agent: Arguments of `Agent`.
    """
    with ModelServer(replies) as server:
        async with server.client(known_as=host, **(client or {})) as connection:
            one: Agent[Any] = Agent(name="Assistant", model=api(connection), **agent)
            return await run_in(mode, one, given, **(run or {}))
