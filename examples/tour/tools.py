"""Tools: functions, computers, editors, and what keeps their results small."""

from __future__ import annotations

from typing import Any

from agents import (
    ApplyPatchTool,
    ModelSettings,
    RunConfig,
    Runner,
    ShellTool,
    ToolGuardrailFunctionOutput,
    ToolOutputImage,
    apply_diff,
    function_tool,
    tool_input_guardrail,
)
from agents.editor import ApplyPatchResult
from agents.extensions import ToolOutputTrimmer

# The SDK looks at the annotation when it makes the tool.
from agents.tool_context import ToolContext  # noqa: TC002

from loopback import Hosted, Text

from .scripted import bot, calls, responses, say, served
from .stops import section

__all__ = ()

TABLE = "Tool System"


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@function_tool
def caller(context: ToolContext[Any]) -> str:
    """Tell which call this is, and for whom."""
    return f"{context.tool_name} {context.tool_call_id} for {context.context}"


@function_tool
def chart() -> ToolOutputImage:
    """Draw a chart."""
    return ToolOutputImage(image_url="https://charts.example/1.png")


@function_tool
def search() -> str:
    """Find far too much."""
    return "found " * 200


class Editor:
    """An editor of files that are only in memory."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {"a.md": "a\n"}

    def create_file(self, operation: Any) -> ApplyPatchResult:
        """Write a new file."""
        return self._write(operation, apply_diff("", operation.diff, mode="create"))

    def update_file(self, operation: Any) -> ApplyPatchResult:
        """Change a file."""
        old = self.files[operation.path]
        return self._write(operation, apply_diff(old, operation.diff))

    def delete_file(self, operation: Any) -> ApplyPatchResult:
        """Remove a file."""
        del self.files[operation.path]
        return ApplyPatchResult(status="completed")

    def _write(self, operation: Any, text: str) -> ApplyPatchResult:
        self.files[operation.path] = text
        return ApplyPatchResult(status="completed", output=f"wrote {operation.path}")


def patch_call(kind: str, diff: str) -> dict[str, Any]:
    """Return the item with which a model asks for a change of a file."""
    return {
        "type": "apply_patch_call",
        "id": "patch_1",
        "call_id": "call_1",
        "status": "completed",
        "operation": {"type": kind, "path": "a.md", "diff": diff},
    }


SHELL_CALL = {
    "type": "shell_call",
    "id": "shell_1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"commands": ["ls"], "timeout_ms": 1000},
}


async def hosted(item: dict[str, Any], tool: Any) -> None:
    """Run an agent whose model asks for a tool in the provider's own form."""
    async with served(Hosted([item]), Text("Done")) as client:
        await Runner.run(bot(model=responses(client), tools=[tool]), "Go")


@section(TABLE, "Function tools", shows="TOOL_CALL_START.tool_call.arguments")
async def function() -> None:
    steps = calls(("add", {"a": 1, "b": 2})), say("3")
    await Runner.run(bot(*steps, tools=[add]), "1 + 2?")


@section(
    TABLE,
    "`@function_tool` / `#[function_tool]`",
    shows="TOOL_CALL_START.tool_call.tool_name",
)
async def decorator() -> None:
    @function_tool(name_override="shout", strict_mode=False)
    def upper(text: str) -> str:
        """Say it louder."""
        return text.upper()

    steps = calls(("shout", {"text": "hi"})), say("HI")
    await Runner.run(bot(*steps, tools=[upper]), "Louder!")


@section(TABLE, "Tool context", shows="TOOL_CALL_END.tool_response.output")
async def context() -> None:
    agent = bot(calls(("caller", {})), say("For you"), tools=[caller])
    await Runner.run(agent, "For whom?", context="Acme")


@section(TABLE, "Tool guardrails", shows="POLICY_DECISION.policy")
async def guardrails() -> None:
    @tool_input_guardrail
    def small_numbers(data: Any) -> ToolGuardrailFunctionOutput:
        if "1000" in data.context.tool_arguments:
            return ToolGuardrailFunctionOutput.reject_content("too large")
        return ToolGuardrailFunctionOutput.allow()

    @function_tool(tool_input_guardrails=[small_numbers])
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    steps = (
        calls(("double", {"number": 1000})),
        calls(("double", {"number": 4}), first=2),
        say("8"),
    )
    await Runner.run(bot(*steps, tools=[double]), "Double!")


@section(
    TABLE,
    "Tool output trimming",
    shows="TOOL_CALL_END.tool_response.output",
    note="the tool's result is recorded whole, what the model got is trimmed",
)
async def trimming() -> None:
    trimmer = ToolOutputTrimmer(recent_turns=1, max_output_chars=100, preview_chars=20)
    config = RunConfig(call_model_input_filter=trimmer)
    agent = bot(calls(("search", {})), say("A lot"), say("Bye"), tools=[search])
    result = await Runner.run(agent, "Search", run_config=config)
    items = [*result.to_input_list(), {"role": "user", "content": "Thanks"}]
    await Runner.run(agent, items, run_config=config)


@section(TABLE, "Image tool output", shows="TOOL_CALL_END.tool_response.output")
async def image() -> None:
    await Runner.run(bot(calls(("chart", {})), say("See"), tools=[chart]), "Draw")


@section(TABLE, "Computer tools (shell)", shows="TOOL_CALL_START.tool_call.arguments")
async def shell() -> None:
    await hosted(SHELL_CALL, ShellTool(lambda _request: "a.md"))


@section(TABLE, "Editor tools", shows="TOOL_CALL_START.tool_call.arguments")
async def editor() -> None:
    await hosted(patch_call("create_file", "+b\n"), ApplyPatchTool(Editor()))


@section(TABLE, "Apply diff tools", shows="TOOL_CALL_START.tool_call.arguments")
async def diff() -> None:
    await hosted(patch_call("update_file", "-a\n+b\n"), ApplyPatchTool(Editor()))


@section(
    TABLE,
    "Forcing tool use",
    shows="MODEL_INVOCATION_START.llm_invocation.request.settings",
)
async def forced() -> None:
    agent = bot(
        calls(("add", {"a": 1, "b": 2})),
        tools=[add],
        model_settings=ModelSettings(tool_choice="required"),
        tool_use_behavior="stop_on_first_tool",
    )
    await Runner.run(agent, "1 + 2?")
