"""
Read MCP servers as the Agents SDK has them: what an MCP event needs, as plain data.

Pure, as `_extract` is: a server may be a class of the application's own, so only what
it holds is read.
"""

from __future__ import annotations

from pathlib import PurePath
from types import FunctionType
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.shared.mcp.facts import OPERATIONS as REQUESTS
from chaukas.sdk.integrations.shared.mcp.facts import (
    ServerFacts,
    answer_of,
    first_of,
    greeting_of,
    without_query,
)
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.record.errors import class_name_of
from chaukas.sdk.system.introspect import attributes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "OPERATIONS",
    "PARAMETERS",
    "SINCE",
    "content_of",
    "is_cached",
    "retry_limit",
    "server_facts",
    "server_names",
]

_MODULE = "agents.mcp.server"
_TRANSPORTS = {
    "MCPServerStdio": "stdio",
    "MCPServerSse": "sse",
    "MCPServerStreamableHttp": "streamable_http",
}
_SERVER_LIMIT = 128

OPERATIONS: Mapping[str, str] = {
    "connect": "initialize",
    "cleanup": "shutdown",
    **{method: operation.name for method, operation in REQUESTS.items()},
}
"""Methods of `MCPServer` that are recorded, with what the protocol calls each."""

SINCE: Mapping[str, str] = dict.fromkeys(
    ("list_resources", "list_resource_templates", "read_resource"), "0.13"
)
"""First release of the SDK that has a method, where not all have it."""

PARAMETERS: Mapping[str, Mapping[str, str]] = {
    **{method: {} for method in OPERATIONS},
    "call_tool": {"tool_name": "name", "arguments": "arguments", "meta": "_meta"},
    "get_prompt": {"name": "name", "arguments": "arguments"},
    "list_resources": {"cursor": "cursor"},
    "list_resource_templates": {"cursor": "cursor"},
    "read_resource": {"uri": "uri"},
}
"""Parameters to record, by their order in Python, with the protocol's names."""


def _name_of(server: Any, held: dict[str, Any]) -> str:
    """
    Return the name of *server*, or of its class where the name is computed.

    `name` is a property, and a user's own must not run here. Nearly all return an
    attribute or a constant, which their code tells.
    """
    name: object = None
    for base in type(server).__mro__:
        if "name" in base.__dict__:
            name = base.__dict__["name"]
            break
    if type(name) is property:
        name = _returned(name.fget, held)
    return text_of(name) or text_of(held.get("name")) or class_name_of(server)


def _returned(getter: object, held: dict[str, Any]) -> object:
    """Return what a getter that only returns something returns, without a call."""
    if type(getter) is not FunctionType:
        return None
    code = getter.__code__
    texts = [each for each in code.co_consts if type(each) is str]
    if getter.__doc__ in texts:
        texts.remove(getter.__doc__)
    match code.co_names, texts:
        case (attribute,), []:
            return held.get(attribute)
        case (), [constant]:
            return constant
        case _:
            return None


def _protocol_version_of(held: dict[str, Any]) -> str:
    result = held.get("server_initialize_result")
    names = ("protocol_version", "protocolVersion")
    return text_of(first_of(result, names)) or text_of(
        first_of(held.get("session"), names)
    )


def server_facts(server: Any) -> ServerFacts:
    """Return who *server* is; its headers, environment and arguments are not read."""
    held = attributes_of(server)
    parameters = held.get("params")
    url = text_of(parameters.get("url")) if type(parameters) is dict else ""
    transport = command = ""
    for base in type(server).__mro__:
        if base.__module__ == _MODULE and base.__name__ in _TRANSPORTS:
            transport = _TRANSPORTS[base.__name__]
    if transport == "stdio":
        command = PurePath(text_of(getattr(parameters, "command", None))).name
    return ServerFacts(
        name=without_query(_name_of(server, held)),
        url=without_query(url),
        protocol_version=_protocol_version_of(held),
        transport=transport,
        command=command,
    )


def server_names(servers: Any) -> list[str]:
    """Return the names of an agent's MCP servers, as MCP_CALL events have them."""
    if type(servers) is not list:
        return []
    return [
        without_query(_name_of(server, attributes_of(server)))
        for server in servers[:_SERVER_LIMIT]
    ]


def is_cached(server: Any) -> bool:
    """Tell whether `list_tools` of *server* is about to answer from its cache."""
    held = attributes_of(server)
    tools = held.get("_tools_list")
    return (
        held.get("cache_tools_list") is True
        and held.get("_cache_dirty") is False
        and type(tools) is list
        and bool(tools)
    )


def retry_limit(server: Any) -> int:
    """Return how often *server* may repeat a request; 0 for never and for ever."""
    limit = attributes_of(server).get("max_retry_attempts")
    return limit if type(limit) is int and limit > 0 else 0


def content_of(method: str, server: Any, result: Any) -> Any:
    """Return what an answer that is no listing says; uncaptured."""
    if method == "cleanup":
        return None
    if method == "connect":
        held = attributes_of(server)
        return greeting_of((held.get("server_initialize_result"), held.get("session")))
    return answer_of(method, result)
