"""
Record decisions: guardrails, safety checks, handled errors, handoffs between agents.

What they share: a decision is known when the SDK's function returns, and concerns the
agent in force or the tool under way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.events import EventType
from chaukas.sdk.integrations.openai_agents.facts import agent_ref, arguments_of
from chaukas.sdk.integrations.openai_agents.runs.facts import config_value
from chaukas.sdk.integrations.openai_agents.state import (
    AgentsRun,
    attempt,
    current_run,
)
from chaukas.sdk.record.context import CURRENT, Node, reset
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import report

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.openai_agents.runs.wrap import Runs
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["Policies", "note_safety_checks"]

_WARN = "SEVERITY_WARN"


class Policies:
    """
    Wrappers around guardrails, safety checks, error handlers and handoffs.

    Args:
        host: Where to record.
        runs: Told of handoffs.
    """

    def __init__(self, host: Host, runs: Runs) -> None:
        self._host = host
        self._runs = runs

    # -- guardrails ---------------------------------------------------------------

    async def guardrail(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the `run` of an input or output guardrail."""
        return await self._guard(wrapped, instance, args, kwargs, _runner_verdict)

    async def tool_guardrail(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the `run` of a tool input or tool output guardrail."""
        return await self._guard(wrapped, instance, args, kwargs, _tool_verdict)

    async def _guard(
        self,
        wrapped: Any,
        instance: Any,
        args: Any,
        kwargs: dict[str, Any],
        verdict_of: Any,
    ) -> Any:
        node = CURRENT.get()
        if node is None or not isinstance(node.run, AgentsRun):
            return await wrapped(*args, **kwargs)
        run = node.run
        # A run inside (a model as judge) stands under the agent or the tool.
        inner = Node(run, node.parent_span_id, _kind_of(node), node.detail)
        token = CURRENT.set(inner)
        try:
            result = await wrapped(*args, **kwargs)
        except Exception as error:
            record = self._host.recorder.error
            attempt("Guardrail.run", record, run, error, node.parent_span_id)
            raise
        finally:
            reset(token)
        try:
            verdict = verdict_of(result)
            self._note_guardrail(run, node, instance, args, verdict)
        except Exception as error:
            report("Guardrail.run", error)
        return result

    def _note_guardrail(
        self,
        run: AgentsRun,
        node: Node,
        guardrail: Any,
        args: Any,
        verdict: _Verdict,
    ) -> None:
        denied, behavior, info, message = verdict
        recorder = self._host.recorder
        capture = recorder.capture(run)
        metadata: dict[str, Any] = {"kind": type(guardrail).__name__}
        if behavior:
            metadata["behavior"] = behavior
        context = getattr(args[0], "context", None) if args else None
        for name in ("tool_name", "tool_call_id"):
            value = getattr(context, name, None)
            if type(value) is str:
                metadata[name] = value
        if message is not None:
            metadata["message"] = capture.text(message, "policy.metadata.message")
        policy: dict[str, Any] = {
            "policy_id": _name_of(guardrail),
            "outcome": "deny" if denied else "allow",
            "metadata": metadata,
        }
        if info is not None:
            policy["rationale"] = capture.text(info, "policy.rationale")
        recorder.emit(
            EventType.POLICY_DECISION,
            run,
            {"policy": without_defaults(policy)},
            parent_span_id=node.parent_span_id,
            capture=capture,
            severity=_WARN if denied else "",
        )

    # -- safety checks of computers -----------------------------------------------

    async def computer_actions(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the execution of a response's computer calls, checks included."""
        run = current_run()
        if run is None:
            return await wrapped(*args, **kwargs)
        asked: list[Any] = []
        token = CURRENT.set(Node(run, run.agent_span_id, "agent", asked))
        try:
            return await wrapped(*args, **kwargs)
        except Exception as error:
            if asked and type(error).__name__ == "UserError":
                # One refusal ends the run: it was the last that was asked for.
                call_id, check = asked[-1]
                recorder = self._host.recorder
                note_safety_checks(recorder, run, call_id, [check], "deny")
            raise
        finally:
            reset(token)

    def safety_check_asked(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the making of what the application is asked about a safety check."""
        node = CURRENT.get()
        if node is not None and type(node.detail) is list:
            call_id = getattr(kwargs.get("tool_call"), "call_id", None)
            node.detail.append((call_id, kwargs.get("safety_check")))
        return wrapped(*args, **kwargs)

    # -- handled errors -----------------------------------------------------------

    async def error_handler(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the resolution of `error_handlers`: a result means handled."""
        result = await wrapped(*args, **kwargs)
        run = current_run()
        error = kwargs.get("error")
        if run is not None and result is not None and isinstance(error, Exception):
            attempt(
                "error_handlers",
                self._host.recorder.error,
                run,
                error,
                run.agent_span_id,
                recoverable=True,
                recovery_action="handled by the application's error handler",
            )
        return result

    # -- handoffs -----------------------------------------------------------------

    async def handoff(
        self, wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the execution of a handoff."""
        run = current_run()
        result = await wrapped(*args, **kwargs)
        if run is None:
            return result
        try:
            new_agent = result.next_step.new_agent
            self._note_handoff(run, new_agent, kwargs, result)
            self._runs.hand_off(run, new_agent)
        except Exception as error:
            report("execute_handoffs", error)
        return result

    def handed_off_by_hook(self, run: AgentsRun, new_agent: Any) -> None:
        """Record a handoff with what `on_handoff` tells."""
        self._note_handoff(run, new_agent, {}, None)
        self._runs.hand_off(run, new_agent)

    def _note_handoff(
        self, run: AgentsRun, new_agent: Any, kwargs: dict[str, Any], result: Any
    ) -> None:
        recorder = self._host.recorder
        capture = recorder.capture(run)
        old, new = run.agent or agent_ref(None), agent_ref(new_agent)
        planned = kwargs.get("run_handoffs") or []
        first = planned[0] if planned else None
        tool_call = getattr(first, "tool_call", None)
        data: dict[str, Any] = {}
        arguments = arguments_of(getattr(tool_call, "arguments", None))
        if arguments:
            data["arguments"] = arguments
        call_id = getattr(tool_call, "call_id", None)
        if type(call_id) is str:
            data["tool_call_id"] = call_id
        handoff = getattr(first, "handoff", None)
        if getattr(result, "handoff_input_filtered", False) or (
            getattr(handoff, "input_filter", None) is not None
        ):
            data["input_filtered"] = True
        elif _nests_history(handoff, kwargs.get("run_config")):
            data["history_nested"] = True
        ignored = [getattr(item.handoff, "agent_name", "") for item in planned[1:]]
        if ignored:
            data["ignored_handoffs"] = ignored
        content: dict[str, Any] = {
            "from_agent_id": old.agent_id,
            "from_agent_name": old.name,
            "to_agent_id": new.agent_id,
            "to_agent_name": new.name,
            "reason": getattr(handoff, "tool_name", None),
            "handoff_type": "sequential",
        }
        if data:
            content["handoff_data"] = capture.tree(data, "agent_handoff.handoff_data")
        recorder.emit(
            EventType.AGENT_HANDOFF,
            run,
            {"agent_handoff": without_defaults(content)},
            parent_span_id=run.agent_span_id,
            capture=capture,
        )


def note_safety_checks(
    recorder: Recorder, run: AgentsRun, call_id: Any, checks: Any, outcome: str
) -> None:
    """Record what the application decided about a computer's safety *checks*."""
    try:
        for check in checks:
            _note_safety_check(recorder, run, call_id, check, outcome)
    except Exception as error:
        report("safety check", error)


def _note_safety_check(
    recorder: Recorder, run: AgentsRun, call_id: Any, check: Any, outcome: str
) -> None:
    facts = {
        name: check.get(name) if type(check) is dict else getattr(check, name, None)
        for name in ("id", "code", "message")
    }
    code = facts["code"]
    capture = recorder.capture(run)
    policy: dict[str, Any] = {
        "policy_id": "computer_safety_check",
        "outcome": outcome,
        "rule_ids": [code] if type(code) is str else [],
        "metadata": without_defaults(
            {"tool_call_id": call_id, "check_id": facts["id"]}
        ),
    }
    if type(facts["message"]) is str:
        policy["rationale"] = capture.text(facts["message"], "policy.rationale")
    recorder.emit(
        EventType.POLICY_DECISION,
        run,
        {"policy": without_defaults(policy)},
        parent_span_id=run.agent_span_id,
        capture=capture,
        severity=_WARN if outcome == "deny" else "",
    )


def _nests_history(handoff: Any, run_config: Any) -> bool:
    """Tell whether the history becomes one message for the next agent."""
    own = getattr(handoff, "nest_handoff_history", None)
    if own is None:
        own = config_value(run_config, "nest_handoff_history")
    return own is True


def _kind_of(node: Node) -> Any:
    return "tool" if node.kind == "tool" else "guardrail"


def _name_of(guardrail: Any) -> str:
    name = getattr(guardrail, "name", None)
    if type(name) is str and name:
        return name
    function = getattr(guardrail, "guardrail_function", None)
    name = getattr(function, "__name__", None)
    return name if type(name) is str else type(guardrail).__name__


class _Verdict(NamedTuple):
    """What a guardrail decided."""

    denied: bool
    behavior: str
    """What a guardrail of a tool asks for."""
    info: Any
    message: Any = None
    """What the model is told in place of the call's result."""


def _runner_verdict(result: Any) -> _Verdict:
    output = result.output
    return _Verdict(output.tripwire_triggered is True, "", output.output_info)


def _tool_verdict(result: Any) -> _Verdict:
    behavior = result.behavior
    kind = behavior["type"]
    message = behavior.get("message")
    return _Verdict(kind != "allow", kind, result.output_info, message)
