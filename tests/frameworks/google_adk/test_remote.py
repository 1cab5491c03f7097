"""Agents of ADK that are served by another program, by way of A2A."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

pytest.importorskip("a2a")

import uvicorn

from tests.frameworks.google_adk.support import (
    RELEASE,
    agent,
    ask,
    play,
    runner_of,
    tree_of,
)
from tests.support.trees import named, tree

if RELEASE < (2, 9):
    pytest.skip("it is served in another way", allow_module_level=True)

from google.adk.agents.remote_a2a_agent import RemoteA2aAgent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, app: Any, port: int) -> None:
        super().__init__(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical")
        )
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.ready.set()


async def _remote(*script: Any) -> None:
    from google.adk.a2a.utils.agent_to_a2a import to_a2a

    port = _free_port()
    served = agent(*script, name="served", description="d")
    app = to_a2a(served, host="127.0.0.1", port=port)
    server = _Server(app, port)
    serving = asyncio.create_task(server.serve())
    await server.ready.wait()
    card = f"http://127.0.0.1:{port}/.well-known/agent-card.json"
    remote = RemoteA2aAgent(name="remote", description="d", agent_card=card)
    try:
        await ask(runner_of(remote))
    finally:
        server.should_exit = True
        await serving


def test_an_agent_that_is_served_here_is_a_run_of_its_own() -> None:
    events = play(asyncio.wait_for(_remote("from afar"), 120))
    drawn = sorted(tree_of(events).split("\nSESSION"))
    assert "".join(drawn).count("AGENT") == 2
    kinds = {event["agent_name"] for event in named(events, "AGENT_START")}
    assert kinds == {"remote", "served"}
    texts = {event["message"]["text"] for event in named(events, "OUTPUT_EMITTED")}
    assert texts == {"from afar"}
    assert tree(
        """
        AGENT served
            INPUT
            MODEL
            OUTPUT
        """
    ) in tree_of(events)
