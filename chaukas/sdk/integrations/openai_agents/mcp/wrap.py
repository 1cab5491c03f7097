"""
Wrap the MCP servers of the Agents SDK: one MCP pair for each call of a server's method.

The methods are patched rather than the runner's way to them, so that calls which the
application makes itself are recorded too, and servers of its own.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.runs.facts import hides_content
from chaukas.sdk.integrations.openai_agents.state import FRAMEWORK, ToolCall
from chaukas.sdk.integrations.shared.mcp.call import OPEN
from chaukas.sdk.integrations.shared.mcp.facts import request_of
from chaukas.sdk.integrations.shared.mcp.recording import MCPRecording
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.errors import class_name_of
from chaukas.sdk.system.internal_errors import attempt
from chaukas.sdk.system.introspect import attributes_of

from .facts import (
    OPERATIONS,
    PARAMETERS,
    SINCE,
    content_of,
    is_cached,
    retry_limit,
    server_facts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.mcp.call import MCPCall
    from chaukas.sdk.integrations.shared.mcp.facts import ServerFacts
    from chaukas.sdk.record.context import Node

__all__ = ["MCPCalls"]

_MODULE = "agents.mcp.server"
_SESSION_SERVER = f"{_MODULE}:_MCPServerWithClientSession"
_HTTP_SERVER = f"{_MODULE}:MCPServerStreamableHttp"
_MCP = ("MCP_CALL_START", "MCP_CALL_END", "ERROR")


class MCPCalls(MCPRecording):
    """
    Wrappers around the methods of MCP servers, and around their retries.

    Args:
        host: Where to record.
    """

    framework = FRAMEWORK
    operations = OPERATIONS
    is_whole = True

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        # Kept, so that a second install recognises what is already in place.
        self._wraps = {name: partial(self.watch, name) for name in OPERATIONS}

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            *(
                Patch(
                    f"{_MODULE}:MCPServer.{name}",
                    self._wraps[name],
                    (*_MCP, "DATA_ACCESS") if name == "read_resource" else _MCP,
                    subclasses=True,
                    min_version=SINCE.get(name, ""),
                    post_import=True,
                )
                for name in OPERATIONS
            ),
            Patch(
                f"{_SESSION_SERVER}._run_with_retries",
                self.run_with_retries,
                ("RETRY",),
                post_import=True,
            ),
            Patch(
                f"{_HTTP_SERVER}._call_tool_with_isolated_retry",
                self.call_once,
                ("RETRY",),
                min_version="0.12.4",
                post_import=True,
            ),
            Patch(
                f"{_HTTP_SERVER}._isolated_client_session",
                self.isolated_session,
                ("RETRY",),
                min_version="0.12.4",
                post_import=True,
            ),
        )

    # -- what is known of a server ------------------------------------------------

    def server_of(self, server: Any) -> ServerFacts:
        """Return who *server* is."""
        return server_facts(server)

    def request_of(
        self, method: str, args: Any, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the parameters of a call by the protocol's names."""
        return request_of(PARAMETERS[method], args, kwargs)

    def answer_of(self, call: MCPCall, result: Any) -> Any:
        """Return what an answer says; of a connect, what the server says of itself."""
        return content_of(call.method, call.server, result)

    def is_cached(self, call: MCPCall) -> bool:
        """Tell whether a listing is about to come from the server's cache."""
        return call.method == "list_tools" and is_cached(call.server)

    def session_of(self, call: MCPCall) -> Any:
        """Return the session of a connected server; its filters may use others."""
        is_connected = call.operation not in {"initialize", "shutdown"}
        return attributes_of(call.server).get("session") if is_connected else None

    def hides_content(self) -> bool:
        """Tell whether the SDK's own setting hides content."""
        return hides_content(None)

    def tool_of(self, node: Node) -> ToolCall | None:
        """Return the MCP tool that the model called."""
        tool = node.detail
        is_mcp = isinstance(tool, ToolCall) and tool.metadata["tool_type"] == "mcp"
        return tool if is_mcp else None

    # -- retries ------------------------------------------------------------------

    async def run_with_retries(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the loop around one request, by the function that makes it."""
        call = _attempted(instance)
        func = args[0] if args else kwargs.get("func")
        if call is None or func is None:
            return await wrapped(*args, **kwargs)

        async def func_once(*given: Any, **options: Any) -> Any:
            attempt("MCP retry", self._count, call)
            try:
                return await func(*given, **options)
            except Exception as error:
                attempt("MCP retry", self._note_cause, call, error)
                raise

        kwargs.pop("func", None)
        return await wrapped(func_once, *args[1:], **kwargs)

    async def call_once(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap one round of the loop that streamable HTTP has of its own."""
        call = _attempted(instance)
        if call is None:
            return await wrapped(*args, **kwargs)
        attempt("MCP retry", self._count, call)
        try:
            return await wrapped(*args, **kwargs)
        except Exception as error:
            attempt("MCP retry", self._note_cause, call, error)
            raise

    def isolated_session(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of a session of its own, for a second try at once."""
        call = _attempted(instance)
        error = sys.exc_info()[1]
        if call is not None and error is not None:
            attempt("MCP retry", self._note_cause, call, error)
            attempt("MCP retry", self._count, call, is_isolated=True)
        if call is not None:
            call.session = None
        return wrapped(*args, **kwargs)

    def _note_cause(self, call: MCPCall, error: BaseException) -> None:
        is_handed_on = class_name_of(error) in _HANDED_ON
        cause = error.__cause__ if is_handed_on else None
        self.note_failure(call, error if cause is None else cause)

    def _count(self, call: MCPCall, *, is_isolated: bool = False) -> None:
        limit = retry_limit(call.server)
        self.note_attempt(call, limit, is_isolated=is_isolated)


def _attempted(server: Any) -> MCPCall | None:
    """Return the call of *server* under way here."""
    call = OPEN.get()
    if call is None or not call.is_open or call.server is not server:
        return None
    return call


_HANDED_ON = frozenset(
    {"_IsolatedSessionRetryFailed", "_SharedSessionRequestNeedsIsolation"}
)
"""Errors that only hand another one on."""
