"""
Record what goes through `mcp.ClientSession`, whoever uses it.

| mcp moment | events | fields |
|---|---|---|
| a session is initialized, or asks what its server speaks | MCP pair | server |
| tools, prompts or resources are listed | MCP pair | names, their count |
| a tool is called, a prompt got, an argument completed | MCP pair | request, answer |
| a resource is read | MCP pair, DATA_ACCESS | address, contents |
| the answer of a tool says that it failed | ERROR | its text |
| a call raises | ERROR | class, JSON-RPC code |

For mcp 1 and 2. A call stands under what is in force, such as the tool that makes it,
and outside of any run right under the session. What a framework's own integration
records already, as that of the Agents SDK does with its servers, is not recorded again.

Not seen: what transport a session uses that the application made of streams itself, but
for streamable HTTP (an `mcp.Client` knows it); notifications; pings; requests that are
passed to `send_request`. Subscriptions are left alone, because their methods warn
of being deprecated, and the warning names the line that called them.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePath
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from chaukas.sdk.patching import Patch
from chaukas.sdk.record.errors import class_name_of
from chaukas.sdk.system.bounded import WeakMap
from chaukas.sdk.system.internal_errors import attempt
from chaukas.sdk.system.introspect import attributes_of

from .base import BaseIntegrationWrapper, Host
from .shared.mcp.facts import OPERATIONS as REQUESTS
from .shared.mcp.facts import (
    ServerFacts,
    answer_of,
    error_facts,
    first_of,
    greeting_of,
    request_of,
    without_query,
)
from .shared.mcp.recording import CONNECTING, MCPRecording
from .shared.read import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .shared.mcp.call import MCPCall

__all__ = ["MCPClientWrapper", "server_behind", "server_told"]

_SESSION = "mcp.client.session:ClientSession"
_CLIENT = "mcp.client.client:Client"
_HTTP_TRANSPORT = "mcp.client.streamable_http:StreamableHTTPTransport"
_WRITER_PARAMETERS = (
    "client",
    "write_stream_reader",
    "read_stream_writer",
    "write_stream",
)
_MCP = ("MCP_CALL_START", "MCP_CALL_END", "ERROR")
_SESSIONS_LIMIT = 10_000
_INFO_KEY = "io.modelcontextprotocol/serverInfo"
_TRANSPORTS = {
    ("mcp.client.stdio", "stdio_client"): "stdio",
    ("mcp.client.sse", "sse_client"): "sse",
    ("mcp.client.streamable_http", "streamable_http_client"): "streamable_http",
}

_OPERATIONS: Mapping[str, str] = {
    "initialize": "initialize",
    "discover": "server/discover",
    "send_discover": "server/discover",
    **{method: operation.name for method, operation in REQUESTS.items()},
    "complete": "completion/complete",
}
_SINCE = {"discover": "2.0", "send_discover": "2.0"}
_PAGE = {"cursor": "cursor"}
_MORE = {"meta": "_meta", "input_responses": "inputResponses"}
_PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "initialize": {},
    "discover": {},
    "send_discover": {"version": "protocolVersion"},
    "list_tools": _PAGE,
    "call_tool": {
        "name": "name",
        "arguments": "arguments",
        "read_timeout_seconds": "",
        "progress_callback": "",
        **_MORE,
    },
    "list_prompts": _PAGE,
    "get_prompt": {"name": "name", "arguments": "arguments", **_MORE},
    "list_resources": _PAGE,
    "list_resource_templates": _PAGE,
    "read_resource": {"uri": "uri", **_MORE},
    "complete": {"ref": "ref", "argument": "argument", "context_arguments": "context"},
}


def server_told(result: Any) -> dict[str, Any]:
    """Return what a server says of itself when it is connected; uncaptured."""
    if type(result) is not dict:
        return greeting_of((result,))
    # `send_discover` hands on what came over the wire.
    meta = result.get("_meta")
    told = {
        "server_info": meta.get(_INFO_KEY) if type(meta) is dict else None,
        "capabilities": result.get("capabilities"),
        "instructions": result.get("instructions"),
    }
    return {name: value for name, value in told.items() if value is not None}


def server_behind(target: Any) -> ServerFacts:
    """Return what is known of the server that an `mcp.Client` is made for."""
    if type(target) is str:
        return ServerFacts(url=without_query(target), transport="streamable_http")
    module = text_of(type(target).__module__)
    if module == "mcp.client.stdio":
        return ServerFacts(transport="stdio", command=_program_of(target))
    if module.startswith("mcp.server."):
        return ServerFacts(transport="in_memory")
    return _server_behind_manager(attributes_of(target))


def _server_behind_manager(held: dict[str, Any]) -> ServerFacts:
    """Read a transport of the package that was called and not entered yet."""
    function, args, kwargs = (held.get(name) for name in ("func", "args", "kwds"))
    if type(function) is not FunctionType or type(args) is not tuple:
        return ServerFacts()
    transport = _TRANSPORTS.get((function.__module__, function.__name__), "")
    given = dict(kwargs) if type(kwargs) is dict else {}
    target = args[0] if args else given.get("server", given.get("url"))
    if transport == "stdio":
        return ServerFacts(transport=transport, command=_program_of(target))
    url = without_query(text_of(target)) if transport else ""
    return ServerFacts(transport=transport, url=url)


def _program_of(parameters: Any) -> str:
    return PurePath(text_of(first_of(parameters, ("command",)))).name


def _inner(stream: Any) -> Any:
    """Return what can be held weakly of a stream: version 2 wraps that of anyio."""
    inner = first_of(stream, ("_inner",))
    return stream if inner is None else inner


class MCPClientWrapper(BaseIntegrationWrapper):
    """The integration that chaukas installs for the `mcp` package."""

    name: ClassVar[str] = "mcp_client"
    packages: ClassVar[tuple[str, ...]] = ("mcp",)
    landmarks: ClassVar[tuple[str, ...]] = ("mcp.client.session:ClientSession",)

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._sessions = _Sessions(host)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return self._sessions.patches()


class _Sessions(MCPRecording):
    """Records the calls of client sessions."""

    framework = "mcp_client"
    operations = _OPERATIONS

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._known: WeakMap[ServerFacts] = WeakMap(_SESSIONS_LIMIT)
        """Of sessions."""
        self._by_stream: WeakMap[ServerFacts] = WeakMap(_SESSIONS_LIMIT)
        """Of the streams that sessions write to."""
        # Kept, so that a second install recognises what is already in place.
        self._wraps = {name: partial(self.watch, name) for name in _OPERATIONS}

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            *(
                Patch(
                    f"{_SESSION}.{name}",
                    wrap,
                    (*_MCP, "DATA_ACCESS") if name == "read_resource" else _MCP,
                    subclasses=True,
                    optional=name in _SINCE,
                    min_version=_SINCE.get(name, ""),
                )
                for name, wrap in self._wraps.items()
            ),
            Patch(
                f"{_CLIENT}._build_session",
                self.build_session,
                optional=True,
                min_version="2.0",
                post_import=True,
            ),
            Patch(
                f"{_HTTP_TRANSPORT}.post_writer",
                self.post_writer,
                optional=True,
                post_import=True,
            ),
        )

    def post_writer(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what sends requests: it knows their stream and the address."""
        attempt("mcp transport", self._note_address, instance, args, kwargs)
        return wrapped(*args, **kwargs)

    def _note_address(self, transport: Any, args: Any, kwargs: dict[str, Any]) -> None:
        given = {**dict(zip(_WRITER_PARAMETERS, args, strict=False)), **kwargs}
        url = without_query(text_of(attributes_of(transport).get("url")))
        facts = ServerFacts(url=url, transport="streamable_http")
        self._by_stream.put(_inner(given.get("write_stream")), facts)

    async def build_session(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what makes the session of a client, which knows its server."""
        # First: the transport drops what it was made of as soon as it is entered.
        known: list[ServerFacts] = []
        attempt("mcp client", self._read_client, instance, known)
        session = await wrapped(*args, **kwargs)
        for facts in known:
            attempt("mcp client", self._known.put, session, facts)
        return session

    @staticmethod
    def _read_client(client: Any, known: list[ServerFacts]) -> None:
        known.append(server_behind(attributes_of(client).get("server")))

    def is_part_of(self, outer: MCPCall, server: Any, operation: str) -> bool:
        """Tell whether a call is a part of *outer*, or what that one is made of."""
        return outer.is_carried_by(server) or super().is_part_of(
            outer, server, operation
        )

    def server_of(self, server: Any) -> ServerFacts:
        """Return who a session talks to."""
        held = attributes_of(server)
        dispatcher = held.get("_dispatcher")
        # A session of version 1 holds the stream itself.
        stream = attributes_of(dispatcher).get(
            "_write_stream", held.get("_write_stream")
        )
        behind = self._by_stream.get(_inner(stream)) or ServerFacts()
        known = self._known.get(server) or behind
        info = first_of(held.get("_initialize_result"), ("server_info",))
        if info is None:
            info = held.get("_discover_server_info")
        is_direct = class_name_of(dispatcher) == "DirectDispatcher"
        return known._replace(
            name=text_of(first_of(info, ("name",))) or known.name,
            protocol_version=text_of(held.get("_negotiated_version"))
            or known.protocol_version,
            url=known.url or behind.url,
            transport=known.transport
            or behind.transport
            or ("in_memory" if is_direct else ""),
        )

    def connected(self, call: MCPCall, result: Any) -> None:
        """Remember who answered: a session of version 1 does not."""
        info = server_told(result).get("server_info")
        name = info.get("name") if type(info) is dict else first_of(info, ("name",))
        version = first_of(result, ("protocol_version", "protocolVersion"))
        known = self._known.get(call.server) or ServerFacts()
        known = known._replace(name=text_of(name), protocol_version=text_of(version))
        self._known.put(call.server, known)

    def request_of(
        self, method: str, args: Any, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the parameters of a call by the protocol's names."""
        request = request_of(_PARAMETERS[method], args, kwargs)
        cursor = first_of(kwargs.get("params"), ("cursor",))
        return request if cursor is None else {**request, "cursor": cursor}

    def answer_of(self, call: MCPCall, result: Any) -> Any:
        """Return what an answer says; of a connect, what the server says of itself."""
        if call.operation in CONNECTING:
            return server_told(result)
        return answer_of(call.method, result)

    def is_cached(self, call: MCPCall) -> bool:
        """Tell whether a session that is connected is asked to connect again."""
        name = {"initialize": "_initialize_result", "discover": "_discover_result"}
        return attributes_of(call.server).get(name.get(call.method, "")) is not None

    def reports(self, call: MCPCall, error: Exception) -> bool:
        """Leave out the answer of an older server, which the client knows to expect."""
        return call.method != "send_discover" or "rpc_code" not in error_facts(error)
