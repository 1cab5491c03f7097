"""
What chaukas remembers of a run of the Agents SDK while it goes on.

One mutable object for each run, shared by reference with all its tasks; dropped with
the run.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared import tools
from chaukas.sdk.integrations.shared.models import ModelCall
from chaukas.sdk.integrations.shared.runs import AgentRun, Runs, close_broken
from chaukas.sdk.record.context import CURRENT
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host

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
        "run_config",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **{"framework": FRAMEWORK, **kwargs})
        self.asked_model = ""
        """Name by which the model in force was asked for, if it was by name."""
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


class ToolCall(tools.ToolCall):
    """One execution of a tool of the SDK."""

    __slots__ = ("rule", "swallowed", "timeout")

    def __init__(self, *args: Any) -> None:
        """Describe a call; arguments are those of the shared `ToolCall`."""
        super().__init__(*args)
        self.rule = ""
        """Name of the rule that says whether it needs an approval."""
        self.swallowed: BaseException | None = None
        """What the executor made an output of, instead of letting it pass."""
        self.timeout: BaseException | None = None


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
    run = Runs(host, FRAMEWORK).open(
        AgentsRun, hide_content=hide_content, is_run=is_run
    )
    if run.parent is None:
        host.sessions.leave(run.session)
    return run


def current_run() -> AgentsRun | None:
    """Return the run in force, if it is the SDK's, is recorded and goes on."""
    node = CURRENT.get()
    if node is None:
        return None
    run = node.run
    is_recorded = run.sampled and not run.is_ended
    return run if is_recorded and isinstance(run, AgentsRun) else None
