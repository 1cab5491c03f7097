"""
What chaukas remembers of a run of the Agents SDK while it goes on.

One mutable object for each run, shared by reference with all its tasks; dropped with
the run.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk._guard import report
from chaukas.sdk.context import CURRENT, Node, Run
from chaukas.sdk.record import error_chain

from ._extract import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.context import Pair, Session
    from chaukas.sdk.integrations.base import Host

__all__ = [
    "BACKGROUND",
    "AgentsRun",
    "Background",
    "Invocation",
    "ToolCall",
    "attempt",
    "current_run",
    "lone_run",
]

FRAMEWORK = "openai_agents"


class AgentsRun(Run):
    """One call of `Runner.run*`, top-level or nested."""

    __slots__ = (
        "_seen_items",
        "agent_pair",
        "agent_usage",
        "has_terminal_error",
        "invocation",
        "is_ended",
        "is_filtered",
        "is_super_pending",
        "known_system",
        "last_model",
        "pause",
        "retry_key",
        "run_config",
        "turns",
    )

    def __init__(
        self,
        session: Session,
        trace_id: str,
        *,
        parent: Node | None,
        sampled: bool,
        hide_content: bool,
    ) -> None:
        super().__init__(
            session,
            trace_id,
            parent=parent,
            sampled=sampled,
            hide_content=hide_content,
            framework=FRAMEWORK,
        )
        self.agent_pair: Pair | None = None
        self.agent_usage = Usage()
        self.turns = 0
        """Model calls of the agent in force."""
        self.invocation: Invocation | None = None
        """The model call that is open, or failed and not yet settled."""
        self.is_filtered = False
        """The application may change the input of each model call."""
        self._seen_items = 0
        self.known_system = ""
        """Hash of the system text that was recorded last."""
        self.last_model = ""
        self.pause: Any = None
        """What it leaves for a run that goes on with it; of a top-level run only."""
        self.retry_key: Any = None
        self.run_config: Any = None
        self.is_super_pending = False
        """A runner of the application has it, the SDK's own not yet."""
        self.is_ended = False
        self.has_terminal_error = False
        """A stream ended with a failure, which has its ERROR; the runner raises one."""

    @property
    def seen_items(self) -> int:
        """
        Items of the last model call's input, which the next need not repeat.

        0 where a filter may have put others in their place.
        """
        return 0 if self.is_filtered else self._seen_items

    @seen_items.setter
    def seen_items(self, count: int) -> None:
        """Note how many there were."""
        self._seen_items = count


class Background(NamedTuple):
    """Why runs are made that the application did not ask for one by one."""

    name: str
    hides_content: bool
    """The run that they serve hides its content, so theirs is hidden too."""


BACKGROUND: ContextVar[Background | None] = ContextVar(
    "chaukas_background", default=None
)


class Invocation:
    """One logical model call with all its retries."""

    __slots__ = (
        "attempts",
        "chunk_count",
        "content",
        "error",
        "first_chunk_ns",
        "hosted",
        "is_alone",
        "is_exhausted",
        "max_retries",
        "pair",
        "pieces",
        "run",
        "started_ns",
    )

    def __init__(self, run: AgentsRun, max_retries: int = 0) -> None:
        self.run = run
        self.max_retries = max_retries
        """What the runner may retry; 0 if it does not."""
        self.pair: Pair | None = None
        """Open once the model class was reached."""
        self.content: dict[str, Any] = {}
        """`provider`, `model` and settings, repeated in the END."""
        self.attempts = 0
        self.started_ns = 0
        self.chunk_count = 0
        self.first_chunk_ns = 0
        self.is_alone = False
        """No runner looks after it: its end is the model's."""
        self.is_exhausted = False
        """Its stream ended without a final event."""
        self.error: BaseException | None = None
        """How the stream broke; the runner may still retry it."""
        self.hosted: dict[str, Any] | None = None
        """What the stream told of hosted tools, by the ids of their items."""
        self.pieces: Any = None
        """Records the stream piece by piece, if that is wanted."""


class ToolCall:
    """One execution of a tool."""

    __slots__ = (
        "call_id",
        "content",
        "failure",
        "inner_failure",
        "is_interrupted",
        "metadata",
        "name",
        "pair",
        "planned",
        "swallowed",
        "timeout",
        "was_cancelled",
    )

    def __init__(
        self, name: str, call_id: str, content: dict[str, Any], metadata: dict[str, Any]
    ) -> None:
        self.name = name
        self.call_id = call_id
        self.content = content
        self.metadata = metadata
        self.pair: Pair | None = None
        """Open once the tool really runs."""
        self.failure = ""
        """Captured text of the error that was turned into a result."""
        self.inner_failure: tuple[int, str] | None = None
        """Identity of an error of an MCP call below, and the span of that call."""
        self.swallowed: BaseException | None = None
        """What the executor made an output of, instead of letting it pass."""
        self.is_interrupted = False
        """It is an agent, which waits for an approval: it will be called again."""
        self.timeout: BaseException | None = None
        self.was_cancelled = False
        self.planned: Any = None
        """What the model asked for, of a call whose pair opens later."""

    def failed_below(self, error: BaseException, span_id: str) -> None:
        """Note that *error* came out of span *span_id*; the innermost stays."""
        if self.span_of(error, "") == "":
            self.inner_failure = (id(error), span_id)

    def span_of(self, error: BaseException, span_id: str) -> str:
        """Return the span that *error* came out of; *span_id* if none is known."""
        if self.inner_failure is None:
            return span_id
        identity, inner_span_id = self.inner_failure
        # Those behind *error* live as long as it does, so that an id is theirs.
        known = any(id(link) == identity for link in error_chain(error))
        return inner_span_id if known else span_id


def attempt(where: str, record: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """
    Call *record*, and report what it raises instead of letting it out.

    Args:
        where: The hook point, in words that a maintainer knows.
        record: Something of chaukas; the host gets nothing from it.
        *args: Its arguments.
        **kwargs: Its arguments.
    """
    try:
        record(*args, **kwargs)
    except Exception as error:
        report(where, error)


def lone_run(host: Host, node: Node | None) -> AgentsRun:
    """
    Return a run for something that no runner announced.

    Args:
        host: Where to record.
        node: The span in force; its agent does it. Without one the process's
            session does.
    """
    if node is not None:
        outer = node.run
        run = AgentsRun(
            outer.session,
            outer.trace_id,
            parent=node,
            sampled=outer.sampled,
            hide_content=outer.hide_content,
        )
        run.agent_span_id = node.parent_span_id
        run.agent = outer.agent
        return run
    trace_id = host.recorder.ids.trace_id()
    session = host.sessions.enter(
        None,
        trace_id=trace_id,
        framework=FRAMEWORK,
        first_agent=None,
        sampled=True,
    )
    host.sessions.leave(session)
    run = AgentsRun(session, trace_id, parent=None, sampled=True, hide_content=False)
    run.agent_span_id = session.pair.span_id if session.pair else ""
    return run


def current_run() -> AgentsRun | None:
    """Return the run in force, if it is one of the Agents SDK and goes on."""
    node = CURRENT.get()
    if node is None:
        return None
    run = node.run
    return run if isinstance(run, AgentsRun) and not run.is_ended else None
