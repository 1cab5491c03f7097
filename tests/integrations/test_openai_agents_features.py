"""
What decides the model's input and the agent's next step, besides the conversation.

Prompts, filters, handoffs, output types, forced tools, the application's own hooks: the
record holds what the model was really given, and what really ended the run.
"""

from __future__ import annotations

import types
from dataclasses import replace
from typing import Any

import pytest
from agents import (
    Agent,
    AgentHooks,
    AgentOutputSchema,
    ModelSettings,
    RunConfig,
    RunHooks,
    StopAtTools,
    ToolsToFinalOutputResult,
    function_tool,
    handoff,
)
from agents.extensions import ToolOutputTrimmer, handoff_filters
from agents.run import ModelInputData
from pydantic import BaseModel

from chaukas.sdk.prompts import rebuild_prompts
from loopback import ModelServer, Text
from tests.support.agent_runs import (
    Mode,
    calls,
    in_loop,
    outcome_of,
    record,
    run_in,
    say,
)
from tests.support.scenarios import add, assistant
from tests.support.served import responses, run_served
from tests.support.trees import named, only, tree, tree_of


def requests_of(events: Any) -> list[dict[str, Any]]:
    """Return what each model call was asked."""
    starts = named(events, "MODEL_INVOCATION_START")
    return [start["llm_invocation"]["request"] for start in starts]


def prompts_of(events: Any) -> list[list[str]]:
    """Return the texts of each prompt, put together again."""
    return [texts_of(one.items) for one in rebuild_prompts(events).values()]


def texts_of(items: list[Any]) -> list[str]:
    """Return one text for each item of an input."""
    return [
        item
        if type(item) is str
        else str(item.get("output") or item.get("name") or item.get("content"))
        for item in items
    ]


# -- prompts --------------------------------------------------------------------------


@in_loop
def test_a_prompt_is_named_with_version_and_variables(mode: Mode) -> None:
    prompt = {"id": "pmpt_7", "version": "2", "variables": {"city": "Rome"}}
    events = record(lambda: run_served([Text("Hello")], mode, prompt=prompt)).events
    (request,) = requests_of(events)
    assert request["prompt"] == prompt


@in_loop
def test_a_prompt_that_a_function_makes_is_the_one_that_it_made(mode: Mode) -> None:
    made: list[str] = []

    async def prompt_for(data: Any) -> Any:
        made.append(data.agent.name)
        return {"id": f"pmpt_{data.context.context}", "version": "9"}

    def story() -> Any:
        return run_served(
            [Text("Hello")], mode, prompt=prompt_for, run={"context": "vip"}
        )

    events = record(story).events
    (request,) = requests_of(events)
    assert request["prompt"] == {"id": "pmpt_vip", "version": "9"}
    assert made == ["Assistant"], "asked for once, by the SDK"


@in_loop
def test_a_model_that_only_a_prompt_names_is_left_out(mode: Mode) -> None:
    async def story() -> Any:
        with ModelServer([Text("Hello")]) as server:
            async with server.client() as client:
                model = responses(client)
                agent = Agent[Any](name="A", model=model, prompt={"id": "pmpt_1"})
                return await run_in(mode, agent)

    events = record(story).events
    (request,) = requests_of(events)
    assert request["prompt"] == {"id": "pmpt_1"}


# -- instructions ---------------------------------------------------------------------


@in_loop
def test_dynamic_instructions_are_called_by_the_sdk_alone(mode: Mode) -> None:
    asked: list[Any] = []

    def instructions(context: Any, agent: Any) -> str:
        asked.append(context.context)
        return f"Serve {context.context}, turn {len(asked)}."

    async def story() -> Any:
        steps = calls(("add", {"a": 1, "b": 2})), say("3")
        agent = assistant(*steps, instructions=instructions, tools=[add])
        return await run_in(mode, agent, context="acme")

    events = record(story).events
    assert asked == ["acme", "acme"]
    facts = only(events, "AGENT_START")["metadata"]
    assert facts["instructions_dynamic"] is True
    assert "instructions" not in facts
    told = [request["system"] for request in requests_of(events)]
    assert told == ["Serve acme, turn 1.", "Serve acme, turn 2."]


# -- filters of the model's input -----------------------------------------------------


@in_loop
@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_model_call_tells_what_a_filter_left(keep: int, mode: Mode) -> None:
    given: list[list[Any]] = []

    async def last_items(data: Any) -> ModelInputData:
        items = data.model_data.input[-keep:]
        given.append(items)
        return ModelInputData(input=items, instructions="Filtered.")

    async def story() -> Any:
        numbers = {"a": 1, "b": 2}
        steps = (
            calls(("add", numbers)),
            calls(("add", numbers), first=2),
            calls(("add", numbers), first=3),
            say("Done"),
        )
        config = RunConfig(call_model_input_filter=last_items)
        return await run_in(mode, assistant(*steps, tools=[add]), run_config=config)

    events = record(story).events
    requests = requests_of(events)
    assert [len(items) for items in given] == [1, *[min(keep, n) for n in (3, 5, 7)]]
    assert requests[0]["system"] == "Filtered."
    assert prompts_of(events) == [texts_of(items) for items in given]
    assert [request["input_count"] for request in requests] == [
        len(items) for items in given
    ]


@in_loop
def test_a_filter_that_raises_fails_the_run_before_the_model(mode: Mode) -> None:
    def broken(_data: Any) -> ModelInputData:
        raise LookupError("no filter today")

    async def story() -> Any:
        config = RunConfig(call_model_input_filter=broken)
        return await run_in(mode, assistant(say("Hello")), run_config=config)

    recorded = record(story)
    assert isinstance(recorded.error, LookupError)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            ERROR LookupError
        """
    )


@in_loop
def test_a_trimmed_tool_output_is_trimmed_on_record_too(mode: Mode) -> None:
    @function_tool
    def search() -> str:
        return "found " * 200

    async def story() -> Any:
        steps = calls(("search", {})), say("One"), say("Two"), say("Three")
        agent = assistant(*steps, tools=[search])
        trimmer = ToolOutputTrimmer(
            recent_turns=1, max_output_chars=100, preview_chars=10
        )
        config = RunConfig(call_model_input_filter=trimmer)
        result = await run_in(mode, agent, run_config=config)
        items = [*result.to_input_list(), {"role": "user", "content": "And now?"}]
        return await run_in(mode, agent, items, run_config=config)

    events = record(story).events
    *_, untrimmed, trimmed = requests_of(events)
    assert texts_of(untrimmed["input"])[-1].startswith("found found")
    assert len(texts_of(untrimmed["input"])[-1]) == 1200
    (output,) = [item for item in trimmed["input"] if "output" in item]
    assert output["output"].startswith("[Trimmed: search output")
    # What the tool returned is on record as it was.
    end = only(events, "TOOL_CALL_END")["tool_response"]
    assert len(end["output"]["output"]) == 1200


# -- handoffs -------------------------------------------------------------------------


def _handing(filtered: Any, **options: Any) -> tuple[Agent[Any], RunConfig]:
    expert = assistant(say("Solved"), name="Expert")
    steps = calls(("add", {"a": 1, "b": 2})), calls(("transfer_to_expert", {}), first=2)
    clerk = assistant(
        *steps,
        name="Clerk",
        tools=[add],
        handoffs=[handoff(expert, input_filter=filtered)],
    )
    return clerk, RunConfig(**options)


@in_loop
@pytest.mark.parametrize("place", ["handoff", "run"])
def test_the_next_agent_is_told_what_a_handoff_filter_left(
    place: str, mode: Mode
) -> None:
    async def story() -> Any:
        remove = handoff_filters.remove_all_tools
        if place == "handoff":
            clerk, config = _handing(remove)
        else:
            clerk, config = _handing(None, handoff_input_filter=remove)
        return await run_in(mode, clerk, run_config=config)

    recorded = record(story)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Clerk
            INPUT
            MODEL
            TOOL add
            MODEL
            HANDOFF Clerk -> Expert
          AGENT Expert
            MODEL
            OUTPUT
        """
    )
    data = only(recorded.events, "AGENT_HANDOFF")["agent_handoff"]["handoff_data"]
    assert data["input_filtered"] is True
    last = list(rebuild_prompts(recorded.events).values())[-1]
    assert texts_of(last.items) == ["Hi"]
    assert len(last.items) == 1


@in_loop
def test_a_handoff_filter_that_makes_a_list_as_long_is_seen_too(mode: Mode) -> None:
    """No new item at the end: what was put in place of the old is what is new."""

    def rewrite(data: Any) -> Any:
        history = tuple(
            {"role": "user", "content": f"part {number}"} for number in range(5)
        )
        return replace(data, input_history=history, pre_handoff_items=(), new_items=())

    async def story() -> Any:
        clerk, config = _handing(rewrite)
        return await run_in(mode, clerk, run_config=config)

    last = requests_of(record(story).events)[-1]
    assert texts_of(last["input"]) == [f"part {number}" for number in range(5)]


@in_loop
def test_the_next_agent_is_told_a_nested_history(mode: Mode) -> None:
    async def story() -> Any:
        clerk, config = _handing(None, nest_handoff_history=True)
        return await run_in(mode, clerk, run_config=config)

    recorded = record(story)
    last = requests_of(recorded.events)[-1]
    summary = last["input"][0]["content"]
    assert "<CONVERSATION HISTORY>" in summary
    assert len(last["input"]) == last["input_count"]
    data = only(recorded.events, "AGENT_HANDOFF")["agent_handoff"]["handoff_data"]
    assert data["history_nested"] is True


@in_loop
def test_a_handoff_that_filters_nothing_repeats_nothing(mode: Mode) -> None:
    async def story() -> Any:
        clerk, config = _handing(None)
        return await run_in(mode, clerk, run_config=config)

    recorded = record(story)
    last = requests_of(recorded.events)[-1]
    assert last["input_count"] == 5
    assert len(last["input"]) == 2
    data = only(recorded.events, "AGENT_HANDOFF")["agent_handoff"]["handoff_data"]
    assert "input_filtered" not in data
    assert "history_nested" not in data


# -- output types ---------------------------------------------------------------------


class City(BaseModel):
    name: str
    facts: dict[str, int]


@in_loop
@pytest.mark.parametrize("is_strict", [True, False], ids=["strict", "loose"])
def test_a_structured_answer_is_recorded_as_json(is_strict: bool, mode: Mode) -> None:
    class Town(BaseModel):
        name: str

    kind: Any = Town if is_strict else AgentOutputSchema(City, strict_json_schema=False)
    answer = '{"name":"Rome"}' if is_strict else '{"name":"Rome","facts":{"hills":7}}'

    async def story() -> Any:
        return await run_in(mode, assistant(say(answer), output_type=kind))

    recorded = record(story)
    (request,) = requests_of(recorded.events)
    assert request["output_schema"] == ("Town" if is_strict else "City")
    made = only(recorded.events, "OUTPUT_EMITTED")["message"]
    assert made["text"].replace(" ", "") == answer
    assert made["metadata"]["output_type"] == ("Town" if is_strict else "City")


@in_loop
def test_an_answer_of_the_wrong_type_is_an_error_without_its_text(mode: Mode) -> None:
    async def story() -> Any:
        kind = AgentOutputSchema(City, strict_json_schema=False)
        return await run_in(mode, assistant(say('{"name":1}'), output_type=kind))

    recorded = record(story)
    assert type(recorded.error).__name__ == "ModelBehaviorError"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            ERROR ModelBehaviorError
        """
    )


def test_which_field_of_an_answer_failed_is_told_where_the_sdk_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with OPENAI_AGENTS_DONT_LOG_MODEL_DATA=0, which is read at import."""
    monkeypatch.setattr("agents._debug.DONT_LOG_MODEL_DATA", False)
    kind = AgentOutputSchema(City, strict_json_schema=False)
    agent = assistant(say('{"name":1}'), output_type=kind)
    error = only(record(lambda: run_in(Mode.RUN, agent)).events, "ERROR")["error"]
    assert "validation errors for City\nname\n" in error["error_message"]


# -- forced tools ---------------------------------------------------------------------


@function_tool
def weather() -> str:
    """Tell the weather."""
    return "sunny"


def _final(_context: Any, results: Any) -> ToolsToFinalOutputResult:
    return ToolsToFinalOutputResult(
        is_final_output=True, final_output=f"It is {results[0].output}"
    )


async def _final_later(context: Any, results: Any) -> ToolsToFinalOutputResult:
    return _final(context, results)


@in_loop
@pytest.mark.parametrize(
    ("behavior", "output"),
    [
        ("stop_on_first_tool", "sunny"),
        (StopAtTools(stop_at_tool_names=["weather"]), "sunny"),
        (_final, "It is sunny"),
        (_final_later, "It is sunny"),
    ],
    ids=["first", "named", "function", "coroutine"],
)
def test_a_tool_whose_result_is_the_answer_ends_the_run(
    behavior: Any, output: str, mode: Mode
) -> None:
    async def story() -> Any:
        agent = assistant(
            calls(("weather", {})),
            say("unreached"),
            tools=[weather],
            tool_use_behavior=behavior,
            model_settings=ModelSettings(tool_choice="required"),
        )
        return await run_in(mode, agent)

    recorded = record(story)
    assert recorded.value.final_output == output
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL weather
            OUTPUT
        """
    )
    made = only(recorded.events, "OUTPUT_EMITTED")["message"]
    assert made["text"] == output
    (request,) = requests_of(recorded.events)
    assert request["settings"]["tool_choice"] == "required"


@in_loop
def test_a_tool_choice_that_the_sdk_resets_is_seen_reset(mode: Mode) -> None:
    async def story() -> Any:
        agent = assistant(
            calls(("weather", {})),
            say("Sunny"),
            tools=[weather],
            model_settings=ModelSettings(tool_choice="weather"),
        )
        return await run_in(mode, agent)

    first, second = requests_of(record(story).events)
    assert first["settings"]["tool_choice"] == "weather"
    assert "tool_choice" not in second.get("settings", {})


# -- the application's own hooks ------------------------------------------------------


def _seen_of(value: Any) -> Any:
    """Return what a hook can tell of an argument: its class, its name."""
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, list):
        return [type(item).__name__ for item in value]
    name = getattr(value, "name", None)
    return type(value).__name__, name if isinstance(name, str) else ""


_HOOKS = (
    "on_agent_start",
    "on_agent_end",
    "on_start",
    "on_end",
    "on_handoff",
    "on_llm_start",
    "on_llm_end",
    "on_tool_start",
    "on_tool_end",
)


def _noting(base: Any, label: str, seen: list[Any]) -> Any:
    """Return hooks that note each call, with its arguments as they were passed."""

    def noted(name: str) -> Any:
        async def hook(_self: Any, *args: Any, **kwargs: Any) -> None:
            seen.append(
                (
                    label,
                    name,
                    [_seen_of(arg) for arg in args],
                    {key: _seen_of(arg) for key, arg in kwargs.items()},
                    getattr(args[0], "tool_call_id", None) if args else None,
                )
            )

        return hook

    members = {name: noted(name) for name in _HOOKS if hasattr(base, name)}
    made = types.new_class(label, (base,), exec_body=lambda body: body.update(members))
    return made()


@in_loop
def test_hooks_of_run_and_agents_are_called_alike_with_chaukas(mode: Mode) -> None:
    async def story() -> list[Any]:
        seen: list[Any] = []
        expert = assistant(
            calls(("weather", {}), first=2),
            say("Sunny"),
            name="Expert",
            tools=[weather],
            hooks=_noting(AgentHooks, "ExpertHooks", seen),
        )
        clerk = assistant(
            calls(("add", {"a": 1, "b": 2})),
            calls(("transfer_to_expert", {}), first=3),
            name="Clerk",
            tools=[add],
            handoffs=[expert],
            hooks=_noting(AgentHooks, "ClerkHooks", seen),
        )
        await run_in(mode, clerk, hooks=_noting(RunHooks, "RunsHooks", seen))
        return seen

    bare, error = outcome_of(story)
    assert error is None
    recorded = record(story)
    assert recorded.error is None
    assert recorded.value == bare
    called = {(label, name) for label, name, *_ in bare}
    assert ("RunsHooks", "on_handoff") in called
    assert ("ExpertHooks", "on_tool_end") in called
    assert ("ClerkHooks", "on_llm_start") in called


@in_loop
def test_a_hook_that_raises_fails_the_run_alike(mode: Mode) -> None:
    class Broken(RunHooks[Any]):
        async def on_tool_start(self, *_args: Any) -> None:
            raise LookupError("no hook today")

    async def story() -> Any:
        agent = assistant(calls(("weather", {})), say("unreached"), tools=[weather])
        return await run_in(mode, agent, hooks=Broken())

    _, error = outcome_of(story)
    recorded = record(story)
    assert [type(recorded.error), str(recorded.error)] == [type(error), str(error)]
    assert recorded.error is not None
    failed = only(recorded.events, "ERROR")["error"]
    assert failed["error_message"] == str(error)
    assert not named(recorded.events, "TOOL_CALL_START")
    tree_of(recorded.events)


def test_hooks_that_run_agents_of_their_own_are_recorded_inside() -> None:
    class Asking(RunHooks[Any]):
        async def on_agent_start(self, _context: Any, agent: Any) -> None:
            if agent.name == "Assistant":
                await run_in(Mode.RUN, assistant(say("Fine"), name="Judge"))

    async def story() -> Any:
        return await run_in(Mode.RUN, assistant(say("Hello")), hooks=Asking())

    recorded = record(story)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            AGENT Judge
              MODEL
            MODEL
            OUTPUT
        """
    )
