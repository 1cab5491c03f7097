"""Core: how agents are made and told what to do, and what their answers are."""

from __future__ import annotations

from typing import Any

from agents import Agent, AgentOutputSchema, ModelSettings, RunConfig, Runner
from agents.models.multi_provider import MultiProvider
from pydantic import BaseModel

from loopback import Text

from .scripted import bot, say, served
from .stops import section

__all__ = ()

TABLE = "Core Agent System"
ASKED = "MODEL_INVOCATION_START.llm_invocation"


class City(BaseModel):
    """What an agent answers with."""

    name: str
    population: int


class Census(BaseModel):
    """An answer with keys of any name, which strict schemas do not allow."""

    inhabitants: dict[str, int]


@section(
    TABLE, "Agent creation & configuration", shows="AGENT_START.metadata.instructions"
)
async def creation() -> None:
    agent = bot(say("Hello"), name="Greeter", handoff_description="Greets.")
    await Runner.run(agent, "Hi")


@section(
    TABLE,
    "Builder pattern",
    shows="AGENT_START.agent_name",
    note="in Python an agent is built from another with `clone`",
)
async def builder() -> None:
    agent = bot(say("Arr"), name="Sailor").clone(name="Pirate")
    await Runner.run(agent, "Hi")


@section(
    TABLE,
    "Instructions (system prompt)",
    shows=f"{ASKED}.request.system",
)
async def instructions() -> None:
    await Runner.run(bot(say("Ja"), instructions="Speak German."), "Hi")


@section(
    TABLE,
    "Dynamic system prompts",
    shows=f"{ASKED}.request.system",
)
async def dynamic_instructions() -> None:
    def serve(context: Any, _agent: Any) -> str:
        return f"You serve {context.context}."

    await Runner.run(bot(say("Yes"), instructions=serve), "Hi", context="Acme")


@section(
    TABLE,
    "Model configuration",
    shows=f"{ASKED}.model",
)
async def model() -> None:
    async with served(Text("Hello")) as client:
        provider = MultiProvider(openai_client=client)
        config = RunConfig(model="gpt-5-nano", model_provider=provider)
        await Runner.run(Agent(name="Bot"), "Hi", run_config=config)


@section(TABLE, "Temperature/top_p settings", shows=f"{ASKED}.temperature")
async def temperature() -> None:
    settings = ModelSettings(temperature=0.2, top_p=0.9)
    await Runner.run(bot(say("Hello"), model_settings=settings), "Hi")


@section(TABLE, "Max tokens", shows=f"{ASKED}.max_tokens")
async def max_tokens() -> None:
    settings = ModelSettings(max_tokens=100)
    await Runner.run(bot(say("Hello"), model_settings=settings), "Hi")


@section(TABLE, "Output type (structured outputs)", shows="OUTPUT_EMITTED.message.text")
async def output_type() -> None:
    answer = say('{"name": "Rome", "population": 2800000}')
    await Runner.run(bot(answer, output_type=City), "The capital?")


@section(
    TABLE,
    "Non-strict output types",
    shows=f"{ASKED}.request.output_schema",
)
async def non_strict_output_type() -> None:
    kind = AgentOutputSchema(Census, strict_json_schema=False)
    answer = say('{"inhabitants": {"Rome": 2800000}}')
    await Runner.run(bot(answer, output_type=kind), "Count them.")
