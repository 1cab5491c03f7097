"""
A small program that switches several packages on, in the order it is told.

    python tests/companions/program.py chaukas,sentry RECORD

`taken` keeps the runner's functions at that moment and runs by them afterwards. It
writes what the application sees as JSON: results, and what went over the wire.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import agents.run
from agents import Agent, Runner, function_tool
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))

from loopback import Call, Fail, ModelServer, Text, ToolCalls

_TAKEN: list[Any] = []


def switch_on(name: str, record: str) -> None:
    """Switch one package on, as its documents say."""
    if name == "chaukas":
        import chaukas

        chaukas.enable_chaukas(config={"output_mode": "file", "output_file": record})
    elif name == "sentry":
        import sentry_sdk
        from sentry_sdk.integrations.openai_agents import OpenAIAgentsIntegration

        sentry_sdk.init(integrations=[OpenAIAgentsIntegration()])
    elif name == "openinference":
        from openinference.instrumentation import openai_agents as openinference

        openinference.OpenAIAgentsInstrumentor().instrument()
    elif name == "traceloop":
        from opentelemetry.instrumentation import openai_agents as traceloop

        traceloop.OpenAIAgentsInstrumentor().instrument()
    elif name == "logfire":
        import logfire

        logfire.configure(send_to_logfire=False, console=False)
        logfire.instrument_openai_agents()
    elif name == "ddtrace":
        import ddtrace

        ddtrace.patch(openai_agents=True)
    elif name == "taken":
        runner = agents.run.DEFAULT_AGENT_RUNNER
        _TAKEN[:] = [runner.run, runner.run_streamed]
    else:
        raise SystemExit(f"unknown package {name!r}")


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def play() -> dict[str, Any]:
    """Run a team twice, once streamed, and once into an error."""
    run, run_streamed = _TAKEN or (Runner.run, Runner.run_streamed)
    story = [
        ToolCalls(Call("add", {"a": 1, "b": 2}, "call_1")),
        ToolCalls(Call("transfer_to_expert", {}, "call_2")),
        Text("It is 3"),
    ]
    seen: list[Any] = []
    with ModelServer([*story, *story, Fail(400, message="no")]) as server:
        async with server.client(max_retries=0) as client:
            expert: Agent[Any] = Agent(
                name="Expert", model=OpenAIChatCompletionsModel("gpt-5", client)
            )
            clerk: Agent[Any] = Agent(
                name="Clerk",
                model=OpenAIResponsesModel("gpt-5", client),
                tools=[add],
                handoffs=[expert],
            )
            seen.append((await run(clerk, "What is 1 + 2?")).final_output)
            result = run_streamed(clerk, "What is 2 + 1?")
            kinds = [event.type async for event in result.stream_events()]
            seen.append([result.final_output, len(kinds)])
            try:
                await run(clerk, "Break")
            except Exception as error:
                seen.append(type(error).__name__)
        bodies = [dict(request.body) for request in server.requests]
    return {"seen": seen, "wire": bodies}


def main() -> None:
    """Switch on, run, and tell."""
    order, record = sys.argv[1:]
    for name in order.split(","):
        if name:
            switch_on(name, record)
    sys.stdout.write(json.dumps(asyncio.run(play())) + "\n")


if __name__ == "__main__":
    main()
