"""What is read of client sessions, in both spellings of the `mcp` package."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mcp import StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer

from chaukas.sdk.integrations.mcp_client import server_behind, server_told
from chaukas.sdk.integrations.shared.mcp.facts import ServerFacts, request_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "https://ann:pw@h:8/mcp?token=t"
PROGRAM = StdioServerParameters(command="/usr/bin/notes", args=["--key", "pw"])


class Answer(SimpleNamespace):
    """Stands for an object of the `mcp` package, whose version 1 is not here."""

    __module__ = "mcp.types"


@asynccontextmanager
async def stdio_of_mine(_server: Any) -> AsyncIterator[None]:
    """Stand for a transport that the application wrote itself."""
    yield


class Touchy:
    """An object that fails whoever asks it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (SECRET, ServerFacts(url="https://h:8/mcp", transport="streamable_http")),
        (PROGRAM, ServerFacts(transport="stdio", command="notes")),
        (MCPServer("m"), ServerFacts(transport="in_memory")),
        (stdio_client(PROGRAM), ServerFacts(transport="stdio", command="notes")),
        (stdio_client(server=PROGRAM), ServerFacts(transport="stdio", command="notes")),
        (sse_client(SECRET), ServerFacts(url="https://h:8/mcp", transport="sse")),
        (
            streamable_http_client(url=SECRET),
            ServerFacts(url="https://h:8/mcp", transport="streamable_http"),
        ),
        (stdio_of_mine(PROGRAM), ServerFacts()),
        (Touchy(), ServerFacts()),
        (None, ServerFacts()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_client_tells_which_server_it_was_made_for(
    target: Any, told: ServerFacts
) -> None:
    assert server_behind(target) == told


def test_a_greeting_is_read_in_both_spellings() -> None:
    info = Answer(name="station")
    told = {"server_info": info, "capabilities": {}, "instructions": "Add"}
    new = Answer(server_info=info, capabilities={}, instructions="Add")
    old = Answer(serverInfo=info, capabilities={}, instructions="Add")
    assert server_told(new) == told
    assert server_told(old) == told


def test_what_came_over_the_wire_is_read_as_well() -> None:
    info = {"name": "station"}
    raw = {
        "capabilities": {"tools": {}},
        "supportedVersions": ["2026-07-28"],
        "_meta": {"io.modelcontextprotocol/serverInfo": info},
    }
    assert server_told(raw) == {"server_info": info, "capabilities": {"tools": {}}}
    assert server_told({"_meta": "none"}) == {}
    assert server_told(Touchy()) == {}


def test_a_parameter_without_a_name_of_the_protocol_is_not_told() -> None:
    parameters = {"name": "name", "timeout": "", "uri": "uri"}
    assert request_of(parameters, ("a", 3), {"uri": "db://ann:pw@h/t"}) == {
        "name": "a",
        "uri": "db://h/t",
    }
    touchy = Touchy()
    assert request_of(parameters, (), {"uri": touchy, "more": 1}) == {"uri": touchy}
