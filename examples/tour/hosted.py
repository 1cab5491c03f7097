"""Hosted: tools that the provider runs itself, and computers that agents use."""

from __future__ import annotations

from typing import Any

from agents import (
    Computer,
    ComputerTool,
    CustomTool,
    HostedMCPTool,
    LocalShellTool,
    ProgrammaticToolCallingTool,
    Runner,
    ShellTool,
    function_tool,
)

from loopback import Hosted

from .mcp import CALLED
from .scripted import bot, responses, served
from .stops import section
from .tools import hosted

__all__ = ()

TABLE = "SDK documentation"
CALL = "TOOL_CALL_START.tool_call"

FILES = {
    "type": "file_search_call",
    "id": "fs_1",
    "status": "completed",
    "queries": ["holiday policy"],
    "results": [{"file_id": "file-1", "filename": "policy.md", "score": 0.9}],
}
WEB = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {
        "type": "search",
        "query": "weather",
        "sources": [{"type": "url", "url": "https://weather.example/lisbon"}],
    },
}
CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "status": "completed",
    "code": "print(1 + 1)",
    "container_id": "cntr_1",
    "outputs": [{"type": "logs", "logs": "2"}],
}
PICTURE = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "result": "aGVsbG8gd29ybGQ=",
}
SHELL = (
    {
        "type": "shell_call",
        "id": "sh_1",
        "call_id": "call_sh",
        "status": "completed",
        "action": {"commands": ["ls"], "timeout_ms": 1000, "max_output_length": None},
        "environment": {"type": "container_reference", "container_id": "cntr_2"},
    },
    {
        "type": "shell_call_output",
        "id": "sho_1",
        "call_id": "call_sh",
        "status": "completed",
        "max_output_length": None,
        "output": [
            {
                "stdout": "a.txt\n",
                "stderr": "",
                "outcome": {"type": "exit", "exit_code": 0},
            }
        ],
    },
)
PROGRAM = {
    "type": "program",
    "id": "prog_1",
    "call_id": "call_p",
    "code": "await join(1, 2)",
    "fingerprint": "f",
}
OF_PROGRAM = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "join",
    "arguments": '{"a": 1, "b": 2}',
    "status": "completed",
    "caller": {"type": "program", "caller_id": "call_p"},
}
RESULT = {
    "type": "program_output",
    "id": "po_1",
    "call_id": "call_p",
    "result": "12",
    "status": "completed",
}
SCREENSHOT = {
    "type": "computer_call",
    "id": "c_1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "screenshot"},
    "pending_safety_checks": [
        {"id": "k_1", "code": "malicious", "message": "an odd page"}
    ],
}
LOCAL_SHELL = {
    "type": "local_shell_call",
    "id": "l_1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls"], "env": {}},
}
CUSTOM = {
    "type": "custom_tool_call",
    "id": "u_1",
    "call_id": "call_1",
    "name": "calc",
    "input": "1+1",
}
ASKS = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "server_label": "wiki",
    "name": "ask",
    "arguments": "{}",
}


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


class Screen(Computer):
    """A computer that shows one picture."""

    click = double_click = scroll = type = wait = move = keypress = drag = _nothing

    def screenshot(self) -> str:
        """Return the picture."""
        return "aGVsbG8="


@function_tool(allowed_callers=["direct", "programmatic"])
async def join(a: int, b: int) -> str:
    """Join two numbers."""
    return f"{a}{b}"


async def answer(*items: Any, **options: Any) -> None:
    """Run an agent whose provider ran these tools itself."""
    async with served(Hosted(items, "Done")) as client:
        await Runner.run(bot(model=responses(client), **options), "Go")


@section(TABLE, "Hosted searches", shows="DATA_ACCESS.data_access")
async def searches() -> None:
    await answer(FILES, WEB)


@section(TABLE, "Hosted code and pictures", shows=f"{CALL}.arguments")
async def code_and_pictures() -> None:
    await answer(CODE, PICTURE)


@section(TABLE, "Hosted shell", shows=f"{CALL}.arguments")
async def shell() -> None:
    container: Any = {"type": "container_reference", "container_id": "cntr_2"}
    await answer(*SHELL, tools=[ShellTool(environment=container)])


@section(TABLE, "Tools called by programs", shows=f"{CALL}.arguments")
async def programs() -> None:
    async with served(Hosted([PROGRAM, OF_PROGRAM]), Hosted([RESULT], "12")) as client:
        tools: Any = [ProgrammaticToolCallingTool(), join]
        await Runner.run(bot(model=responses(client), tools=tools), "Join")


@section(TABLE, "Computers and safety checks", shows="POLICY_DECISION.policy")
async def computers() -> None:
    await hosted(SCREENSHOT, ComputerTool(Screen(), on_safety_check=lambda _: True))


@section(TABLE, "Local shell", shows=f"{CALL}.arguments")
async def local_shell() -> None:
    await hosted(LOCAL_SHELL, LocalShellTool(lambda _request: "a.txt"))


@section(TABLE, "Custom tools", shows=f"{CALL}.arguments")
async def custom() -> None:
    async def calculate(_context: Any, _text: str) -> str:
        return "2"

    await hosted(CUSTOM, CustomTool("calc", "Calculates.", calculate))


@section(TABLE, "Approvals of hosted MCP", shows="POLICY_DECISION.policy")
async def approvals() -> None:
    tool = HostedMCPTool(
        {
            "type": "mcp",
            "server_label": "wiki",
            "server_url": "https://wiki.example/mcp",
            "require_approval": "always",
        },
        on_approval_request=lambda _request: {"approve": True},
    )
    async with served(Hosted([ASKS]), Hosted([CALLED], "Because.")) as client:
        await Runner.run(bot(model=responses(client), tools=[tool]), "Why?")
