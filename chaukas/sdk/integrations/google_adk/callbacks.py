"""Record what a run is told, and callbacks that answer in place of a step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.base import Part
from chaukas.sdk.integrations.shared.policies import record_policy
from chaukas.sdk.patching import in_place_of
from chaukas.sdk.record.context import CURRENT
from chaukas.sdk.system.internal_errors import attempt

from .facts import parts_of, text_in
from .state import Invocation, invocation_of, run_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.integrations.base import Host
    from chaukas.sdk.integrations.shared.runs import AgentRun, Runs
    from chaukas.sdk.patching import Wrap

__all__ = ["TOOL_AUTH", "Callbacks", "when_answered"]

_CHANGING = "on_user_message_callback"
TOOL_AUTH = "tool_auth"
"""Policy by which a tool asks for a credential."""


def when_answered(note: Callable[[Any], object]) -> Wrap:
    """
    Return a wrapper of what runs callbacks, of which most answer nothing.

    Args:
        note: Called with an answer.
    """

    async def watched(
        wrapped: Any, _instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        result = await wrapped(*args, **kwargs)
        if result is not None:
            attempt("callback", note, result)
        return result

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        node = CURRENT.get()
        if node is not None and not node.run.sampled:
            return wrapped(*args, **kwargs)
        return in_place_of(watched, wrapped, instance, args, kwargs)

    return wrapper


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
        return when_answered(partial(self.answered, policy_id))

    @staticmethod
    def _changed() -> None:
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

    def answered(self, policy_id: str, result: Any) -> None:
        """Record that a callback answered in place of what it was called before."""
        run = run_at()
        if run is None or not parts_of(result):
            return
        if policy_id == _CHANGING:
            self._changed()
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
