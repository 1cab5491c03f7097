"""Live conversations of ADK, over a real WebSocket to a server of the loopback."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.agents.live_request_queue import LiveRequestQueue
from google.adk.agents.run_config import RunConfig
from google.adk.models.google_llm import Gemini

from tests.frameworks.google_adk.support import (
    add,
    new_session,
    play,
    runner_of,
    said,
    tree_of,
)
from tests.support.trees import named, tree

sys.path.append(str(Path(__file__).resolve().parents[3] / "examples"))

from loopback.gemini_live import Called, GeminiLiveServer, HungUp, Said

if "client" not in Gemini.model_fields:
    pytest.skip("its Gemini takes no client", allow_module_level=True)

ADD = Called("add", {"a": 1, "b": 2})


async def converse(answers: list[Any], typed: list[str], *, turns: int) -> list[Any]:
    """Type one text for each turn, and return all events."""
    seen: list[Any] = []
    with GeminiLiveServer(answers) as server:
        model = Gemini(model="gemini-2.5-flash-live", client=server.client())
        runner = runner_of(LlmAgent(name="root", model=model, tools=[add]))
        session = await new_session(runner)
        queue, waiting = LiveRequestQueue(), list(typed)
        queue.send_content(said(waiting.pop(0)))
        async for event in runner.run_live(
            user_id="u",
            session_id=session,
            live_request_queue=queue,
            run_config=RunConfig(response_modalities=["TEXT"]),
        ):
            seen.append(event)
            is_call = seen[-2:-1] and seen[-2].get_function_responses()
            if (event.turn_complete and not is_call) or event.interrupted:
                turns -= 1
                if not turns:
                    queue.close()
                elif waiting:
                    queue.send_content(said(waiting.pop(0)))
    return seen


def test_a_conversation_with_a_tool_speech_and_an_interruption() -> None:
    answers = [
        ADD,
        Said("it is three"),
        Said("a long answer", heard="how are you", is_cut=True),
    ]
    program = converse(answers, ["add", "more"], turns=2)
    events = play(asyncio.wait_for(program, 30))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
            INPUT x2
            MODEL CANCELLED
        """
    )
    inputs = [event["message"] for event in named(events, "INPUT_RECEIVED")]
    assert [each["text"] for each in inputs] == ["add", "more", "how are you"]
    assert inputs[2]["metadata"] == {"source": "speech"}
    first, second, _ = (
        event["llm_invocation"] for event in named(events, "MODEL_INVOCATION_END")
    )
    assert first["response"]["tool_calls"][0]["name"] == "add"
    assert second["response"]["text"].split() == ["it", "is", "three"]
    assert (second["prompt_tokens"], second["completion_tokens"]) == (10, 5)
    started = named(events, "MODEL_INVOCATION_START")[0]["llm_invocation"]
    assert started["metadata"]["api"] == "live"
    assert started["request"]["input"][0]["parts"] == [{"text": "add"}]


def test_what_a_model_says_aloud_is_told_by_its_transcript() -> None:
    answers = [Said("hello you", heard="good morning", is_spoken=True)]
    events = play(asyncio.wait_for(converse(answers, ["hi"], turns=1), 30))
    (output,) = named(events, "OUTPUT_EMITTED")
    assert output["message"]["text"].split() == ["hello", "you"]


def test_a_conversation_that_is_left_after_its_tool() -> None:
    async def program() -> None:
        with GeminiLiveServer([ADD]) as server:
            model = Gemini(model="gemini-2.5-flash-live", client=server.client())
            runner = runner_of(LlmAgent(name="root", model=model, tools=[add]))
            session = await new_session(runner)
            queue = LiveRequestQueue()
            queue.send_content(said("add"))
            events = runner.run_live(
                user_id="u",
                session_id=session,
                live_request_queue=queue,
                run_config=RunConfig(response_modalities=["TEXT"]),
            )
            async for event in events:
                if event.get_function_responses():
                    break
            await events.aclose()

    events = play(asyncio.wait_for(program(), 30))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root CANCELLED
            INPUT
            MODEL
            TOOL add
        """
    )


def test_a_server_that_hangs_up_fails_the_agent() -> None:
    events = play(asyncio.wait_for(converse([HungUp()], ["hi"], turns=1), 30))
    assert tree_of(events).split("\n")[:3] == [
        "SESSION",
        "  AGENT root FAILED",
        "    INPUT",
    ]
    assert len(named(events, "ERROR")) == 1
