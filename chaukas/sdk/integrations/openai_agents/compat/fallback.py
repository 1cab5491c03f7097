"""
Take over from patches whose hook point a release lacks, one group each.

Decides which groups fell back, and feeds what the public hooks tell to the same
recorders that the patches use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.state import ToolCall, current_run
from chaukas.sdk.integrations.shared.read import read_text

from .before_0_10 import EXECUTOR, HANDOFFS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from chaukas.sdk.integrations.openai_agents.models.wrap import ModelCalls
    from chaukas.sdk.integrations.openai_agents.runs.handoffs import Handoffs
    from chaukas.sdk.integrations.openai_agents.tools.wrap import Tools

__all__ = ["FALLBACKS", "Fallback", "groups_missing"]

FALLBACKS: Mapping[str, str] = {
    "agents.models.interface:Model.get_response": "model",
    EXECUTOR: "FunctionTool",
    "agents.run_internal.tool_actions:ComputerAction.execute": "ComputerTool",
    "agents.run_internal.tool_actions:ShellAction.execute": "ShellTool",
    "agents.run_internal.tool_actions:LocalShellAction.execute": "LocalShellTool",
    "agents.run_internal.tool_actions:ApplyPatchAction.execute": "ApplyPatchTool",
    "agents.run_internal.tool_actions:CustomToolAction.execute": "CustomTool",
    "agents.run_context:RunContextWrapper._mark_tool_invocation_executed": "action",
    HANDOFFS: "handoff",
    "agents.run:AgentRunner.run": "run",
}
"""Hook point → group that a public interface can record instead."""


def groups_missing(missing: Collection[str]) -> dict[str, str]:
    """Return those of the *missing* hook points that fall back, with their groups."""
    return {
        target: group
        for target, group in FALLBACKS.items()
        if target in missing and _exists(group)
    }


def _exists(group: str) -> bool:
    """Tell whether the release has such tools at all."""
    if not group.endswith("Tool"):
        return True
    return group in vars(sys.modules.get("agents.tool", sys))


class Fallback:
    """
    What the public hooks tell, for the groups that fell back.

    Args:
        groups: Groups to record; the others are patched.
        models: Records model calls.
        tools: Records tools.
        handoffs: Records handoffs.
    """

    def __init__(
        self,
        groups: Iterable[str],
        models: ModelCalls,
        tools: Tools,
        handoffs: Handoffs,
    ) -> None:
        self._groups = frozenset(groups)
        self._models = models
        self._tools = tools
        self._handoffs = handoffs
        self._calls: dict[tuple[int, str, int], ToolCall] = {}

    def llm_started(self, agent: Any, system: Any, items: Any) -> None:
        """Open a MODEL pair."""
        run = current_run()
        if run is not None and "model" in self._groups:
            self._models.started_by_hook(run, agent, system, items)

    def llm_ended(self, response: Any) -> None:
        """Close it."""
        run = current_run()
        if run is not None and "model" in self._groups:
            self._models.ended_by_hook(run, response)

    def tool_started(self, context: Any, tool: Any) -> None:
        """Open a TOOL pair."""
        if "action" in self._groups and self._tools.action_begun(context):
            return
        run = current_run()
        if run is None or type(tool).__name__ not in self._groups:
            return
        call = self._tools.started_by_hook(run, context, tool)
        self._calls[_key_of(run, context, tool)] = call

    def tool_ended(self, context: Any, tool: Any, result: Any) -> None:
        """Close it."""
        run = current_run()
        if run is None:
            return
        call = self._calls.pop(_key_of(run, context, tool), None)
        if call is not None:
            self._tools.close(call, result)

    def handed_off(self, to_agent: Any) -> None:
        """Record a handoff."""
        run = current_run()
        if run is not None and "handoff" in self._groups:
            self._handoffs.handed_off_by_hook(run, to_agent)

    def forget(self, run: Any) -> None:
        """Drop the calls of *run* that never ended."""
        for key in [key for key in self._calls if key[0] == id(run)]:
            self._calls.pop(key, None)


def _key_of(run: Any, context: Any, tool: Any) -> tuple[int, str, int]:
    return (id(run), read_text(context, "tool_call_id"), id(tool))
