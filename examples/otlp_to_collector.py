"""
A program of any framework that speaks OpenTelemetry, and a collector that shows it.

    python examples/otlp_to_collector.py

It starts `chaukas collector run` on free ports with a folder of its own. What is sent
is written with the OpenTelemetry SDK alone: nothing of chaukas is in that program.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from collector import ask, key_of, running


def text(role: str, content: str) -> str:
    """Return a message as the conventions want it."""
    part = {"type": "text", "content": content}
    return json.dumps([{"role": role, "parts": [part]}])


def work(address: str, key: str) -> None:
    """Do what a framework does: a request, in it an agent, a model call and a tool."""
    exporter = OTLPSpanExporter(
        f"{address}/v1/traces", headers={"authorization": f"Bearer {key}"}
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "weather"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    start = provider.get_tracer("my_framework").start_as_current_span
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "forecaster",
        "gen_ai.conversation.id": "chat-42",
        "gen_ai.input.messages": text("user", "Umbrella?"),
        "gen_ai.output.messages": text("assistant", "No."),
    }
    chat: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 13,
        "gen_ai.usage.output_tokens": 2,
    }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.arguments": '{"city": "Lisbon"}',
        "gen_ai.tool.call.result": "sunny",
    }
    with start("POST /ask"), start("invoke_agent forecaster", attributes=agent):
        with start("execute_tool weather", attributes=tool):
            pass
        with start("chat gpt-4o", attributes=chat):
            pass
    provider.shutdown()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "collector"
        sender = key_of(data, "acme", "ingest")
        reader = key_of(data, "acme", "read")
        with running(data) as address:
            work(address, sender)
            (run,) = ask(address, "/api/runs", reader)["items"]
            print(f"{run['status']}: {run['input']} {run['output']}")
            tree = ask(address, f"/api/tree?trace_id={run['trace_id']}", reader)
            for one in tree["spans"]:
                print("  " * one["depth"] + f"{one['kind']} {one['name']}")


if __name__ == "__main__":
    main()
