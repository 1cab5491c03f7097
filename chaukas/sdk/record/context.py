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

from .errors import ReportedErrors, error_chain, recogniser_of
from .totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaukas.sdk.typing import Content

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
    "agent_in_force",
    "node_in_force",
    "open_pair",
    "reset",
]

NodeKind = Literal["agent", "own_agent", "call", "model", "tool", "mcp", "guardrail"]
"""
`call` is a model call that the runner is about to make, `model` one under way.

`agent` is whichever agent the run has now; `own_agent` stays what it is, for runs in
which several agents work at once.
"""


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
        inherited = "" if outer is None else outer.user_id
        self.user_id: str = inherited if scope is None else scope.user_id
        """The end user for whom the application works, if it said so."""

    def pair_that_holds(self, error: BaseException) -> Pair | None:
        """
        Return the open pair that failed with *error*, or with a cause of it.

        There a retry stands: what failed is not settled as long as its pair is open.
        """
        failed = [pair for pair in list(self.pairs.values()) if pair.holds is not None]
        chain = list(error_chain(error)) if failed else ()
        for pair in reversed(failed):
            holds = pair.holds
            if holds is not None and any(map(holds, chain)):
                return pair
        return None


class Pair:
    """A START that waits for its END."""

    __slots__ = (
        "above",
        "agent",
        "closing",
        "holds",
        "is_open",
        "kind",
        "on_close",
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
        closing: Content,
    ) -> None:
        """Remember what the END needs; *closing* is the content of an orphan's END."""
        self.kind = kind
        self.run: Run = run
        self.span_id = span_id
        self.parent_span_id = parent_span_id
        self.started_monotonic_ns = started_monotonic_ns
        self.agent: AgentRef | None = agent_in_force(run)
        self.closing = closing
        self.on_close: Callable[[], object] | None = None
        """Ends it, should a pair above it end first."""
        self.above = run.pairs.get(parent_span_id) or open_pair(run, parent_span_id)
        """The pair under which it stands, as far as that was open."""
        self.holds: Callable[[BaseException], bool] | None = None
        """Recognises the error with which it failed, while a retry may follow."""
        self.is_open = True
        """It waits for its END: here, or in the process that this one is a fork of."""

    def hold(self, error: BaseException | None) -> None:
        """
        Note that it failed with *error*, and stays open as a retry may follow.

        Args:
            error: Not kept; None once it goes on.
        """
        self.holds = None if error is None else recogniser_of(error)


class Node:
    """
    The span in force, and what the hooks below it need to know about it.

    Args:
        run: Run that it belongs to.
        span_id: Parent of what happens below.
        kind: What it is.
        detail: What hooks below need to know.
        agent: Agent that acts in it, where the run has several at once. It holds for
            the nodes made below, in the same run.
    """

    __slots__ = ("agent", "detail", "kind", "pair", "run", "span_id")

    def __init__(
        self,
        run: Run,
        span_id: str,
        kind: NodeKind,
        detail: Any = None,
        agent: AgentRef | None = None,
    ) -> None:
        """Make *span_id* of *run* the parent of what happens below."""
        if agent is None:
            outer = CURRENT.get()
            agent = outer.agent if outer is not None and outer.run is run else None
        self.run: Run = run
        self.span_id = span_id
        self.kind = kind
        self.detail = detail
        self.agent: AgentRef | None = agent
        # First its own run's, which spares a call for nearly every node.
        self.pair = (
            None
            if kind in _OF_AGENT
            else run.pairs.get(span_id) or open_pair(run, span_id)
        )
        """The pair of its span; the run's agent has one after the other."""

    @property
    def is_over(self) -> bool:
        """Tell whether its run, or the pair of its span, has ended."""
        pair = self.pair
        return self.run.is_ended or (pair is not None and not pair.is_open)

    def around(self) -> Node | None:
        """Return the nearest node around one that is over, itself perhaps over."""
        run = self.run
        if run.is_ended:
            return run.parent
        pair = self.pair
        while pair is not None and pair.run is run:
            if pair.is_open:
                is_agent = pair.span_id == run.agent_span_id
                kind: NodeKind = "agent" if is_agent else "own_agent"
                return Node(run, pair.span_id, kind, agent=pair.agent)
            pair = pair.above
        if run.agent_span_id in run.pairs:
            return Node(run, run.agent_span_id, "agent")
        return run.parent

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


def node_in_force() -> Node | None:
    """
    Return the span in force, if it and its run go on.

    A task may outlive what started it. What it does then belongs to the innermost span
    around that which goes on, if there is any.
    """
    node = CURRENT.get()
    while node is not None and node.is_over:
        node = node.around()
    return node


def agent_in_force(run: Run) -> AgentRef | None:
    """Return the agent that acts in *run* here: that of the node, or of the run."""
    node = CURRENT.get()
    while node is not None and node.run is not run:
        node = node.run.parent
    return run.agent if node is None or node.agent is None else node.agent


def open_pair(run: Run, span_id: str) -> Pair | None:
    """Return the pair *span_id* of *run*, or of a run around it, if it is open."""
    pair = run.pairs.get(span_id)
    while pair is None and run.parent is not None:
        run = run.parent.run
        pair = run.pairs.get(span_id)
    return pair


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
