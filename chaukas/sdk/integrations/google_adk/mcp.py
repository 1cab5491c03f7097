"""
Record MCP servers that cannot be reached: ADK goes on without their tools.

What is said to a server that answers is recorded by the integration of `mcp`.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventStatus, EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.mcp.facts import reason_of, without_query
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import without_defaults

from .facts import field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.record.context import Node

__all__ = ["MCPServers"]

_MANAGER = "google.adk.tools.mcp_tool.mcp_session_manager:MCPSessionManager"
_FAILED = EventStatus.FAILED.value


class _Connecting(Observation):
    """A connection that is made, or was made before."""

    def __init__(self, servers: MCPServers, node: Node, parameters: Any) -> None:
        self._servers, self._node, self._parameters = servers, node, parameters
        self._begun_ns = servers.now_ns()

    def failed(self, error: BaseException) -> None:
        """Record that the server was not reached."""
        if isinstance(error, Exception):
            servers = self._servers
            servers.unreachable(self._node, self._parameters, error, self._begun_ns)


class MCPServers(Part):
    """The hook of what connects to MCP servers."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return (
            Patch(
                f"{_MANAGER}.create_session",
                observe_async(self._connect),
                ("MCP_CALL_START", "MCP_CALL_END", "ERROR"),
                optional=True,
                post_import=True,
            ),
        )

    def now_ns(self) -> int:
        """Return wall time in nanoseconds."""
        return self._recorder.clock.time_ns()

    def _connect(self, manager: Any, args: Any, kwargs: Any) -> Observation | None:
        del args, kwargs
        node = node_in_force()
        if node is None:
            return None
        return _Connecting(self, node, field(manager, "_connection_params"))

    def unreachable(
        self, node: Node, parameters: Any, error: Exception, begun_ns: int
    ) -> None:
        """
        Record a connection that failed, unless what was said in it tells that.

        Args:
            node: Where it was to be made.
            parameters: ADK's own, of which secrets are no part.
            error: What it failed of.
            begun_ns: Wall time.
        """
        recorder, run = self._recorder, node.run
        if recorder.is_reported(run, error):
            return
        capture, facts = recorder.capture(run), recorder.capture_facts()
        command = PurePath(text_of(field(parameters, "server_params", "command"))).name
        url = without_query(text_of(field(parameters, "url")))
        same = without_defaults(
            {
                "operation": "initialize",
                "method": "initialize",
                "server_url": facts.text(url, "mcp_call.server_url") if url else "",
            }
        )
        metadata = {
            "transport": "stdio" if command else "",
            "command": facts.text(command, "mcp_call.metadata.command"),
        }
        pair = recorder.pairs.start(
            EventType.MCP_CALL_START,
            run,
            {"mcp_call": {**same, "metadata": metadata}},
            parent_span_id=node.parent_span_id,
            closing={"mcp_call": same},
            capture=capture,
            at_ns=begun_ns,
        )
        recorder.error(
            run,
            error,
            pair.span_id,
            recoverable=True,
            recovery_action="the agent goes on without the tools of this server",
        )
        words = capture.text(reason_of(error), "mcp_call.error_message")
        body = {"mcp_call": {**same, "error_message": words}}
        recorder.pairs.end(pair, body, status=_FAILED, capture=capture)
