"""
A chat assistant for many tenants: an ASGI service that streams its answers.

    python examples/multi_tenant_assistant.py

A key names the tenant, the tenant its agent: one looks up orders on an MCP server over
HTTP, one hands billing questions over, one answers with an object instead of text.
Every request is a run in the tenant's own session. What each tenant cost, and how long
its users waited, is read from the file at the end.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import defaultdict
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx2
import uvicorn
from agents import Agent, Runner, SQLiteSession
from agents.mcp import MCPServerStreamableHttp
from mcp.server import MCPServer
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import chaukas
from loopback import Call, Reply, Request, Text, ToolCalls, model_for_example
from recorded import fresh, show_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request as HttpRequest

FILE = "multi_tenant_assistant.jsonl"
MODEL = "gpt-5-mini"


class Suggestion(BaseModel):
    """What the widget of one tenant shows: an answer, and buttons below it."""

    response: str
    suggestions: list[str]


@dataclass(frozen=True)
class Tenant:
    """A customer of the platform, the agent that speaks for it, and its chats."""

    tenant_id: str
    agent: Agent
    chats: dict[str, SQLiteSession] = field(default_factory=dict)


# What the loopback model answers: by content, since requests come in any order.


def reply(request: Request) -> Reply:
    instructions = str(request.body.get("instructions"))
    if "orders" in instructions:
        if request.user_text.startswith("Still"):
            return Text("It is on its way, as I said.")
        if request.tool_outputs:
            return Text(f"Good news. {request.tool_outputs[-1]}")
        return ToolCalls(Call("order_status", {"order": 17}))
    if "calendar" in instructions:
        found = Suggestion(response="Friday at ten is free.", suggestions=["Book it"])
        return Text(found.model_dump_json())
    if "reception" in instructions:
        return ToolCalls(Call("transfer_to_billing", {}))
    return Text("Your last invoice was paid on Monday.")


# The service.


def tenants(orders: MCPServerStreamableHttp) -> dict[str, Tenant]:
    """Return the tenants by their keys, as a database would."""
    billing = Agent(name="billing", instructions="Answer about invoices.", model=MODEL)
    return {
        "key-acme": Tenant(
            "acme",
            Agent(
                name="shop",
                instructions="Look up orders before you answer.",
                model=MODEL,
                mcp_servers=[orders],
            ),
        ),
        "key-globex": Tenant(
            "globex",
            Agent(
                name="secretary",
                instructions="Keep the calendar.",
                model=MODEL,
                output_type=Suggestion,
            ),
        ),
        "key-initech": Tenant(
            "initech",
            Agent(
                name="reception",
                instructions="You are the reception: hand questions over.",
                model=MODEL,
                handoffs=[billing],
            ),
        ),
    }


def service(known: dict[str, Tenant]) -> Starlette:
    """Return the ASGI application: `POST /chat` answers as server-sent events."""

    async def chat(request: HttpRequest) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        tenant = known.get(key)
        if tenant is None:
            return JSONResponse({"error": "unknown key"}, status_code=401)
        body = await request.json()
        answer = answers(tenant, body["chat"], body["message"])
        return StreamingResponse(answer, media_type="text/event-stream")

    return Starlette(routes=[Route("/chat", chat, methods=["POST"])])


async def answers(tenant: Tenant, chat: str, message: str) -> AsyncIterator[str]:
    """Run the tenant's agent in the tenant's session, and stream what it says."""
    chat_id = f"{tenant.tenant_id}-{chat}"
    # One session for the whole chat: its next request goes on with it.
    async with chaukas.session(
        chat_id, tenant_id=tenant.tenant_id, name="chat", keep_open=True
    ):
        # In memory, for the example; a service would name a file.
        if chat not in tenant.chats:
            tenant.chats[chat] = SQLiteSession(chat_id)
        memory = tenant.chats[chat]
        result = Runner.run_streamed(tenant.agent, message, session=memory)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and isinstance(
                event.data, ResponseTextDeltaEvent
            ):
                yield f"data: {json.dumps(event.data.delta)}\n\n"


# What the service needs around it.


def orders_server() -> MCPServer[Any]:
    """Return the MCP server of one tenant's shop."""
    server: MCPServer[Any] = MCPServer("orders", log_level="ERROR")

    @server.tool()
    def order_status(order: int) -> str:
        """Tell where an order is."""
        return f"Order {order} is on its way."

    return server


class Server(uvicorn.Server):
    """Leaves the signals of the program alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(app, log_config=None))
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def ask(url: str, key: str, chat: str, message: str) -> str:
    """Ask as the widget does, and return the whole answer."""
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}) as client,
        client.stream(
            "POST", f"{url}/chat", json={"chat": chat, "message": message}
        ) as response,
    ):
        pieces = [
            json.loads(line.removeprefix("data: "))
            async for line in response.aiter_lines()
            if line.startswith("data: ")
        ]
    return "".join(pieces) or f"HTTP {response.status_code}"


async def serve() -> None:
    async with (
        served(orders_server().streamable_http_app()) as shop,
        MCPServerStreamableHttp({"url": f"{shop}/mcp"}, name="orders") as orders,
    ):
        known = tenants(orders)
        async with served(service(known)) as url:
            answered = await asyncio.gather(
                ask(url, "key-acme", "1", "Where is my order 17?"),
                ask(url, "key-globex", "1", "When can we meet?"),
                ask(url, "key-initech", "1", "Is my invoice paid?"),
                ask(url, "key-initech", "2", "Who sends the invoices?"),
                ask(url, "key-of-nobody", "1", "Let me in."),
            )
            last = await ask(url, "key-acme", "1", "Still there?")
        for tenant in known.values():
            for memory in tenant.chats.values():
                memory.close()
    for answer in (*answered, last):
        print(answer)


# What the file tells.


def show_costs(file: str) -> None:
    """Print what each tenant's models cost, and how long its users waited."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    costs: dict[str, float] = defaultdict(float)
    tokens: dict[str, int] = defaultdict(int)
    chats: dict[str, int] = defaultdict(int)
    waits_ms: dict[str, list[float]] = defaultdict(list)
    for event in map(json.loads, lines):
        tenant = event["tenant_id"]
        if event["type"] == "EVENT_TYPE_MODEL_INVOCATION_END":
            costs[tenant] += event.get("cost", {}).get("total_cost", 0)
            tokens[tenant] += event["llm_invocation"]["total_tokens"]
        elif event["type"] == "EVENT_TYPE_SESSION_END":
            chats[tenant] += 1
        elif event["type"] == "EVENT_TYPE_AGENT_END" and "run" in event["metadata"]:
            waits_ms[tenant].append(event["metadata"]["run"]["duration_ms"])
    print("\ntenant     chats   tokens   cost, USD   median wait, ms")
    for tenant in sorted(waits_ms):
        waited = waits_ms[tenant]
        print(
            f"{tenant:<10} {chats[tenant]:>5} {tokens[tenant]:>8}"
            f" {costs[tenant]:>11.6f} {median(waited):>17.0f}"
        )


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE), tenant_id="ourselves")
    with model_for_example(reply):
        asyncio.run(serve())
    chaukas.disable_chaukas()
    show_costs(FILE)
    show_tree(FILE)


if __name__ == "__main__":
    main()
