"""Providers: whose models answer, over which API, and who keeps the conversation."""

from __future__ import annotations

from typing import Any

from agents import Agent, ModelProvider, RunConfig, Runner
from agents.memory import OpenAIConversationsSession
from agents.models.multi_provider import MultiProvider, MultiProviderMap
from agents.testing import ScriptedModel

from loopback import Text

from .scripted import bot, chat, responses, say, served
from .stops import section

__all__ = ()

TABLE = "Model Providers"
MODEL = "MODEL_INVOCATION_START.llm_invocation"


class HouseModel(ScriptedModel):
    """A model of the house, which says its name."""

    def __init__(self, name: str) -> None:
        super().__init__([say(f"I am {name}.")])
        self.model = name


class House(ModelProvider):
    """A provider of an application's own."""

    def get_model(self, model_name: str | None) -> Any:
        """Return a model of the house."""
        return HouseModel(model_name or "small")


@section(TABLE, "OpenAI Responses API", shows=f"{MODEL}.provider")
async def responses_api() -> None:
    async with served(Text("Hello")) as client:
        await Runner.run(bot(model=responses(client)), "Hi")


@section(TABLE, "OpenAI Chat Completions API", shows=f"{MODEL}.provider")
async def chat_api() -> None:
    async with served(Text("Hello")) as client:
        await Runner.run(bot(model=chat(client)), "Hi")


@section(
    TABLE,
    "Multi-provider support (LiteLLM)",
    shows=f"{MODEL}.model",
    note="LiteLLM is not installed: a provider with a prefix replaces it",
)
async def several() -> None:
    providers = MultiProviderMap()
    providers.add_provider("house", House())
    async with served(Text("Hello")) as client:
        both = MultiProvider(provider_map=providers, openai_client=client)
        for name in ("gpt-5-mini", "house/large"):
            config = RunConfig(model_provider=both)
            await Runner.run(Agent(name="Bot", model=name), "Hi", run_config=config)


@section(TABLE, "Custom model providers", shows=f"{MODEL}.model")
async def custom() -> None:
    config = RunConfig(model_provider=House())
    await Runner.run(Agent(name="Bot", model="small"), "Hi", run_config=config)


@section(TABLE, "Server-managed conversation", shows="STATE_UPDATE.state_update")
async def conversation() -> None:
    async with served(Text("Hello"), Text("Again")) as client:
        agent = bot(model=responses(client))
        session = OpenAIConversationsSession(openai_client=client)
        await Runner.run(agent, "Hi", session=session)
        await Runner.run(agent, "Again", session=session)


@section(TABLE, "`conversation_id` support", shows=f"{MODEL}.request.conversation_id")
async def conversation_id() -> None:
    async with served(Text("Hello")) as client:
        agent = bot(model=responses(client))
        await Runner.run(agent, "Hi", conversation_id="conv_7")


@section(TABLE, "`previous_response_id` support", shows="STATE_UPDATE.state_update")
async def previous_response_id() -> None:
    async with served(Text("Hello"), Text("Again")) as client:
        agent = bot(model=responses(client))
        result = await Runner.run(agent, "Hi", auto_previous_response_id=True)
        known = result.last_response_id
        await Runner.run(agent, "Again", previous_response_id=known)
