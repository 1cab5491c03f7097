"""
Retries and failing tools: what the OpenAI client hides is recorded too.

    python examples/openai_retry_example.py
    jq .type openai_retry_demo.jsonl | sort | uniq -c

A provider under load turns model calls away with HTTP 429; the OpenAI client
waits and tries again by itself, and each of its retries is a RETRY event. Three
tool calls fail and are handled: the model is told, and the run goes on. With
`OPENAI_API_KEY` set the events are what really happens, so the counts differ.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from agents import Agent, Runner, function_tool

import chaukas
from loopback import Call, Fail, Text, ToolCalls, model_for_example
from recorded import fresh, show_tree

FILE = "openai_retry_demo.jsonl"

_BUSY = Fail(
    429,
    code="rate_limit_exceeded",
    message="Rate limit exceeded",
    retry_after=0.05,
)
SCRIPT = (
    # First run: turned away twice, then three tools at once, then the answer.
    _BUSY,
    _BUSY,
    ToolCalls(
        Call("weather", {"city": "Lisbon"}),
        Call("find_flight", {"city": "Lisbon"}),
        Call("find_hotel", {"city": "Lisbon"}),
    ),
    Text("It is sunny in Lisbon. Flights and hotels cannot be searched now."),
    # Second run: two more tools, turned away once, then the answer.
    ToolCalls(
        Call("weather", {"city": "Porto"}),
        Call("find_flight", {"city": "Porto"}),
    ),
    _BUSY,
    Text("It is sunny in Porto too. Flights still cannot be searched."),
)


@function_tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"{city}: sunny"


@function_tool
def find_flight(city: str) -> str:
    """Find a flight to a city."""
    message = f"the flight search did not answer for {city}"
    raise TimeoutError(message)


@function_tool
def find_hotel(city: str) -> str:
    """Find a hotel in a city."""
    message = f"the hotel search is closed: nothing found in {city}"
    raise LookupError(message)


async def plan() -> None:
    agent = Agent(
        name="travel desk",
        instructions="Use the tools. Say plainly what could not be found.",
        tools=[weather, find_flight, find_hotel],
    )
    first = await Runner.run(agent, "Plan a weekend in Lisbon for me.")
    print(first.final_output)
    # One run with two new messages: two INPUT_RECEIVED.
    further = [
        {"role": "user", "content": "Then take Porto instead."},
        {"role": "user", "content": "I need no hotel there."},
    ]
    second = await Runner.run(agent, [*first.to_input_list(), *further])
    print(second.final_output)


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with model_for_example(SCRIPT):
        asyncio.run(plan())
    chaukas.disable_chaukas()
    show_tree(FILE)
    show_counts()


def show_counts() -> None:
    """Print what `jq .type FILE | sort | uniq -c` prints."""
    print(f"\n$ jq .type {FILE} | sort | uniq -c")
    lines = Path(FILE).read_text(encoding="utf-8").splitlines()
    for kind, count in sorted(Counter(json.loads(x)["type"] for x in lines).items()):
        print(f'{count:7} "{kind}"')


if __name__ == "__main__":
    main()
