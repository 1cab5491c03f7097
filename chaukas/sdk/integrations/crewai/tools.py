"""Record tools that really run, as often as they do, and coworkers that are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.nested.tools import AskedTool, AskedTools
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    outermost,
)
from chaukas.sdk.integrations.shared.read import list_of, parsed, text_of
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.system.introspect import class_name_of

from .facts import agent_ref, argument, call_of, held, normal_role, role_of
from .state import CrewRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .runs import CrewRuns

__all__ = ["EXECUTORS", "CrewTools", "reason_of"]

EXECUTORS = (
    "crewai.agents.agent_executor:AgentExecutor",
    "crewai.experimental.agent_executor:AgentExecutor",
    "crewai.agents.crew_agent_executor:CrewAgentExecutor",
)
"""What runs an agent, by the name that it has in one release or the other."""
_TOOL = ("TOOL_CALL_START", "TOOL_CALL_END", "ERROR", "RETRY")
_NATIVE = "_execute_single_native_tool_call"
_BASE = "crewai.tools.base_tool:BaseTool"
_STRUCTURED = "crewai.tools.structured_tool:CrewStructuredTool"
_USE = "crewai.tools.tool_usage:ToolUsage"
_RETRIES = 5
"""Of a tool that is asked for in words: three attempts, two calls in each."""
_OF_MCP = "mcp_error"


def reason_of(failure: Any) -> str:
    """Return the kind of a failure that a tool, or CrewAI for it, says."""
    return text_of(held(held(failure, "reason"), "_value_"))


def _failure_of(result: Any) -> tuple[str, bool] | None:
    """Return why a tool failed that says so, and whether MCP has told it already."""
    if class_name_of(result) != "ToolFailure":
        return None
    text = text_of(held(result, "message")) or "failed"
    return text, reason_of(result) == _OF_MCP


class CrewTools(Part):
    """
    Wrappers around tools.

    Args:
        host: Where to record.
        runs: Records handoffs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs
        self._tools = AskedTools(host, runs.shared, _failure_of)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        native, run = observe(self._native), observe(self._run)
        arun, since = observe_async(self._run), "1.10"
        return (
            *(Patch(f"{e}.{_NATIVE}", native, _TOOL, optional=True) for e in EXECUTORS),
            Patch(
                "crewai.utilities.agent_utils:execute_single_native_tool_call",
                native,
                _TOOL,
                everywhere=True,
                optional=True,
                min_version="1.13",
            ),
            Patch(f"{_USE}.use", observe(self._use), _TOOL),
            Patch(f"{_USE}.ause", observe_async(self._use), _TOOL, min_version=since),
            Patch(f"{_BASE}.run", outermost("run", run), _TOOL, subclasses=True),
            Patch(
                f"{_BASE}.arun",
                outermost("arun", arun),
                _TOOL,
                subclasses=True,
                min_version=since,
            ),
            Patch(f"{_STRUCTURED}.invoke", observe(self._invoke), _TOOL),
            Patch(f"{_STRUCTURED}.ainvoke", observe_async(self._invoke), _TOOL),
            Patch(
                "crewai.tools.agent_tools.base_agent_tools:BaseAgentTool._execute",
                observe(self._delegate),
                ("AGENT_HANDOFF",),
            ),
        )

    def _native(self, _executor: Any, args: Any, kwargs: Any) -> Observation | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return None
        call_id, name, arguments = call_of(argument(args, kwargs, 0, "tool_call"))
        if not name:
            # An older release has taken the call apart.
            call_id, name = text_of(kwargs.get("call_id")), kwargs.get("func_name")
            arguments = parsed(kwargs.get("func_args"))
        name = text_of(name)
        return self._tools.ask(AskedTool(node.run, name, call_id, arguments), node)

    def _use(self, usage: Any, args: Any, kwargs: Any) -> Observation | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return None
        if isinstance(node.detail, AskedTool) and node.detail.key == id(usage):
            # It calls itself to try once more.
            return None
        calling = argument(args, kwargs, 0, "calling")
        name, arguments = (
            text_of(held(calling, "tool_name")),
            held(calling, "arguments"),
        )
        asked = AskedTool(node.run, name, "", arguments, key=id(usage), limit=_RETRIES)
        return self._tools.ask(asked, node)

    def _invoke(self, tool: Any, args: Any, kwargs: Any) -> Observation:
        return self._executed(tool, argument(args, kwargs, 0, "input"))

    def _run(self, tool: Any, args: Any, kwargs: Any) -> Observation:
        return self._executed(tool, kwargs or list(args))

    def _executed(self, tool: Any, arguments: Any) -> Observation:
        name = text_of(held(tool, "name")) or class_name_of(tool)
        return self._tools.execute(name, arguments)

    def _delegate(self, tool: Any, args: Any, kwargs: Any) -> None:
        """Record whom a tool asks, if there is such a coworker."""
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return
        wanted = normal_role(argument(args, kwargs, 0, "agent_name"))
        agents = list_of(held(tool, "agents"))
        found = [each for each in agents if normal_role(role_of(each)) == wanted]
        if found:
            is_question = class_name_of(tool) == "AskQuestionTool"
            self._runs.shared.note_handoff(
                node.run,
                agent_ref(found[0]),
                reason=text_of(held(tool, "name")),
                kind="question" if is_question else "delegation",
                data={"task": argument(args, kwargs, 1, "task")},
                parent_span_id=node.parent_span_id,
            )
