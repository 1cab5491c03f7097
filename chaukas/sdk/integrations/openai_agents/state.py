"""
What chaukas remembers of a run of the Agents SDK while it goes on.

One mutable object for each run, shared by reference with all its tasks; dropped with
the run.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.models import ModelCall
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.record.context import CURRENT
from chaukas.sdk.record.errors import recogniser_of
from chaukas.sdk.record.placement import node_in_force, open_session, place_inside
from chaukas.sdk.record.recorder import error_chain
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import Pair, Run

__all__ = [
    "BACKGROUND",
    "AgentsRun",
    "Background",
    "Invocation",
    "ToolCall",
    "attempt",
    "close_broken",
    "current_run",
    "lone_run",
]

FRAMEWORK = "openai_agents"


class AgentsRun(AgentRun):
    """One call of `Runner.run*`, top-level or nested."""

    __slots__ = (
        "asked_model",
        "has_terminal_error",
        "is_body_pending",
        "is_super_pending",
        "pause",
        "run_config",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **{"framework": FRAMEWORK, **kwargs})
        self.asked_model = ""
        """Name by which the model in force was asked for, if it was by name."""
        self.pause: Any = None
        """What it leaves for a run that goes on with it; of a top-level run only."""
        self.run_config: Any = None
        self.is_super_pending = False
        """A runner of the application has it, the SDK's own not yet."""
        self.is_body_pending = False
        """Its `run` was seen, what that calls to do the work was not yet."""
        self.has_terminal_error = False
        """A stream ended with a failure, which has its ERROR; the runner raises one."""


class Background(NamedTuple):
    """Why runs are made that the application did not ask for one by one."""

    name: str
    hides_content: bool
    """The run that they serve hides its content, so theirs is hidden too."""


BACKGROUND: ContextVar[Background | None] = ContextVar(
    "chaukas_background", default=None
)


class Invocation(ModelCall):
    """One logical model call with all its retries, as the SDK makes it."""

    __slots__ = ("answer", "hosted", "is_alone", "is_exhausted")

    run: AgentsRun

    def __init__(self, run: AgentsRun, max_retries: int = 0) -> None:
        super().__init__(run, max_retries)
        self.answer: Any = None
        """What the provider answered to the last attempt, if that was seen."""
        self.is_alone = False
        """No runner looks after it: its end is the model's."""
        self.is_exhausted = False
        """Its stream ended without a final event."""
        self.hosted: dict[str, Any] | None = None
        """What the stream told of hosted tools, by the ids of their items."""


class ToolCall:
    """One execution of a tool."""

    __slots__ = (
        "call_id",
        "content",
        "failure",
        "http_status",
        "http_url",
        "inner_failure",
        "is_interrupted",
        "metadata",
        "name",
        "pair",
        "planned",
        "rule",
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
        self.http_status = 0
        """What a server answered, if it failed of that."""
        self.http_url = ""
        self.inner_failure: tuple[Callable[[BaseException], bool], str] | None = None
        """Recognises an error of an MCP call below, and the span of that call."""
        self.swallowed: BaseException | None = None
        """What the executor made an output of, instead of letting it pass."""
        self.is_interrupted = False
        """It is an agent, which waits for an approval: it will be called again."""
        self.timeout: BaseException | None = None
        self.was_cancelled = False
        self.planned: Any = None
        """What the model asked for."""
        self.rule = ""
        """Name of the rule that says whether it needs an approval."""

    def failed_below(self, error: BaseException, span_id: str) -> None:
        """Note that *error* came out of span *span_id*; the innermost stays."""
        if self.span_of(error, "") == "":
            self.inner_failure = (recogniser_of(error), span_id)

    def span_of(self, error: BaseException, span_id: str) -> str:
        """Return the span that *error* came out of; *span_id* if none is known."""
        if self.inner_failure is None:
            return span_id
        is_known, inner_span_id = self.inner_failure
        known = any(map(is_known, error_chain(error)))
        return inner_span_id if known else span_id


def close_broken(host: Host, run: Run) -> None:
    """
    Leave nothing of *run* open, after an error of ours.

    What cannot be ended is counted: no pair waits for ever for its END.
    """
    pairs = host.recorder.pairs
    attempt("close", pairs.close_run, run)
    attempt("close", pairs.drop, run)


def lone_run(
    host: Host, *, hide_content: bool = False, is_run: bool = True
) -> AgentsRun:
    """
    Return a run for something that no runner announced.

    Inside of the run in force, whose agent does it; without one, right under the
    session.

    Args:
        host: Where to record.
        hide_content: Its content is hidden, whatever the run around it says.
        is_run: False for what is not counted as a run.
    """
    node = node_in_force()
    if node is not None:
        return place_inside(AgentsRun, node, hide_content=hide_content)
    # First, as it notices a fork that Python was not told of: ids come after.
    sessions = host.sessions
    opening = open_session(
        sessions, host.recorder, None, framework=FRAMEWORK, is_run=is_run
    )
    sessions.leave(opening.session)
    run = AgentsRun(
        opening.session,
        opening.trace_id,
        sampled=opening.sampled,
        hide_content=hide_content,
    )
    run.agent_span_id = opening.span_id
    return run


def current_run() -> AgentsRun | None:
    """Return the run in force, if it is one of the Agents SDK and goes on."""
    node = CURRENT.get()
    if node is None:
        return None
    run = node.run
    return run if isinstance(run, AgentsRun) and not run.is_ended else None
