"""What is remembered of a run of CrewAI while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.shared.nested.runs import NestedRun
from chaukas.sdk.record.placement import node_in_force

if TYPE_CHECKING:
    from chaukas.sdk.record.context import AgentRef, Node

__all__ = ["FRAMEWORK", "CrewRun", "FlowMethod", "in_method", "run_in_force"]

FRAMEWORK = "crewai"


class CrewRun(NestedRun):
    """What has one AGENT pair: a crew, a flow, a task's agent, an agent alone."""

    __slots__ = (
        "agent_key",
        "depth",
        "guardrail_error",
        "is_repeated",
        "known_state",
        "last_task",
        "mistaken_turn",
        "refusals",
        "task_key",
        "task_keys",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a run; arguments are those of `Run`."""
        super().__init__(*args, **{"framework": FRAMEWORK, **kwargs})
        self.task_key = self.agent_key = 0
        """Identities of the task and the agent that it is the execution of."""
        self.depth = 0
        """Calls of `execute_task` that go on, one inside of the other: retries."""
        self.guardrail_error: Any = None
        """Captured reason for which a guardrail refused the last output."""
        self.refusals = 0
        """How often the agent worked again because of one."""
        self.is_repeated = False
        """Its agent is kicked off several times in it."""
        self.mistaken_turn = -1
        """In which the model asked for a tool that is not there."""
        self.task_keys: frozenset[int] = frozenset()
        """Of a crew: identities of its own tasks."""
        self.last_task: tuple[AgentRef, str] | None = None
        """Of a crew: agent and name of the task before, if it was waited for."""
        self.known_state: dict[str, str] = {}
        """Of a flow: hashes of the members of its state."""


class FlowMethod(NamedTuple):
    """The method of a flow in which something happens."""

    name: str


def in_method(node: Node | None) -> dict[str, Any]:
    """Return what events say of the method of a flow in which *node* is, if any."""
    method = None if node is None else node.detail
    return {"flow_method": method.name} if type(method) is FlowMethod else {}


def run_in_force() -> CrewRun | None:
    """Return the run in force, if it is one of CrewAI."""
    node = node_in_force()
    return node.run if node is not None and isinstance(node.run, CrewRun) else None
