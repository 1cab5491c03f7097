"""Live conversations of ADK, over a real WebSocket to a server of the loopback."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.agents.live_request_queue import LiveRequestQueue
from google.adk.agents.run_config import RunConfig
from google.adk.models.google_llm import Gemini
from google.genai import types

from tests.frameworks.google_adk.support import (
    RELEASE,
    add,
    new_session,
    play,
    runner_of,
    said,
    tree_of,
)
from tests.support.trees import named, only, tree

sys.path.append(str(Path(__file__).resolve().parents[3] / "examples"))

from loopback.gemini_live import Called, GeminiLiveServer, GoesAway, HungUp, Said

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDS = pytest.mark.skipif(
    RELEASE < (2, 5), reason="a conversation does not end when it is closed"
)
ADD = Called("add", {"a": 1, "b": 2})


def spoken_to(server: GeminiLiveServer) -> Gemini:
    """Return a model that is served by *server*."""
    name, client = "gemini-2.5-flash-live", server.client()
    if "client" in Gemini.model_fields:
        return Gemini(model=name, client=client)
    model = Gemini(model=name)
    # As these releases keep the clients that they make.
    vars(model).update(api_client=client, _live_api_client=client)
    return model


async def converse(
    answers: list[Any],
    typed: list[str],
    *,
    turns: int,
    sent: Sequence[bytes] = (),
    **more: Any,
) -> list[Any]:
    """Type one text for each turn, and return all events."""
    seen: list[Any] = []
    with GeminiLiveServer(answers) as server:
        model = spoken_to(server)
        runner = runner_of(LlmAgent(name="root", model=model, tools=[add]))
        session = await new_session(runner)
        queue, waiting = LiveRequestQueue(), list(typed)
        for sound in sent:
            queue.send_realtime(
                types.Blob(data=sound, mime_type="audio/pcm;rate=16000")
            )
        queue.send_content(said(waiting.pop(0)))
        async for event in runner.run_live(
            user_id="u",
            session_id=session,
            live_request_queue=queue,
            run_config=RunConfig(response_modalities=["TEXT"], **more),
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


@ENDS
def test_a_conversation_with_a_tool_speech_and_an_interruption() -> None:
    answers = [
        ADD,
        Said("it is three"),
        Said("a long answer", heard="how are you", is_cut=True),
    ]
    program = converse(answers, ["add", "more"], turns=2)
    events = play(asyncio.wait_for(program, 120))
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
    assert inputs[2]["metadata"] == {"modality": "audio"}
    first, second, _ = (
        event["llm_invocation"] for event in named(events, "MODEL_INVOCATION_END")
    )
    assert first["response"]["tool_calls"][0]["name"] == "add"
    assert second["response"]["text"].split() == ["it", "is", "three"]
    assert (second["prompt_tokens"], second["completion_tokens"]) == (10, 5)
    started = named(events, "MODEL_INVOCATION_START")[0]["llm_invocation"]
    assert started["metadata"]["api"] == "live"
    assert started["request"]["input"][0]["parts"] == [{"text": "add"}]


@pytest.mark.skipif(RELEASE < (1, 20), reason="transcripts came as texts")
def test_what_a_model_says_aloud_is_told_by_its_transcript() -> None:
    answers = [Said("hello you", heard="good morning", is_spoken=True)]
    events = play(asyncio.wait_for(converse(answers, ["hi"], turns=1), 120))
    (output,) = named(events, "OUTPUT_EMITTED")
    assert output["message"]["text"].split() == ["hello", "you"]
    assert output["message"]["metadata"] == {"modality": "audio"}


def test_audio_is_counted_and_not_kept() -> None:
    answers = [Said("hello", is_spoken=True, audio=b"\1\2" * 480)]
    program = converse(answers, ["hi"], turns=1, sent=[b"\3\4" * 320] * 2)
    events = play(asyncio.wait_for(program, 120))
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["metadata"]["audio"] == {"bytes": 960, "chunks": 1, "ms": 20}
    assert only(events, "AGENT_END")["metadata"]["audio"] == {
        "in": {"bytes": 1280, "chunks": 2, "ms": 40},
        "out": {"bytes": 960, "chunks": 1, "ms": 20},
    }
    told = str(events)
    assert "AQIB" not in told
    assert "\\x01" not in told
    assert "\\x03" not in told


RESUMES = types.SessionResumptionConfig()


@ENDS
def test_a_connection_that_breaks_and_is_made_again_is_a_retry() -> None:
    answers = [
        Said("one"),
        HungUp(reason="overloaded"),
        HungUp(at_setup=True),
        Said("two"),
        Said("three"),
    ]
    program = converse(answers, ["a", "b", "c"], turns=3, session_resumption=RESUMES)
    events = play(asyncio.wait_for(program, 120))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            OUTPUT
            INPUT
            RETRY framework 1/5
            RETRY framework 2/5
            MODEL
            OUTPUT
            INPUT
            MODEL
            OUTPUT
        """
    )
    first, second = (event["retry"] for event in named(events, "RETRY"))
    assert "overloaded" in first["error_message"]
    assert first["metadata"]["error_code"]
    assert first["strategy"] == "immediate"
    assert "error_message" not in second or not second["error_message"]
    assert "handle-" not in str(events)


@ENDS
def test_a_connection_that_breaks_in_an_answer_cancels_that_answer() -> None:
    answers = [Said("one two", is_lost=True), Said("three")]
    program = converse(answers, ["a"], turns=1, session_resumption=RESUMES)
    events = play(asyncio.wait_for(program, 120))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL CANCELLED
            RETRY framework 1/5
            MODEL
            OUTPUT
        """
    )


@ENDS
def test_a_server_that_goes_away_is_told_and_is_no_retry() -> None:
    answers = [Said("one"), GoesAway("7s"), Said("two")]
    program = converse(answers, ["a", "b"], turns=2, session_resumption=RESUMES)
    events = play(asyncio.wait_for(program, 120))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            OUTPUT
            INPUT
            STATE_UPDATE
            MODEL
            OUTPUT
        """
    )
    change = only(events, "STATE_UPDATE")["state_update"]["live"]
    assert change == {"go_away": True, "time_left": "7s"}


@ENDS
def test_conversations_at_once_do_not_mix() -> None:
    async def program() -> None:
        talks = [
            converse([ADD, Said(f"answer {n}")], [f"question {n}"], turns=1)
            for n in range(8)
        ]
        await asyncio.gather(*talks)

    events = play(asyncio.wait_for(program(), 120))
    by_trace: dict[str, set[str]] = {}
    for kind in ("INPUT_RECEIVED", "OUTPUT_EMITTED"):
        for event in named(events, kind):
            number = event["message"]["text"].split()[1]
            by_trace.setdefault(event["trace_id"], set()).add(number)
    assert sorted(by_trace.values(), key=str) == [{str(n)} for n in range(8)]
    assert tree_of(events) == tree(
        """
        SESSION x8
          AGENT root
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


def test_a_conversation_that_is_left_after_its_tool() -> None:
    async def program() -> None:
        with GeminiLiveServer([ADD]) as server:
            model = spoken_to(server)
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

    events = play(asyncio.wait_for(program(), 120))
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
    events = play(asyncio.wait_for(converse([HungUp()], ["hi"], turns=1), 120))
    assert tree_of(events).split("\n")[:3] == [
        "SESSION",
        "  AGENT root FAILED",
        "    INPUT",
    ]
    assert len(named(events, "ERROR")) == 1
