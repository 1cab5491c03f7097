"""
Handoffs and nested agents: who did what, in one tree.

    python examples/handoffs.py

A handoff ends the AGENT pair of the one and begins that of the other, side by
side. An agent used as a tool has its AGENT pair under the TOOL that it is.
"""

from __future__ import annotations

from agents import Agent, Runner

import chaukas
from loopback import Call, Text, ToolCalls, model_for_example
from recorded import fresh, show_tree

FILE = "handoffs.jsonl"
SCRIPT = (
    # The reception gives the conversation away …
    ToolCalls(Call("transfer_to_billing")),
    # … billing asks the accountant, who is an agent behind a tool …
    ToolCalls(Call("ask_accountant", {"input": "Was invoice 17 paid twice?"})),
    Text("Yes, on the 3rd and on the 4th."),
    # … and answers the user.
    Text("You paid invoice 17 twice. We refund the second payment."),
)


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))

    accountant = Agent(
        name="accountant",
        instructions="Invoice 17 was paid on the 3rd and on the 4th.",
    )
    billing = Agent(
        name="billing",
        instructions="Always ask the accountant before you answer.",
        tools=[
            accountant.as_tool(
                tool_name="ask_accountant",
                tool_description="Ask about payments.",
            )
        ],
    )
    reception = Agent(
        name="reception",
        instructions="Hand questions about payments over to billing.",
        handoffs=[billing],
    )
    with model_for_example(SCRIPT):
        result = Runner.run_sync(reception, "Did I pay invoice 17 twice?")
    print(f"{result.last_agent.name}: {result.final_output}")

    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    main()
