"""
Hook points of releases before 0.10.4, where the present ones are not there yet.

Each stands in for one of today's, and is installed only where that one is missing, so
that a new release pays nothing for the old ones.

| release | what runs tools and handoffs |
|---|---|
| 0.5 to 0.7 | `agents._run_impl` |
| 0.9 to 0.10.3 | `invoke_function_tool`, for function tools |

In these releases a tool's own output guardrails run after its pair has ended. In 0.8
function tools are recorded by the public hooks.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.openai_agents.state import current_run
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.openai_agents.runs.handoffs import Handoffs
    from chaukas.sdk.integrations.openai_agents.tools.wrap import Tools

__all__ = ["EXECUTOR", "HANDOFFS", "OldHooks"]

EXECUTOR = (
    "agents.run_internal.tool_execution:_FunctionToolBatchExecutor"
    "._invoke_tool_and_run_post_invoke"
)
"""What runs a function tool in present releases."""
HANDOFFS = "agents.run_internal.turn_resolution:execute_handoffs"
"""What runs a handoff in present releases."""
_FORMATTER = "agents.tool:maybe_invoke_function_tool_failure_error_function"
_ACTIONS = "agents.run_internal.tool_actions"
_OLD = "agents._run_impl"
_TOOL = ("TOOL_CALL_START", "TOOL_CALL_END", "ERROR")
_HANDLED = "Error running tool (non-fatal)"


class OldHooks:
    """
    Wrappers for releases that nobody should start with today, but many still run.

    Args:
        tools: Records tools.
        handoffs: Records handoffs.
    """

    def __init__(self, tools: Tools, handoffs: Handoffs) -> None:
        self._tools = tools
        self._handoffs = handoffs

    def patches(self) -> Sequence[Patch]:
        """Return the patches; each names the one that it stands in for."""
        return (
            Patch(
                f"{_OLD}:RunImpl._execute_tool_with_hooks",
                self._tools.invoke_function,
                (*_TOOL, "DATA_ACCESS"),
                instead_of=EXECUTOR,
            ),
            Patch(
                "agents.run_internal.tool_execution:invoke_function_tool",
                self.invoke_tool,
                (*_TOOL, "DATA_ACCESS"),
                min_version="0.9",
                instead_of=EXECUTOR,
            ),
            Patch(
                "agents.util._error_tracing:attach_error_to_current_span",
                self.error_attached,
                ("ERROR",),
                instead_of=_FORMATTER,
            ),
            *(
                Patch(
                    f"{_OLD}:{name}.execute",
                    self._tools.execute_action,
                    _TOOL,
                    instead_of=f"{_ACTIONS}:{name}.execute",
                )
                for name in (
                    "ComputerAction",
                    "ShellAction",
                    "LocalShellAction",
                    "ApplyPatchAction",
                )
            ),
            Patch(
                f"{_OLD}:RunImpl.execute_handoffs",
                self._handoffs.executed,
                ("AGENT_HANDOFF",),
                instead_of=HANDOFFS,
            ),
        )

    async def invoke_tool(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the function that calls a function tool, with its timeout."""
        node = CURRENT.get()
        if node is None or node.kind != "agent" or current_run() is None:
            return await wrapped(*args, **kwargs)
        context = kwargs.get("context")
        told = {
            "func_tool": kwargs.get("function_tool"),
            "tool_call": getattr(context, "tool_call", None),
            "tool_context": context,
        }

        async def as_asked(**_told: Any) -> Any:
            return await wrapped(*args, **kwargs)

        calling: Any = self._tools.invoke_function(as_asked, None, (), told)
        return await calling

    def error_attached(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the note on a span that is made while a tool's exception is handled."""
        told = args[0] if args else kwargs.get("error")
        if type(told) is dict and told.get("message") == _HANDLED:
            self._tools.handled(sys.exc_info()[1])
        return wrapped(*args, **kwargs)
