"""
Sessions and tenants: several customers in one process, at the same time.

    python examples/multi_tenant_sessions.py

Every run inside `chaukas.session(...)` carries that session and tenant, and no
event gets those of another, however the runs interleave.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

from agents import Agent, Runner

import chaukas
from loopback import Request, Text, model_for_example
from recorded import fresh, show_tree

FILE = "multi_tenant_sessions.jsonl"
TENANTS = ("acme", "globex", "initech")


def reply(request: Request) -> Text:
    """Answer by content: with concurrent runs the order is a matter of chance."""
    return Text(f"You said: {request.user_text}")


async def conversation(agent: Agent, tenant: str) -> None:
    """Two runs of one conversation, recorded as one session of the tenant."""
    async with chaukas.session(
        f"{tenant}-chat",
        tenant_id=tenant,
        name="support chat",
        metadata={"plan": "gold" if tenant == "acme" else "free"},
    ):
        first = await Runner.run(agent, f"Hello from {tenant}.")
        history = first.to_input_list()
        question = {"role": "user", "content": f"Goodbye from {tenant}."}
        await Runner.run(agent, [*history, question])


async def serve() -> None:
    agent = Agent(name="support", instructions="Repeat what the user said.")
    await asyncio.gather(*(conversation(agent, tenant) for tenant in TENANTS))


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE), tenant_id="ourselves")
    with model_for_example(reply):
        asyncio.run(serve())
    chaukas.disable_chaukas()

    lines = Path(FILE).read_text(encoding="utf-8").splitlines()
    for tenant, count in Counter(json.loads(x)["tenant_id"] for x in lines).items():
        print(f"{count:3} events of tenant {tenant}")
    show_tree(FILE)


if __name__ == "__main__":
    main()
