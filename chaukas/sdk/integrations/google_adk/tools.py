"""Record tools: those that really ran, those that were refused, and transfers."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
)
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import text_of
from chaukas.sdk.integrations.shared.runs import AgentRun
from chaukas.sdk.integrations.shared.tools import RETURNED, ToolCall, Tools
from chaukas.sdk.patching import Patch
from chaukas.sdk.record import content
from chaukas.sdk.record.context import AgentRef, Node
from chaukas.sdk.record.placement import node_in_force
from chaukas.sdk.system.introspect import (
    MISSING,
    attributes_of,
    bare_name_of,
    class_name_of,
    dict_of,
    mro_of,
    own,
)

from .agents import INTERRUPTED
from .callbacks import TOOL_AUTH
from .facts import field, is_own, parts_of
from .state import AgentTurn, run_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import Runs

__all__ = ["Call", "ToolHooks"]

_PACKAGE = "google-adk"
_TOOL = "google.adk.tools.base_tool:BaseTool"
_FUNCTION = "google.adk.tools.function_tool:FunctionTool"
_FLOWS = "google.adk.flows.llm_flows"
_EXECUTOR = "google.adk.code_executors.base_code_executor:BaseCodeExecutor.execute_code"
_PAIR = ("TOOL_CALL_START", "TOOL_CALL_END", "ERROR", "DATA_ACCESS")
_CALL = ("POLICY_DECISION", "AGENT_HANDOFF", *_PAIR)
_TYPES = {
    "LongRunningFunctionTool": "long_running",
    "FunctionTool": "function",
    "AgentTool": "agent",
    "McpTool": "mcp",
    "MCPTool": "mcp",
    "RestApiTool": "openapi",
}
_RETRIEVALS = frozenset({"BaseRetrievalTool", "DiscoveryEngineSearchTool"})
_DATA = tuple(
    f"google.adk.tools.{name}." for name in ("bigquery", "bigtable", "spanner")
)
"""Modules of functions that look into stores of Google."""
_DETECT = "_detect_error_in_response"
_CONFIRMATION = "tool_confirmation"


class Call(ToolCall):
    """One call of a tool with its callbacks; its pair opens if the tool really runs."""

    __slots__ = (
        "decides_itself",
        "error",
        "is_confirmed",
        "is_entered",
        "is_unknown",
        "result",
        "tool",
    )

    def __init__(self, tool: Any, name: str, call_id: str, arguments: Any) -> None:
        names, has_hook = [], False
        for cls in mro_of(type(tool)):
            names.append(bare_name_of(cls))
            has_hook = has_hook or "_invoke_callable" in dict_of(cls)
        kind = next((_TYPES[each] for each in names if each in _TYPES), names[0])
        super().__init__(name, call_id, arguments, {"type": kind})
        self.is_retrieval = _is_retrieval(tool, names)
        self.decides_itself = has_hook and "FunctionTool" in names
        """
        It says by itself when its function really runs.

        Since 1.14; tools of MCP have that as well, but for their rules alone.
        """
        self.tool = tool
        self.is_entered = False
        """The tool was asked; it may have refused the arguments."""
        self.is_confirmed: bool | None = None
        """What a person said, if somebody asked."""
        self.is_unknown = False
        self.result: Any = None
        self.error: Exception | None = None
        """What it raised, until it is known whether anything handles it."""


class _Calling(Observation):
    """A call with its callbacks, which end what the tool has begun."""

    def __init__(self, hooks: ToolHooks, run: AgentRun, call: Call) -> None:
        self._hooks, self._run, self._call = hooks, run, call
        self.node = Node(run, run.agent_span_id, "agent", call)

    def ended(self, result: Any) -> None:
        """Record what came of it."""
        self._hooks.returned(self._run, self._call, result)

    def failed(self, error: BaseException) -> None:
        """Record that nobody handled its error, or that it was given up."""
        self._hooks.raised(self._call, error)


class _Alone(_Calling):
    """A tool that something else than an agent's flow calls."""

    def ended(self, result: Any) -> None:
        """Record what it returned."""
        self._call.result = result
        self._hooks.returned(self._run, self._call, None)


class _Asked(Observation):
    """A tool that decides itself whether its function runs."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def ended(self, result: Any) -> None:
        """Remember what it returned."""
        self._call.result = result

    def failed(self, error: BaseException) -> None:
        """Remember what it raised."""
        if isinstance(error, Exception):
            self._call.error = error


class _Working(_Asked):
    """A tool that runs."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        if call.pair is not None:
            self.node = Node(call.pair.run, call.pair.span_id, "tool", call)


class _Executing(Observation):
    """Code that a model wrote, while it runs."""

    def __init__(self, hooks: ToolHooks, run: AgentRun, call: Call) -> None:
        self._hooks, self._run, self._call = hooks, run, call
        if call.pair is not None:
            self.node = Node(run, call.pair.span_id, "tool", call)

    def ended(self, result: Any) -> None:
        """Record what it wrote."""
        names = ("stdout", "stderr")
        self._call.result = {name: text_of(field(result, name)) for name in names}
        self._hooks.returned(self._run, self._call, None)

    def failed(self, error: BaseException) -> None:
        """Record how it failed."""
        self._hooks.raised(self._call, error)


class ToolHooks(Part):
    """
    The hooks of tools.

    Args:
        host: Where to record.
        runs: Records transfers.
    """

    def __init__(self, host: Host, runs: Runs) -> None:
        super().__init__(host)
        self.tools = Tools(host)
        self._runs = runs

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        prepared, plain = observe_async(self._prepared), observe_async(self._plain)
        places = (
            ("tools._caller:_execute_single_prepared_call", prepared, "2.10", ""),
            ("_tool_caller:_execute_single_prepared_call", prepared, "2.9", "2.9"),
            ("functions:_execute_single_function_call_async", plain, "1.10", "2.8"),
            ("functions:_execute_single_function_call_live", plain, "1.10", "2.8"),
        )
        return (
            *(
                Patch(
                    f"{_FLOWS}.{place}",
                    wrap,
                    _CALL,
                    everywhere=True,
                    min_version=first,
                    max_version=last,
                    package=_PACKAGE,
                    post_import=True,
                )
                for place, wrap, first, last in places
            ),
            Patch(
                f"{_TOOL}.run_async", observe_async(self._tool), _PAIR, subclasses=True
            ),
            Patch(
                f"{_FUNCTION}._invoke_callable",
                observe_async(self._function),
                _PAIR,
                min_version="1.14",
                package=_PACKAGE,
                post_import=True,
            ),
            Patch(
                _EXECUTOR, observe(self._code), _PAIR, subclasses=True, post_import=True
            ),
        )

    # -- begin ----------------------------------------------------------------------

    def _prepared(
        self, _: Any, args: Any, kwargs: dict[str, Any]
    ) -> Observation | None:
        held = attributes_of(args[1] if len(args) > 1 else kwargs["prepared_call"])
        asked = attributes_of(held.get("function_call"))
        context = held.get("tool_context")
        call = Call(
            held.get("tool"),
            text_of(asked.get("name")),
            text_of(asked.get("id")),
            held.get("function_args"),
        )
        call.is_unknown = held.get("tool_lookup_error") is not None
        confirmation = field(context, "_tool_confirmation")
        if confirmation is None:
            confirmation = field(context, "tool_confirmation")
        return self._calling(call, confirmation)

    def _plain(self, _: Any, args: Any, kwargs: dict[str, Any]) -> Observation | None:
        given = (*args[1:3], *(None,) * (3 - len(args)))
        asked = attributes_of(kwargs.get("function_call", given[0]))
        tools = kwargs.get("tools_dict", given[1])
        name = text_of(asked.get("name"))
        tool = tools.get(name) if type(tools) is dict else None
        call = Call(tool, name, text_of(asked.get("id")), asked.get("args"))
        call.is_unknown = tool is None
        # Of a live one the fifth argument is a lock.
        given_last = args[4] if len(args) > 4 else None
        confirmation = kwargs.get("tool_confirmation", given_last)
        is_one = class_name_of(confirmation) == "ToolConfirmation"
        return self._calling(call, confirmation if is_one else None)

    def _calling(self, call: Call, confirmation: Any) -> Observation | None:
        run = run_at()
        if run is None:
            return None
        if confirmation is not None:
            call.is_confirmed = field(confirmation, "confirmed") is True
            outcome = "allow" if call.is_confirmed else "deny"
            self._decided(run, call, _CONFIRMATION, outcome)
        return _Calling(self, run, call)

    def _tool(self, tool: Any, args: Any, kwargs: dict[str, Any]) -> Observation | None:
        """Begin with what `run_async` of a tool is, in the base or in any class."""
        del args
        node = node_in_force()
        if node is None or not isinstance(node.run, AgentRun) or not node.run.sampled:
            return None
        call = node.detail
        if not isinstance(call, Call) or call.tool is not tool:
            return self._alone(node.run, tool, kwargs)
        if call.is_entered:
            # By `super()`, or from the function itself.
            return None
        return self._enter(node.run, call)

    def _alone(self, run: AgentRun, tool: Any, kwargs: dict[str, Any]) -> Observation:
        context = kwargs.get("tool_context")
        call = Call(
            tool,
            text_of(field(tool, "name")),
            text_of(field(context, "function_call_id")),
            kwargs.get("args"),
        )
        call.is_entered = True
        if not call.decides_itself:
            self.start(run, call)
        seen = _Alone(self, run, call)
        if call.pair is not None:
            seen.node = Node(run, call.pair.span_id, "tool", call)
        return seen

    def _enter(self, run: AgentRun, call: Call) -> Observation:
        call.is_entered = True
        if call.decides_itself:
            return _Asked(call)
        self.start(run, call)
        return _Working(call)

    def _function(self, tool: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        node = node_in_force()
        call = None if node is None else node.detail
        if node is None or not isinstance(call, Call) or call.tool is not tool:
            return None
        target = args[0] if args else kwargs.get("target")
        is_rule = target is field(tool, "_require_confirmation")
        if call.pair is not None or is_rule or not isinstance(node.run, AgentRun):
            return None
        self.start(node.run, call)
        return _Working(call)

    def _code(self, executor: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Begin with code that a model wrote and that ADK runs."""
        node = node_in_force()
        if node is None or not isinstance(node.run, AgentRun):
            return None
        if isinstance(node.detail, Call) and node.detail.tool is executor:
            return None
        given = args[1] if len(args) > 1 else kwargs.get("code_execution_input")
        call = Call(executor, "code_interpreter", "", {"code": field(given, "code")})
        call.metadata["type"] = "code_interpreter"
        self.start(node.run, call)
        return _Executing(self, node.run, call)

    def start(self, run: AgentRun, call: Call) -> None:
        """Open the pair of a call, under what is in force."""
        node = node_in_force()
        parent = run.agent_span_id if node is None else node.parent_span_id
        self.tools.start(run, call, parent)

    # -- end ------------------------------------------------------------------------

    def returned(self, run: AgentRun, call: Call, event: Any) -> None:
        """Record what came of a call that did not raise."""
        actions = attributes_of(field(event, "actions"))
        pair, error, call.error = call.pair, call.error, None
        if pair is None:
            self._not_run(run, call, event, actions)
            return
        if error is not None:
            self.tools.handled(call, error)
        elif code := _failure_in(call):
            # What an MCP server said is on record below, and its ERROR with it.
            is_below = call.metadata["type"] == "mcp"
            words = _words_in(call.result)
            self.tools.returned_failure(call, words, code, is_reported=is_below)
        self.tools.end(call, call.result)
        self._asked_for(run, call, actions)
        target = text_of(actions.get("transfer_to_agent"))
        if target and isinstance(run, AgentTurn):
            reason = text_of(actions.get("transfer_reason")) or call.name
            self._runs.note_handoff(
                run,
                AgentRef(target, target),
                reason=reason,
                kind="transfer",
                data=call.arguments,
            )
            run.handed_to = target
        call.result = None

    def raised(self, call: Call, error: BaseException) -> None:
        """Record that nobody handled what a call raised, or that it was given up."""
        call.error = None
        if call.pair is None:
            return
        if class_name_of(error) == INTERRUPTED:
            call.is_waiting = True
            self.tools.end(call, None)
        else:
            self.tools.fail(call, error)

    def _not_run(self, run: AgentRun, call: Call, event: Any, actions: Any) -> None:
        """Record why a tool did not run."""
        if self._asked_for(run, call, actions) or call.is_confirmed is False:
            return
        answer = _response_in(event)
        if call.is_unknown or call.is_entered:
            capture = self._recorder.capture(run)
            text = capture.text(_words_in(answer), "error.error_message")
            code = "ToolNotFound" if call.is_unknown else "InvalidArguments"
            self._recorder.emit(
                EventType.ERROR,
                run,
                content.error(text, code, recoverable=True, recovery_action=RETURNED),
                parent_span_id=run.agent_span_id,
                capture=capture,
            )
        elif event is not None:
            self._decided(run, call, "before_tool_callback", "override", answer)

    def _asked_for(self, run: AgentRun, call: Call, actions: dict[str, Any]) -> bool:
        """Record that a call waits for a person; tell whether it does."""
        asked = False
        for name, policy in (
            ("requested_tool_confirmations", _CONFIRMATION),
            ("requested_auth_configs", TOOL_AUTH),
        ):
            wanted = actions.get(name)
            if type(wanted) is dict and call.call_id in wanted:
                self._decided(run, call, policy, "review")
                asked = True
        if asked and isinstance(run, AgentTurn):
            run.is_waiting = True
        return asked

    def _decided(
        self, run: AgentRun, call: Call, policy: str, outcome: str, answer: Any = None
    ) -> None:
        capture = self._recorder.capture(run)
        words = _words_in(answer)
        record_policy(
            self._recorder,
            run,
            run.agent_span_id,
            policy,
            outcome,
            rule_ids=[call.name, call.call_id],
            rationale=capture.text(words, "policy.rationale") if words else "",
            capture=capture,
        )


def _is_retrieval(tool: Any, names: list[str]) -> bool:
    """Tell whether a tool looks something up, by its class or by ADK's own function."""
    function = field(tool, "func") if "GoogleTool" in names else None
    module = function.__module__ if type(function) is FunctionType else ""
    is_data = type(module) is str and module.startswith(_DATA)
    return is_data or not _RETRIEVALS.isdisjoint(names)


def _failure_in(call: Call) -> str:
    """Return the code of a failure that a tool returned, by ADK's own judgement."""
    for cls in mro_of(type(call.tool)):
        if own(cls, _DETECT) is not MISSING:
            judge = getattr(call.tool, _DETECT)
            return text_of(judge(call.result)) if is_own(cls) else ""
    return ""


def _words_in(answer: Any) -> Any:
    """Return the text with which a tool answers, as far as it has one."""
    if type(answer) is dict:
        found = (answer.get(name) for name in ("error", "error_message", "result"))
        return next((text for text in found if type(text) is str), answer)
    return answer


def _response_in(event: Any) -> Any:
    for part in parts_of(event):
        response = field(part, "function_response", "response")
        if response is not None:
            return response
    return None
