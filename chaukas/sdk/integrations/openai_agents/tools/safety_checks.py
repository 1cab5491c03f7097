"""Record what the application decides about the safety checks of a computer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.openai_agents.state import current_run
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.integrations.shared.read import read, read_text
from chaukas.sdk.patching import Patch
from chaukas.sdk.record.context import CURRENT, Node
from chaukas.sdk.record.recorder import without_defaults
from chaukas.sdk.system.internal_errors import attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.integrations.openai_agents.state import AgentsRun
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["SafetyChecks", "note_safety_checks"]

_DECISION = ("POLICY_DECISION",)


class SafetyChecks(Part):
    """Wrappers around the execution of a computer's calls."""

    def patches(self) -> Sequence[Patch]:
        """Return the patches, outermost first."""
        return (
            Patch(
                "agents.run_internal.tool_execution:execute_computer_actions",
                observe_async(self._executed),
                _DECISION,
                everywhere=True,
                min_version="0.8",
            ),
            Patch(
                "agents.tool:ComputerToolSafetyCheckData.__init__",
                self.asked,
                _DECISION,
            ),
        )

    def _executed(
        self, _instance: Any, _args: Any, kwargs: dict[str, Any]
    ) -> Observation | None:
        run, actions = current_run(), kwargs.get("actions")
        is_idle = type(actions) is list and not actions
        return None if run is None or is_idle else _Executed(self._recorder, run)

    @staticmethod
    def asked(wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Wrap the making of what the application is asked about a safety check."""
        node = CURRENT.get()
        if node is not None and type(node.detail) is list:
            call_id = getattr(kwargs.get("tool_call"), "call_id", None)
            node.detail.append((call_id, kwargs.get("safety_check")))
        return wrapped(*args, **kwargs)


class _Executed(Observation):
    """The computer calls of one response, checks included."""

    def __init__(self, recorder: Recorder, run: AgentsRun) -> None:
        self._recorder = recorder
        self._run = run
        self._asked: list[Any] = []
        self.node = Node(run, run.agent_span_id, "agent", self._asked)

    def failed(self, error: BaseException) -> None:
        if self._asked and type(error).__name__ == "UserError":
            # One refusal ends the run: it was the last that was asked for.
            call_id, check = self._asked[-1]
            note_safety_checks(self._recorder, self._run, call_id, [check], "deny")


def note_safety_checks(
    recorder: Recorder, run: AgentsRun, call_id: Any, checks: Any, outcome: str
) -> None:
    """Record what the application decided about a computer's safety *checks*."""
    for check in checks:
        attempt("safety check", _note, recorder, run, call_id, check, outcome)


def _note(
    recorder: Recorder, run: AgentsRun, call_id: Any, check: Any, outcome: str
) -> None:
    capture = recorder.capture(run)
    code, message = read_text(check, "code"), read(check, "message")
    metadata = {"tool_call_id": call_id, "check_id": read(check, "id")}
    is_text = type(message) is str
    record_policy(
        recorder,
        run,
        run.agent_span_id,
        "computer_safety_check",
        outcome,
        capture=capture,
        rule_ids=[code] if code else [],
        rationale=capture.text(message, "policy.rationale") if is_text else "",
        metadata=without_defaults(metadata),
    )
