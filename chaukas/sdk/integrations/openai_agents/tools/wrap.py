"""
Record tools that really ran, of all families that the SDK executes itself.

Calls that wait for approval or were rejected never reach the functions patched here,
or return before they say that the tool is being executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.models.hosted_items import caller_facts
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    ToolCall,
    current_run,
)
from chaukas.sdk.integrations.shared import tools as shared
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.read import read, read_text
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, Node
from chaukas.sdk.system.internal_errors import attempt, report

from .facts import arguments_of_call, call_id_of, rule_of
from .safety_checks import note_safety_checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .approvals import Approvals

__all__ = ["Tools"]

_PAIR = ("TOOL_CALL_START", "TOOL_CALL_END")
_KINDS = {
    "ComputerAction": ("computer", "computer_tool", "action"),
    "ShellAction": ("shell", "shell_tool", "call"),
    "LocalShellAction": ("local_shell", "local_shell_tool", "call"),
    "ApplyPatchAction": ("apply_patch", "apply_patch_tool", "call"),
    "CustomToolAction": ("custom", "custom_tool", "call"),
}
"""For each executor: type of tool, where its tool hangs, how its call is named."""
_SINCE = {"CustomToolAction": "0.14"}
_KIND_OF_TOOL = {
    "FunctionTool": "function",
    "ComputerTool": "computer",
    "ShellTool": "shell",
    "LocalShellTool": "local_shell",
    "ApplyPatchTool": "apply_patch",
    "CustomTool": "custom",
}


class _Invoked(Observation):
    """A function tool, whose pair is open."""

    def __init__(self, tools: Tools, call: ToolCall, node: Node) -> None:
        self._tools = tools
        self._call = call
        self.node = node

    def ended(self, result: Any) -> None:
        self._tools.close(self._call, result, None)

    def failed(self, error: BaseException) -> None:
        self._tools.close(self._call, None, error)


class _Executed(_Invoked):
    """An executor, whose pair opens when its tool is really executed."""

    def ended(self, result: Any) -> None:
        self._tools.action_ended(self._call, result)


class Tools(Part):
    """
    Wrappers around the executors of all families of tools.

    Args:
        host: Where to record.
        approvals: Told of calls that run because of a standing approval.
    """

    def __init__(self, host: Host, approvals: Approvals) -> None:
        super().__init__(host)
        self._approvals = approvals
        self._shared = shared.Tools(host)
        self.invoke_function = observe_async(self._function_invoked)
        """Wraps the batch executor's invocation of one function tool."""
        self.execute_action = observe_async(self._action_executed)
        """Wraps `*Action.execute`."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        execution = "agents.run_internal.tool_execution"
        error = ("ERROR",)
        return (
            Patch(
                f"{execution}:_FunctionToolBatchExecutor._invoke_tool_and_run_post_invoke",
                self.invoke_function,
                (*_PAIR, "ERROR", "DATA_ACCESS"),
                min_version="0.10.4",
            ),
            Patch(
                "agents.tool:maybe_invoke_function_tool_failure_error_function",
                self.format_failure,
                error,
                everywhere=True,
                min_version="0.10.4",
            ),
            Patch(
                "agents.exceptions:ToolTimeoutError.__init__",
                self.timeout_made,
                error,
                min_version="0.9",
            ),
            *(
                Patch(
                    f"agents.run_internal.tool_actions:{name}.execute",
                    self.execute_action,
                    (*_PAIR, "ERROR"),
                    min_version=_SINCE.get(name, "0.8"),
                )
                for name in _KINDS
            ),
            Patch(
                f"{execution}:format_shell_error",
                self.failure_formatted,
                error,
                everywhere=True,
                min_version="0.8",
            ),
            Patch(
                "agents.run_context:RunContextWrapper._mark_tool_invocation_executed",
                self.action_started,
                _PAIR,
            ),
        )

    # -- function tools -----------------------------------------------------------

    def _function_invoked(
        self, _instance: Any, _args: Any, kwargs: dict[str, Any]
    ) -> Observation | None:
        run = current_run()
        if run is None:
            return None
        tool, tool_call = kwargs.get("func_tool"), kwargs.get("tool_call")
        call = self.begin(run, tool, tool_call, kwargs.get("tool_context"))
        if call is None or call.pair is None:
            return None
        return _Invoked(self, call, Node(run, call.pair.span_id, "tool", call))

    def begin(
        self, run: AgentsRun, tool: Any, tool_call: Any, context: Any
    ) -> ToolCall | None:
        """
        Open the pair of a function tool that runs now.

        Args:
            run: Run of the agent that called it.
            tool: The `FunctionTool`.
            tool_call: Has `call_id` and `arguments`.
            context: The `RunContextWrapper`, which knows standing approvals.

        Returns:
            The call to end; None if nothing could be recorded.
        """
        try:
            metadata: dict[str, Any] = {"tool_type": "function"}
            origin = getattr(tool, "_tool_origin", None)
            server = getattr(origin, "mcp_server_name", None)
            if getattr(tool, "_is_agent_tool", False):
                metadata["tool_type"] = "agent_as_tool"
            elif server:
                metadata["tool_type"] = "mcp"
                metadata["mcp_server"] = server
            if read(tool_call, "caller") is not None:
                metadata |= caller_facts(tool_call)
            call = _call_of(read_text(tool, "name"), tool_call, metadata, tool)
            self._approvals.note_unasked(run, context, call)
            self._shared.start(run, call)
        except Exception as error:
            report("FunctionTool", error)
            return None
        return call

    def close(
        self, call: ToolCall, result: Any, error: BaseException | None = None
    ) -> None:
        """Close the pair with what the tool returned or raised."""
        if error is not None:
            self._shared.fail(call, error)
            return
        if call.timeout is not None:
            attempt("FunctionTool", self._shared.handled, call, call.timeout)
        self._shared.end(call, result)

    # -- public hooks -------------------------------------------------------------

    def started_by_hook(self, run: AgentsRun, context: Any, tool: Any) -> ToolCall:
        """Open a pair with what `on_tool_start` tells."""
        kind = type(tool).__name__
        planned = {
            "call_id": getattr(context, "tool_call_id", None),
            "arguments": getattr(context, "tool_arguments", None),
        }
        metadata = {"tool_type": _KIND_OF_TOOL.get(kind, kind)}
        call = _call_of(read_text(tool, "name"), planned, metadata)
        self._shared.start(run, call)
        return call

    # -- errors inside a function tool --------------------------------------------

    async def format_failure(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the function that turns a tool's exception into a result."""
        call, error = _call_in_force(), kwargs.get("error")
        result = await wrapped(*args, **kwargs)
        if call is not None and result is not None:
            attempt("FunctionTool", self._note_handled, call, error)
        return result

    def handled(self, error: BaseException | None) -> None:
        """Note that *error* of the function tool in force was made a result."""
        call = _call_in_force()
        if call is not None:
            attempt("FunctionTool", self._note_handled, call, error)

    def _note_handled(self, call: ToolCall, error: Any) -> None:
        self._shared.handled(call, error)
        if isinstance(error, Exception):
            call.timeout = None

    def timeout_made(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `ToolTimeoutError.__init__`: the only sign of a timeout kept quiet."""
        result = wrapped(*args, **kwargs)
        call = _call_in_force()
        if call is not None:
            call.timeout = instance
        return result

    # -- computer, shell, patch and custom tools ----------------------------------

    def _action_executed(
        self, executor: Any, _args: Any, kwargs: dict[str, Any]
    ) -> Observation | None:
        run = current_run()
        if run is None:
            return None
        kind, tool_name, call_name = _KINDS[executor.__name__]
        planned = kwargs.get(call_name)
        tool = getattr(planned, tool_name, None)
        tool_call = getattr(planned, "tool_call", None)
        name = read_text(tool, "name") or kind
        call = _call_of(name, tool_call, {"tool_type": kind}, tool)
        checks = kwargs.get("acknowledged_safety_checks")
        if checks:
            note_safety_checks(self._recorder, run, call.call_id, checks, "allow")
        return _Executed(self, call, Node(run, run.agent_span_id, "tool", call))

    def action_started(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the context's note that a tool call is being executed now."""
        self.action_begun(instance)
        return wrapped(*args, **kwargs)

    def action_begun(self, context: Any) -> bool:
        """
        Open the pair of the executor in force, now that its tool is executed.

        Args:
            context: The run's context, which knows of approvals.

        Returns:
            False if there is none that waits for it.
        """
        node, call = CURRENT.get(), _call_in_force()
        if node is None or call is None or call.pair is not None:
            return False
        run = node.run
        if not isinstance(run, AgentsRun):
            return False
        try:
            self._approvals.note_unasked(run, context, call)
            # Nobody shares this node yet: the tool's own code runs later.
            node.span_id = self._shared.start(run, call).span_id
        except Exception as error:
            report("ToolAction.execute", error)
        return True

    @staticmethod
    def failure_formatted(
        wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the function that makes an output of an executor's exception."""
        call = _call_in_force()
        if call is not None:
            call.swallowed = args[0] if args else kwargs.get("error")
        return wrapped(*args, **kwargs)

    def action_ended(self, call: ToolCall, item: Any) -> None:
        """Close the pair of an executor with the *item* that it made."""
        if call.pair is None:
            return
        error, call.swallowed = call.swallowed, None
        if isinstance(error, Exception):
            attempt("ToolAction.execute", self._note_handled, call, error)
        raw_item = getattr(item, "raw_item", None)
        output = getattr(item, "output", None)
        if read(raw_item, "status") == "failed" and not call.failure:
            self._shared.returned_failure(call, output)
        self.close(call, output)


def _call_of(
    name: str, tool_call: Any, metadata: dict[str, Any], tool: Any = None
) -> ToolCall:
    arguments = arguments_of_call(tool_call)
    call = ToolCall(name or "tool", call_id_of(tool_call), arguments, metadata)
    call.rule = rule_of(tool)
    return call


def _call_in_force() -> ToolCall | None:
    """Return the tool call that whoever calls is inside of."""
    node = CURRENT.get()
    call = node.detail if node is not None and node.kind == "tool" else None
    return call if isinstance(call, ToolCall) else None
