"""
Quick start: one line, and every run is recorded.

    python examples/quickstart.py

Without a key a loopback model answers; with `OPENAI_API_KEY` set, the real one.
Everything that was recorded is in `quickstart.jsonl`.
"""

from __future__ import annotations

from agents import Agent, Runner, function_tool

import chaukas
from loopback import Call, Text, ToolCalls, model_for_example
from recorded import fresh, show_tree

FILE = "quickstart.jsonl"

# What the loopback model answers, request by request.
SCRIPT = (
    ToolCalls(Call("weather", {"city": "Lisbon"})),
    Text("It is sunny in Lisbon, 24 degrees. Leave the umbrella at home."),
)


@function_tool
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"{city}: sunny, 24 degrees"


def main() -> None:
    # The one line. Without an argument the file is `chaukas_events.jsonl`.
    chaukas.enable_chaukas(output_file=fresh(FILE))

    # Your own code, as it was before.
    agent = Agent(
        name="assistant",
        instructions="Answer in one sentence. Ask the weather tool.",
        model="gpt-5-mini",
        tools=[weather],
    )
    with model_for_example(SCRIPT):
        result = Runner.run_sync(agent, "Do I need an umbrella in Lisbon?")
    print(result.final_output)

    # Not needed in an application: the end of the process does the same.
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
