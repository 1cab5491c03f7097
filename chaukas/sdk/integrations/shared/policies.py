"""Record decisions: what a rule, a guardrail or a person allowed, denied or wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.record import content

if TYPE_CHECKING:
    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import AgentRef, Run
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["record_policy"]


def record_policy(
    recorder: Recorder,
    run: Run,
    parent_span_id: str,
    policy_id: Any,
    outcome: str,
    *,
    capture: DeferredCapture | None = None,
    agent: AgentRef | None = None,
    **members: Any,
) -> None:
    """
    Record a POLICY_DECISION; one that denies is a warning.

    Args:
        recorder: Where to record.
        run: Run that it concerns.
        parent_span_id: The span that it stands under.
        policy_id: Which policy decided.
        outcome: `allow`, `deny`, `review` or `override`.
        capture: What captured the members.
        agent: Agent to name instead of the one in force.
        **members: As for `content.policy`.
    """
    recorder.emit(
        EventType.POLICY_DECISION,
        run,
        content.policy(policy_id, outcome, **members),
        parent_span_id=parent_span_id,
        agent=agent,
        capture=capture,
        severity="SEVERITY_WARN" if outcome == "deny" else "",
    )
