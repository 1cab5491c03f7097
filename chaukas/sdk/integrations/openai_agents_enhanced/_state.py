"""
What chaukas remembers of a run of the Agents SDK while it goes on.

One mutable object for each run, shared by reference with all its tasks; dropped with
the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk._guard import report
from chaukas.sdk.context import CURRENT, Node, Run

from ._extract import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.context import Pair, Session

__all__ = ["AgentsRun", "Invocation", "ToolCall", "attempt", "current_run"]

FRAMEWORK = "openai_agents"


class AgentsRun(Run):
    """One call of `Runner.run*`, top-level or nested."""

    __slots__ = (
        "agent_pair",
        "agent_usage",
        "has_terminal_error",
        "invocation",
        "is_ended",
        "is_super_pending",
        "known_system",
        "last_model",
        "retry_key",
        "run_config",
        "seen_items",
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
        self.seen_items = 0
        """Items of the last model call's input."""
        self.known_system = ""
        """Hash of the system text that was recorded last."""
        self.last_model = ""
        self.retry_key: Any = None
        self.run_config: Any = None
        self.is_super_pending = False
        """A runner of the application has it, the SDK's own not yet."""
        self.is_ended = False
        self.has_terminal_error = False
        """A stream ended with a failure, which has its ERROR; the runner raises one."""


class Invocation:
    """One logical model call with all its retries."""

    __slots__ = (
        "attempts",
        "chunk_count",
        "content",
        "error",
        "first_chunk_ns",
        "is_alone",
        "is_exhausted",
        "max_retries",
        "pair",
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


class ToolCall:
    """One execution of a tool."""

    __slots__ = (
        "call_id",
        "content",
        "failure",
        "metadata",
        "name",
        "pair",
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
        self.swallowed: BaseException | None = None
        """What the executor made an output of, instead of letting it pass."""
        self.timeout: BaseException | None = None
        self.was_cancelled = False


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


def current_run() -> AgentsRun | None:
    """Return the run in force, if it is one of the Agents SDK and goes on."""
    node = CURRENT.get()
    if node is None:
        return None
    run = node.run
    return run if isinstance(run, AgentsRun) and not run.is_ended else None
