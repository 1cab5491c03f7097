"""
Google ADK: a live conversation with a tool, speech, and an interruption.

    python examples/adk_live.py

It needs `google-adk`. The model is a WebSocket server on this machine, so that the
conversation is the same every time; with an application's own Gemini nothing changes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.agents.live_request_queue import LiveRequestQueue
from google.adk.agents.run_config import RunConfig
from google.adk.models.google_llm import Gemini
from google.adk.runners import InMemoryRunner
from google.genai import types

import chaukas
from loopback.gemini_live import Called, GeminiLiveServer, Said
from recorded import fresh, show_tree

FILE = "adk_live.jsonl"
TURNS = 3
SCRIPT = (
    Called("weather", {"city": "Rome"}),
    Said("It is sunny in Rome."),
    # The user speaks; the server tells what it has heard.
    Said("Seventeen degrees.", heard="And how warm is it?"),
    Said("In Paris it will rain from morning to night.", is_cut=True),
)


def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


async def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with GeminiLiveServer(SCRIPT) as server:
        model = Gemini(model="gemini-2.5-flash-live", client=server.client())
        agent = LlmAgent(name="guide", model=model, tools=[weather])
        runner = InMemoryRunner(agent, app_name="guide")
        session = await runner.session_service.create_session(
            app_name="guide", user_id="ann"
        )
        queue = LiveRequestQueue()
        await talk(
            runner.run_live(
                user_id="ann",
                session_id=session.id,
                live_request_queue=queue,
                run_config=RunConfig(response_modalities=["TEXT"]),
            ),
            queue,
        )
    chaukas.disable_chaukas()
    show_tree(FILE)


async def talk(events: Any, queue: LiveRequestQueue) -> None:
    """Ask three times, each time when the last answer is over."""
    asked = 0

    def ask(text: str) -> None:
        part = types.Part(text=text)
        queue.send_content(types.Content(role="user", parts=[part]))

    ask("What is the weather in Rome?")
    answered = False
    async for event in events:
        answered = answered or bool(_text_of(event) and not event.partial)
        if event.interrupted or (event.turn_complete and answered):
            asked, answered = asked + 1, False
            if asked == TURNS:
                queue.close()
            else:
                ask(("(they speak)", "And in Paris?")[asked - 1])
        elif answered and _text_of(event):
            print(f"guide: {_text_of(event)}")


def _text_of(event: Any) -> str:
    parts = event.content.parts if event.content else None
    return "".join(part.text or "" for part in parts or ())


if __name__ == "__main__":
    asyncio.run(main())
