"""
Read MCP servers, requests and answers: what an MCP event needs, as plain data.

Pure, as `_extract` is: objects of the SDK and of the `mcp` package (major versions 1
and 2 spell their fields differently) are read by attribute, and whatever the
application brought is left to the snapshot.
"""

from __future__ import annotations

from pathlib import PurePath
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.read import without_query, without_userinfo
from chaukas.sdk.record.recorder import error_code_of, error_text
from chaukas.sdk.record.retries import class_name_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "OPERATIONS",
    "Operation",
    "ServerFacts",
    "content_of",
    "contents_count",
    "error_facts",
    "failure_text_of",
    "is_cached",
    "is_error",
    "is_group",
    "listed",
    "reason_of",
    "request_of",
    "retry_limit",
    "server_facts",
    "server_names",
    "without_query",
    "without_userinfo",
]

_MODULE = "agents.mcp.server"
_MCP_PACKAGES = frozenset({"mcp", "mcp_types"})
_TRANSPORTS = {
    "MCPServerStdio": "stdio",
    "MCPServerSse": "sse",
    "MCPServerStreamableHttp": "streamable_http",
}
_LISTED_ITEMS = 128
_SERVER_LIMIT = 128
# By name: Python has them since 3.11, and a package before that.
_GROUPS = frozenset({"BaseExceptionGroup", "ExceptionGroup"})
_GROUP_DEPTH = 8
_GROUP_MEMBERS = 4


class Operation(NamedTuple):
    """One method of an MCP server, and what the protocol calls it."""

    name: str
    parameters: Mapping[str, str] = {}
    """Parameters to record, by their order in Python, with the protocol's names."""
    listing: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    """Of a listing: where the items are, and which member names one."""
    answer: tuple[str, ...] = ()
    """Members of any other answer to record."""
    since: str = ""
    """First release of the SDK that has the method."""


OPERATIONS: Mapping[str, Operation] = {
    "connect": Operation("initialize"),
    "cleanup": Operation("shutdown"),
    "list_tools": Operation("tools/list", listing=(("tools",), ("name",))),
    "call_tool": Operation(
        "tools/call",
        {"tool_name": "name", "arguments": "arguments", "meta": "_meta"},
        answer=("content", "structured_content", "structuredContent"),
    ),
    "list_prompts": Operation("prompts/list", listing=(("prompts",), ("name",))),
    "get_prompt": Operation(
        "prompts/get",
        {"name": "name", "arguments": "arguments"},
        answer=("description", "messages"),
    ),
    "list_resources": Operation(
        "resources/list",
        {"cursor": "cursor"},
        listing=(("resources",), ("uri",)),
        since="0.13",
    ),
    "list_resource_templates": Operation(
        "resources/templates/list",
        {"cursor": "cursor"},
        listing=(
            ("resource_templates", "resourceTemplates"),
            ("uri_template", "uriTemplate"),
        ),
        since="0.13",
    ),
    "read_resource": Operation(
        "resources/read", {"uri": "uri"}, answer=("contents",), since="0.13"
    ),
}
"""Methods of `MCPServer` that are recorded, by name."""


class ServerFacts(NamedTuple):
    """Who a call goes to; uncaptured."""

    name: str
    url: str
    """Without credentials; empty for a server that has none."""
    protocol_version: str
    """As negotiated; empty before that, and where the server does not tell it."""
    transport: str
    command: str
    """Name of the program that a stdio server runs, without its arguments."""


def _text(value: object) -> str:
    return value if type(value) is str else ""


def _held(value: object) -> dict[str, Any]:
    """Return what an instance holds itself, running no code of its class."""
    try:
        held: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def _is_of_mcp(value: object) -> bool:
    return any(
        _text(base.__module__).partition(".")[0] in _MCP_PACKAGES
        for base in type(value).__mro__
    )


def _first(value: Any, names: tuple[str, ...]) -> Any:
    """
    Return the first of these members that is there and not None.

    Only objects of the `mcp` package are asked; of others, what they hold is read.
    """
    if not _is_of_mcp(value):
        held = _held(value)
        return next((held[name] for name in names if held.get(name) is not None), None)
    for name in names:
        found = getattr(value, name, None)
        if found is not None:
            return found
    return None


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
    return _text(name) or _text(held.get("name")) or class_name_of(server)


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
    return _text(_first(result, names)) or _text(_first(held.get("session"), names))


def server_facts(server: Any) -> ServerFacts:
    """Return who *server* is; its headers, environment and arguments are not read."""
    held = _held(server)
    parameters = held.get("params")
    url = _text(parameters.get("url")) if type(parameters) is dict else ""
    transport = command = ""
    for base in type(server).__mro__:
        if base.__module__ == _MODULE and base.__name__ in _TRANSPORTS:
            transport = _TRANSPORTS[base.__name__]
    if transport == "stdio":
        command = PurePath(_text(getattr(parameters, "command", None))).name
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
        without_query(_name_of(server, _held(server)))
        for server in servers[:_SERVER_LIMIT]
    ]


def is_cached(server: Any) -> bool:
    """Tell whether `list_tools` of *server* is about to answer from its cache."""
    held = _held(server)
    tools = held.get("_tools_list")
    return (
        held.get("cache_tools_list") is True
        and held.get("_cache_dirty") is False
        and type(tools) is list
        and bool(tools)
    )


def retry_limit(server: Any) -> int:
    """Return how often *server* may repeat a request; 0 for never and for ever."""
    limit = _held(server).get("max_retry_attempts")
    return limit if type(limit) is int and limit > 0 else 0


def request_of(method: str, args: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call by the protocol's names; uncaptured."""
    parameters = OPERATIONS[method].parameters
    given = {**dict(zip(parameters, args, strict=False)), **kwargs}
    request = {
        told: given[name]
        for name, told in parameters.items()
        if given.get(name) is not None
    }
    if method == "read_resource" and type(request.get("uri")) is str:
        request["uri"] = without_userinfo(request["uri"])
    return request


def listed(method: str, result: Any) -> dict[str, Any] | None:
    """
    Return what a listing answered: names or addresses, how many, and the cursor.

    None for what is no listing. Descriptions and schemas are left out, since the same
    ones come with every turn.
    """
    listing = OPERATIONS[method].listing
    if listing is None:
        return None
    where, naming = listing
    items = result if type(result) is list else _first(result, where)
    if type(items) is not list:
        return {}
    names = [_name_in(item, naming) for item in items[:_LISTED_ITEMS]]
    answer: dict[str, Any] = {where[0]: names, "count": len(items)}
    cursor = _text(_first(result, ("next_cursor", "nextCursor")))
    if cursor:
        answer["next_cursor"] = cursor
    return answer


def _name_in(item: Any, naming: tuple[str, ...]) -> str:
    found = _first(item, naming)
    # Version 1 has pydantic's own class for addresses.
    is_text = type(found) is str or type(found).__module__.startswith("pydantic")
    return without_userinfo(str(found)) if is_text else ""


def content_of(method: str, server: Any, result: Any) -> Any:
    """Return what an answer that is no listing says; uncaptured."""
    if method == "cleanup":
        return None
    if method == "connect":
        return _greeting_of(server)
    members = {
        name: value
        for name in OPERATIONS[method].answer
        if (value := _first(result, (name,))) is not None
    }
    return members or result


def _greeting_of(server: Any) -> dict[str, Any]:
    """Return what a server said of itself when it was connected."""
    held = _held(server)
    sources = (held.get("server_initialize_result"), held.get("session"))
    told: dict[str, Any] = {}
    for name, spellings in (
        ("server_info", ("server_info", "serverInfo")),
        ("capabilities", ("capabilities", "server_capabilities")),
        ("instructions", ("instructions",)),
    ):
        for source in sources:
            found = _first(source, spellings)
            if found is not None and name not in told:
                told[name] = found
    return told


def is_error(result: Any) -> bool:
    """Tell whether the answer of a tool says that it failed."""
    return _first(result, ("is_error", "isError")) is True


def failure_text_of(result: Any) -> str:
    """Return the text of an answer, which says why it failed; uncaptured."""
    content = _first(result, ("content",))
    if type(content) is not list:
        return ""
    return "\n".join(
        text for item in content if (text := _text(_first(item, ("text",))))
    )


def contents_count(result: Any) -> int:
    """Return how many parts an answer to `resources/read` has."""
    contents = _first(result, ("contents",))
    return len(contents) if type(contents) is list else 0


def is_group(error: BaseException) -> bool:
    """Tell whether *error* is a group of others, as task groups raise."""
    return class_name_of(error) in _GROUPS


def reason_of(error: BaseException) -> str:
    """Return the message of an error; for a group, those of its members behind it."""
    text = error_text(error) or class_name_of(error)
    members = _members_of(error)
    if not members:
        return text
    told = "; ".join(f"{error_code_of(each)}: {error_text(each)}" for each in members)
    return f"{text} ({told})"


def _members_of(error: BaseException, depth: int = 0) -> list[BaseException]:
    """Return the first errors of a group that are no groups themselves."""
    if not is_group(error) or depth > _GROUP_DEPTH:
        return []
    members = getattr(error, "exceptions", None)
    found: list[BaseException] = []
    for member in members if type(members) is tuple else ():
        found += _members_of(member, depth + 1) or [member]
    return found[:_GROUP_MEMBERS]


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return class and JSON-RPC code of an error that a call raised."""
    facts: dict[str, Any] = {"error_code": error_code_of(error)}
    code = _first(fields_of(error).get("error"), ("code",))
    if type(code) is int:
        facts["rpc_code"] = code
    return facts
