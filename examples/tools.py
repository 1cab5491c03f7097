"""
Tools: several at once, one that fails, one that looks something up.

    python examples/tools.py

A TOOL pair holds the arguments, the output and the time of one call. A tool whose
error goes back to the model ends FAILED, with an ERROR that says `recoverable`.
The password is hidden wherever it comes by, before anything is written.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agents import Agent, Runner, function_tool

import chaukas
from loopback import Call, Text, ToolCalls, model_for_example
from recorded import fresh, show_tree

FILE = "tools.jsonl"
# A secret that is none: the example shows that it stays out of the file.
PASSWORD = "tulip-7"  # noqa: S105
SCRIPT = (
    # Three calls in one answer: the SDK runs them at the same time.
    ToolCalls(
        Call("sign_in", {"user": "ada", "password": PASSWORD}),
        Call("price_of", {"article": "lamp"}),
        Call("search_manual", {"question": "Which bulb does the lamp take?"}),
    ),
    Text("You are signed in. The lamp takes an E27 bulb; it has no price yet."),
)


@function_tool
async def sign_in(user: str, password: str) -> bool:
    """Sign a customer in."""
    # Lets the other tools begin, as waiting for a real service would.
    await asyncio.sleep(0)
    return (user, password) == ("ada", PASSWORD)


@function_tool
def price_of(article: str) -> str:
    """Tell the price of an article."""
    message = f"no price list holds {article!r}"
    raise LookupError(message)


# Declared as a retrieval: DATA_ACCESS tells what was asked, and which documents came.
@function_tool
@chaukas.retrieval_tool
def search_manual(question: str, top_k: int = 1) -> list[dict[str, Any]]:
    """Search the manuals."""
    found = {"document_id": "lamp-manual", "score": 0.92, "text": "E27, at most 60 W"}
    return [found][:top_k] if question else []


async def ask() -> str:
    agent = Agent(
        name="shop",
        instructions="Use all three tools at once, then answer in one sentence.",
        tools=[sign_in, price_of, search_manual],
    )
    question = f"I am ada, password: {PASSWORD}. Which bulb and price has the lamp?"
    result = await Runner.run(agent, question)
    return str(result.final_output)


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    with model_for_example(SCRIPT):
        print(asyncio.run(ask()))
    chaukas.disable_chaukas()
    is_leaked = PASSWORD in Path(FILE).read_text(encoding="utf-8")
    print(f"The file {'HOLDS' if is_leaked else 'does not hold'} the password.")
    show_tree(FILE)


if __name__ == "__main__":
    main()
