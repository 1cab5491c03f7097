"""
Google ADK: a desk that asks two agents at once, and books once a person agrees.

    python examples/adk_travel_agents.py

It needs `google-adk`. With `GOOGLE_API_KEY` in the environment Gemini answers, without
it a server on this machine. One request is refused with HTTP 503: the client repeats
it, and the record says how long it waited.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from google.adk.agents import LlmAgent, ParallelAgent
from google.adk.apps import App
from google.adk.models.google_llm import Gemini
from google.adk.runners import InMemoryRunner
from google.adk.tools.agent_tool import AgentTool
from google.adk.tools.function_tool import FunctionTool
from google.genai import types

import chaukas
from loopback import Call, Fail, ModelServer, Text, ToolCalls
from recorded import fresh, show_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopback import Reply, Request

FILE = "adk_travel_agents.jsonl"
MODEL = "gemini-2.5-flash"
CONFIRMATION = "adk_request_confirmation"


def book(tool_context: Any, city: str, nights: int) -> str:
    """Book a hotel."""
    tool_context.state["booking"] = f"{nights} nights in {city}"
    tool_context.state["user:last_city"] = city
    return "booked"


def travel_desk(model: Any) -> App:
    """Return the application: a reception, and a planner who does the work."""
    experts = [
        LlmAgent(name=name, model=model, instruction=f"You know all about {name}.")
        for name in ("weather", "hotels")
    ]
    research = ParallelAgent(
        name="research", description="Looks at a city", sub_agents=experts
    )
    planner = LlmAgent(
        name="planner",
        model=model,
        description="Plans and books trips",
        instruction="Use research first, then book.",
        tools=[AgentTool(research), FunctionTool(book, require_confirmation=True)],
    )
    reception = LlmAgent(
        name="reception",
        model=model,
        instruction="Hand questions about trips over to the planner.",
        sub_agents=[planner],
    )
    return App(name="travel", root_agent=reception)


async def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with gemini() as model:
        runner = InMemoryRunner(app=travel_desk(model))
        session = await runner.session_service.create_session(
            app_name="travel", user_id="ann"
        )
        message = types.Content(
            role="user", parts=[types.Part(text="Two nights in Rome, please.")]
        )
        question = await say(runner, session.id, message)
        if question is not None:
            print("the traveller agrees")
            await say(runner, session.id, agreed(question))
    chaukas.disable_chaukas()
    show_tree(FILE)


async def say(runner: Any, session_id: str, message: Any) -> Any:
    """Print what is answered; return the call that wants to be confirmed, if any."""
    question = None
    async for event in runner.run_async(
        user_id="ann", session_id=session_id, new_message=message
    ):
        calls = event.get_function_calls()
        question = next((c for c in calls if c.name == CONFIRMATION), question)
        if event.is_final_response() and event.content and event.content.parts:
            text = "".join(part.text or "" for part in event.content.parts)
            if text:
                print(f"{event.author}: {text}")
    return question


def agreed(question: Any) -> Any:
    """Return the message in which a person confirms a call."""
    response = types.FunctionResponse(
        id=question.id, name=question.name, response={"confirmed": True}
    )
    return types.Content(role="user", parts=[types.Part(function_response=response)])


# --- the model behind the example ----------------------------------------------------


@contextmanager
def gemini() -> Iterator[Any]:
    """Yield Gemini, or one that is served on this machine."""
    retry = types.HttpRetryOptions(attempts=3, initial_delay=0.05, jitter=0)
    if os.environ.get("GOOGLE_API_KEY"):
        yield Gemini(model=MODEL, retry_options=retry)
        return
    os.environ["GOOGLE_API_KEY"] = "loopback-needs-no-key"
    with ModelServer(Script()) as server:
        yield Gemini(model=MODEL, base_url=server.root_url, retry_options=retry)


class Script:
    """What the agents say; each by its own instruction, as two of them run at once."""

    def __init__(self) -> None:
        self._planner = iter(
            (
                ToolCalls(Call("research", {"request": "Rome"})),
                Fail(503),
                ToolCalls(Call("book", {"city": "Rome", "nights": 2})),
                Text("Two nights in Rome are booked."),
            )
        )

    def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        system = str(request.body.get("systemInstruction", ""))
        if "about weather" in system:
            return Text("Sunny.")
        if "about hotels" in system:
            return Text("Rooms are free.")
        if "Use research first" in system:
            return next(self._planner)
        return ToolCalls(Call("transfer_to_agent", {"agent_name": "planner"}))


if __name__ == "__main__":
    asyncio.run(main())
