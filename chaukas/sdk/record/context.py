"""
Where an event belongs: the run, its session, and the span in force.

One context variable holds an immutable `Node`; what changes during a run (its
agent, its open pairs) hangs on the `Run` that all its nodes share. So tasks that
were started before a handoff see the new agent without a new context.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .errors import ReportedErrors
from .totals import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CURRENT",
    "SCOPE",
    "SUPPRESSED",
    "AgentRef",
    "Node",
    "NodeKind",
    "Pair",
    "Run",
    "Session",
    "SessionScope",
    "reset",
]

NodeKind = Literal["agent", "call", "model", "tool", "mcp", "guardrail"]
"""`call` is a model call that the runner is about to make, `model` one under way."""


class AgentRef(NamedTuple):
    """The agent in force, as events name it."""

    agent_id: str
    name: str


_next_serial = count(1).__next__


class Session:
    """
    One opening of a session: a SESSION pair and the runs between its ends.

    Owned by the `SessionBook`, which alone changes it, under its lock.
    """

    __slots__ = (
        "failed_count",
        "name",
        "pair",
        "project_id",
        "run_count",
        "running",
        "scope",
        "serial",
        "session_id",
        "tenant_id",
        "totals",
        "used_monotonic_ns",
    )

    def __init__(self, session_id: str, tenant_id: str, project_id: str) -> None:
        """Describe a session that has not been opened yet."""
        self.session_id = session_id
        self.tenant_id = tenant_id
        self.project_id = project_id
        self.serial = _next_serial()
        """Tells this opening from all others of the process."""
        self.name = ""
        self.scope: Run | None = None
        """The trace of the run that opened it; `None` until it is opened."""
        self.pair: Pair | None = None
        self.used_monotonic_ns = 0
        self.running = 0
        self.run_count = 0
        self.failed_count = 0
        self.totals = Totals()
        """Of all model calls in it."""


class Run:
    """
    One recorded run; integrations extend it with what they need to remember.

    Shared by reference by all nodes of the run. Only code running for that run
    changes it.
    """

    __slots__ = (
        "agent",
        "agent_span_id",
        "framework",
        "hide_content",
        "is_ended",
        "pairs",
        "parent",
        "reported",
        "run_id",
        "sampled",
        "session",
        "started_monotonic_ns",
        "totals",
        "trace_id",
        "user_id",
    )

    def __init__(
        self,
        session: Session,
        trace_id: str,
        *,
        parent: Node | None = None,
        sampled: bool = True,
        hide_content: bool = False,
        framework: str = "",
    ) -> None:
        """Begin a run in *session*; *parent* is the node of an enclosing run."""
        self.session = session
        self.trace_id = trace_id
        self.parent = parent
        self.sampled = sampled
        self.hide_content = hide_content
        self.framework = framework
        self.agent: AgentRef | None = None
        self.agent_span_id = ""
        """Span of the agent in force; changes at a handoff."""
        self.is_ended = False
        """Tasks that it started may outlive it, and still have its node."""
        self.pairs: dict[str, Pair] = {}
        """Open pairs by span id, oldest first."""
        self.totals = Totals()
        """Of its own model calls and those of the runs inside of it."""
        self.started_monotonic_ns = 0
        """When its first pair began."""
        outer: Run | None = None if parent is None else parent.run
        self.run_id: str = "" if outer is None else outer.run_id
        """Span of the outermost pair, once that began; on every event of the run."""
        self.reported: ReportedErrors = outer.reported if outer else ReportedErrors()
        """Errors that have their ERROR event, shared with the enclosing runs."""
        scope = SCOPE.get()
        self.user_id = "" if scope is None else scope.user_id
        """The end user for whom the application works, if it said so."""


class Pair:
    """A START that waits for its END."""

    __slots__ = (
        "agent",
        "closing",
        "kind",
        "parent_span_id",
        "run",
        "span_id",
        "started_monotonic_ns",
    )

    def __init__(
        self,
        kind: Any,
        run: Run,
        span_id: str,
        parent_span_id: str,
        started_monotonic_ns: int,
        closing: dict[str, Any],
    ) -> None:
        """Remember what the END needs; *closing* is the content of an orphan's END."""
        self.kind = kind
        self.run = run
        self.span_id = span_id
        self.parent_span_id = parent_span_id
        self.started_monotonic_ns = started_monotonic_ns
        self.agent = run.agent
        self.closing = closing


class Node:
    """The span in force, and what the hooks below it need to know about it."""

    __slots__ = ("detail", "kind", "run", "span_id")

    def __init__(
        self, run: Run, span_id: str, kind: NodeKind, detail: Any = None
    ) -> None:
        """Make *span_id* of *run* the parent of what happens below."""
        self.run = run
        self.span_id = span_id
        self.kind = kind
        self.detail = detail

    @property
    def parent_span_id(self) -> str:
        """
        The span under which something that happens now stands.

        An agent's node may be older than a handoff; its run knows the agent in
        force.
        """
        if self.kind in _OF_AGENT:
            return self.run.agent_span_id
        return self.span_id


class SessionScope(NamedTuple):
    """What a `with chaukas.session()` block asks for the runs inside it."""

    session_id: str
    tenant_id: str
    project_id: str
    name: str = ""
    metadata: Mapping[str, Any] | None = None
    trace_id: str | None = None
    remote_parent_span_id: str | None = None
    user_id: str = ""
    keep_open: bool = False
    """Leave the session open at the end of the block."""
    is_sampled: bool = True
    """False if the caller's `traceparent` says that nobody records the trace."""


_OF_AGENT = frozenset({"agent", "call", "guardrail"})

CURRENT: ContextVar[Node | None] = ContextVar("chaukas_current", default=None)
SCOPE: ContextVar[SessionScope | None] = ContextVar("chaukas_scope", default=None)
SUPPRESSED: ContextVar[bool] = ContextVar("chaukas_suppressed", default=False)


def reset(token: Token[Any]) -> None:
    """
    Undo a `ContextVar.set`, even from a coroutine closed in another context.

    A block may be left by another task than the one that entered it, and a pending
    coroutine that the garbage collector closes runs its `finally` elsewhere. Its own
    context is out of reach then, and what is in force here is not its business.
    """
    try:
        token.var.reset(token)
    except ValueError:
        return
