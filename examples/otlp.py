"""
OpenTelemetry: every run as spans, in any backend that takes OTLP.

    python examples/otlp.py

The receiver here stands for Langfuse, Phoenix, Logfire, Datadog, Grafana, Jaeger or a
collector: name yours as `otlp_endpoint`, or by OpenTelemetry's own variables. The file
is written beside it, so both show the same run.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import TYPE_CHECKING

from agents import Agent, Runner, function_tool

import chaukas
from loopback import Call, Text, ToolCalls, model_for_example
from loopback.otlp import SpanReceiver
from recorded import fresh, show_tree

if TYPE_CHECKING:
    from loopback.otlp import ReceivedSpan

FILE = "otlp.jsonl"
SCRIPT = (
    ToolCalls(Call("transfer_to_forecaster", {})),
    ToolCalls(Call("weather", {"city": "Lisbon"})),
    Text("No umbrella today: sunny in Lisbon, 24 degrees."),
)


@function_tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"{city}: sunny, 24 degrees"


async def ask() -> str:
    forecaster = Agent(
        name="forecaster",
        model="gpt-4o",
        instructions="Answer in one sentence.",
        tools=[weather],
    )
    front_desk = Agent(
        name="front desk",
        model="gpt-4o",
        instructions="Hand over to who knows best.",
        handoffs=[forecaster],
    )
    result = await Runner.run(front_desk, "Do I need an umbrella in Lisbon?")
    return str(result.final_output)


def show_spans(spans: list[ReceivedSpan], parent: str = "", depth: int = 0) -> None:
    below = [span for span in spans if span.parent_span_id == parent]
    for span in sorted(below, key=lambda span: span.start_ns):
        tokens = span.attributes.get("gen_ai.usage.input_tokens")
        print(f"{'  ' * depth}{span.name}{f'  {tokens} tokens in' if tokens else ''}")
        show_spans(spans, span.span_id, depth + 1)


def main() -> None:
    with SpanReceiver() as receiver, tempfile.TemporaryDirectory() as spool_dir:
        chaukas.enable_chaukas(
            output_mode="file,otlp",
            otlp_endpoint=receiver.endpoint,
            output_file=fresh(FILE),
            # Only for the example: an application keeps what waits in its home folder.
            spool_dir=spool_dir,
        )
        with model_for_example(SCRIPT), chaukas.session("chat-42", user_id="ada"):
            print(asyncio.run(ask()))
        # Waits a second at most for the receiver; what it did not take, the next
        # process sends.
        chaukas.disable_chaukas()
        print("\nWhat the receiver has:")
        show_spans(receiver.spans)
    show_tree(FILE)


if __name__ == "__main__":
    main()
