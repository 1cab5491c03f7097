"""The whole prompt of every model call can be rebuilt from the record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, ModelSettings, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call

import chaukas.sdk as chaukas
from chaukas.sdk.prompts import rebuild_prompts
from chaukas.sdk.record.recorder import Recorder
from chaukas.sdk.testing import capture_events


class Asked(ScriptedModel):
    """A scripted model that keeps what it was asked."""

    def __init__(self, steps: list[Any]) -> None:
        super().__init__(steps)
        self.asked: list[tuple[Any, Any]] = []

    async def get_response(self, *args: Any, **options: Any) -> Any:
        asked = dict(zip(("system_instructions", "input"), args, strict=False))
        asked |= options
        given = asked["input"]
        items = list(given) if isinstance(given, list) else [given]
        self.asked.append((asked["system_instructions"] or "", items))
        return await super().get_response(*args, **options)


@function_tool
def look_up(name: str) -> str:
    """Look something up."""
    return f"{name}!"


def conversation(turns: int) -> list[Any]:
    items: list[Any] = []
    for number in range(turns):
        items.append({"role": "user", "content": f"q{number}"})
        items.append({"role": "assistant", "content": f"a{number}"})
    return [*items, {"role": "user", "content": "last"}]


def test_a_stateless_chat_that_hands_in_41_messages_has_41_on_record() -> None:
    model = Asked([[assistant_message("ok")]])
    given = conversation(20)
    with capture_events() as events:
        asyncio.run(Runner.run(Agent(name="A", model=model), given))
    [prompt] = rebuild_prompts(events()).values()
    assert prompt.items == given
    assert len(prompt.items) == 41


@pytest.mark.parametrize("with_session", [False, True])
def test_each_prompt_of_many_runs_is_rebuilt_exactly(*, with_session: bool) -> None:
    steps: list[Any] = []
    for number in range(4):
        steps.append([function_call("look_up", {"name": "x"}, call_id=f"c{number}")])
        steps.append([assistant_message(f"done {number}")])
    model = Asked(steps)
    agent = Agent(
        name="A",
        instructions="Be brief.",
        model=model,
        tools=[look_up],
        model_settings=ModelSettings(temperature=0.5),
    )

    async def chat() -> None:
        for turns in (0, 1, 2, 3):
            await Runner.run(agent, conversation(turns))

    with capture_events() as events:
        if with_session:
            with chaukas.session("chat"):
                asyncio.run(chat())
        else:
            asyncio.run(chat())
    prompts = list(rebuild_prompts(events()).values())
    assert [(prompt.system, prompt.items) for prompt in prompts] == model.asked
    written = [
        item
        for event in events()
        if event["type"] == "EVENT_TYPE_MODEL_INVOCATION_START"
        for item in event["llm_invocation"]["request"]["input"]
    ]
    assert sum(item == {"role": "user", "content": "q0"} for item in written) == 1


def test_a_session_that_opens_again_holds_its_own_record() -> None:
    given = conversation(3)
    with capture_events() as events:
        for _ in range(2):
            with chaukas.session("chat"):
                model = Asked([[assistant_message("ok")]])
                asyncio.run(Runner.run(Agent(name="A", model=model), given))
    starts = [e for e in events() if e["type"] == "EVENT_TYPE_MODEL_INVOCATION_START"]
    assert [e["llm_invocation"]["request"]["input"] for e in starts] == [given, given]


def test_a_history_larger_than_an_event_is_on_record_after_the_next_calls() -> None:
    given = [
        {"role": "user", "content": f"{number} {'word ' * 400}"}
        for number in range(300)
    ]
    model = Asked([[assistant_message("ok")] for _ in range(3)])
    agent = Agent(name="A", model=model)

    async def chat() -> None:
        for _ in range(3):
            await Runner.run(agent, given)

    with capture_events() as events, chaukas.session("chat"):
        asyncio.run(chat())
    *_, last = rebuild_prompts(events()).values()
    assert last.items == given


def test_what_a_run_that_was_not_sampled_was_asked_is_written_by_the_next() -> None:
    given = [{"role": "user", "content": "first"}]
    model = Asked([[assistant_message("ok")], [assistant_message("ok")]])
    agent = Agent(name="A", model=model)
    with capture_events() as events, chaukas.session("chat"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Recorder, "is_sampled", lambda *_: False)
            asyncio.run(Runner.run(agent, given))
        asyncio.run(Runner.run(agent, given))
    prompts = [prompt.items for prompt in rebuild_prompts(events()).values()]
    assert prompts == [given]
