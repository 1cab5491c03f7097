"""
Runs on whatever a program may hold, with and without chaukas: no difference.

Objects that answer every touch with an error, trees without an end, texts without
measure, and secrets in every place that a run can carry them.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from agents import (
    Agent,
    RunConfig,
    RunContextWrapper,
    Runner,
    UserError,
    function_tool,
)
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tool import FunctionTool

import chaukas.sdk as chaukas
from chaukas.sdk.testing import capture_events
from tests.support.hostile import (
    TOUCHES,
    cyclic_dict,
    cyclic_list,
    deep,
    hostile_builtins,
    hostile_mapping,
    hostile_objects,
    watched_generator,
)
from tests.support.secrets import PLANTED, TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaukas.sdk.typing import Event

LIMIT_BYTES = 1_100_000
LONG_CHARS = 4_000_000
"""Some times what is held of a text, and what an event may have."""

STRANGE: list[Any] = [
    *[pytest.param(value, id=name) for name, value in hostile_objects()],
    *[pytest.param(value, id=f"sub-{name}") for name, value, _ in hostile_builtins()],
    pytest.param(hostile_mapping({"a": 1}), id="mapping"),
    pytest.param(cyclic_dict(), id="cyclic-dict"),
    pytest.param(cyclic_list(), id="cyclic-list"),
    pytest.param(deep(10_000), id="deep-list"),
    pytest.param(deep(10_000, dict), id="deep-dict"),
    pytest.param("x" * LONG_CHARS, id="long-text"),
    pytest.param(["x" * 100] * 30_000, id="wide"),
    pytest.param(b"\x00" * 2_000_000, id="bytes"),
    pytest.param(10**5000, id="huge-number"),
    pytest.param([float("nan"), float("inf")], id="not-numbers"),
    pytest.param("\ud800\udfff\x00", id="surrogates"),
]

# An interrupt in the middle of the SDK's own code tears its loop, with us or without.
HANDED_OVER = [
    each for each in STRANGE if each.id not in {"object-interrupt", "object-exit"}
]


def valid(events: list[Event]) -> list[Event]:
    """Check that what was recorded is bounded, whole and valid."""
    assert events
    for event in events:
        line = json.dumps(event, allow_nan=False)
        assert len(line) < LIMIT_BYTES * 2
        line.encode()
    starts = [e["span_id"] for e in events if e["type"].endswith("_START")]
    ends = [e["span_id"] for e in events if e["type"].endswith("_END")]
    assert sorted(starts) == sorted(ends)
    return events


def outcome_of(play: Callable[[], Any]) -> tuple[str, Any]:
    """Return how a program went: what it got, or what kind of error."""
    TOUCHES.clear()
    try:
        return ("value", play())
    except (KeyboardInterrupt, SystemExit, Exception) as error:
        return ("error", type(error).__name__)


def of_kind(events: list[Event], kind: str) -> list[Event]:
    return [e for e in events if e["type"] == f"EVENT_TYPE_{kind}"]


def agent_with(tool: Any, **options: Any) -> Agent[Any]:
    steps = [
        [function_call("odd", {"a": 1}, call_id="c")],
        [assistant_message("ok")],
    ]
    return Agent(name="A", model=ScriptedModel(steps), tools=[tool], **options)


def returning(value: Any) -> FunctionTool:
    """Return a tool that returns *value* as it is."""

    async def invoke(_context: Any, _arguments: str) -> Any:
        return value

    return FunctionTool(
        name="odd",
        description="",
        params_json_schema={"type": "object", "properties": {}},
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )


@pytest.mark.parametrize("value", STRANGE)
def test_a_context_of_any_kind_is_never_touched(value: Any) -> None:
    seen: list[Any] = []

    @function_tool
    def odd(context: RunContextWrapper[Any], a: int) -> str:
        """Look at the context."""
        seen.append(context.context)
        return "done"

    def play() -> Any:
        result = asyncio.run(Runner.run(agent_with(odd), "hi", context=value))
        return result.final_output

    control = outcome_of(play)
    touched = list(TOUCHES)
    with capture_events() as events:
        assert outcome_of(play) == control
    assert touched == TOUCHES
    assert all(each is value for each in seen)
    valid(events())


@pytest.mark.parametrize("value", HANDED_OVER)
def test_a_tools_result_of_any_kind_changes_nothing(value: Any) -> None:
    # What the SDK itself does to the value is the same in both runs.
    def play() -> Any:
        result = asyncio.run(Runner.run(agent_with(returning(value)), "hi"))
        return result.final_output, len(result.new_items)

    control = outcome_of(play)
    touched = list(TOUCHES)
    with capture_events() as events:
        assert outcome_of(play) == control
        if control[0] == "value":
            assert not chaukas.stats().dropped
    assert len(touched) == len(TOUCHES)
    valid(events())
    assert of_kind(events(), "TOOL_CALL_END")


@pytest.mark.parametrize("value", HANDED_OVER)
def test_an_input_of_any_kind_changes_nothing(value: Any) -> None:
    def play(given: Any) -> Any:
        model = ScriptedModel([[assistant_message("ok")]])
        result = asyncio.run(Runner.run(Agent(name="A", model=model), given))
        return result.final_output

    for given in (value, [{"role": "user", "content": value}]):
        control = outcome_of(lambda given=given: play(given))  # type: ignore[misc]
        touched = len(TOUCHES)
        with capture_events() as events:
            assert outcome_of(lambda given=given: play(given)) == control  # type: ignore[misc]
        assert len(TOUCHES) == touched
        valid(events())


def test_a_generator_as_input_is_not_consumed() -> None:
    generator = watched_generator()

    def play() -> Any:
        model = ScriptedModel([[assistant_message("ok")]])
        agent = Agent(name="A", model=model)
        return asyncio.run(Runner.run(agent, [generator])).final_output  # type: ignore[list-item]

    control = outcome_of(play)
    with capture_events() as events:
        assert outcome_of(play) == control
    assert TOUCHES == []
    valid(events())


class _Hostile(Exception):
    """
    An error that answers every question with another error.

    Not to `repr`: asyncio itself asks that of an error, and breaks.
    """

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise RuntimeError(name)


class _NoFields(Exception):
    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        raise RuntimeError("fields")


class _Endless(Exception):
    def __str__(self) -> str:
        return str(self)


class _Long(Exception):
    def __init__(self) -> None:
        super().__init__("x" * LONG_CHARS)


ERRORS: list[Any] = [
    pytest.param(error, id=error.__name__)
    for error in (_Hostile, _NoFields, _Endless, _Long)
]


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("handled", [True, False])
def test_a_tools_error_of_any_kind_changes_nothing(
    kind: type[Exception], handled: bool
) -> None:
    async def invoke(_context: Any, _arguments: str) -> Any:
        raise kind

    options: dict[str, Any] = {"failure_error_function": None}
    if handled:
        options = {"failure_error_function": lambda _context, _error: "failed"}

    @function_tool(**options)
    def odd(a: int) -> str:
        """Fail."""
        raise kind

    def play() -> Any:
        return asyncio.run(Runner.run(agent_with(odd), "hi")).final_output

    control = outcome_of(play)
    with capture_events() as events:
        assert outcome_of(play) == control
        assert not chaukas.stats().dropped
    found = valid(events())
    [end] = of_kind(found, "TOOL_CALL_END")
    assert end["status"] == "EVENT_STATUS_FAILED"
    # Where the SDK itself stumbles over the error, a second one follows.
    told = [e["error"]["error_code"] for e in of_kind(found, "ERROR")]
    assert told[0] == kind.__name__
    assert len(told) == (1 if control[0] == "value" or not handled else 2)


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_models_error_of_any_kind_changes_nothing(
    kind: type[Exception], streamed: bool
) -> None:
    async def main() -> Any:
        agent = Agent(name="A", model=ScriptedModel([kind()]))
        if not streamed:
            return (await Runner.run(agent, "hi")).final_output
        result = Runner.run_streamed(agent, "hi")
        async for _ in result.stream_events():
            pass
        return result.final_output

    control = outcome_of(lambda: asyncio.run(main()))
    with capture_events() as events:
        assert outcome_of(lambda: asyncio.run(main())) == control
        assert not chaukas.stats().dropped
    found = valid(events())
    [end] = of_kind(found, "AGENT_END")
    assert end["status"] == "EVENT_STATUS_FAILED"


def test_a_tool_that_changes_its_arguments_changes_no_event() -> None:
    payload = {"list": [1]}

    async def invoke(_context: Any, _arguments: str) -> Any:
        return payload

    tool = returning(payload)
    with capture_events() as events:
        asyncio.run(Runner.run(agent_with(tool), "hi"))
        payload["list"].append(2)
    [end] = of_kind(events(), "TOOL_CALL_END")
    assert end["tool_response"]["output"] == {"output": {"list": [1]}}


def test_a_final_output_of_any_kind_is_recorded_as_text() -> None:
    from agents import StopAtTools

    for each in HANDED_OVER:
        name, [value] = each.id, each.values
        agent = agent_with(
            returning(value),
            tool_use_behavior=StopAtTools(stop_at_tool_names=["odd"]),
        )

        def play(agent: Agent[Any] = agent) -> Any:
            return type(asyncio.run(Runner.run(agent, "hi"))).__name__

        control = outcome_of(play)
        agent.model = ScriptedModel([[function_call("odd", {}, call_id="c")]])
        with capture_events() as events:
            assert outcome_of(play)[0] == control[0], name
        valid(events())


def test_a_redactor_that_fails_hides_and_changes_nothing() -> None:
    def redact(path: str, value: object) -> object:
        raise RuntimeError(path)

    model = ScriptedModel([[assistant_message("ok")]])
    with capture_events(redact=redact) as events:
        result = asyncio.run(Runner.run(Agent(name="A", model=model), "private"))
    assert result.final_output == "ok"
    assert "private" not in json.dumps(valid(events()))


def test_a_redactor_may_use_chaukas_and_agents_without_recording_itself() -> None:
    def redact(path: str, value: object) -> object:
        chaukas.event("from the redactor")
        return value

    model = ScriptedModel([[assistant_message("ok")]])
    with capture_events(redact=redact) as events:
        asyncio.run(Runner.run(Agent(name="A", model=model), "hi"))
        chaukas.event("mine", {"a": "b"})
    names = [e["metadata"].get("name") for e in valid(events())]
    assert "mine" in names
    assert "from the redactor" not in names


# -- secrets ------------------------------------------------------------------------


def play_with_secrets(planted: Any) -> None:
    """Carry *planted* to every place of a run that can hold it."""
    text = planted if type(planted) is str else json.dumps(planted, default=repr)

    @function_tool(failure_error_function=None)
    def odd(a: str) -> Any:
        """Fail with it."""
        raise ValueError(text)

    @function_tool
    def fine(a: str) -> Any:
        """Return it."""
        chaukas.event("mine", {"it": planted})
        chaukas.policy_decision(text, "deny", rule_ids=[text], rationale=text)
        chaukas.data_access(text, document_ids=[text], metadata={"it": planted})
        chaukas.state_update({"it": planted})
        return planted

    steps = [
        [function_call("fine", {"a": text}, call_id="c1")],
        [assistant_message(text), function_call("odd", {"a": text}, call_id="c2")],
    ]
    agent = Agent(
        name="A",
        instructions=f"Follow this: {text}",
        model=ScriptedModel(steps),
        tools=[odd, fine],
    )
    with chaukas.session("s", name=text, metadata={"it": planted}):
        with pytest.raises((ValueError, UserError)):
            asyncio.run(
                Runner.run(agent, text, run_config=RunConfig(workflow_name=text))
            )
        with pytest.raises(ValueError):
            asyncio.run(
                Runner.run(
                    Agent(name="B", model=ScriptedModel([ValueError(text)])),
                    [{"role": "user", "content": text}],
                )
            )


# One of each kind of secret; the redactor's own tests know every form.
SHOWN = [
    *[p for p in PLANTED if p.name.endswith("-in-prose")],
    *[p for p in PLANTED if p.name.startswith(("password-", "api_key-"))],
    *[
        p
        for p in PLANTED
        if p.name.startswith(("url", "header", "curl", "pem", "traceback", "azure"))
    ],
]


def test_no_secret_of_a_run_reaches_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    chaukas.enable_chaukas(output_file=str(path), api_key=TOKENS["openai"])
    for planted in SHOWN:
        play_with_secrets(planted.value)
    assert chaukas.disable_chaukas(60.0)
    written = path.read_text()
    assert written.count("\n") > 20 * len(SHOWN)
    found = [p.name for p in SHOWN if p.secret in written]
    assert found == []


def test_no_content_reaches_the_file_when_it_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    chaukas.enable_chaukas(output_file=str(path), capture_content=False)
    play_with_secrets("the quick brown fox jumps")
    assert chaukas.disable_chaukas(60.0)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # Names and ids are what they say; here the program put its text into them.
    for row in rows:
        for member in ("policy", "data_access"):
            for name in ("policy_id", "rule_ids", "datasource", "document_ids"):
                row.get(member, {}).pop(name, None)
        row.get("session_start", {}).pop("session_name", None)
        # A name too: that of a `trace()` block.
        row["metadata"].pop("workflow_name", None)
        row.get("session_end", {}).pop("session_name", None)
    assert "quick brown" not in json.dumps(rows)
