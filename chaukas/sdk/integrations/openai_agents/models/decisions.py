"""Record that an answer was withheld: refused by its model, or filtered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaukas.sdk.events import EventType

if TYPE_CHECKING:
    from typing import Any

    from chaukas.sdk.integrations.openai_agents.state import AgentsRun, Invocation
    from chaukas.sdk.record.recorder import Recorder

__all__ = ["CONTENT_FILTER", "note_filter", "note_refusal", "note_withheld"]

CONTENT_FILTER = "content_filter"


def note_withheld(
    recorder: Recorder, invocation: Invocation, facts: dict[str, Any], reason: str
) -> None:
    """Record what an answer that came tells of a filter or a refusal."""
    if reason == CONTENT_FILTER and invocation.answer is not None:
        note_filter(recorder, invocation)
    elif "refusal" in facts:
        note_refusal(recorder, invocation.run, facts["refusal"])


def note_filter(recorder: Recorder, invocation: Invocation) -> None:
    """Record a content filter that ended the call, as POLICY_DECISION deny."""
    pair = invocation.pair
    recorder.emit(
        EventType.POLICY_DECISION,
        invocation.run,
        {"policy": {"policy_id": CONTENT_FILTER, "outcome": "deny"}},
        parent_span_id=pair.span_id if pair else "",
        severity="SEVERITY_WARN",
    )


def note_refusal(recorder: Recorder, run: AgentsRun, refusal: str) -> None:
    """Record a refusal of the model, as POLICY_DECISION deny."""
    capture = recorder.capture(run)
    recorder.emit(
        EventType.POLICY_DECISION,
        run,
        {
            "policy": {
                "policy_id": "model_refusal",
                "outcome": "deny",
                "rationale": capture.text(refusal, "policy.rationale"),
            }
        },
        parent_span_id=run.agent_span_id,
        capture=capture,
        severity="SEVERITY_WARN",
    )
