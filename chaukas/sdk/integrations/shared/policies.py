"""Record decisions: what a rule, a guardrail or a person allowed, denied or wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaukas.sdk.events import EventType
from chaukas.sdk.record import content

if TYPE_CHECKING:
    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.record.context import AgentRef, Run
    from chaukas.sdk.record.recorder import Recorder

    from .nested.runs import Here

__all__ = ["decide", "record_policy"]


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


def decide(
    recorder: Recorder,
    place: Here,
    policy_id: str,
    outcome: str,
    facts: dict[str, Any] | None = None,
    *,
    rationale: Any = None,
    **members: Any,
) -> None:
    """
    Record a POLICY_DECISION at a place, which is closed afterwards.

    Args:
        recorder: Where to record.
        place: Where it stands.
        policy_id: Which policy decided.
        outcome: `allow`, `deny`, `review` or `override`.
        facts: Names and numbers; what is empty is left out.
        rationale: Why, uncaptured; anything but a text is left out.
        **members: Further ones, as for `content.policy`.
    """
    capture = recorder.capture(place.run)
    if type(rationale) is str and rationale:
        members["rationale"] = capture.text(rationale, "policy.rationale")
    record_policy(
        recorder,
        place.run,
        place.span_id,
        policy_id,
        outcome,
        capture=capture,
        metadata=content.without_defaults(facts or {}),
        **members,
    )
    place.close()
