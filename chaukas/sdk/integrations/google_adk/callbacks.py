"""Record what a run is told, and callbacks that answer in place of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.integrations.shared.policies import record_policy

from .facts import parts_of, text_in
from .state import Invocation, invocation_of, run_at

if TYPE_CHECKING:
    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import AgentRun, Runs
    from chaukas.sdk.patching import Wrap

__all__ = ["TOOL_AUTH", "Callbacks"]

_CHANGING = "on_user_message_callback"
TOOL_AUTH = "tool_auth"
"""Policy by which a tool asks for a credential."""


class _Answering(Observation):
    """Callbacks that may answer in place of a step."""

    def __init__(self, callbacks: Callbacks, policy_id: str) -> None:
        self._callbacks, self._policy_id = callbacks, policy_id

    def ended(self, result: Any) -> None:
        """Record an answer."""
        if parts_of(result):
            if self._policy_id == _CHANGING:
                self._callbacks.changed()
            self._callbacks.answered(result, self._policy_id)


class Callbacks(Part):
    """
    What callbacks and plugins say, and what the user said before.

    Args:
        host: Where to record.
        runs: Records what came in.
    """

    def __init__(self, host: Host, runs: Runs) -> None:
        super().__init__(host)
        self._runs = runs

    def hook(self, policy_id: str) -> Wrap:
        """Return the wrapper of what runs callbacks, which answer in a content."""
        return observe_async(lambda *_: _Answering(self, policy_id))

    @staticmethod
    def changed() -> None:
        """Note that a plugin has put something else in place of what the user said."""
        top = invocation_of(run_at())
        if top is not None:
            top.inputs = [
                (said, {**facts, "changed_by_plugin": True})
                for said, facts in top.inputs
            ]

    def note_inputs(self, run: Invocation, to: AgentRun | None = None) -> None:
        """Record what the user said, under the first agent or, without one, alone."""
        inputs, run.inputs = run.inputs, []
        for said, facts in inputs:
            self._runs.note_input(run, [said], facts or None, to=to)
        credentials, run.credentials = run.credentials, {}
        for call_id, is_given in credentials.items():
            record_policy(
                self._recorder,
                run if to is None else to,
                run.agent_span_id if to is None else to.agent_span_id,
                TOOL_AUTH,
                "allow" if is_given else "deny",
                rule_ids=[call_id],
            )

    def answered(self, result: Any, policy_id: str) -> None:
        """Record that a callback answered in place of what it was called before."""
        run = run_at()
        if run is None:
            return
        top = invocation_of(run)
        if top is not None:
            self.note_inputs(top, None if top is run else run)
        capture = self._recorder.capture(run)
        rationale = capture.text(text_in(result), "policy.rationale")
        record_policy(
            self._recorder,
            run,
            run.agent_span_id,
            policy_id,
            "override",
            rationale=rationale,
            capture=capture,
        )
