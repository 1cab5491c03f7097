"""
The same runs, told by chaukas or by OpenInference's own instrumentation.

    python -m tests.backends.runs TELLER ENDPOINT PROJECT FOLDER [die]

*TELLER* is `chaukas` or `openinference`. A handoff, tools that work and fail, requests
that the client repeats, a guardrail, an approval, a session store, a call to an MCP
server; with `die` the process is killed in the middle of a last run.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunContextWrapper,
    Runner,
    SQLiteSession,
    function_tool,
    input_guardrail,
    set_default_openai_client,
    set_trace_processors,
    set_tracing_disabled,
)
from agents.mcp import MCPServerStreamableHttp
from mcp.server import MCPServer

from loopback import Call, Fail, ModelServer, Text, ToolCalls
from tests.support.mcp_station import Station, served

SCRIPT = (
    ToolCalls(Call("transfer_to_forecaster", {})),
    Fail(429, code="rate_limit_exceeded", message="Rate limit exceeded"),
    ToolCalls(Call("weather", {"city": "Lisbon"}), Call("radar", {"city": "Lisbon"})),
    Text("Sunny in Lisbon, 24 degrees. The radar is out of order."),
    # The second run: what a person has to allow.
    ToolCalls(Call("refund", {"amount": 40})),
    Text("The 40 are on their way."),
    # The third, which does not end.
    ToolCalls(Call("die", {})),
)


def _stations() -> Station:
    server: MCPServer[Any] = MCPServer("stations", version="1.2", log_level="ERROR")

    def latest(city: str) -> dict[str, str]:
        """Tell the latest measurement."""
        return {"city": city, "temperature": "24 degrees"}

    server.add_tool(latest)
    state = Station()
    state.server = server
    return state


@function_tool
async def weather(context: RunContextWrapper[Any], city: str) -> str:
    """Tell the weather."""
    await context.context.call_tool("latest", {"city": city})
    return f"{city}: sunny, 24 degrees"


@function_tool
def radar(city: str) -> str:
    """Look at the radar."""
    raise LookupError(f"no radar near {city}")


@function_tool(needs_approval=True)
def refund(amount: int) -> str:
    """Pay back."""
    return f"{amount} paid back"


@function_tool
def die() -> str:
    """End the process in the middle."""
    if sys.argv[1] == "chaukas":
        import chaukas

        chaukas.flush(20.0)
    os.kill(os.getpid(), 9)
    return ""


@input_guardrail(run_in_parallel=False)
async def polite(
    _context: RunContextWrapper[Any], _agent: Agent[Any], _given: Any
) -> GuardrailFunctionOutput:
    """Let everything pass."""
    return GuardrailFunctionOutput("fine", tripwire_triggered=False)


async def _runs(url: str) -> None:
    forecaster = Agent[Any](
        name="forecaster", model="gpt-4o", instructions="Use the tools.",
        tools=[weather, radar],
    )  # fmt: skip
    desk = Agent[Any](
        name="front desk", model="gpt-4o", instructions="Hand over.",
        handoffs=[forecaster], input_guardrails=[polite],
    )  # fmt: skip
    store = SQLiteSession("chat-42")
    server = MCPServerStreamableHttp({"url": url}, name="stations")
    async with server:
        await Runner.run(desk, "Umbrella?", context=server, session=store)
    cashier = Agent[Any](name="cashier", model="gpt-4o", tools=[refund])
    waiting = await Runner.run(cashier, "Refund 40, please")
    state = waiting.to_state()
    state.approve(waiting.interruptions[0])
    await Runner.run(cashier, state)
    store.close()
    if sys.argv[5:] == ["die"]:
        reaper = Agent[Any](name="reaper", model="gpt-4o", tools=[die])
        await Runner.run(reaper, "Go")


def _openinference(endpoint: str, project: str) -> Any:
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource({"openinference.project.name": project})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces")
    # As its documents recommend for production.
    provider.add_span_processor(BatchSpanProcessor(exporter))
    OpenAIAgentsInstrumentor().instrument(
        tracer_provider=provider, exclusive_processor=True
    )
    return provider


def main() -> None:
    teller, endpoint, project, folder = sys.argv[1:5]
    provider: Any = None
    if teller == "chaukas":
        import chaukas

        set_trace_processors([])
        set_tracing_disabled(True)
        chaukas.enable_chaukas(
            output_mode="otlp", otlp_endpoint=endpoint, project_id=project,
            spool_dir=folder, strict=True,
        )  # fmt: skip
    else:
        provider = _openinference(endpoint, project)
    with ModelServer(SCRIPT) as server, served("streamable_http", _stations()) as url:
        client = server.client(
            known_as="api.openai.com", default_headers={"connection": "close"}
        )
        set_default_openai_client(client, use_for_tracing=False)
        asyncio.run(_runs(url))
    if provider is not None:
        provider.shutdown()
    else:
        chaukas.disable_chaukas(20.0)


if __name__ == "__main__":
    main()
