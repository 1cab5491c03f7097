"""
Record MCP servers that cannot be reached: ADK goes on without their tools.

What is said to a server that answers is recorded by the integration of `mcp`.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.events import EventStatus, EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.mcp.facts import reason_of, without_query
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import ms_between, without_defaults

from .facts import field

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MCPServers"]

_MANAGER = "google.adk.tools.mcp_tool.mcp_session_manager:MCPSessionManager"
_TOOLSET = "google.adk.tools.mcp_tool.mcp_toolset:McpToolset"
_FAILED = EventStatus.FAILED.value


class _Failure(NamedTuple):
    """A connection that was not made."""

    error: Exception
    begun_ns: int
    """Wall time."""
    tried_ns: int
    """When it began, on the clock that only goes on."""
    failed_ns: int


class _Listing(Observation):
    """
    A server's tools that are asked for, with every attempt to reach it.

    ADK makes a second one at once, whatever the first failed of.
    """

    def __init__(self, servers: MCPServers, node: Node) -> None:
        self._servers, self._at = servers, node
        self.failures: list[_Failure] = []
        self.parameters: Any = None
        self.node = Node(node.run, node.span_id, "agent", self)

    def ended(self, result: Any) -> None:
        """Record the attempts that failed before the one that did not."""
        del result
        self._over()

    def failed(self, error: BaseException) -> None:
        """Record the attempts, unless it was given up before any failed."""
        del error
        self._over()

    def _over(self) -> None:
        failures, self.failures = self.failures, []
        # Tasks of the connection may keep this for as long as they live.
        parameters, self.parameters = self.parameters, None
        if failures:
            self._servers.unreachable(self._at, parameters, failures)


class _Connecting(Observation):
    """A connection that is made, or was made before."""

    def __init__(self, servers: MCPServers, node: Node, parameters: Any) -> None:
        self._servers, self._node, self._parameters = servers, node, parameters
        self._begun_ns, self._tried_ns = servers.now_ns()

    def failed(self, error: BaseException) -> None:
        """Record that the server was not reached, or leave it to who asks again."""
        if not isinstance(error, Exception):
            return
        _, failed_ns = self._servers.now_ns()
        failure = _Failure(error, self._begun_ns, self._tried_ns, failed_ns)
        listing = self._node.detail
        if isinstance(listing, _Listing):
            listing.failures.append(failure)
            listing.parameters = self._parameters
        else:
            self._servers.unreachable(self._node, self._parameters, [failure])


class MCPServers(Part):
    """The hooks of what connects to MCP servers."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        return tuple(
            Patch(
                target,
                observe_async(begin),
                ("MCP_CALL_START", "MCP_CALL_END", "ERROR", "RETRY"),
                optional=True,
                post_import=True,
            )
            for target, begin in (
                (f"{_TOOLSET}.get_tools", self._list),
                (f"{_MANAGER}.create_session", self._connect),
            )
        )

    def now_ns(self) -> tuple[int, int]:
        """Return wall time, and that of the clock that only goes on."""
        clock = self._recorder.clock
        return clock.time_ns(), clock.monotonic_ns()

    def _list(self, toolset: Any, args: Any, kwargs: Any) -> Observation | None:
        del toolset, args, kwargs
        node = node_in_force()
        if node is None or node.kind != "agent":
            return None
        return _Listing(self, node)

    def _connect(self, manager: Any, args: Any, kwargs: Any) -> Observation | None:
        del args, kwargs
        node = node_in_force()
        if node is None:
            return None
        return _Connecting(self, node, field(manager, "_connection_params"))

    def unreachable(
        self, node: Node, parameters: Any, failures: list[_Failure]
    ) -> None:
        """
        Record a server that was not reached, unless what was said to it tells that.

        Args:
            node: Where it was to be reached.
            parameters: ADK's own, of which secrets are no part.
            failures: One for each attempt, at least one.
        """
        recorder, run = self._recorder, node.run
        told = [each for each in failures if not recorder.is_reported(run, each.error)]
        if not told:
            return
        capture, last = recorder.capture(run), told[-1]
        same, metadata = self._facts(parameters)
        pair = recorder.pairs.start(
            EventType.MCP_CALL_START,
            run,
            {"mcp_call": {**same, "metadata": metadata}},
            parent_span_id=node.parent_span_id,
            closing={"mcp_call": same},
            capture=capture,
            at_ns=told[0].begun_ns,
        )
        for number, (before, after) in enumerate(pairwise(told), 1):
            record_retry(
                recorder,
                run,
                pair.span_id,
                before.error,
                number=number,
                max_attempts=1,
                slept_ms=ms_between(before.failed_ns, after.tried_ns),
                strategy="immediate",
                metadata={"layer": "mcp"},
            )
        recorder.error(
            run,
            last.error,
            pair.span_id,
            recoverable=True,
            recovery_action="the agent goes on without the tools of this server",
        )
        words = capture.text(reason_of(last.error), "mcp_call.error_message")
        body = {"mcp_call": {**same, "error_message": words}}
        recorder.pairs.end(pair, body, status=_FAILED, capture=capture)

    def _facts(self, parameters: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what both events say of a server, and what START alone says."""
        facts = self._recorder.capture_facts()
        command = PurePath(text_of(field(parameters, "server_params", "command"))).name
        url = without_query(text_of(field(parameters, "url")))
        same = {
            "operation": "initialize",
            "method": "initialize",
            "server_url": facts.text(url, "mcp_call.server_url") if url else "",
        }
        metadata = {
            "transport": "stdio" if command else "",
            "command": facts.text(command, "mcp_call.metadata.command"),
        }
        return without_defaults(same), metadata
