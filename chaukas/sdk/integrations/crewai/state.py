"""What is remembered of a run of CrewAI while it goes on, and where something stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.pending_errors import PendingErrors
from chaukas.sdk.integrations.shared.runs import AgentRun, Runs
from chaukas.sdk.record.placement import node_in_force

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.record.context import AgentRef, Node

__all__ = ["FRAMEWORK", "CrewRun", "Here", "here"]

FRAMEWORK = "crewai"


class CrewRun(AgentRun):
    """
    What has one AGENT pair: a crew, a flow, a task's agent, an agent alone.

    Each inside of another is a run inside of that one's, so that several agents may
    work at once.
    """

    __slots__ = (
        "above",
        "agent_key",
        "below",
        "depth",
        "errors",
        "executions",
        "guardrail_error",
        "known_state",
        "last_task",
        "notes",
        "task_key",
        "task_keys",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **{"framework": FRAMEWORK, **kwargs})
        self.errors = PendingErrors()
        """Of which it is not known yet whether something handles them."""
        self.below: dict[int, CrewRun] = {}
        """Runs inside of it that have not ended."""
        outer = None if self.parent is None else self.parent.run
        self.above = outer if isinstance(outer, CrewRun) else None
        if self.above is not None:
            self.above.below[id(self)] = self
        self.task_key = self.agent_key = 0
        """Identities of the task and the agent that it is the execution of."""
        self.depth = 0
        """Calls of `execute_task` that go on, one inside of the other: retries."""
        self.executions = 0
        self.guardrail_error = ""
        """Captured reason for which a guardrail refused the last output."""
        self.task_keys: frozenset[int] = frozenset()
        """Of a crew: identities of its own tasks."""
        self.last_task: tuple[AgentRef, str] | None = None
        """Of a crew: agent and name of the task before, if it was waited for."""
        self.known_state: dict[str, str] = {}
        """Of a flow: hashes of the members of its state."""
        self.notes: dict[str, Any] = {}
        """Further facts for its END."""


class Here(NamedTuple):
    """Where something stands that is no run: under what is in force, or alone."""

    run: AgentRun
    span_id: str
    is_alone: bool

    @property
    def errors(self) -> PendingErrors | None:
        """What keeps errors that may be handled; None where nothing handles them."""
        run = self.run
        return run.errors if isinstance(run, CrewRun) and not self.is_alone else None

    def close(self) -> None:
        """End what was made for this alone."""
        if self.is_alone:
            self.run.is_ended = True


def here(host: Host, runs: Runs) -> Here:
    """Return where something that happens now stands, in a run of its own if need be."""
    node: Node | None = node_in_force()
    if node is not None and isinstance(node.run, AgentRun):
        return Here(node.run, node.parent_span_id, is_alone=False)
    run = runs.open(CrewRun, is_run=False)
    if run.parent is None:
        host.sessions.leave(run.session)
    return Here(run, run.agent_span_id, is_alone=True)
