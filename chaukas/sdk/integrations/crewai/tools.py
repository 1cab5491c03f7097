"""
Record tools that really run, as often as they do, and coworkers that are asked.

What the model asked for (id, arguments) is known further out than what runs in the
end, maybe not at all, maybe six times: a `_Holder` goes from the one to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.models import record_retry
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    outermost,
)
from chaukas.sdk.integrations.shared.pending_errors import PendingErrors
from chaukas.sdk.integrations.shared.read import list_of, text_of
from chaukas.sdk.integrations.shared.tools import RETURNED, ToolCall, Tools
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.system.introspect import class_name_of

from .facts import agent_ref, argument, call_of, held, normal_role, role_of
from .state import CrewRun, Here, here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host

    from .runs import CrewRuns

__all__ = ["CrewTools", "Holder", "failure_of", "holder_in_force", "reason_of"]

_TOOL = ("TOOL_CALL_START", "TOOL_CALL_END", "ERROR", "RETRY")
_EXECUTORS = (
    "crewai.agents.agent_executor:AgentExecutor",
    "crewai.experimental.agent_executor:AgentExecutor",
    "crewai.agents.crew_agent_executor:CrewAgentExecutor",
)
_NATIVE = "_execute_single_native_tool_call"
_BASE_TOOL = "crewai.tools.base_tool:BaseTool"
_STRUCTURED = "crewai.tools.structured_tool:CrewStructuredTool"
_USE = "crewai.tools.tool_usage:ToolUsage"
_TEXT_ATTEMPTS = 6
"""Three attempts, each of which calls a tool that failed once more."""
_QUESTION = "AskQuestionTool"
_OF_MCP = "mcp_error"


class Holder:
    """What a model asked for, until it is known what became of it."""

    def __init__(self, run: CrewRun, name: str, call_id: str, arguments: Any) -> None:
        self.run = run
        self.key = 0
        """Identity of what uses the tool, which may call itself."""
        self.call = ToolCall(name, call_id, arguments)
        self.is_running = False
        self.errors = PendingErrors()
        self.has_failed = False
        self.result: Any = None
        self.mistakes = 0
        """Errors of what was asked for, of which CrewAI tells more than once."""

    @property
    def is_text(self) -> bool:
        """Whether the model asked in words."""
        return self.key != 0


def holder_in_force() -> Holder | None:
    """Return what a model asked for, while nothing runs for it here."""
    node = node_in_force()
    if node is None or not isinstance(node.detail, Holder):
        return None
    return None if node.detail.is_running else node.detail


class _Holding(Observation):
    """What goes on between the asking and the answer."""

    def __init__(self, tools: CrewTools, holder: Holder, node: Node) -> None:
        self._tools, self._holder = tools, holder
        self.node = Node(node.run, node.parent_span_id, "own_agent", holder)

    def ended(self, result: Any) -> None:
        self._tools.answered(self._holder)

    def failed(self, error: BaseException) -> None:
        self._tools.raised(self._holder, error)


class _Executing(Observation):
    """A tool while it runs for a holder."""

    def __init__(self, tools: CrewTools, holder: Holder) -> None:
        self._tools, self._holder = tools, holder
        pair = holder.call.pair
        if pair is not None:
            self.node = Node(pair.run, pair.span_id, "tool", holder.call)

    def ended(self, result: Any) -> None:
        self._holder.is_running = False
        self._holder.result = result

    def failed(self, error: BaseException) -> None:
        self._holder.is_running = False
        self._tools.execution_failed(self._holder, error)


class _Working(Observation):
    """A tool that no model asked for here, or that another one calls."""

    def __init__(self, shared: Tools, call: ToolCall, place: Here) -> None:
        self._shared, self._call, self._place = shared, call, place
        if call.pair is not None:
            self.node = Node(call.pair.run, call.pair.span_id, "tool", call)

    def ended(self, result: Any) -> None:
        if failure_of(result) is not None:
            self._shared.returned_failure(self._call, failure_of(result))
        self._shared.end(self._call, result)
        self._place.close()

    def failed(self, error: BaseException) -> None:
        self._shared.fail(self._call, error)
        self._place.close()


def failure_of(result: Any) -> str | None:
    """Return why a tool failed that says so in its result; None if it does not."""
    if class_name_of(result) != "ToolFailure":
        return None
    return text_of(held(result, "message")) or "failed"


def reason_of(failure: Any) -> str:
    """Return the kind of a failure that a tool, or CrewAI for it, says."""
    return text_of(held(held(failure, "reason"), "_value_"))


class CrewTools(Part):
    """
    Wrappers around tools.

    Args:
        host: Where to record.
        runs: Opens what a tool outside of any run needs, and records handoffs.
    """

    def __init__(self, host: Host, runs: CrewRuns) -> None:
        super().__init__(host)
        self._runs = runs
        self._shared = Tools(host)

    def patches(self) -> Sequence[Patch]:
        """Return the patches."""
        newest, *older = (f"{name}.{_NATIVE}" for name in _EXECUTORS)
        native, use = observe(self._native), observe(self._use)
        since = {"optional": True, "min_version": "1.10"}
        run, execute = observe(self._execute), observe_async(self._execute)
        return (
            Patch(newest, native, _TOOL, optional=True),
            *(Patch(name, native, _TOOL, optional=True) for name in older),
            Patch(
                "crewai.utilities.agent_utils:execute_single_native_tool_call",
                observe(self._native_call),
                _TOOL,
                everywhere=True,
                optional=True,
                min_version="1.13",
            ),
            Patch(f"{_USE}.use", use, _TOOL),
            Patch(f"{_USE}.ause", observe_async(self._use), _TOOL, **since),
            Patch(f"{_BASE_TOOL}.run", outermost("run", run), _TOOL, subclasses=True),
            Patch(
                f"{_BASE_TOOL}.arun",
                outermost("arun", execute),
                _TOOL,
                subclasses=True,
                **since,
            ),
            Patch(f"{_STRUCTURED}.invoke", observe(self._invoke), _TOOL),
            Patch(f"{_STRUCTURED}.ainvoke", observe_async(self._invoke), _TOOL),
            Patch(
                "crewai.tools.agent_tools.base_agent_tools:BaseAgentTool._execute",
                observe(self._delegate),
                ("AGENT_HANDOFF",),
            ),
        )

    # -- what is asked for --------------------------------------------------------

    def _native(self, _executor: Any, args: Any, kwargs: Any) -> _Holding | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return None
        call_id, name, arguments = call_of(argument(args, kwargs, 0, "tool_call"))
        return _Holding(self, Holder(node.run, name, call_id, arguments), node)

    def _native_call(self, _none: Any, args: Any, kwargs: Any) -> _Holding | None:
        return self._native(None, args, kwargs)

    def _use(self, usage: Any, args: Any, kwargs: Any) -> _Holding | None:
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return None
        if isinstance(node.detail, Holder) and node.detail.key == id(usage):
            # It calls itself to try once more.
            return None
        calling = argument(args, kwargs, 0, "calling")
        name = text_of(held(calling, "tool_name"))
        holder = Holder(node.run, name, "", held(calling, "arguments"))
        holder.key = id(usage)
        return _Holding(self, holder, node)

    def answered(self, holder: Holder) -> None:
        """Record what the model is told."""
        call = holder.call
        if call.pair is None:
            return
        if holder.has_failed:
            holder.errors.settle(self._recorder, action=RETURNED)
        elif (message := failure_of(holder.result)) is not None:
            is_reported = reason_of(holder.result) == _OF_MCP
            self._shared.returned_failure(call, message, is_reported=is_reported)
        self._shared.end(call, None if holder.has_failed else holder.result)

    def raised(self, holder: Holder, error: BaseException) -> None:
        """Record that what was asked for ends the agent."""
        call = holder.call
        if call.pair is None:
            return
        # One tells of it: what comes out here.
        holder.errors.drop()
        if isinstance(error, Exception):
            pair = call.pair
            holder.run.errors.hold(self._recorder, holder.run, error, pair.span_id)
            self._recorder.note_reported(holder.run, error)
        self._shared.fail(call, error)

    # -- what runs ----------------------------------------------------------------

    def _invoke(self, tool: Any, args: Any, kwargs: Any) -> Observation:
        given = argument(args, kwargs, 0, "input")
        return self._begin(tool, given)

    def _execute(self, tool: Any, args: Any, kwargs: Any) -> Observation:
        return self._begin(tool, kwargs or list(args))

    def _begin(self, tool: Any, arguments: Any) -> Observation:
        holder = holder_in_force()
        if holder is not None:
            return self._execution(holder, tool)
        name = text_of(held(tool, "name")) or class_name_of(tool)
        place = here(self._host, self._runs.shared)
        try:
            call = self._shared.begin(
                place.run, name, "", arguments, parent_span_id=place.span_id
            )
        except BaseException:
            place.close()
            raise
        return _Working(self._shared, call, place)

    def _execution(self, holder: Holder, tool: Any) -> _Executing:
        holder.is_running = True
        holder.call.executions += 1
        if holder.call.pair is None:
            name = text_of(held(tool, "name"))
            holder.call.name = holder.call.name or name
            self._shared.start(holder.run, holder.call)
        elif holder.has_failed:
            self._note_retry(holder)
        return _Executing(self, holder)

    def _note_retry(self, holder: Holder) -> None:
        """Record that a tool that failed runs once more."""
        holder.errors.settle(self._recorder, action="retried")
        holder.has_failed = False
        pair, message = holder.call.pair, holder.call.failure
        holder.call.failure = ""
        if pair is not None:
            record_retry(
                self._recorder,
                pair.run,
                pair.span_id,
                None,
                number=holder.call.executions - 1,
                max_attempts=_TEXT_ATTEMPTS - 1 if holder.is_text else 0,
                strategy="immediate",
                metadata={"layer": "tool"},
                message=message,
            )

    def execution_failed(self, holder: Holder, error: BaseException) -> None:
        """Note how a tool failed; whether it is tried again is seen later."""
        holder.has_failed = True
        pair = holder.call.pair
        if pair is None:
            return
        if not isinstance(error, Exception):
            holder.call.was_cancelled = True
            return
        recorder = self._recorder
        holder.call.failure = self._shared.text_of_failure(holder.call, error)
        if not holder.run.errors.knows(error):
            holder.errors.hold(recorder, holder.run, error, pair.span_id)

    # -- coworkers ----------------------------------------------------------------

    def _delegate(self, tool: Any, args: Any, kwargs: Any) -> None:
        node = node_in_force()
        if node is None or not isinstance(node.run, CrewRun):
            return
        wanted = normal_role(argument(args, kwargs, 0, "agent_name"))
        agents = list_of(held(tool, "agents"))
        found = [each for each in agents if normal_role(role_of(each)) == wanted]
        if found:
            kind = "question" if class_name_of(tool) == _QUESTION else "delegation"
            self._runs.shared.note_handoff(
                node.run,
                agent_ref(found[0]),
                reason=text_of(held(tool, "name")),
                kind=kind,
                data={"task": argument(args, kwargs, 1, "task")},
                parent_span_id=node.parent_span_id,
            )
