"""
What is remembered of a call to an MCP server while it goes on.

Apart from the wrappers, because what a call is a part of is decided here: in a stack
of overridden methods, proxies, clients and agents, that is the question.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from chaukas.sdk.record.context import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import Pair, Run

__all__ = ["OPEN", "FailingTool", "MCPCall"]


class FailingTool(Protocol):
    """The tool that an MCP call is made for, as far as its failure is concerned."""

    failure: str
    """Captured text of the error that was turned into a result."""

    def failed_below(self, error: BaseException, span_id: str) -> None:
        """Note that *error* came out of span *span_id*."""


class MCPCall:
    """
    One call to a server, until it ends.

    Args:
        method: Name of the Python method.
        operation: What the protocol calls it.
        server: What the method belongs to: a server's proxy or a client's session.
        run: Run that it belongs to.
        parent_span_id: Span under which it stands.
        leave: Ends the run in its session, for a call outside of any run.
    """

    __slots__ = (
        "address",
        "attempts",
        "failed_ns",
        "failure",
        "has_told_failure",
        "in_force",
        "is_open",
        "is_whole",
        "leave",
        "method",
        "operation",
        "outer",
        "pair",
        "parent_span_id",
        "run",
        "same",
        "server",
        "session",
        "tool",
    )

    def __init__(
        self,
        method: str,
        operation: str,
        server: Any,
        run: Run,
        parent_span_id: str,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self.method = method
        self.operation = operation
        self.server = server
        self.run = run
        self.parent_span_id = parent_span_id
        self.leave = leave
        self.outer: MCPCall | None = None
        """The call of another server that made this one."""
        self.tool: FailingTool | None = None
        """The MCP tool that the model called."""
        self.pair: Pair | None = None
        self.in_force = CURRENT.get()
        """The node in force while it goes on: while connecting, that of before."""
        self.address = ""
        """Of the resource that is read."""
        self.same: dict[str, Any] = {}
        """What START and END both say."""
        self.is_open = True
        self.is_whole = False
        """What a client's session does for it is a part of it."""
        self.session: Any = None
        """The only session that does so; None for whichever does."""
        self.has_told_failure = False
        """A call that this one made has the ERROR already."""
        self.attempts = 0
        self.failure: tuple[dict[str, Any], DeferredCapture] | None = None
        """Why the last attempt failed: members of a RETRY, and what captured them."""
        self.failed_ns = 0

    def covers(self, server: Any, operation: str) -> bool:
        """
        Tell whether a call of *server* here is a part of this one.

        So is `super()` in a user's subclass, and the cleanup after a failed connect.
        Not so a call by an agent that works for this one: its own node is in force.
        """
        if not self.is_here or self.server is not server:
            return False
        is_given_up = self.operation == "initialize" and operation == "shutdown"
        return self.operation == operation or is_given_up

    def is_carried_by(self, session: Any) -> bool:
        """Tell whether what a client's *session* does here is what this call does."""
        is_its_own = self.session is None or self.session is session
        return self.is_whole and is_its_own and self.is_here

    @property
    def is_here(self) -> bool:
        """Whether it goes on, and nothing else has begun below it here."""
        return self.is_open and CURRENT.get() is self.in_force

    def close(self) -> None:
        """Let go of everything: tasks begun while connecting keep this for long."""
        self.is_open = False
        leave, self.leave = self.leave, None
        self.server = self.session = self.outer = self.tool = self.in_force = None
        if leave is not None:
            leave()


# Beside CURRENT, because connecting must not change that: the transport's tasks are
# begun then, and whatever they ran later would stand under the connect.
OPEN: ContextVar[MCPCall | None] = ContextVar("chaukas_mcp_call", default=None)
"""The call under way, if it is `is_open` still."""
