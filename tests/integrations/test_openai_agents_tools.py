"""
Tools of every family: one pair for each call that really ran, its errors inside.

A call that waits for approval, or was rejected, ran nothing; saying otherwise would
be the worst thing that a record of actions could say.
"""

from __future__ import annotations

from typing import Any

import pytest
from agents import (
    ApplyPatchTool,
    Computer,
    ComputerTool,
    CustomTool,
    LocalShellTool,
    ModelSettings,
    ShellTool,
    function_tool,
)
from agents.editor import ApplyPatchResult

import chaukas.sdk
from loopback import Call, Hosted, Reply, Text, ToolCalls
from tests.support.agent_runs import Mode, calls, in_loop, modes, play, record, say
from tests.support.scenarios import assistant, slow_tool
from tests.support.served import run_served
from tests.support.trees import named, only, tree, tree_of


class Screen(Computer):
    """A computer that shows one picture, or is broken."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self._is_broken = is_broken

    def screenshot(self) -> str:
        if self._is_broken:
            raise ValueError("no screen")
        return "aGVsbG8="

    def click(self, *_args: Any, **_kwargs: Any) -> None: ...
    def double_click(self, *_args: Any, **_kwargs: Any) -> None: ...
    def scroll(self, *_args: Any, **_kwargs: Any) -> None: ...
    def type(self, *_args: Any, **_kwargs: Any) -> None: ...
    def wait(self, *_args: Any, **_kwargs: Any) -> None: ...
    def move(self, *_args: Any, **_kwargs: Any) -> None: ...
    def keypress(self, *_args: Any, **_kwargs: Any) -> None: ...
    def drag(self, *_args: Any, **_kwargs: Any) -> None: ...


class Editor:
    """An editor that says what it did, or fails."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self._is_broken = is_broken

    def update_file(self, operation: Any) -> ApplyPatchResult:
        if self._is_broken:
            raise ValueError("no such file")
        return ApplyPatchResult(status="completed", output=f"wrote {operation.path}")

    create_file = delete_file = update_file


def _broken(*_: Any) -> str:
    raise ValueError("no such command")


def _done(*_: Any) -> str:
    return "done"


async def _done_later(*_: Any) -> str:
    return "done"


async def _broken_later(*_: Any) -> str:
    raise ValueError("no such command")


_SCREENSHOT = {
    "type": "computer_call",
    "id": "c1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "screenshot"},
    "pending_safety_checks": [],
}
_LOCAL_SHELL = {
    "type": "local_shell_call",
    "id": "l1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls"], "env": {}},
}
_SHELL = {
    "type": "shell_call",
    "id": "s1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"commands": ["ls"], "timeout_ms": 1000},
}
_PATCH = {
    "type": "apply_patch_call",
    "id": "p1",
    "call_id": "call_1",
    "status": "completed",
    "operation": {"type": "update_file", "path": "a.md", "diff": "-a\n+b\n"},
}
_CUSTOM = {
    "type": "custom_tool_call",
    "id": "u1",
    "call_id": "call_1",
    "name": "calc",
    "input": "1+1",
}


def _calc(run: Any, **options: Any) -> CustomTool:
    return CustomTool("calc", "Calculates.", run, **options)


FAMILIES = {
    "computer": (
        "computer_use_preview",
        _SCREENSHOT,
        lambda: ComputerTool(Screen()),
        lambda: ComputerTool(Screen(is_broken=True)),
    ),
    "local_shell": (
        "local_shell",
        _LOCAL_SHELL,
        lambda: LocalShellTool(_done),
        lambda: LocalShellTool(_broken),
    ),
    "shell": ("shell", _SHELL, lambda: ShellTool(_done), lambda: ShellTool(_broken)),
    "apply_patch": (
        "apply_patch",
        _PATCH,
        lambda: ApplyPatchTool(Editor()),
        lambda: ApplyPatchTool(Editor(is_broken=True)),
    ),
    "custom": (
        "calc",
        _CUSTOM,
        lambda: _calc(_done_later),
        lambda: _calc(_broken_later),
    ),
}
families = pytest.mark.parametrize("family", FAMILIES)
_RAISING = {"computer", "local_shell"}
"""Families whose errors end the run; those of the others go to the model."""


@in_loop
@families
def test_a_tool_of_any_family_that_ran_is_a_pair(family: str, mode: Mode) -> None:
    name, call, make, _ = FAMILIES[family]
    script = [Hosted([call]), Text("Done")]
    events = record(lambda: run_served(script, mode, tools=[make()])).events
    assert tree_of(events) == tree(
        f"""
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL {name}
            MODEL
            OUTPUT
        """
    )
    told = only(events, "TOOL_CALL_START")["tool_call"]
    assert told["tool_id"] == "call_1"
    assert told["metadata"]["tool_type"] == family
    assert told["arguments"]
    end = only(events, "TOOL_CALL_END")["tool_response"]
    assert end["tool_call_id"] == "call_1"
    assert "output" in end
    assert end["execution_time_ms"] > 0


@in_loop
@families
def test_a_tool_of_any_family_that_failed_has_its_error(
    family: str, mode: Mode
) -> None:
    _, call, _, make = FAMILIES[family]
    script = [Hosted([call]), Text("Oh")]
    recorded = record(lambda: run_served(script, mode, tools=[make()]))
    error = only(recorded.events, "ERROR")
    tool = only(recorded.events, "TOOL_CALL_END")
    assert error["parent_span_id"] == tool["span_id"]
    assert tool["status"] == "EVENT_STATUS_FAILED"
    assert "no s" in tool["tool_response"]["error_message"]
    assert (recorded.error is not None) == (family in _RAISING)
    assert error["error"].get("recoverable", False) == (family not in _RAISING)
    tree_of(recorded.events)


@in_loop
@pytest.mark.parametrize("family", ["shell", "apply_patch", "custom"])
@pytest.mark.parametrize("is_approved", [True, False], ids=["approved", "rejected"])
def test_an_answer_to_an_approval_decides_whether_the_tool_ran(
    family: str, is_approved: bool, mode: Mode
) -> None:
    name, call, make, _ = FAMILIES[family]
    tool = make()
    tool.needs_approval = True
    tool.on_approval = lambda *_: {"approve": is_approved, "reason": "policy 7"}
    script = [Hosted([call]), Text("Done")]
    events = record(lambda: run_served(script, mode, tools=[tool])).events
    outcome = "allow" if is_approved else "deny"
    ran = [f"    TOOL {name}"] if is_approved else []
    assert tree_of(events).split("\n") == [
        "SESSION",
        "  AGENT Assistant",
        "    INPUT",
        "    MODEL",
        f"    POLICY tool_approval {outcome}",
        *ran,
        "    MODEL",
        "    OUTPUT",
    ]
    policy = only(events, "POLICY_DECISION")["policy"]
    assert policy["rule_ids"] == [name]
    assert policy["metadata"]["tool_call_id"] == "call_1"


@in_loop
@pytest.mark.parametrize("family", ["shell", "apply_patch", "custom", "function"])
def test_a_call_that_waits_for_approval_ran_nothing(family: str, mode: Mode) -> None:
    reply: Reply
    if family == "function":
        tool: Any = function_tool(_pay, name_override="pay", needs_approval=True)
        name, reply = "pay", ToolCalls(Call("pay"))
    else:
        name, call, make, _ = FAMILIES[family]
        reply = Hosted([call])
        tool = make()
        tool.needs_approval = True
    recorded = record(lambda: run_served([reply], mode, tools=[tool]))
    assert len(recorded.value.interruptions) == 1
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
        """
    )
    policy = only(recorded.events, "POLICY_DECISION")["policy"]
    assert policy["rule_ids"] == [name]


def _pay() -> str:
    return "paid"


@modes
@pytest.mark.parametrize("is_approved", [True, False], ids=["approved", "rejected"])
def test_a_resumed_run_has_the_tool_only_if_it_was_approved(
    is_approved: bool, mode: Mode
) -> None:
    def story() -> Any:
        tool = function_tool(_pay, name_override="pay", needs_approval=True)
        agent = assistant(calls(("pay", {})), say("Fine"), tools=[tool])
        state = play(mode, agent).to_state()
        (item,) = state.get_interruptions()
        if is_approved:
            state.approve(item)
        else:
            state.reject(item, rejection_message="too much")
        return play(mode, agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Fine"
    outcome = "allow" if is_approved else "deny"
    ran = ["    TOOL pay"] if is_approved else []
    shape = [
        line
        for line in tree_of(recorded.events).split("\n")
        if "STATE_UPDATE" not in line
    ]
    assert shape == [
        "SESSION",
        "  AGENT Assistant waiting",
        "    INPUT",
        "    MODEL",
        "    POLICY tool_approval review",
        f"  POLICY tool_approval {outcome}",
        "  AGENT Assistant",
        *ran,
        "    MODEL",
        "    OUTPUT",
    ]
    decided = named(recorded.events, "POLICY_DECISION")[-1]
    assert decided["policy"].get("rationale") == (None if is_approved else "too much")


@modes
def test_a_timeout_that_is_raised_fails_tool_and_run_once(mode: Mode) -> None:
    @function_tool(timeout=0.01, timeout_behavior="raise_exception")
    async def wait_for_ever() -> str:
        import asyncio

        await asyncio.Event().wait()
        return "never"

    agent = assistant(calls(("wait_for_ever", {})), tools=[wait_for_ever])
    recorded = record(lambda: play(mode, agent))
    assert type(recorded.error).__name__ == "ToolTimeoutError"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL wait_for_ever FAILED
              ERROR ToolTimeoutError
        """
    )


def test_a_timeout_that_the_model_is_told_keeps_output_and_error() -> None:
    end = only(record(lambda: slow_tool(Mode.RUN)).events, "TOOL_CALL_END")
    assert "timed out" in end["tool_response"]["error_message"]
    assert end["tool_response"]["output"]["output"]


@modes
def test_a_tool_that_fails_beside_one_that_works(mode: Mode) -> None:
    @function_tool
    def works() -> str:
        return "ok"

    @function_tool
    def breaks() -> str:
        raise KeyError("x")

    steps = calls(("works", {}), ("breaks", {})), say("Half done")
    agent = assistant(*steps, tools=[works, breaks])
    assert tree_of(record(lambda: play(mode, agent)).events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL works
            TOOL breaks FAILED
              ERROR KeyError recoverable
            MODEL
            OUTPUT
        """
    )


@modes
def test_a_nested_agent_that_fails_has_one_error_at_its_root(mode: Mode) -> None:
    inner = assistant(RuntimeError("no memory"), name="Inner")
    tool = inner.as_tool("ask", "Asks.")
    agent = assistant(calls(("ask", {"input": "?"})), say("Sorry"), tools=[tool])
    assert tree_of(record(lambda: play(mode, agent)).events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL ask FAILED
              AGENT Inner FAILED
                MODEL FAILED
                  ERROR RuntimeError
            MODEL
            OUTPUT
        """
    )


def test_a_tool_declared_as_retrieval_is_a_data_access() -> None:
    @chaukas.sdk.data_access
    @function_tool
    def look_up(key: str) -> str:
        return key

    @function_tool
    def search(query: str) -> str:
        return query

    def story() -> Any:
        steps = calls(("look_up", {"key": "a"}), ("search", {"query": "b"})), say("ab")
        return play(Mode.RUN, assistant(*steps, tools=[look_up, search]))

    events = record(story, data_access_tools=["search"]).events
    found = {e["data_access"]["datasource"]: e for e in named(events, "DATA_ACCESS")}
    assert set(found) == {"look_up", "search"}
    spans = {
        e["tool_call"]["tool_name"]: e["span_id"]
        for e in named(events, "TOOL_CALL_START")
    }
    assert {name: e["parent_span_id"] for name, e in found.items()} == spans


@in_loop
@pytest.mark.parametrize("is_safe", [True, False], ids=["safe", "unsafe"])
def test_a_safety_check_of_a_computer_is_a_decision(is_safe: bool, mode: Mode) -> None:
    check = {"id": "k1", "code": "malicious", "message": "odd page"}
    call = {**_SCREENSHOT, "pending_safety_checks": [check]}
    tool = ComputerTool(Screen(), on_safety_check=lambda _data: is_safe)
    script = [Hosted([call]), Text("Done")]
    recorded = record(lambda: run_served(script, mode, tools=[tool]))
    policy = only(recorded.events, "POLICY_DECISION")["policy"]
    assert policy["outcome"] == ("allow" if is_safe else "deny")
    assert policy["policy_id"] == "computer_safety_check"
    assert policy["rule_ids"] == ["malicious"]
    assert len(named(recorded.events, "TOOL_CALL_START")) == int(is_safe)
    tree_of(recorded.events)


def test_a_forced_tool_is_a_setting_of_the_call() -> None:
    @function_tool
    def works() -> str:
        return "ok"

    agent = assistant(
        calls(("works", {})),
        tools=[works],
        model_settings=ModelSettings(tool_choice="works", parallel_tool_calls=False),
        tool_use_behavior="stop_on_first_tool",
    )
    events = record(lambda: play(Mode.RUN, agent)).events
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["tools"] == ["works"]
    assert request["settings"]["tool_choice"] == "works"
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == "ok"
