"""
Record tools that really ran: one TOOL pair each, errors inside it.

Calls that wait for approval or were rejected never reach the functions patched here,
or return before they say that the tool is being executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.facts import arguments_of
from chaukas.sdk.integrations.openai_agents.models.hosted_items import caller_facts
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    ToolCall,
    attempt,
    current_run,
)
from chaukas.sdk.record.context import CURRENT, Node, reset
from chaukas.sdk.record.recorder import error_text, without_defaults
from chaukas.sdk.system.internal_errors import report

from .facts import (
    arguments_of_call,
    call_id_of,
    http_answer_of,
    retrieved_in,
    rule_of,
)
from .policies import note_safety_checks

if TYPE_CHECKING:
    from chaukas.sdk.capture.snapshot import Capture
    from chaukas.sdk.integrations.base import Host

    from .approvals import Approvals

__all__ = ["Tools"]

_COMPLETED = "EVENT_STATUS_COMPLETED"
_FAILED = "EVENT_STATUS_FAILED"
_CANCELLED = "EVENT_STATUS_CANCELLED"
_KINDS = {
    "ComputerAction": ("computer", "computer_tool", "action"),
    "ShellAction": ("shell", "shell_tool", "call"),
    "LocalShellAction": ("local_shell", "local_shell_tool", "call"),
    "ApplyPatchAction": ("apply_patch", "apply_patch_tool", "call"),
    "CustomToolAction": ("custom", "custom_tool", "call"),
}
"""For each executor: type of tool, where its tool hangs, how its call is named."""
_KIND_OF_TOOL = {
    "FunctionTool": "function",
    "ComputerTool": "computer",
    "ShellTool": "shell",
    "LocalShellTool": "local_shell",
    "ApplyPatchTool": "apply_patch",
    "CustomTool": "custom",
}


def _read(item: Any, name: str) -> Any:
    return item.get(name) if type(item) is dict else getattr(item, name, None)


def _mcp_server_of(tool: Any) -> Any:
    origin = getattr(tool, "_tool_origin", None)
    return getattr(origin, "mcp_server_name", None)


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

    # -- function tools -----------------------------------------------------------

    async def invoke_function(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the batch executor's invocation of one function tool."""
        run = current_run()
        if run is None:
            return await wrapped(*args, **kwargs)
        call = self._begin_function(run, kwargs)
        if call is None or call.pair is None:
            return await wrapped(*args, **kwargs)
        token = CURRENT.set(Node(run, call.pair.span_id, "tool", call))
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            self._end(run, call, None, error)
            raise
        finally:
            reset(token)
        self._end(run, call, result, None)
        return result

    def _begin_function(
        self, run: AgentsRun, kwargs: dict[str, Any]
    ) -> ToolCall | None:
        try:
            tool = kwargs.get("func_tool")
            tool_call = kwargs.get("tool_call")
            metadata: dict[str, Any] = {"tool_type": "function"}
            server = _mcp_server_of(tool)
            if getattr(tool, "_is_agent_tool", False):
                metadata["tool_type"] = "agent_as_tool"
            elif server:
                metadata["tool_type"] = "mcp"
                metadata["mcp_server"] = server
            name = getattr(tool, "name", None)
            metadata |= caller_facts(tool_call)
            call = self._call_of(name, tool_call, metadata, tool)
            self._approvals.note_unasked(run, kwargs.get("tool_context"), call)
            self._start(run, call, tool_call)
        except Exception as error:
            report("FunctionTool", error)
            return None
        return call

    @staticmethod
    def _call_of(
        name: Any, tool_call: Any, metadata: dict[str, Any], tool: Any = None
    ) -> ToolCall:
        known = name if type(name) is str else "tool"
        call = ToolCall(known, call_id_of(tool_call), {}, metadata)
        call.planned, call.rule = tool_call, rule_of(tool)
        return call

    def _start(self, run: AgentsRun, call: ToolCall, tool_call: Any) -> None:
        recorder = self._recorder
        capture = recorder.capture(run)
        arguments = capture.tree(arguments_of_call(tool_call), "tool_call.arguments")
        if type(arguments) is not dict:
            arguments = {"input": arguments} if arguments not in (None, "") else {}
        metadata = call.metadata
        if run.last_model:
            metadata["requested_by"] = run.last_model
        if run.turns:
            metadata["turn"] = run.turns
        content: dict[str, Any] = {"tool_name": call.name, "metadata": metadata}
        if call.call_id:
            content["tool_id"] = call.call_id
        if arguments:
            content["arguments"] = arguments
        closing = {"tool_name": call.name}
        if call.call_id:
            closing["tool_call_id"] = call.call_id
        call.content = closing
        call.pair = recorder.pairs.start(
            EventType.TOOL_CALL_START,
            run,
            {"tool_call": content},
            parent_span_id=run.agent_span_id,
            closing={"tool_response": closing},
            capture=capture,
        )

    def _end(
        self,
        run: AgentsRun,
        call: ToolCall,
        result: Any,
        error: BaseException | None,
    ) -> None:
        pair = call.pair
        if pair is None:
            return
        try:
            self._end_unguarded(run, call, result, error)
        except Exception as problem:
            attempt("FunctionTool", self._recorder.pairs.end, pair)
            report("FunctionTool", problem)

    def _end_unguarded(
        self,
        run: AgentsRun,
        call: ToolCall,
        result: Any,
        error: BaseException | None,
    ) -> None:
        recorder = self._recorder
        pair = call.pair
        if pair is None:
            return
        capture = recorder.capture(run)
        content: dict[str, Any] = dict(call.content)
        status = _COMPLETED
        if call.timeout is not None and error is None:
            call.failure = capture.text(error_text(call.timeout), _MESSAGE)
            recorder.error(
                run,
                call.timeout,
                pair.span_id,
                recoverable=True,
                recovery_action="returned to the model as a result",
            )
        if error is not None and not isinstance(error, Exception):
            status = _CANCELLED
        elif error is not None:
            status = _FAILED
            content["error_message"] = capture.text(error_text(error), _MESSAGE)
            call.http_status, call.http_url = http_answer_of(error)
            recorder.error(run, error, call.span_of(error, pair.span_id))
        else:
            content["output"] = {"output": capture.tree(result, _OUTPUT)}
            if call.failure:
                status = _FAILED
                content["error_message"] = call.failure
            elif call.was_cancelled:
                status = _CANCELLED
        content |= _end_facts(call, capture)
        elapsed_ms = recorder.monotonic_ms_since(pair.started_monotonic_ns)
        if elapsed_ms:
            content["execution_time_ms"] = elapsed_ms
        recorder.pairs.end(
            pair,
            {"tool_response": content},
            status=status,
            capture=capture,
        )
        if error is None and call.name in self._host.data_access_tools:
            attempt("DATA_ACCESS", self._note_data_access, run, call, result)

    def _note_data_access(self, run: AgentsRun, call: ToolCall, result: Any) -> None:
        """Record what a declared retrieval was asked for, and what it found."""
        pair, recorder = call.pair, self._recorder
        capture, facts = recorder.capture(run), recorder.capture_facts()
        plain = arguments_of(result)
        found = retrieved_in(facts.tree(plain, "data_access.metadata.results"))
        metadata: dict[str, Any] = {
            "tool_call_id": call.call_id,
            "declared": True,
            "arguments": capture.tree(
                arguments_of_call(call.planned), "data_access.metadata.arguments"
            ),
            "count": found.result_count,
            "scores": found.scores,
        }
        access: dict[str, Any] = {
            "datasource": call.name,
            "document_ids": found.document_ids,
            "chunk_ids": found.chunk_ids,
            "metadata": without_defaults(metadata),
        }
        recorder.emit(
            EventType.DATA_ACCESS,
            run,
            {"data_access": without_defaults(access)},
            parent_span_id=pair.span_id if pair else run.agent_span_id,
            capture=capture,
        )

    # -- tools of other loops than the runner's ------------------------------------

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
        planned = {"func_tool": tool, "tool_call": tool_call, "tool_context": context}
        return self._begin_function(run, planned)

    def end(
        self,
        run: AgentsRun,
        call: ToolCall,
        result: Any,
        error: BaseException | None = None,
    ) -> None:
        """Close it with what the tool returned or raised."""
        self._end(run, call, result, error)

    # -- public hooks -------------------------------------------------------------

    def started_by_hook(self, run: AgentsRun, context: Any, tool: Any) -> ToolCall:
        """Open a pair with what `on_tool_start` tells."""
        kind = type(tool).__name__
        planned = {
            "call_id": getattr(context, "tool_call_id", None),
            "arguments": getattr(context, "tool_arguments", None),
        }
        metadata = {"tool_type": _KIND_OF_TOOL.get(kind, kind)}
        call = self._call_of(getattr(tool, "name", None), planned, metadata)
        self._start(run, call, planned)
        return call

    def ended_by_hook(self, run: AgentsRun, call: ToolCall, result: Any) -> None:
        """Close it with what `on_tool_end` tells."""
        self._end(run, call, result, None)

    # -- errors inside a function tool --------------------------------------------

    async def format_failure(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the function that turns a tool's exception into a result."""
        node = CURRENT.get()
        error = kwargs.get("error")
        result = await wrapped(*args, **kwargs)
        if node is None or node.kind != "tool" or result is None:
            return result
        try:
            self._note_handled(node, error)
        except Exception as problem:
            report("FunctionTool", problem)
        return result

    def handled(self, error: BaseException | None) -> None:
        """Note that *error* of the function tool in force was made a result."""
        node = CURRENT.get()
        if node is not None and isinstance(node.detail, ToolCall):
            attempt("FunctionTool", self._note_handled, node, error)

    def _note_handled(self, node: Node, error: Any) -> None:
        call: ToolCall = node.detail
        if not isinstance(error, Exception):
            call.was_cancelled = True
            return
        recorder = self._recorder
        capture = recorder.capture(node.run)
        call.failure = capture.text(error_text(error), _MESSAGE) or type(error).__name__
        call.http_status, call.http_url = http_answer_of(error)
        call.timeout = None
        recorder.error(
            node.run,
            error,
            call.span_of(error, node.span_id),
            recoverable=True,
            recovery_action="returned to the model as a result",
        )

    def timeout_made(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `ToolTimeoutError.__init__`: the only sign of a timeout kept quiet."""
        result = wrapped(*args, **kwargs)
        node = CURRENT.get()
        if (
            node is not None
            and node.kind == "tool"
            and isinstance(node.detail, ToolCall)
        ):
            node.detail.timeout = instance
        return result

    # -- computer, shell, patch and custom tools ----------------------------------

    async def execute_action(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `*Action.execute`; the pair opens when the tool is really executed."""
        run = current_run()
        call = None if run is None else self._expect_action(instance, kwargs)
        if run is None or call is None:
            return await wrapped(*args, **kwargs)
        checks = kwargs.get("acknowledged_safety_checks")
        if checks:
            note_safety_checks(self._recorder, run, call.call_id, checks, "allow")
        token = CURRENT.set(Node(run, run.agent_span_id, "tool", call))
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            call.swallowed = None
            self._end(run, call, None, error)
            raise
        finally:
            reset(token)
        attempt("ToolAction.execute", self._end_action, run, call, result)
        return result

    def _expect_action(self, executor: Any, kwargs: dict[str, Any]) -> ToolCall | None:
        try:
            kind, tool_name, call_name = _KINDS[executor.__name__]
            planned = kwargs.get(call_name)
            tool = getattr(planned, tool_name, None)
            tool_call = getattr(planned, "tool_call", None)
            name = getattr(tool, "name", None) or kind
            call = self._call_of(name, tool_call, {"tool_type": kind}, tool)
        except Exception as error:
            report("ToolAction.execute", error)
            return None
        return call

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
        node = CURRENT.get()
        if node is None or node.kind != "tool":
            return False
        call, run = node.detail, node.run
        if not isinstance(call, ToolCall) or not isinstance(run, AgentsRun):
            return False
        if call.pair is not None:
            return False
        self._open_action(node, run, call, context)
        return True

    def _open_action(
        self, node: Node, run: AgentsRun, call: ToolCall, context: Any
    ) -> None:
        try:
            self._approvals.note_unasked(run, context, call)
            self._start(run, call, call.planned)
            if call.pair is not None:
                # Nobody shares this node yet: the tool's own code runs later.
                node.span_id = call.pair.span_id
        except Exception as error:
            report("ToolAction.execute", error)

    def failure_formatted(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the function that makes an output of an executor's exception."""
        node = CURRENT.get()
        if node is not None and isinstance(node.detail, ToolCall):
            node.detail.swallowed = args[0] if args else kwargs.get("error")
        return wrapped(*args, **kwargs)

    def _end_action(self, run: AgentsRun, call: ToolCall, item: Any) -> None:
        if call.pair is None:
            return
        error, call.swallowed = call.swallowed, None
        if isinstance(error, Exception):
            node = Node(run, call.pair.span_id, "tool", call)
            attempt("ToolAction.execute", self._note_handled, node, error)
        raw_item = getattr(item, "raw_item", None)
        output = getattr(item, "output", None)
        if _read(raw_item, "status") == "failed" and not call.failure:
            self._note_swallowed(run, call, output)
        self._end(run, call, output, None)

    def _note_swallowed(self, run: AgentsRun, call: ToolCall, output: Any) -> None:
        """Record the error that an executor turned into output text."""
        recorder = self._recorder
        capture = recorder.capture(run)
        call.failure = capture.text(output, _MESSAGE) or "failed"
        recorder.emit(
            EventType.ERROR,
            run,
            {
                "error": {
                    "error_message": call.failure,
                    "error_code": "ToolFailed",
                    "recoverable": True,
                    "recovery_action": "returned to the model as a result",
                }
            },
            parent_span_id=call.pair.span_id if call.pair else run.agent_span_id,
            capture=capture,
        )


def _end_facts(call: ToolCall, capture: Capture) -> dict[str, Any]:
    """Return what the END says of a call besides its output and its error."""
    facts: dict[str, Any] = {}
    if call.http_url:
        facts["url"] = capture.text(call.http_url, "tool_response.metadata.url")
    if call.is_interrupted:
        facts["waiting"] = True
    return without_defaults({"http_status": call.http_status, "metadata": facts})


_MESSAGE = "tool_response.error_message"
_OUTPUT = "tool_response.output.output"
