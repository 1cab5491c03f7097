"""
Streams told piece by piece: everything that was streamed, in few events, no secret.

Whoever watches a record live must not see more than whoever reads it later.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from agents import Agent, Model, Runner, function_tool
from openai.types.responses import ResponseTextDeltaEvent

from chaukas.sdk.testing import FakeClock
from loopback import Call, Hosted, ModelServer, Reasoning, Refusal, Text, ToolCalls
from tests.support.agent_runs import Mode, record
from tests.support.scenarios import handoff
from tests.support.served import APIS, run_served
from tests.support.trees import named, only, tree, tree_of

by_api = pytest.mark.parametrize("api", APIS, ids=lambda api: api.__name__)

_LONG = "".join(f"word{index:04} " for index in range(400))


def _partials(events: list[Any]) -> list[Any]:
    told = named(events, "OUTPUT_EMITTED")
    return [event for event in told if event.get("is_partial")]


def _in_pieces(step_ns: int = 0) -> dict[str, Any]:
    """Return settings with a clock that stands still: only the length counts."""
    return {"stream_events": "deltas", "clock": FakeClock(step_ns=step_ns)}


def _streamed(*replies: Any, **options: Any) -> list[Any]:
    settings = options.pop("settings", None)
    settings = _in_pieces() if settings is None else settings
    recorded = record(lambda: run_served(replies, Mode.STREAMED, **options), **settings)
    assert recorded.error is None
    return recorded.events


def _told(partials: list[Any]) -> str:
    return "".join(event["message"]["text"] for event in partials)


@function_tool
async def note(text: str, password: str = "") -> str:
    """Note something."""
    return text


@by_api
def test_pieces_are_complete_and_stand_under_the_model_call(api: Any) -> None:
    events = _streamed(Text("Hello there, this is short."), api=api)
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              OUTPUT IN_PROGRESS
            OUTPUT
        """
    )
    partial, final = named(events, "OUTPUT_EMITTED")
    assert partial["message"] == {
        "role": "assistant",
        "text": "Hello there, this is short.",
        "metadata": {"part": "text", "piece": 1},
    }
    assert partial["is_partial"] is True
    assert final["is_final"] is True
    assert final["message"]["text"] == partial["message"]["text"]


@by_api
def test_a_long_text_is_told_in_few_pieces(api: Any) -> None:
    partials = _partials(_streamed(Text(_LONG), api=api))
    assert _told(partials) == _LONG
    assert 2 < len(partials) <= len(_LONG) / 192
    numbers = [event["message"]["metadata"]["piece"] for event in partials]
    assert numbers == list(range(1, len(partials) + 1))
    offsets = [event["message"]["metadata"].get("offset", 0) for event in partials]
    sizes = [len(event["message"]["text"]) for event in partials]
    assert offsets == [sum(sizes[:n]) for n in range(len(sizes))]


def test_a_slow_text_is_told_when_time_has_passed() -> None:
    settings = _in_pieces(step_ns=20_000_000)
    partials = _partials(_streamed(Text(_LONG[:600]), settings=settings))
    assert _told(partials) == _LONG[:600]
    assert len(partials) > 600 / 256 + 1


@by_api
def test_arguments_of_tools_are_told_with_the_call(api: Any) -> None:
    arguments = {"text": _LONG[:900]}
    script = ToolCalls(Call("note", arguments)), Text("Done")
    events = _streamed(*script, api=api, tools=[note])
    told = [
        event
        for event in _partials(events)
        if event["message"]["metadata"]["part"] == "tool_arguments"
    ]
    assert json.loads(_told(told)) == arguments
    call_id = only(events, "TOOL_CALL_START")["tool_call"]["tool_id"]
    for event in told:
        assert event["message"]["metadata"]["tool_name"] == "note"
        assert event["message"]["metadata"]["tool_call_id"] == call_id


def test_refusals_and_reasoning_are_told_apart() -> None:
    def parts(reply: Any) -> list[Any]:
        recorded = record(lambda: run_served([reply], Mode.STREAMED), **_in_pieces())
        return [
            (event["message"]["metadata"]["part"], event["message"]["text"])
            for event in _partials(recorded.events)
        ]

    assert parts(Reasoning("Thinking.", Text("Done."))) == [
        ("reasoning", "Thinking."),
        ("text", "Done."),
    ]
    assert parts(Refusal("No.")) == [("refusal", "No.")]


@pytest.mark.parametrize("size", [1, 7, 40, 300])
def test_no_secret_is_torn_in_two(size: int) -> None:
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    text = f"{_LONG[:290]} the key {key} and password: hunter2-hunter2 {_LONG}"
    pieces = Text(text, deltas=len(text) // size)
    settings = _in_pieces(step_ns=9_000_000)
    events = _streamed(pieces, settings=settings)
    told = _told(_partials(events))
    final = named(events, "OUTPUT_EMITTED")[-1]["message"]["text"]
    assert told == final
    assert "hunter2" not in told
    assert told.count("[REDACTED]") == 2
    marked = [event for event in _partials(events) if "redaction" in event]
    assert {one for event in marked for one in event["redaction"]["fields"]} == {
        "message.text"
    }


@by_api
def test_a_secret_argument_is_hidden_in_its_pieces(api: Any) -> None:
    arguments = {"password": "hunter2-" * 60, "text": _LONG[:500]}
    script = ToolCalls(Call("note", arguments)), Text("Done")
    events = _streamed(*script, api=api, tools=[note])
    assert "hunter2" not in str(events)
    assert "word0012" in _told(_partials(events))


def test_pieces_name_the_agent_that_speaks_and_the_switch_between() -> None:
    recorded = record(lambda: handoff(Mode.STREAMED), **_in_pieces())
    assert recorded.error is None
    story = [
        (event["type"].removeprefix("EVENT_TYPE_"), event["agent_name"])
        for event in recorded.events
        if event.get("is_partial") or "HANDOFF" in event["type"]
    ]
    names = [name for _, name in story]
    at = [kind for kind, _ in story].index("AGENT_HANDOFF")
    assert len(set(names[: at + 1])) == 1
    assert len(set(names[at + 1 :])) == 1
    assert names[0] != names[-1]


def test_hidden_content_gives_only_sizes() -> None:
    settings = _in_pieces() | {"capture_content": False}
    (partial,) = _partials(_streamed(Text("Hello there"), settings=settings))
    assert partial["message"]["text"] == "<11 chars>"


def test_by_default_a_stream_is_counted_and_not_told() -> None:
    events = _streamed(Text(_LONG, pause_s=0.0001), settings={})
    assert not _partials(events)
    ended = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert ended["chunk_count"] > 400
    assert ended["time_to_first_token_ms"] > 0
    assert ended["metadata"]["tokens_per_second"] > 0


def test_speed_is_of_the_tokens_that_were_streamed_since_the_first() -> None:
    from chaukas.sdk.integrations.shared.models import (
        tokens_per_second,
    )

    assert tokens_per_second(50, 500_000_000) == 100
    assert type(tokens_per_second(50, 500_000_000)) is int
    assert tokens_per_second(1, 3_000_000_000) == 0.33
    assert tokens_per_second(0, 1) == tokens_per_second(5, 0) == 0


def test_what_is_not_streamed_has_no_pieces_and_no_speed() -> None:
    recorded = record(
        lambda: run_served([Text("Hello")], Mode.RUN), stream_events="deltas"
    )
    assert not _partials(recorded.events)
    ended = only(recorded.events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert not {"chunks", "tokens_per_second"} & ended["metadata"].keys()


class _Hanging(Model):
    """Streams a beginning and then nothing, for ever."""

    def __init__(self, *deltas: Any) -> None:
        self.begun = asyncio.Event()
        self._deltas = deltas

    async def get_response(self, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream_response(self, *_args: Any, **_kwargs: Any) -> Any:
        for delta in self._deltas:
            yield ResponseTextDeltaEvent.model_construct(
                type="response.output_text.delta", delta=delta, output_index=0
            )
        self.begun.set()
        await asyncio.Event().wait()


def test_a_stream_that_is_cancelled_tells_the_rest_before_its_end() -> None:
    async def story() -> None:
        model = _Hanging("Hello ", 7, "there")
        agent: Agent[Any] = Agent(name="Assistant", model=model)
        stream = Runner.run_streamed(agent, "Hi")
        await model.begun.wait()
        stream.cancel()
        await asyncio.wait([stream.run_loop_task])

    events = record(story, **_in_pieces()).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
            MODEL CANCELLED
              OUTPUT IN_PROGRESS
        """
    )
    assert _told(_partials(events)) == "Hello there"


@by_api
def test_the_application_sees_the_same_stream(api: Any) -> None:
    async def story() -> list[str]:
        seen: list[str] = []
        replies = [ToolCalls(Call("note", {"text": "a"})), Text("Done and dusted")]
        with ModelServer(replies) as server:
            async with server.client() as client:
                agent: Agent[Any] = Agent(
                    name="Assistant", model=api(client), tools=[note]
                )
                stream = Runner.run_streamed(agent, "Hi")
                async for event in stream.stream_events():
                    seen.append(event.type)
        return seen

    told = record(story, stream_events="deltas").value
    assert told == asyncio.run(story())


def test_hosted_tools_and_their_code_are_told_together() -> None:
    call = {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "wiki",
        "name": "ask",
        "arguments": '{"question":"why?"}',
        "output": "because",
        "status": "completed",
    }
    events = _streamed(Hosted([call], "Done"))
    first, _text = _partials(events)
    assert first["message"]["metadata"]["tool_name"] == "ask"
    assert first["message"]["text"] == call["arguments"]
    assert only(events, "MCP_CALL_END")["mcp_call"]["response"] == {"output": "because"}
