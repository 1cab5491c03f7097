"""Record workflows and their nodes, tasks that are delegated, and nodes tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.read import is_set, text_of
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.record.recorder import ms_between
from chaukas.sdk.system.introspect import bare_name_of, mro_of

from .agents import TASK_TYPE
from .facts import field, message_of, parts_of
from .tools import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .agents import Agents
    from .state import AgentTurn
    from .tools import ToolHooks

__all__ = ["Workflows"]

_RUNNER = "google.adk.workflow._node_runner:NodeRunner"
_TASK = "google.adk.workflow._llm_agent_wrapper:_dispatch_task_fc"
_TOOL_NODE = "google.adk.workflow._tool_node:_ToolNode._run_tool_with_plugin_callbacks"
_TOOL = ("TOOL_CALL_START", "TOOL_CALL_END", "ERROR")
_NODE = ("AGENT_START", "AGENT_END", *_TOOL)
_TYPES = {"FunctionNode": "function_node"}


class _Graph(Observation):
    """A workflow, which returns its failure."""

    def __init__(self, agents: Agents, turn: AgentTurn) -> None:
        self._agents, self._turn = agents, turn
        self.node = Node(turn, turn.agent_span_id, "agent")

    def ended(self, result: Any) -> None:
        """Record how it ended."""
        self._agents.finish(self._turn, field(result, "_error"))

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self._agents.finish(self._turn, error)


class _Step(Observation):
    """A tool that is a node of a workflow, or a task that is delegated."""

    def __init__(self, hooks: ToolHooks, run: AgentRun, call: Call) -> None:
        self._hooks, self._run, self._call = hooks, run, call
        if call.pair is not None:
            self.node = Node(run, call.pair.span_id, "tool", call)

    def ended(self, result: Any) -> None:
        """Record what came of it."""
        self._call.result = result
        self._hooks.returned(self._run, self._call, None)

    def failed(self, error: BaseException) -> None:
        """Record how it failed, or that it waits."""
        self._hooks.raised(self._call, error)


class _FunctionStep(_Step):
    """A function that is a node of a workflow: its context tells how it ended."""

    def ended(self, result: Any) -> None:
        """Record what came of it."""
        error = field(result, "_error")
        if error is not None:
            self._hooks.raised(self._call, error)
        else:
            self._call.is_waiting = is_set(field(result, "_interrupt_ids"))
            super().ended(field(result, "_output_value"))


class _Sleeping(Observation):
    """A node that failed, and may be tried again."""

    def __init__(self, workflows: Workflows, node: Node, facts: dict[str, Any]) -> None:
        self._workflows, self._node, self._facts = workflows, node, facts

    def ended(self, result: Any) -> None:
        """Record that it is, after its sleep."""
        if result is True:
            self._workflows.slept(self._node, self._facts)


class Workflows(Part):
    """
    The hooks of workflows; releases before 2.0 have none.

    Args:
        host: Where to record.
        agents: Opens and ends the pairs of workflows.
        tools: Opens and ends the pairs of other nodes.
    """

    def __init__(self, host: Host, agents: Agents, tools: ToolHooks) -> None:
        super().__init__(host)
        self._agents, self._tools = agents, tools

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return tuple(
            Patch(
                target,
                observe_async(begin),
                emits,
                everywhere=target == _TASK,
                min_version=first,
                package="google-adk",
                post_import=True,
            )
            for target, begin, emits, first in (
                (f"{_RUNNER}.run", self._run, _NODE, "2.0"),
                (f"{_RUNNER}._attempt_retry", self._retry, ("RETRY",), "2.0"),
                (_TASK, self._task, _TOOL, "2.0"),
            )
        )

    def _run(
        self, runner: Any, args: Any, kwargs: dict[str, Any]
    ) -> Observation | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, AgentRun):
            return None
        step = field(runner, "_node")
        names = [bare_name_of(cls) for cls in mro_of(type(step))]
        if "Workflow" in names:
            context = field(runner, "_parent_ctx", "_invocation_context")
            return _Graph(self._agents, self._agents.open(step, context))
        kind = next((_TYPES[name] for name in names if name in _TYPES), "")
        if not kind:
            return None
        given = args[0] if args else kwargs.get("node_input")
        name = text_of(field(step, "name"))
        number = text_of(field(runner, "_run_id"))
        return _FunctionStep(
            self._tools,
            node.run,
            self._begin(node.run, name, f"{name}@{number}", given, kind),
        )

    def _begin(
        self, run: AgentRun, name: str, call_id: str, given: Any, kind: str
    ) -> Call:
        arguments = message_of(given)["parts"] if parts_of(given) else given
        call = Call(None, name, call_id, arguments)
        call.metadata["type"] = kind
        self._tools.start(run, call)
        return call

    def _task(self, _: Any, args: Any, kwargs: dict[str, Any]) -> Observation | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, AgentRun):
            return None
        asked = args[1] if len(args) > 1 else kwargs.get("fc")
        name, call_id = (text_of(field(asked, key)) for key in ("name", "id"))
        call = self._begin(node.run, name, call_id, field(asked, "args"), TASK_TYPE)
        return _Step(self._tools, node.run, call)

    def _retry(
        self, runner: Any, args: Any, kwargs: dict[str, Any]
    ) -> Observation | None:
        node = node_in_force()
        if node is None:
            return None
        # Releases before 2.5 name the node's context as well.
        given = [*args, *kwargs.values()]
        error = next((each for each in given if isinstance(each, Exception)), None)
        number = next((each for each in given if type(each) is int), 1)
        config = field(runner, "_node", "retry_config")
        limit = field(config, "max_attempts")
        facts = {
            "error": error,
            "number": number,
            "max_attempts": limit if type(limit) is int else 0,
            "since_ns": self._recorder.clock.monotonic_ns(),
        }
        return _Sleeping(self, node, facts)

    def slept(self, node: Node, facts: dict[str, Any]) -> None:
        """Record that a node is tried again, with the time that it really waited."""
        since_ns, error = facts.pop("since_ns"), facts.pop("error")
        now_ns = self._recorder.clock.monotonic_ns()
        record_retry(
            self._recorder,
            node.run,
            node.parent_span_id,
            error,
            slept_ms=ms_between(since_ns, now_ns),
            strategy="exponential",
            metadata={"layer": "framework"},
            **facts,
        )
