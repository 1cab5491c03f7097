"""
Streaming: recorded as any other run, and handed on piece by piece as before.

    python examples/streaming.py

The model's END event tells when the first piece came and how many there were.
"""

from __future__ import annotations

import asyncio

from agents import Agent, Runner

import chaukas
from loopback import Text, model_for_example
from recorded import fresh, show_tree

FILE = "streaming.jsonl"
SCRIPT = (Text("Slow rivers carve the deepest valleys."),)


async def stream() -> None:
    agent = Agent(name="poet", instructions="Answer with one line.")
    # The same object that the SDK returns without chaukas.
    result = Runner.run_streamed(agent, "A line about rivers, please.")
    async for event in result.stream_events():
        if event.type == "raw_response_event" and (
            event.data.type == "response.output_text.delta"
        ):
            print(event.data.delta, end="|", flush=True)
    print()


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with model_for_example(SCRIPT):
        asyncio.run(stream())
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
