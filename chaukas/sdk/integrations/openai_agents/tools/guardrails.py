"""Record guardrails of runs and of tools: what each of them decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.state import AgentsRun
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import read_text
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.record.context import NodeKind
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["Guardrails"]

_DECISION = ("POLICY_DECISION",)


class Guardrails(Part):
    """Wrappers around the `run` of guardrails."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return tuple(
            Patch(f"{module}:{name}.run", self._wrap(verdict_of), _DECISION)
            for module, name, verdict_of in (
                ("agents.guardrail", "InputGuardrail", _runner_verdict),
                ("agents.guardrail", "OutputGuardrail", _runner_verdict),
                ("agents.tool_guardrails", "ToolInputGuardrail", _tool_verdict),
                ("agents.tool_guardrails", "ToolOutputGuardrail", _tool_verdict),
            )
        )

    def _wrap(self, verdict_of: Callable[[Any], _Verdict]) -> Any:
        def begin(guardrail: Any, args: Any, _kwargs: Any) -> Observation | None:
            node = CURRENT.get()
            if node is None or not isinstance(node.run, AgentsRun):
                return None
            context = getattr(args[0], "context", None) if args else None
            return _Guarded(self._recorder, node, guardrail, context, verdict_of)

        return observe_async(begin)


class _Guarded(Observation):
    """One decision of a guardrail."""

    def __init__(
        self,
        recorder: Recorder,
        node: Node,
        guardrail: Any,
        context: Any,
        verdict_of: Callable[[Any], _Verdict],
    ) -> None:
        self._recorder = recorder
        self._outer = node
        self._guardrail = guardrail
        self._context = context
        self._verdict_of = verdict_of
        # A run inside (a model as judge) stands under the agent or the tool.
        kind: NodeKind = "tool" if node.kind == "tool" else "guardrail"
        self.node = Node(node.run, node.parent_span_id, kind, node.detail)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            node = self._outer
            self._recorder.error(node.run, error, node.parent_span_id)

    def ended(self, result: Any) -> None:
        denied, behavior, info, message = self._verdict_of(result)
        node, guardrail = self._outer, self._guardrail
        capture = self._recorder.capture(node.run)
        metadata: dict[str, Any] = {"kind": type(guardrail).__name__}
        if behavior:
            metadata["behavior"] = behavior
        for name in ("tool_name", "tool_call_id"):
            value = getattr(self._context, name, None)
            if type(value) is str:
                metadata[name] = value
        if message is not None:
            metadata["message"] = capture.text(message, "policy.metadata.message")
        record_policy(
            self._recorder,
            node.run,
            node.parent_span_id,
            _name_of(guardrail),
            "deny" if denied else "allow",
            capture=capture,
            rationale="" if info is None else capture.text(info, "policy.rationale"),
            metadata=metadata,
        )


def _name_of(guardrail: Any) -> str:
    function = getattr(guardrail, "guardrail_function", None)
    name = read_text(guardrail, "name") or read_text(function, "__name__")
    return name or type(guardrail).__name__


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
