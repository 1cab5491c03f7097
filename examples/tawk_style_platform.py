"""
An agents platform: approvals, conversations kept by the provider, MCP, templates.

    python examples/tawk_style_platform.py

What a support platform needs around its agents, one scene each: answers told piece by
piece while they stream, a conversation that the server remembers, a refund that a
person has to approve, in another moment than it was asked for, tools of an MCP server,
a prompt template with a version, and a session that outlives the process.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from agents import Agent, Runner, RunState, SQLiteSession, function_tool
from agents.mcp import MCPServerStdio
from agents.memory import OpenAIConversationsSession

import chaukas
from loopback import Call, Text, ToolCalls, model_for_example
from recorded import fresh, show_tree

if TYPE_CHECKING:
    from agents import RunContextWrapper

FILE = "tawk_style_platform.jsonl"
MODEL = "gpt-5-mini"

# What the loopback model answers, request by request.
SCRIPT = (
    # streaming
    ToolCalls(Call("transfer_to_billing", {})),
    Text("Your invoice of May was paid on the 2nd."),
    # server_conversation
    Text("Noted: you use the mobile app."),
    Text("You said that you use the mobile app."),
    Text("Still the mobile app."),
    # approvals
    ToolCalls(
        Call("refund", {"order": 17, "euros": 20}, "call_small"),
        Call("refund", {"order": 18, "euros": 900}, "call_large"),
        Call("refund", {"order": 19, "euros": 500}, "call_odd"),
    ),
    Text("Orders 17 and 18 are refunded, order 19 is not."),
    # mcp
    ToolCalls(Call("opening_hours", {"day": "Sunday"})),
    Text("We are closed on Sundays."),
    # prompt_template
    Text("Welcome to Acme!"),
    # session_persistence
    Text("Your ticket is 4711."),
    Text("It was 4711."),
)

MCP_SERVER = """
from mcp.server import MCPServer
server = MCPServer("office", log_level="ERROR")

@server.tool()
def opening_hours(day: str) -> str:
    return f"{day}: closed"

@server.prompt()
def greeting(name: str) -> str:
    return f"Greet {name}."

@server.resource("office://address")
def address() -> str:
    return "1 Main Street"

server.run("stdio")
"""


async def streaming() -> None:
    """Granular events: text in pieces, arguments of tools, and the switch of agent."""
    billing = Agent(name="billing", instructions="Answer about invoices.", model=MODEL)
    front = Agent(
        name="front desk",
        instructions="Hand over to who knows.",
        model=MODEL,
        handoffs=[billing],
    )
    result = Runner.run_streamed(front, "Was my invoice of May paid?")
    async for _ in result.stream_events():
        pass
    print(result.final_output)


async def server_conversation() -> None:
    """The server keeps the history: by conversation, then by the last response."""
    agent = Agent(name="memory", instructions="Remember.", model=MODEL)
    conversation = OpenAIConversationsSession()
    await Runner.run(agent, "I use the mobile app.", session=conversation)
    result = await Runner.run(agent, "What do I use?", session=conversation)
    print(result.final_output)
    again = await Runner.run(
        agent,
        "And now?",
        previous_response_id=result.last_response_id,
        auto_previous_response_id=True,
    )
    print(again.final_output)


async def is_large(
    _context: RunContextWrapper[Any], arguments: dict[str, Any], _call_id: str
) -> bool:
    """Say whether a person has to approve: depends on the arguments."""
    return bool(arguments["euros"] > 100)


@function_tool(needs_approval=is_large)
def refund(order: int, euros: int) -> str:
    """Pay money back."""
    return f"order {order}: {euros} euros paid back"


async def approvals() -> None:
    """A person decides on what is large, looking at a state saved as text."""
    agent = Agent(name="cashier", instructions="Refund.", model=MODEL, tools=[refund])
    result = await Runner.run(agent, "Refund my three orders.")
    saved = result.to_state().to_string()

    # Hours later, perhaps in another process:
    state = await RunState.from_string(agent, saved)
    for asked in state.get_interruptions():
        order = json.loads(str(asked.arguments))["order"]
        if order == 18:
            state.approve(asked)
        else:
            state.reject(asked, rejection_message="That order was never delivered.")
    result = await Runner.run(agent, state)
    print(result.final_output)


async def mcp() -> None:
    """Tools, prompts and resources of an MCP server, started and ended with it."""
    command = {"command": sys.executable, "args": ["-c", MCP_SERVER]}
    async with MCPServerStdio(command, name="office", cache_tools_list=True) as office:
        await office.get_prompt("greeting", {"name": "Ada"})
        await office.read_resource("office://address")
        agent = Agent(
            name="clerk", instructions="Ask.", model=MODEL, mcp_servers=[office]
        )
        result = await Runner.run(agent, "Are you open on Sunday?")
    print(result.final_output)


async def prompt_template() -> None:
    """A prompt that the provider keeps, in a version, with variables."""
    agent = Agent(
        name="host",
        model=MODEL,
        prompt={
            "id": "pmpt_customer_support",
            "version": "2",
            "variables": {"company": "Acme", "tone": "friendly"},
        },
    )
    result = await Runner.run(agent, "Hello")
    print(result.final_output)


async def session_persistence() -> None:
    """A session in a file: another object, in another process, goes on with it."""
    agent = Agent(name="helper", instructions="Help.", model=MODEL)
    with TemporaryDirectory() as folder:
        for question in ("What is my ticket?", "Say it again."):
            session = SQLiteSession("ticket-desk", Path(folder) / "sessions.db")
            result = await Runner.run(agent, question, session=session)
            print(result.final_output)
            session.close()


async def platform() -> None:
    scenes = (
        streaming,
        server_conversation,
        approvals,
        mcp,
        prompt_template,
        session_persistence,
    )
    for scene in scenes:
        name = scene.__name__.replace("_", " ")
        async with chaukas.session(name, name=name):
            await scene()


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE), stream_events="deltas")
    with model_for_example(SCRIPT):
        asyncio.run(platform())
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
