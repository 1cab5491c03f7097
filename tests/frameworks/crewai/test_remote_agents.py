"""Agents on other servers (A2A): who is asked, what comes back, how it fails."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from crewai.a2a import A2AConfig

from tests.frameworks.crewai.scripted import agent, crew, recorded, task
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CARD = {
    "name": "Painter",
    "description": "Knows colours",
    "version": "1",
    "protocolVersion": "0.3.0",
    "capabilities": {"streaming": False},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "preferredTransport": "JSONRPC",
    "skills": [{"id": "s", "name": "s", "description": "d", "tags": ["t"]}],
}


class Painter(BaseHTTPRequestHandler):
    """Says that it is blue, or that it failed."""

    state = "completed"

    def log_message(self, *_args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Give the card of the agent."""
        address = f"http://127.0.0.1:{self.server.server_address[1]}/"
        self._answer({**CARD, "url": address})

    def do_POST(self) -> None:
        """Do the task."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = [{"kind": "text", "text": "the sky is blue"}]
        said = {"kind": "message", "role": "agent", "messageId": "m1", "parts": text}
        done = {
            "kind": "task",
            "id": "t1",
            "contextId": "c1",
            "status": {"state": self.state, "message": said},
            "history": [asked["params"]["message"]],
        }
        self._answer({"jsonrpc": "2.0", "id": asked["id"], "result": done})

    def _answer(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Failing(Painter):
    """Fails."""

    state = "failed"


@contextmanager
def painter(handler: type[Painter] = Painter) -> Iterator[Any]:
    """Serve a remote agent; give an agent that asks it once, and where it is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host = f"127.0.0.1:{server.server_address[1]}"
        endpoint = f"http://{host}/.well-known/agent-card.json"
        ask = {"a2a_ids": [endpoint], "message": "Which colour?", "is_a2a": True}
        done = {"a2a_ids": [], "message": "It is blue", "is_a2a": False}
        config = A2AConfig(endpoint=endpoint, max_turns=3)
        worker = agent(json.dumps(ask), json.dumps(done), a2a=config)
        try:
            yield worker, host
        finally:
            server.shutdown()
            thread.join()


async def _awaited(given: Any) -> Any:
    return await given


@pytest.mark.parametrize("kind", ["kickoff", "akickoff"])
def test_a_remote_agent_that_is_asked_is_a_handoff_and_an_agent(kind: str) -> None:
    with recorded() as events, painter() as (worker, host):
        result = getattr(crew(task(worker)), kind)()
        if kind == "akickoff":
            result = asyncio.run(_awaited(result))
    assert result.raw == "It is blue"
    assert tree_of(events()) == tree(
        f"""
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              HANDOFF writer -> {host}
              AGENT {host}
              MODEL
            OUTPUT
        """
    )
    handoff = only(events(), "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["handoff_type"] == "a2a"
    assert handoff["handoff_data"] == {"task": "Which colour?"}
    start = named(events(), "AGENT_START")[2]["metadata"]
    assert start["agent_type"] == "remote"
    assert start["endpoint"] == f"http://{host}/.well-known/agent-card.json"
    end = next(e for e in named(events(), "AGENT_END") if e["agent_name"] == host)
    assert end["metadata"]["output"] == "the sky is blue"
    assert end["metadata"]["remote_name"] == "Painter"
    assert end["metadata"]["remote_status"] == "completed"


@pytest.mark.parametrize("kind", ["kickoff", "kickoff_async"])
def test_an_agent_alone_that_asks_a_remote_one_is_one_run(kind: str) -> None:
    with recorded() as events, painter() as (worker, host):
        result = getattr(worker, kind)("Which colour?")
        if kind != "kickoff":
            result = asyncio.run(_awaited(result))
    assert result.raw == "It is blue"
    assert tree_of(events()) == tree(
        f"""
        SESSION
          AGENT writer
            INPUT
            MODEL
            HANDOFF writer -> {host}
            AGENT {host}
            MODEL
            OUTPUT
        """
    )


def test_a_remote_agent_that_fails_is_a_recoverable_error() -> None:
    with recorded() as events, painter(Failing) as (worker, host):
        crew(task(worker)).kickoff()
    assert tree_of(events()) == tree(
        f"""
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              HANDOFF writer -> {host}
              AGENT {host} FAILED
                ERROR failed recoverable
              MODEL
            OUTPUT
        """
    )
    assert only(events(), "ERROR")["error"]["error_message"] == "the sky is blue"
